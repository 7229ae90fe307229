/*
 * CPUID -> cpu_caps. Source: Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E.
 */
#include "caps.h"

#include "control.h"
#include "instructions.h"
#include "x86/hidden.h"
#include "x86/registers.h"

/* Asked of PAT itself: whoever set it, or refused to. */
static bool pat_combines_writes(void)
{
    const bool has_pat = (cpuid(CPUID_FEATURE).edx >> CPUID_PAT_BIT & 1) != 0;

    return has_pat && (msr_read(MSR_PAT) >> PAT_4_SHIFT & PAT_TYPE_MASK) == PAT_TYPE_COMBINING;
}

static struct cpuid_leaf leaf_if_there(uint32_t leaf)
{
    const struct cpuid_leaf nothing = {0, 0, 0, 0};

    return cpuid(leaf & CPUID_EXT_MAX).eax >= leaf ? cpuid(leaf) : nothing;
}

/* The MSRs are there when CPUID speaks of what they are for. */
static struct address_words address_words_read(void)
{
    const struct cpuid_leaf encryption = leaf_if_there(CPUID_EXT_ENCRYPTION);
    struct address_words words = {
        .addresses_eax = leaf_if_there(CPUID_EXT_ADDRESS).eax,
        .encryption_eax = encryption.eax,
        .encryption_ebx = encryption.ebx,
    };

    if ((encryption.eax & ENCRYPTION_IS_THERE) != 0) {
        words.system_config = msr_read(MSR_SYSTEM_CONFIG);
    }
    if ((leaf_if_there(CPUID_STRUCTURED).ecx >> CPUID_TME_BIT & 1) != 0) {
        words.tme_activate = msr_read(MSR_TME_ACTIVATE);
    }
    return words;
}

struct cpu_caps cpu_caps_read(void)
{
    const struct address_words words = address_words_read();
    struct cpu_caps caps = {.physical_bits = physical_address_bits(&words),
                            .combines_writes = pat_combines_writes()};

    if (cpuid(CPUID_EXT_MAX).eax >= CPUID_EXT_FEATURE) {
        caps.has_1gib_pages = (cpuid(CPUID_EXT_FEATURE).edx >> CPUID_EXT_1GIB_BIT & 1) != 0;
        caps.has_nx = (cpuid(CPUID_EXT_FEATURE).edx >> CPUID_EXT_NX_BIT & 1) != 0;
    }
    return caps;
}
