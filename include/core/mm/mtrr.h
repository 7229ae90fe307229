/*
 * Memory type range registers, and what they say of each physical address. With EPT the guest's MTRRs have no say: its
 * nested tables have to.
 */
#ifndef MM_MTRR_H
#define MM_MTRR_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

#define MTRR_VARIABLE_MOST 32
#define MTRR_FIXED_COUNT   11

/* As the registers have it: SDM volume 3A, section 12.11.2. */
struct mtrrs {
    uint32_t variable_count; /* pairs; 0 where there are no MTRRs at all, and then the rest is 0 */
    uint32_t fixed_count;    /* MTRR_FIXED_COUNT, or 0 where there are none */
    uint64_t default_type;
    uint64_t
        fixed[MTRR_FIXED_COUNT]; /* of 64 KiB, two of 16 KiB, eight of 4 KiB, eight times each */
    uint64_t variable[2 * MTRR_VARIABLE_MOST]; /* base, mask */
};

#define MEMORY_TYPE_RANGES_MOST 96

/* The type of every physical address: ranges are sorted and apart, all else is `otherwise`. */
struct memory_types {
    struct memory_type_range {
        struct prange bytes; /* whole pages */
        uint8_t type;        /* MEMORY_TYPE_UNCACHEABLE and so on: x86/registers.h */
    } ranges[MEMORY_TYPE_RANGES_MOST];
    uint32_t count;
    uint8_t otherwise;
};

/*
 * What MTRRs say. Without any all is write-back, as page tables alone decide then; where they are switched off, all is
 * uncacheable; and so are types that do not exist, and overlaps that mean nothing.
 *
 * @physical_bits  12 to 52: what lies above is not looked at
 * @return         false when there is more than fits: from there on all is uncacheable, which is right, but slow
 * Source:         Intel SDM volume 3A, sections 12.11.2 and 12.11.4.1
 */
bool memory_types_make(const struct mtrrs *mtrrs, unsigned int physical_bits,
                       struct memory_types *out);

#endif
