/*
 * The machine's page allocator: mm/page_alloc.h over its own memory map, for all processors. What it hands out is
 * mapped: RAM below 4 GiB, at its place in the direct map.
 */
#ifndef CPU_PAGES_H
#define CPU_PAGES_H

#include <stdint.h>

#include "page_alloc.h"

/*
 * Begin, once, on the final page tables.
 *
 * @busy  what nobody may be given, `room` among it
 * @room  page_alloc_bytes() of mapped memory for the first extents
 */
void pages_start(const struct memmap *map, struct busy_list busy, struct prange room);

/*
 * Take pages that lie side by side, as high as possible. Their contents are nobody's.
 *
 * @return  STATUS_OK; PAGES_NONE_FREE
 */
struct status pages_take(uint64_t pages, struct prange *out);

/* Give back what was taken, or a part of it. Returns as page_alloc_free. */
struct status pages_free(struct prange range);

/* Keep what is free of a range from being taken. Returns as page_alloc_reserve. */
struct status pages_reserve(struct prange range);

/* Add reserved pages that nobody needs any more. Returns as page_alloc_give. */
struct status pages_give(struct prange range);

/* See page_alloc_expect(). Nothing happens before pages_start. */
void pages_expect(uint32_t changes);

/* How many pages there are of each kind. */
void pages_count(uint64_t counts[PAGE_STATES]);

/*
 * Ranges in use, at most: stacks of processors, what is kept under a guest, IOMMUs' tables; and pages for extents, of
 * which each of these takes a few where the memory map is long.
 */
#define PAGES_USED_MOST 16

/*
 * List what is in use: taken, or kept for extents. Where there are more than `most` ranges the last one also covers
 * what lies between.
 *
 * @return  how many; 0 before pages_start
 */
uint32_t pages_used(struct prange *ranges, uint32_t most);

#endif
