/* What CPUID tells a guest. On the way of every CPUID: leaves that nobody changes cost a few comparisons. */
#include "cpuid_filter.h"

#include <stdbool.h>

#include "abi/hypercall.h"
#include "x86/hidden.h"
#include "x86/registers.h"

_Static_assert(sizeof(HYPERCALL_SIGNATURE) - 1 == 3 * sizeof(uint32_t), "ebx, ecx, edx");

static uint32_t follow(uint32_t word, unsigned int bit, bool on)
{
    return (word & ~(1u << bit)) | (uint32_t)on << bit;
}

/* Four characters of the name, as they lie in a register. */
static uint32_t name_at(unsigned int at)
{
    static const char name[] = HYPERCALL_SIGNATURE;

    return (uint32_t)(uint8_t)name[at] | (uint32_t)(uint8_t)name[at + 1] << 8 |
           (uint32_t)(uint8_t)name[at + 2] << 16 | (uint32_t)(uint8_t)name[at + 3] << 24;
}

/* The one leaf is Berth's; the others would be those of a hypervisor that Berth itself runs in. */
static struct cpuid_leaf hypervisor_leaf(uint32_t leaf)
{
    struct cpuid_leaf told = {0, 0, 0, 0};

    if (leaf == CPUID_HYPERVISOR) {
        told = (struct cpuid_leaf){(uint32_t)CPUID_HYPERVISOR, name_at(0), name_at(4), name_at(8)};
    }
    return told;
}

static struct cpuid_leaf extended_leaf(uint32_t leaf, struct cpuid_leaf told)
{
    switch (leaf) {
    case CPUID_EXT_FEATURE:
        told.ecx &= ~(1u << CPUID_EXT_SVM_BIT);
        break;
    case CPUID_EXT_POWER:
        told.ebx &= ~(1u << CPUID_EXT_SMCA_BIT);
        break;
    case CPUID_EXT_SVM_FEATURES:
    case CPUID_EXT_ENCRYPTION:
    case CPUID_EXT_KEYS:
        told = (struct cpuid_leaf){0, 0, 0, 0};
        break;
    default:
        break;
    }
    return told;
}

/* Feature leaves: those below 0x40000000 of which something is hidden, or follows the guest's CR4. */
static struct cpuid_leaf basic_leaf(uint32_t leaf, uint32_t subleaf, struct cpuid_leaf told,
                                    uint64_t cr4)
{
    switch (leaf) {
    case CPUID_FEATURE:
        told.ecx &= ~(1u << CPUID_VMX_BIT | 1u << CPUID_SMX_BIT | 1u << CPUID_DTES64_BIT |
                      1u << CPUID_DS_CPL_BIT);
        told.ecx = follow(told.ecx, CPUID_OSXSAVE_BIT, cr4 & CR4_OSXSAVE);
        told.edx &= ~(1u << CPUID_DS_BIT);
        break;
    case CPUID_POWER:
        told.eax &= ~(1u << CPUID_FEEDBACK_BIT | 1u << CPUID_DIRECTOR_BIT);
        break;
    case CPUID_STRUCTURED:
        if (subleaf == 0) {
            told.ebx &= ~(1u << CPUID_TRACE_BIT);
            told.ecx = follow(told.ecx, CPUID_OSPKE_BIT, cr4 & CR4_PKE);
        } else if (subleaf == 1) {
            told.eax &= ~(1u << CPUID_MSRLIST_BIT);
            told.ecx &= ~(1u << CPUID_MSR_IMMEDIATE_BIT);
            told.edx &= ~(1u << CPUID_USER_MSR_BIT);
        }
        break;
    case CPUID_XSTATE:
        if (subleaf == 1) {
            told.ecx &= ~(1u << XSTATE_TRACE_BIT);
        } else if (subleaf == XSTATE_TRACE_BIT) {
            told = (struct cpuid_leaf){0, 0, 0, 0};
        }
        break;
    case CPUID_TRACE:
        told = (struct cpuid_leaf){0, 0, 0, 0};
        break;
    default:
        break;
    }
    return told;
}

struct cpuid_leaf cpuid_filter(uint32_t leaf, uint32_t subleaf, struct cpuid_leaf hardware,
                               uint64_t cr4)
{
    if (leaf >= CPUID_EXT_MAX) {
        return extended_leaf(leaf, hardware);
    }
    if (leaf >> CPUID_HYPERVISOR_DIGIT_SHIFT == CPUID_HYPERVISOR >> CPUID_HYPERVISOR_DIGIT_SHIFT) {
        return hypervisor_leaf(leaf);
    }
    return basic_leaf(leaf, subleaf, hardware, cr4);
}
