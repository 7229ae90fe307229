/*
 * Memory types of physical addresses: a walk from one change to the next.
 */
#include "mtrr.h"

#include <stddef.h>

#include "x86/paging.h"
#include "x86/registers.h"

/* More changes than any firmware makes; masks with holes could make billions. */
#define RUNS_MOST 1024

/* From an address on. */
struct run {
    uint8_t type;
    uint64_t end;
};

static uint8_t type_of(uint64_t value)
{
    const uint8_t type = value & MTRR_TYPE_MASK;
    const unsigned int known = 1U << MEMORY_TYPE_UNCACHEABLE | 1U << MEMORY_TYPE_WRITE_COMBINING |
                               1U << MEMORY_TYPE_WRITE_THROUGH | 1U << MEMORY_TYPE_WRITE_PROTECTED |
                               1U << MEMORY_TYPE_WRITE_BACK;

    return type <= MEMORY_TYPE_WRITE_BACK && (known >> type & 1) != 0 ? type
                                                                      : MEMORY_TYPE_UNCACHEABLE;
}

/* Below 1 MiB: SDM volume 3A, table 12-9. */
static struct run fixed_run(const struct mtrrs *mtrrs, uint64_t at)
{
    const struct {
        uint64_t start;
        uint64_t bytes; /* of each of the eight parts */
        uint32_t first; /* its index in `fixed` */
    } kinds[] = {{MTRR_FIX_4K_START, KIB(4), 3}, {MTRR_FIX_16K_START, KIB(16), 1}, {0, KIB(64), 0}};
    uint32_t kind = 0;
    uint64_t part;

    while (at < kinds[kind].start) {
        kind++;
    }
    part = (at - kinds[kind].start) / kinds[kind].bytes;
    return (struct run){type_of(mtrrs->fixed[kinds[kind].first + part / MTRR_FIX_PARTS] >>
                                part % MTRR_FIX_PARTS * MTRR_TYPE_BITS),
                        kinds[kind].start + (part + 1) * kinds[kind].bytes};
}

/*
 * The lowest address above `at` that has the bits of `base` where the mask has ones; `end` when there is none below.
 * The longer it agrees with `at` from the top on, the lower it is.
 */
static uint64_t next_match(uint64_t at, uint64_t mask, uint64_t base, uint64_t end)
{
    for (uint64_t bit = PAGE_BYTES; bit < end; bit <<= 1) {
        const uint64_t above = ~(bit | (bit - 1));

        if ((at & bit) == 0 && ((at ^ base) & mask & above) == 0 && ((base | ~mask) & bit) != 0) {
            return (at & above) | bit | (base & (bit - 1));
        }
    }
    return end;
}

/* Which type wins where several ranges overlap: SDM volume 3A, section 12.11.4.1. */
static uint8_t strongest(unsigned int types, uint8_t otherwise)
{
    const unsigned int through = 1U << MEMORY_TYPE_WRITE_THROUGH;
    const unsigned int back = 1U << MEMORY_TYPE_WRITE_BACK;

    if (types == 0) {
        return otherwise;
    }
    if (types == (through | back)) {
        return MEMORY_TYPE_WRITE_THROUGH;
    }
    return (types & (types - 1)) == 0 ? (uint8_t)__builtin_ctz(types) : MEMORY_TYPE_UNCACHEABLE;
}

static struct run variable_run(const struct mtrrs *mtrrs, uint64_t at, uint64_t end)
{
    unsigned int types = 0;
    struct run run = {0, end};

    for (uint32_t i = 0; i < mtrrs->variable_count; i++) {
        const uint64_t *pair = &mtrrs->variable[(size_t)2 * i];
        const uint64_t mask = pair[1] & PTE_ADDRESS & (end - 1);
        const uint64_t base = pair[0] & mask;
        uint64_t change;

        if ((pair[1] & MTRR_MASK_VALID) == 0) {
            continue;
        }
        if ((at & mask) == base) {
            types |= 1U << type_of(pair[0]);
            /* The mask's lowest one changes there. */
            change = mask != 0 ? (at | ((mask & -mask) - 1)) + 1 : end;
        } else {
            change = next_match(at, mask, base, end);
        }
        run.end = change < run.end ? change : run.end;
    }
    run.type = strongest(types, type_of(mtrrs->default_type));
    return run;
}

/* Add what comes next; false when only the last place is left, which is for all the rest. */
static bool add(struct memory_types *types, uint64_t start, struct run run)
{
    struct memory_type_range *last = types->count > 0 ? &types->ranges[types->count - 1] : NULL;

    if (run.type == types->otherwise) {
        return true;
    }
    if (last && last->bytes.end == start && last->type == run.type) {
        last->bytes.end = run.end;
        return true;
    }
    if (types->count == MEMORY_TYPE_RANGES_MOST - 1) {
        return false;
    }
    types->ranges[types->count++] = (struct memory_type_range){{start, run.end}, run.type};
    return true;
}

bool memory_types_make(const struct mtrrs *mtrrs, unsigned int physical_bits,
                       struct memory_types *out)
{
    const bool has_fixed =
        mtrrs->fixed_count > 0 && (mtrrs->default_type & MTRR_FIXED_ENABLED) != 0;
    const uint64_t end = 1ULL << physical_bits;
    uint64_t at = 0;

    out->count = 0;
    out->otherwise = mtrrs->variable_count > 0 ? MEMORY_TYPE_UNCACHEABLE : MEMORY_TYPE_WRITE_BACK;
    if (mtrrs->variable_count == 0 || (mtrrs->default_type & MTRR_ENABLED) == 0) {
        return true;
    }
    out->otherwise = type_of(mtrrs->default_type);
    for (uint32_t i = 0; i < RUNS_MOST && at < end; i++) {
        const struct run run =
            has_fixed && at < MTRR_FIX_END ? fixed_run(mtrrs, at) : variable_run(mtrrs, at, end);

        if (!add(out, at, run)) {
            break;
        }
        at = run.end;
    }
    if (at < end) {
        out->ranges[out->count++] = (struct memory_type_range){{at, end}, MEMORY_TYPE_UNCACHEABLE};
        return false;
    }
    return true;
}
