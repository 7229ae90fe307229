/* What the processor can do, as far as later stages decide by it. Writer: arch/x86/cpu/caps.c.
 * Const afterwards. */
#ifndef CPU_CAPS_H
#define CPU_CAPS_H

#include <stdbool.h>

struct cpu_caps {
    unsigned int physical_bits; /* width of a physical address: physical_address_bits() */
    bool has_1gib_pages;        /* CPUID 0x80000001 EDX bit 26 */
    bool combines_writes;       /* the PAT in force has what PTE_WRITE_COMBINING means */
    bool has_nx;                /* CPUID 0x80000001 EDX bit 20 */
};

struct cpu_caps cpu_caps_read(void);

#endif
