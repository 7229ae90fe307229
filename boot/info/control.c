/*
 * CPUID -> control registers, EFER and PAT; the width of addresses.
 */
#include "control.h"

#include "x86/hidden.h"
#include "x86/registers.h"

/* SDM volume 3A, section 4.1.4: without leaf 0x80000008 a processor with PAE has 36 bits. */
#define PHYSICAL_BITS_WITHOUT_LEAF 36
#define PHYSICAL_BITS_LEAST        32
/* SDM volume 3A, section 4.5: the most that four-level paging can hold. */
#define PHYSICAL_BITS_MOST 52

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

static unsigned int key_bits(const struct address_words *words)
{
    if ((words->encryption_eax & ENCRYPTION_IS_THERE) != 0 &&
        (words->system_config >> SYSTEM_CONFIG_ENCRYPTION & 1) != 0) {
        return words->encryption_ebx >> ENCRYPTION_BITS_AT & ENCRYPTION_BITS;
    }
    return (words->tme_activate & TME_LOCKED_ON) == TME_LOCKED_ON
               ? words->tme_activate >> TME_KEY_BITS_AT & TME_KEY_BITS
               : 0;
}

unsigned int physical_address_bits(const struct address_words *words)
{
    const unsigned int told = words->addresses_eax & CPUID_EXT_ADDRESS_BITS;
    const unsigned int keys = key_bits(words);

    if (told < PHYSICAL_BITS_LEAST || told > PHYSICAL_BITS_MOST) {
        return PHYSICAL_BITS_WITHOUT_LEAF;
    }
    return told < PHYSICAL_BITS_LEAST + keys ? PHYSICAL_BITS_LEAST : told - keys;
}
