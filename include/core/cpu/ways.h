/*
 * Taking the ways out of info/ways_out.h. Private to arch/x86/cpu.
 */
#ifndef CPU_WAYS_H
#define CPU_WAYS_H

#include "ways_out.h"

/*
 * What firmware_call32 reads. Source of how: UEFI specification 2.10, section 2.3.2 (IA-32).
 */
#define FIRMWARE_ARGUMENTS 4
struct call32 {
    uint32_t function;
    uint32_t arguments[FIRMWARE_ARGUMENTS];
    uint32_t stack_pa;   /* its top, a multiple of 16 */
    uint64_t own_stack;  /* the caller's, meanwhile */
    uint8_t own_gdt[16]; /* and its descriptor table: sgdt writes ten bytes */
};

/* Try one that way_out_check has nothing against. Returns when it has not worked within some time. */
void way_out_take(enum way_out way, enum exit_goal goal, const struct exit_known *known);

/* Wait at least so long. @acpi  NULL: not read yet */
void way_out_wait(const struct acpi_info *acpi, uint64_t us);

#endif
