/*
 * The EFI stage: everything between the firmware's jump and ExitBootServices. Private to efi/.
 */
#ifndef EFI_STAGE_H
#define EFI_STAGE_H

#include "abi/efi.h"
#include "boot_info.h"
#include "config.h"
#include "efi_handoff.h"

/* Who called. */
struct efi_start {
    uint64_t base; /* of the image that is running */
    uint64_t
        loaded_at; /* of the image that the firmware started; differs when it lay above 4 GiB */
    uint64_t entry_tsc;
    enum entry_path path;
    uint32_t info_pa; /* multiboot2 only */
    efi_handle image;
    struct efi_system_table *system;
};

/* Printing, on the firmware's console and on COM1, until ExitBootServices. */
void efi_console_start(struct efi_system_table *system);
void efi_console_stop(void);

/*
 * Memory for a module below 4 GiB.
 *
 * @return  its address, 0 when there is none
 */
uint64_t efi_memory_below_4g(struct efi_system_table *system, uint64_t bytes);

/*
 * The configuration of an image started by the firmware: modules and command lines into the handoff.
 *
 * @return  EFI_SUCCESS, or what to return to the firmware; the error has been printed
 */
efi_status efi_load_guest(const struct efi_start *start, struct efi_handoff *handoff);

/* Ask the firmware for what only it knows: tables, framebuffer, Secure Boot. */
void efi_gather(const struct efi_start *start, struct efi_handoff *handoff);

#endif
