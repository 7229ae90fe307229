/*
 * What the control registers, EFER and PAT of every processor are to hold: chosen by what CPUID says, never by what
 * firmware or loader left in them. And how wide its addresses are.
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

/* What decides how many bits of an address are memory's; 0 for a leaf or an MSR that a processor does not have. */
struct address_words {
    uint32_t addresses_eax;  /* CPUID leaf 0x80000008 */
    uint32_t encryption_eax; /* leaf 0x8000001f: AMD's memory encryption */
    uint32_t encryption_ebx;
    uint64_t system_config; /* AMD: says whether that is on */
    uint64_t tme_activate;  /* Intel's memory encryption with several keys */
};

/*
 * The width of a physical address: 32 to 52. Where memory is encrypted by keys that are chosen by upper bits of the
 * address, these are not counted: they are the same memory once more.
 *
 * Source:  Intel SDM volume 3A, section 4.1.4, volume 4, table 2-2 (IA32_TME_ACTIVATE); AMD APM volume 2, section
 *          7.10.1
 */
unsigned int physical_address_bits(const struct address_words *words);

#endif
