/*
 * Stacks with a guard page below each, which is not mapped: where they are in a processor's area, the mapping of them,
 * and whether one has overflowed.
 */
#ifndef MM_STACKS_H
#define MM_STACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "paging.h"
#include "x86/stacks.h"

/* [start, top) is mapped, the STACK_GUARD_BYTES below are not. */
struct stack {
    uint64_t start;
    uint64_t top;
};

/* Where the stacks of an area are that is mapped from `area` on. Its data begin at the ordinary one's top. */
void stacks_of_area(uint64_t area, struct stack stacks[STACK_COUNT]);

/*
 * Map areas, one behind the other: PROCESSOR_AREA_BYTES each of memory from `pa` on, PROCESSOR_AREA_MAPPED_BYTES each
 * from `va` on.
 *
 * @return  as paging_map()
 */
bool stacks_map_areas(struct page_pool *pool, uint64_t va, uint64_t pa, uint32_t count);

/* The most tables that this takes, when `va` is a multiple of 2 MiB and all lies within one of 1 GiB. */
uint32_t stacks_pages_for_areas(uint32_t count);

/*
 * Which stack has overflowed, if that is why an access failed: it was to a guard page, and the stack pointer was at the
 * end of the stack above, or already below.
 *
 * @touched  the address, as in CR2
 * @return   a place in `stacks`, or -1
 */
int stacks_find_overflow(const struct stack stacks[STACK_COUNT], uint64_t touched, uint64_t rsp);

#endif
