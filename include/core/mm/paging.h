/*
 * Page tables, built entry by entry in memory that the caller lends: what is mapped is exactly what is
 * said, in the largest pages that fit. Four levels; an entry that is there is never changed, only taken away.
 */
#ifndef MM_PAGING_H
#define MM_PAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "memmap.h"

/* Pages for tables. Writer: the functions below; the caller sets the first five. */
struct page_pool {
    uint64_t *tables; /* the first page, where it can be written */
    uint64_t pa;      /* of the first page */
    uint32_t capacity_pages;
    bool has_1gib_pages; /* CPUID 0x80000001 EDX bit 26 */
    bool has_nx;         /* EFER.NXE is set; else PTE_NX is left out, because it is reserved */
    uint32_t used_pages;
};

struct page_mapping {
    uint64_t va; /* this and the next two: multiples of 4 KiB */
    uint64_t pa;
    uint64_t bytes;
    uint64_t
        rights; /* PTE_PRESENT and what else holds for every page of it; PTE_PAT as for 4 KiB pages */
};

/* Take the first page of the pool for the top table; it is at pool->pa. */
void paging_start(struct page_pool *pool);

/*
 * Map one range.
 *
 * @return  false when the pool is used up, or when something is mapped there already in larger pages
 * Source:  Intel SDM volume 3A, section 4.5
 */
bool paging_map(struct page_pool *pool, struct page_mapping mapping);

/*
 * Take away the mapping of a range that was mapped in 4 KiB pages. Processors remember it until they are told.
 *
 * @va, @bytes  multiples of 4 KiB
 * @return      false when a part of it was not mapped so; the part before that is gone
 */
bool paging_unmap(struct page_pool *pool, uint64_t va, uint64_t bytes);

/*
 * The next range of pages that hold RAM (boot services' too) below `below`: neighbours merge, a page
 * that is RAM in part counts.
 *
 * @index   0 at first; where the walk is
 * @return  false at the end
 */
bool paging_next_ram(const struct memmap *map, uint64_t below, uint32_t *index,
                     struct prange *range);

/* Map all RAM below `below` (a multiple of 1 GiB) at `va` (of 512 GiB) plus its address. */
bool paging_map_ram(struct page_pool *pool, const struct memmap *map, uint64_t below, uint64_t va,
                    uint64_t rights);

/*
 * How many pages the tables for that take, the top table among them: exactly as many as paging_map_ram() uses.
 *
 * @has_1gib_pages  as in the pool
 */
uint32_t paging_pages_for_ram(const struct memmap *map, uint64_t below, bool has_1gib_pages);

/* The most that one further range takes: within 2 MiB; and of at most 1 GiB or 4 GiB, anywhere. */
#define PAGING_PAGES_FOR_SMALL 3
#define PAGING_PAGES_FOR_1_GIB 6
#define PAGING_PAGES_FOR_4_GIB 9

#endif
