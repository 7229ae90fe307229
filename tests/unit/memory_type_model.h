/*
 * Memory types of single pages, by the letter of the rules: Intel SDM volume 3A, sections 12.11.2 to 12.11.4.
 */
#ifndef TESTS_MEMORY_TYPE_MODEL_H
#define TESTS_MEMORY_TYPE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "mtrr.h"

enum {
    UNCACHEABLE = 0,
    WRITE_THROUGH = 4,
    WRITE_BACK = 6,
};

static inline uint8_t known_type(uint8_t type)
{
    return type == 1 || (type >= 4 && type <= 6) ? type : UNCACHEABLE;
}

static inline uint8_t fixed_type(const struct mtrrs *mtrrs, uint64_t pa)
{
    uint32_t part = 0;

    if (pa < 0x80000) {
        part = (uint32_t)(pa >> 16);
    } else if (pa < 0xc0000) {
        part = (uint32_t)(8 + ((pa - 0x80000) >> 14));
    } else {
        part = (uint32_t)(24 + ((pa - 0xc0000) >> 12));
    }
    return known_type((uint8_t)(mtrrs->fixed[part / 8] >> (part % 8 * 8)));
}

static inline uint8_t model_type(const struct mtrrs *mtrrs, unsigned int bits, uint64_t pa)
{
    const uint64_t width = (1ULL << bits) - 1;
    uint32_t seen[7] = {0};
    uint32_t all = 0;
    uint32_t kinds = 0;
    uint8_t one = 0;

    if (mtrrs->variable_count == 0) {
        return WRITE_BACK;
    }
    if ((mtrrs->default_type & 0x800) == 0) {
        return UNCACHEABLE;
    }
    if (pa < 0x100000 && (mtrrs->default_type & 0x400) != 0 && mtrrs->fixed_count != 0) {
        return fixed_type(mtrrs, pa);
    }
    for (uint32_t i = 0; i < mtrrs->variable_count; i++) {
        const uint64_t base = mtrrs->variable[2 * i] >> 12;
        const uint64_t mask = (mtrrs->variable[2 * i + 1] & width) >> 12;

        if ((mtrrs->variable[2 * i + 1] & 0x800) != 0 && (pa >> 12 & mask) == (base & mask)) {
            one = known_type((uint8_t)mtrrs->variable[2 * i]);
            seen[one]++;
            all++;
        }
    }
    for (uint32_t i = 0; i < 7; i++) {
        kinds += seen[i] != 0;
    }
    if (all == 0) {
        return known_type((uint8_t)mtrrs->default_type);
    }
    if (kinds == 1) {
        return one;
    }
    return seen[WRITE_THROUGH] + seen[WRITE_BACK] == all ? WRITE_THROUGH : UNCACHEABLE;
}

/* What the list says. */
static inline uint8_t listed_type(const struct memory_types *types, uint64_t pa)
{
    for (uint32_t i = 0; i < types->count; i++) {
        if (pa >= types->ranges[i].bytes.start && pa < types->ranges[i].bytes.end) {
            return types->ranges[i].type;
        }
    }
    return types->otherwise;
}

/* Is the list sorted, apart, of whole pages, and without what goes without saying? */
static inline bool list_is_sound(const struct memory_types *types)
{
    uint64_t from = 0;

    for (uint32_t i = 0; i < types->count; i++) {
        const struct prange bytes = types->ranges[i].bytes;

        if (bytes.start < from || bytes.end <= bytes.start ||
            (bytes.start | bytes.end) % 4096 != 0) {
            return false;
        }
        from = bytes.end;
    }
    return types->count <= MEMORY_TYPE_RANGES_MOST;
}

/* Every page below 1 << bits has the type that the rules want; what the list has no room for is uncacheable. */
static inline bool list_is_right(const struct mtrrs *mtrrs, unsigned int bits,
                                 const struct memory_types *types, bool complete)
{
    const uint64_t rest = complete ? 1ULL << bits : types->ranges[types->count - 1].bytes.start;

    for (uint64_t pa = 0; pa < 1ULL << bits; pa += 4096) {
        if (listed_type(types, pa) != (pa < rest ? model_type(mtrrs, bits, pa) : UNCACHEABLE)) {
            return false;
        }
    }
    return true;
}

#endif
