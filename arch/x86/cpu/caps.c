/*
 * CPUID -> cpu_caps. Source: Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E.
 */
#include "caps.h"

#include "instructions.h"
#include "x86/registers.h"

/* SDM volume 3A, section 4.1.4: without leaf 0x80000008 a processor with PAE has 36 bits. */
#define PHYSICAL_BITS_WITHOUT_LEAF 36
/* SDM volume 3A, section 4.5: the most that four-level paging can hold. */
#define PHYSICAL_BITS_MAX 52

/* Asked of PAT itself: whoever set it, or refused to. */
static bool pat_combines_writes(void)
{
    const bool has_pat = (cpuid(CPUID_FEATURE).edx >> CPUID_PAT_BIT & 1) != 0;

    return has_pat && (msr_read(MSR_PAT) >> PAT_4_SHIFT & PAT_TYPE_MASK) == PAT_TYPE_COMBINING;
}

struct cpu_caps cpu_caps_read(void)
{
    struct cpu_caps caps = {.physical_bits = PHYSICAL_BITS_WITHOUT_LEAF,
                            .combines_writes = pat_combines_writes()};

    if (cpuid(CPUID_EXT_MAX).eax >= CPUID_EXT_ADDRESS) {
        unsigned int bits = cpuid(CPUID_EXT_ADDRESS).eax & CPUID_EXT_ADDRESS_BITS;

        if (bits >= 32 && bits <= PHYSICAL_BITS_MAX) {
            caps.physical_bits = bits;
        }
    }
    if (cpuid(CPUID_EXT_MAX).eax >= CPUID_EXT_FEATURE) {
        caps.has_1gib_pages = (cpuid(CPUID_EXT_FEATURE).edx >> CPUID_EXT_1GIB_BIT & 1) != 0;
        caps.has_nx = (cpuid(CPUID_EXT_FEATURE).edx >> CPUID_EXT_NX_BIT & 1) != 0;
    }
    return caps;
}
