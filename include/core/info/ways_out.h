/*
 * The ways out: by what a machine can be restarted or switched off, as far as is known by then.
 */
#ifndef INFO_WAYS_OUT_H
#define INFO_WAYS_OUT_H

#include <stdbool.h>

#include "acpi.h"
#include "boot_info.h"
#include "cursor.h"

enum exit_goal {
    EXIT_RESTART,
    EXIT_POWER_OFF,
};

/* In the order in which they are tried. */
enum way_out {
    WAY_ACPI,
    WAY_EFI,
    WAY_KEYBOARD,     /* the keyboard controller's line to the processor's reset */
    WAY_PCI,          /* the chipset's reset register among the ports */
    WAY_TRIPLE_FAULT, /* what a processor cannot report */
    WAYS_OUT,
};

/* What is known of the machine by now. NULL: it has not been read yet. Writer: cpu/stop.c. */
struct exit_known {
    const struct boot_info *info;
    const struct acpi_info *acpi;
};

struct way_check {
    bool exists; /* as far as is known; a way that does not exist is nothing to talk about */
    const char *
        bar; /* why it cannot be used all the same, as a clause; NULL: nothing is known against it */
};

/*
 * Can this way be taken?
 *
 * @memory  where the firmware's tables can be read, the low 4 GiB; nothing in it is trusted
 */
struct way_check way_out_check(enum way_out way, enum exit_goal goal,
                               const struct exit_known *known, const struct physical_view *memory);

/*
 * The firmware's runtime service ResetSystem. The runtime services' table has to be what it says by its signature and
 * its checksum, and the service to lie in memory that the firmware keeps for them.
 *
 * @bar     receives what is wrong, as a clause
 * @return  its address, below 4 GiB; 0: it cannot be called
 * Source:  UEFI specification 2.10, sections 4.2, 4.3 and 4.5
 */
uint64_t efi_reset_system(const struct boot_efi *efi, const struct physical_view *memory,
                          const char **bar);

#endif
