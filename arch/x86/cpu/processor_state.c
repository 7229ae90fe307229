/*
 * Reading what has to be equal on all processors, and adopting it.
 */
#include "processor_state.h"

#include "compiler.h"
#include "control.h"
#include "instructions.h"
#include "mem.h"
#include "x86/registers.h"

/* Processors that share MTRRs (two threads of one core) must not change them at the same time. */
static bool changing;

static const uint32_t fixed_msrs[MTRR_FIXED_COUNT] = {
    MSR_MTRR_FIX_64K,    MSR_MTRR_FIX_16K,    MSR_MTRR_FIX_16K + 1, MSR_MTRR_FIX_4K,
    MSR_MTRR_FIX_4K + 1, MSR_MTRR_FIX_4K + 2, MSR_MTRR_FIX_4K + 3,  MSR_MTRR_FIX_4K + 4,
    MSR_MTRR_FIX_4K + 5, MSR_MTRR_FIX_4K + 6, MSR_MTRR_FIX_4K + 7,
};

static bool has_feature(unsigned int bit)
{
    return (cpuid(CPUID_FEATURE).edx >> bit & 1) != 0;
}

static void mtrrs_read(struct mtrrs *out)
{
    uint64_t capabilities;

    memset(out, 0, sizeof(*out));
    if (!has_feature(CPUID_MTRR_BIT)) {
        return;
    }
    capabilities = msr_read(MSR_MTRR_CAP);
    out->variable_count = (uint32_t)(capabilities & MTRR_CAP_VARIABLE);
    if (out->variable_count > MTRR_VARIABLE_MOST) {
        out->variable_count = MTRR_VARIABLE_MOST;
    }
    out->fixed_count = (capabilities & MTRR_CAP_FIXED) != 0 ? MTRR_FIXED_COUNT : 0;
    out->default_type = msr_read(MSR_MTRR_DEFAULT);
    for (uint32_t i = 0; i < out->fixed_count; i++) {
        out->fixed[i] = msr_read(fixed_msrs[i]);
    }
    for (uint32_t i = 0; i < 2 * out->variable_count; i++) {
        out->variable[i] = msr_read(MSR_MTRR_VARIABLE + i);
    }
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static bool mtrrs_equal(const struct mtrrs *a, const struct mtrrs *b)
{
    uint64_t differences = a->default_type ^ b->default_type;

    for (uint32_t i = 0; i < least(a->fixed_count, b->fixed_count); i++) {
        differences |= a->fixed[i] ^ b->fixed[i];
    }
    for (uint32_t i = 0; i < 2 * least(a->variable_count, b->variable_count); i++) {
        differences |= a->variable[i] ^ b->variable[i];
    }
    return differences == 0;
}

void processor_state_read(struct processor_state *out)
{
    out->cr0 = cr0_read();
    out->cr4 = cr4_read();
    out->efer = msr_read(MSR_EFER);
    out->pat = has_feature(CPUID_PAT_BIT) ? msr_read(MSR_PAT) : 0;
    mtrrs_read(&out->mtrrs);
}

bool processor_state_equal(const struct processor_state *a, const struct processor_state *b)
{
    return a->cr0 == b->cr0 && a->cr4 == b->cr4 && a->efer == b->efer && a->pat == b->pat &&
           mtrrs_equal(&a->mtrrs, &b->mtrrs);
}

static void caches_flush(void)
{
    asm volatile("wbinvd" : : : "memory");
    page_tables_use(page_tables_in_use());
}

/* SDM section 12.11.8, from step 4 on: no cache and no TLB may hold anything while types change. */
static void memory_types_write(const struct processor_state *wanted, const struct mtrrs *own)
{
    const struct mtrrs *mtrrs = &wanted->mtrrs;
    const uint64_t cr0 = cr0_read();
    const uint64_t cr4 = cr4_read();

    cr0_write((cr0 | CR0_CD) & ~CR0_NW);
    caches_flush();
    cr4_write(cr4 & ~CR4_PGE);
    if (own->variable_count > 0) {
        msr_write(MSR_MTRR_DEFAULT, own->default_type & ~MTRR_ENABLED);
        for (uint32_t i = 0; i < least(mtrrs->fixed_count, own->fixed_count); i++) {
            msr_write(fixed_msrs[i], mtrrs->fixed[i]);
        }
        for (uint32_t i = 0; i < 2 * least(mtrrs->variable_count, own->variable_count); i++) {
            msr_write(MSR_MTRR_VARIABLE + i, mtrrs->variable[i]);
        }
        msr_write(MSR_MTRR_DEFAULT, mtrrs->default_type);
    }
    if (wanted->pat != 0) {
        msr_write(MSR_PAT, wanted->pat);
    }
    caches_flush();
    cr0_write(cr0);
    cr4_write(cr4);
}

static bool memory_types_equal(const struct processor_state *wanted, struct processor_state *own)
{
    processor_state_read(own);
    return own->pat == wanted->pat && mtrrs_equal(&own->mtrrs, &wanted->mtrrs);
}

void processor_state_adopt(const struct processor_state *wanted)
{
    struct processor_state own;

    if (!memory_types_equal(wanted, &own)) {
        while (__atomic_test_and_set(&changing, __ATOMIC_ACQUIRE)) {
            processor_pause();
        }
        /* Again: the other thread of this core may have done it. */
        if (!memory_types_equal(wanted, &own)) {
            memory_types_write(wanted, &own.mtrrs);
        }
        __atomic_clear(&changing, __ATOMIC_RELEASE);
    }
    processor_control_adopt(wanted);
}

void processor_control_adopt(const struct processor_state *wanted)
{
    msr_write(MSR_EFER, wanted->efer);
    cr4_write(wanted->cr4);
    cr0_write(wanted->cr0);
}

static INIT struct cpu_features features_read(void)
{
    struct cpu_features features = {.basic_edx = cpuid(CPUID_FEATURE).edx,
                                    .extended_edx = cpuid(CPUID_EXT_FEATURE).edx};

    if (cpuid(CPUID_VENDOR).eax >= CPUID_STRUCTURED) {
        features.structured_ebx = cpuid(CPUID_STRUCTURED).ebx;
        features.structured_ecx = cpuid(CPUID_STRUCTURED).ecx;
    }
    return features;
}

INIT void processor_state_establish(void)
{
    const struct cpu_features features = features_read();
    const struct control_state control = control_wanted(&features);
    struct processor_state state;

    processor_state_read(&state);
    state.cr0 = control.cr0;
    state.cr4 = control.cr4;
    state.efer = control.efer;
    state.pat = control.pat;
    processor_state_adopt(&state);
}

void processor_state_leave(void)
{
    cr4_write(CR4_PAE);
}
