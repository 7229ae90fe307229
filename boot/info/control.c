/*
 * CPUID -> control registers, EFER and PAT.
 */
#include "control.h"

#include "x86/registers.h"

/* `value` where the processor has the feature. */
static uint64_t where(uint32_t word, unsigned int bit, uint64_t value)
{
    return (word >> bit & 1) != 0 ? value : 0;
}

struct control_state control_wanted(const struct cpu_features *features)
{
    return (struct control_state){
        .cr0 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE,
        /* A processor with 64-bit mode has machine checks. */
        .cr4 = CR4_PAE | CR4_MCE | where(features->basic_edx, CPUID_PGE_BIT, CR4_PGE) |
               where(features->structured_ebx, CPUID_SMEP_BIT, CR4_SMEP) |
               where(features->structured_ebx, CPUID_SMAP_BIT, CR4_SMAP) |
               where(features->structured_ecx, CPUID_UMIP_BIT, CR4_UMIP),
        .efer = EFER_LME | EFER_LMA | where(features->extended_edx, CPUID_EXT_NX_BIT, EFER_NXE),
        .pat = where(features->basic_edx, CPUID_PAT_BIT, PAT_LAYOUT),
    };
}
