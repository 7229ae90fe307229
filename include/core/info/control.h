/*
 * What the control registers, EFER and PAT of every processor are to hold: chosen by what CPUID says, never by what
 * firmware or loader left in them.
 */
#ifndef INFO_CONTROL_H
#define INFO_CONTROL_H

#include <stdint.h>

/* The words of CPUID that decide; 0 for a leaf that a processor does not have. */
struct cpu_features {
    uint32_t basic_edx;      /* leaf 1 */
    uint32_t structured_ebx; /* leaf 7 */
    uint32_t structured_ecx;
    uint32_t extended_edx; /* leaf 0x80000001 */
};

struct control_state {
    uint64_t cr0, cr4, efer;
    uint64_t pat; /* PAT_LAYOUT; 0 where there is none */
};

/*
 * Long mode with four levels of page tables, write protection, machine checks; and where the processor has them
 * no-execute, global pages, SMEP, SMAP, UMIP and PAT. Everything else is off.
 *
 * Source:  Intel SDM volume 3A, sections 2.2.1 (EFER), 2.5 (control registers), 12.12 (PAT); AMD APM volume 2,
 *          section 3.1
 */
struct control_state control_wanted(const struct cpu_features *features);

#endif
