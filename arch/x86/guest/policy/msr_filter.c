/* MSRs that a guest reaches only through Berth: the table, the decisions, and the bitmaps made of it. */
#include "msr_filter.h"

#include <stdbool.h>
#include <stddef.h>

#include "mem.h"
#include "x86/apic.h"
#include "x86/hidden.h"
#include "x86/registers.h"

enum rule {
    PASSES, /* not intercepted */
    FAULTS,
    IS_EFER,
    IS_VM_CR,
    IS_FEATURE_CONTROL,
    IS_CORE_CAPABILITIES,
    IS_APIC_BASE,
    IS_COMMAND, /* x2APIC's interrupt command */
    IS_SYSTEM_CONFIG,
    DROPS, /* a write: nothing happens */
};

static const struct msr_rule {
    uint32_t first, last;
    bool svm, vmx; /* with which maker it holds */
    uint8_t read, write;
} rules[] = {
    {MSR_EFER, MSR_EFER, true, false, IS_EFER, IS_EFER},
    {MSR_X2APIC(APIC_COMMAND), MSR_X2APIC(APIC_COMMAND), true, false, PASSES, IS_COMMAND},
    {MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL, false, true, IS_FEATURE_CONTROL, FAULTS},
    {MSR_MICROCODE, MSR_MICROCODE, false, true, PASSES, DROPS},
    {MSR_CORE_CAPABILITIES, MSR_CORE_CAPABILITIES, false, true, IS_CORE_CAPABILITIES, FAULTS},
    {MSR_REMOTE_CONTROL, MSR_REMOTE_INFO, false, true, FAULTS, FAULTS},
    {MSR_TME_ACTIVATE, MSR_TME_ACTIVATE, false, true, PASSES, FAULTS},
    {MSR_VMX_BASIC, MSR_VMX_EXIT_CTLS2, false, true, FAULTS, FAULTS},
    {MSR_PEBS_ENABLE, MSR_PEBS_ENABLE, false, true, FAULTS, FAULTS},
    {MSR_TRACE_OUTPUT, MSR_TRACE_OUTPUT + 1, false, true, FAULTS, FAULTS},
    {MSR_TRACE_CONTROL, MSR_TRACE_CONTROL + 2, false, true, FAULTS, FAULTS},
    {MSR_TRACE_ADDRESS, MSR_TRACE_ADDRESS + 7, false, true, FAULTS, FAULTS},
    {MSR_DS_AREA, MSR_DS_AREA, false, true, FAULTS, FAULTS},
    {MSR_FEEDBACK_POINTER, MSR_FEEDBACK_CONFIG, false, true, FAULTS, FAULTS},
    {MSR_APIC_BASE, MSR_APIC_BASE, true, true, PASSES, IS_APIC_BASE},
    {MSR_VM_CR, MSR_VM_CR, true, false, IS_VM_CR, IS_VM_CR},
    {MSR_SMM_CTL, MSR_SVM_KEY, true, false, FAULTS, FAULTS},
    {MSR_SYSTEM_CONFIG, MSR_SYSTEM_CONFIG, true, false, PASSES, IS_SYSTEM_CONFIG},
};
#define RULES (sizeof(rules) / sizeof(rules[0]))

static bool holds(const struct msr_rule *rule, enum msr_maker maker)
{
    return maker == MSR_OF_SVM ? rule->svm : rule->vmx;
}

/* What no bitmap lets pass, and no rule names, is not there. */
static const struct msr_rule *find(uint32_t msr, enum msr_maker maker)
{
    static const struct msr_rule absent = {.read = FAULTS, .write = FAULTS};

    for (size_t i = 0; i < RULES; i++) {
        if (msr >= rules[i].first && msr <= rules[i].last && holds(&rules[i], maker)) {
            return &rules[i];
        }
    }
    return &absent;
}

static struct msr_decision fault(void)
{
    return (struct msr_decision){MSR_FAULT, 0};
}

static struct msr_decision efer_write(uint64_t value, const struct msr_context *context)
{
    const uint64_t allowed = (context->efer_allowed & ~(uint64_t)EFER_SVME) | EFER_LMA;

    if ((value & ~allowed) || ((context->cr0 & CR0_PG) && ((value ^ context->efer) & EFER_LME))) {
        return fault();
    }
    return (struct msr_decision){MSR_SET_EFER, (value & ~EFER_LMA) | (context->efer & EFER_LMA)};
}

/* SDM volume 3A, figure 11-27: how an APIC gets from one mode into another. */
static bool apic_mode_follows(uint64_t now, uint64_t next, const struct msr_context *context)
{
    if (!(next & APIC_BASE_X2APIC)) {
        return !(now & APIC_BASE_X2APIC) || (!(next & APIC_BASE_ENABLED) && !context->x2apic_stays);
    }
    return context->x2apic && (next & APIC_BASE_ENABLED) && (now & APIC_BASE_ENABLED);
}

/* The page stays where it is: Berth sends messages through it, and what lies elsewhere is not the guest's to hide. */
static struct msr_decision apic_base_write(uint64_t value, const struct msr_context *context)
{
    const uint64_t mode = APIC_BASE_X2APIC | APIC_BASE_ENABLED;
    const uint64_t now = context->apic_base;

    if (((value ^ now) & ~(mode | APIC_BASE_FIRST_PROCESSOR)) ||
        !apic_mode_follows(now, value, context)) {
        return fault();
    }
    return (struct msr_decision){MSR_DO, (now & ~mode) | (value & mode)};
}

/* Whether addresses have a bit for encryption, and the like, stays as the nested tables were built for. */
static struct msr_decision system_config_write(uint64_t value, const struct msr_context *context)
{
    if ((value ^ context->system_config) & ~(uint64_t)SYSTEM_CONFIG_TYPES) {
        return fault();
    }
    return (struct msr_decision){MSR_DO, value};
}

static struct msr_decision command_write(uint64_t value, const struct msr_context *context)
{
    const uint64_t mode = APIC_BASE_X2APIC | APIC_BASE_ENABLED;

    if ((context->apic_base & mode) != mode) {
        return fault();
    }
    return (struct msr_decision){MSR_IPI, value};
}

struct msr_decision msr_read_decide(uint32_t msr, const struct msr_context *context)
{
    switch (find(msr, context->maker)->read) {
    case IS_EFER:
        return (struct msr_decision){MSR_ANSWER, context->efer & ~(uint64_t)EFER_SVME};
    case IS_VM_CR:
        return (struct msr_decision){MSR_ANSWER, VM_CR_SVM_OFF | VM_CR_LOCK};
    case IS_FEATURE_CONTROL:
        return (struct msr_decision){
            MSR_ANSWER, (context->feature_control & ~(uint64_t)FEATURE_CONTROL_VIRTUAL) |
                            FEATURE_CONTROL_LOCKED};
    case IS_CORE_CAPABILITIES:
        if (!context->has_core_capabilities) {
            return fault();
        }
        return (struct msr_decision){MSR_ANSWER, context->core_capabilities &
                                                     ~(uint64_t)CORE_HAS_REMOTE_ACTIONS};
    default:
        return fault();
    }
}

struct msr_decision msr_write_decide(uint32_t msr, uint64_t value,
                                     const struct msr_context *context)
{
    switch (find(msr, context->maker)->write) {
    case IS_COMMAND:
        return command_write(value, context);
    case IS_EFER:
        return efer_write(value, context);
    case IS_APIC_BASE:
        return apic_base_write(value, context);
    case IS_SYSTEM_CONFIG:
        return system_config_write(value, context);
    case IS_VM_CR:
        return value & ~(uint64_t)VM_CR_DEFINED ? fault() : (struct msr_decision){MSR_DROP, 0};
    case DROPS:
        return (struct msr_decision){MSR_DROP, 0};
    default:
        return fault();
    }
}

/* --- bitmaps --------------------------------------------------------------------------------------------------- */

/*
 * Both have a part for each 0x2000 MSRs, from one of these on. AMD APM volume 2, section 15.11: of 0x800 bytes, two
 * bits for each MSR. Intel SDM volume 3C, section 24.6.9: of 0x400 bytes, those for writing behind those for reading.
 */
#define PART_MSRS 0x2000u
static const uint32_t parts[] = {0x00000000, 0xc0000000, 0xc0010000};

/* Where the bits are. */
struct shape {
    enum msr_maker maker;
    uint32_t bytes;
    uint32_t parts;
    uint32_t part_bits;  /* from a part to the next one */
    uint32_t msr_bits;   /* from an MSR to the next one */
    uint32_t write_bits; /* from the bit for reading an MSR to that for writing it */
};
static const struct shape svm_shape = {MSR_OF_SVM, MSR_BITMAP_SVM_BYTES, 3, 0x800 * 8, 2, 1};
static const struct shape vmx_shape = {MSR_OF_VMX, MSR_BITMAP_VMX_BYTES, 2, 0x400 * 8, 1,
                                       0x800 * 8};

static void set_bit(uint8_t *map, uint32_t bit)
{
    map[bit / 8] |= (uint8_t)(1u << bit % 8);
}

static void intercept(uint8_t *map, const struct shape *shape, const struct msr_rule *rule,
                      uint32_t msr)
{
    for (uint32_t i = 0; i < shape->parts; i++) {
        if (msr - parts[i] < PART_MSRS) {
            const uint32_t bit = i * shape->part_bits + (msr - parts[i]) * shape->msr_bits;

            if (rule->read != PASSES) {
                set_bit(map, bit);
            }
            if (rule->write != PASSES) {
                set_bit(map, bit + shape->write_bits);
            }
        }
    }
}

static void fill(uint8_t *map, const struct shape *shape)
{
    memset(map, 0, shape->bytes);
    for (size_t i = 0; i < RULES; i++) {
        if (!holds(&rules[i], shape->maker)) {
            continue;
        }
        for (uint32_t msr = rules[i].first; msr <= rules[i].last; msr++) {
            intercept(map, shape, &rules[i], msr);
        }
    }
}

void msr_bitmap_svm(uint8_t map[MSR_BITMAP_SVM_BYTES])
{
    fill(map, &svm_shape);
}

void msr_bitmap_vmx(uint8_t map[MSR_BITMAP_VMX_BYTES])
{
    fill(map, &vmx_shape);
}
