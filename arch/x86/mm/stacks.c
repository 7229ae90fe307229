/*
 * Stacks with guard pages: where those of an area are, the mapping of areas, and what an overflow looks like.
 */
#include "stacks.h"

#include "addr.h"
#include "x86/paging.h"

void stacks_of_area(uint64_t area, struct stack stacks[STACK_COUNT])
{
    uint64_t top = area;

    for (unsigned int number = STACK_ORDINARY + 1; number < STACK_COUNT; number++) {
        stacks[number].start = top + STACK_GUARD_BYTES;
        top = stacks[number].start + FAULT_STACK_BYTES;
        stacks[number].top = top;
    }
    stacks[STACK_ORDINARY].start = top + STACK_GUARD_BYTES;
    stacks[STACK_ORDINARY].top = stacks[STACK_ORDINARY].start + PROCESSOR_STACK_BYTES;
}

/* The fault stacks, then the ordinary one and the data, which are in one piece. */
static bool area_map(struct page_pool *pool, uint64_t va, uint64_t pa)
{
    struct stack stacks[STACK_COUNT];
    bool fits = true;

    stacks_of_area(va, stacks);
    for (unsigned int number = STACK_ORDINARY + 1; number < STACK_COUNT; number++) {
        fits = fits && paging_map(pool, (struct page_mapping){stacks[number].start, pa,
                                                              FAULT_STACK_BYTES, PTE_DATA});
        pa += FAULT_STACK_BYTES;
    }
    return fits && paging_map(pool, (struct page_mapping){
                                        stacks[STACK_ORDINARY].start, pa,
                                        PROCESSOR_STACK_BYTES + PROCESSOR_DATA_BYTES, PTE_DATA});
}

bool stacks_map_areas(struct page_pool *pool, uint64_t va, uint64_t pa, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!area_map(pool, va, pa)) {
            return false;
        }
        va += PROCESSOR_AREA_MAPPED_BYTES;
        pa += PROCESSOR_AREA_BYTES;
    }
    return true;
}

uint32_t stacks_pages_for_areas(uint32_t count)
{
    const uint64_t bytes = align_up(count * PROCESSOR_AREA_MAPPED_BYTES, L2_PAGE_BYTES);

    return PAGING_PAGES_FOR_SMALL - 1 + (uint32_t)(bytes / L2_PAGE_BYTES);
}

int stacks_find_overflow(const struct stack stacks[STACK_COUNT], uint64_t touched, uint64_t rsp)
{
    for (int number = 0; number < STACK_COUNT; number++) {
        const uint64_t guard = stacks[number].start - STACK_GUARD_BYTES;

        /* No frame is as large as a guard page (Makefile), so the pointer is not far from what was touched. */
        if (touched - guard < STACK_GUARD_BYTES &&
            rsp - guard <= STACK_GUARD_BYTES + STACK_GUARD_BYTES) {
            return number;
        }
    }
    return -1;
}
