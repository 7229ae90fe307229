/*
 * The page-table builder. A table's physical address differs from where it is written by one distance,
 * because all tables come from one pool.
 */
#include "paging.h"

#include <stddef.h>

#include "mem.h"
#include "x86/paging.h"

/* A page with whatever was in it before. */
static uint64_t *page_take(struct page_pool *pool, uint64_t *pa)
{
    uint64_t *page = pool->tables + (size_t)pool->used_pages * PT_ENTRIES;

    if (pool->used_pages == pool->capacity_pages) {
        return NULL;
    }
    *pa = pool->pa + (uint64_t)pool->used_pages * PAGE_BYTES;
    pool->used_pages++;
    return page;
}

static uint64_t *table_take(struct page_pool *pool, uint64_t *pa)
{
    uint64_t *table = page_take(pool, pa);

    return table ? memset(table, 0, PAGE_BYTES) : NULL;
}

void paging_start(struct page_pool *pool)
{
    uint64_t pa;

    pool->used_pages = 0;
    table_take(pool, &pa);
}

/* The table that an entry points to, made if there is none; NULL when there can be none. */
static uint64_t *table_below(struct page_pool *pool, uint64_t *entry)
{
    uint64_t *table;
    uint64_t pa;

    if ((*entry & PTE_LARGE) != 0) {
        return NULL;
    }
    if ((*entry & PTE_PRESENT) != 0) {
        pa = *entry & PTE_ADDRESS;
        return pool->tables + (pa - pool->pa) / PTE_BYTES;
    }
    table = table_take(pool, &pa);
    if (table) {
        *entry = pa | PTE_TABLE;
    }
    return table;
}

/* How many entries of a table, from `slot` on, can map what comes next, if each spans 1 << shift bytes? */
static uint64_t leaves_that_fit(const struct page_pool *pool, const struct page_mapping *left,
                                unsigned int shift, unsigned int slot)
{
    const uint64_t in_table = PT_ENTRIES - slot;
    const uint64_t whole = left->bytes >> shift;

    if (shift > (pool->has_1gib_pages ? L3_SHIFT : L2_SHIFT) ||
        ((left->va | left->pa) & ((1ULL << shift) - 1)) != 0) {
        return 0;
    }
    return whole < in_table ? whole : in_table;
}

/* Do leaves of 1 << shift bytes for what comes next fill a table? */
static bool fills_table(const struct page_pool *pool, const struct page_mapping *left,
                        unsigned int shift)
{
    return leaves_that_fit(pool, left, shift, (unsigned int)(left->va >> shift) % PT_ENTRIES) ==
           PT_ENTRIES;
}

static bool are_free(const uint64_t *entries, uint64_t count)
{
    uint64_t taken = 0;

#pragma GCC unroll 16
    for (uint64_t i = 0; i < count; i++) {
        taken |= entries[i];
    }
    return taken == 0;
}

/* With much RAM and no larger pages than 2 MiB, this loop is most of what page tables cost. */
static void leaves_write(uint64_t *entries, uint64_t count, uint64_t leaf, uint64_t span)
{
#pragma GCC unroll 16
    for (uint64_t i = 0; i < count; i++) {
        entries[i] = leaf;
        leaf += span;
    }
}

/* A leaf's flags: without NX its bit is reserved; and a large page has PAT elsewhere, because it is PTE_LARGE there. */
static uint64_t leaf_flags(const struct page_pool *pool, uint64_t rights, unsigned int shift)
{
    if (!pool->has_nx) {
        rights &= ~PTE_NX;
    }
    if (shift == L1_SHIFT) {
        return rights;
    }
    return (rights & ~PTE_PAT) | PTE_LARGE | ((rights & PTE_PAT) != 0 ? PTE_PAT_LARGE : 0);
}

static void mapping_advance(struct page_mapping *left, uint64_t bytes)
{
    left->va += bytes;
    left->pa += bytes;
    left->bytes -= bytes;
}

/* A table that what comes next fills with leaves of 1 << shift bytes: it need be neither cleared nor looked at. */
static bool full_table_make(struct page_pool *pool, uint64_t *entry, unsigned int shift,
                            struct page_mapping *left)
{
    uint64_t pa;
    uint64_t *table = page_take(pool, &pa);

    if (!table) {
        return false;
    }
    leaves_write(table, PT_ENTRIES, left->pa | leaf_flags(pool, left->rights, shift),
                 1ULL << shift);
    *entry = pa | PTE_TABLE;
    mapping_advance(left, (uint64_t)PT_ENTRIES << shift);
    return true;
}

/* Enter into one table, and those below it, what of the mapping lies in its reach; `left` is what remains. */
static bool table_fill(struct page_pool *pool, uint64_t *table, unsigned int shift,
                       struct page_mapping *left)
{
    const uint64_t flags = leaf_flags(pool, left->rights, shift);
    const unsigned int shift_below = shift - SLOT_BITS;
    unsigned int slot = (unsigned int)(left->va >> shift) % PT_ENTRIES;

    while (slot < PT_ENTRIES && left->bytes > 0) {
        const uint64_t count = leaves_that_fit(pool, left, shift, slot);

        if (count > 0) {
            if (!are_free(table + slot, count)) {
                return false;
            }
            leaves_write(table + slot, count, left->pa | flags, 1ULL << shift);
            mapping_advance(left, count << shift);
            slot += (unsigned int)count;
        } else if (table[slot] == 0 && fills_table(pool, left, shift_below)) {
            if (!full_table_make(pool, &table[slot], shift_below, left)) {
                return false;
            }
            slot++;
        } else {
            uint64_t *below = table_below(pool, &table[slot]);

            if (!below || !table_fill(pool, below, shift_below, left)) {
                return false;
            }
            slot++;
        }
    }
    return true;
}

bool paging_map(struct page_pool *pool, struct page_mapping mapping)
{
    return table_fill(pool, pool->tables, L4_SHIFT, &mapping);
}

/* The entry that maps a page of 4 KiB; NULL when there is none. */
static uint64_t *small_leaf(const struct page_pool *pool, uint64_t va)
{
    uint64_t *table = pool->tables;
    uint64_t *entry;

    for (unsigned int shift = L4_SHIFT;; shift -= L2_SHIFT - L1_SHIFT) {
        entry = &table[(va >> shift) % PT_ENTRIES];
        if ((*entry & PTE_PRESENT) == 0 || (shift > L1_SHIFT && (*entry & PTE_LARGE) != 0)) {
            return NULL;
        }
        if (shift == L1_SHIFT) {
            return entry;
        }
        table = pool->tables + ((*entry & PTE_ADDRESS) - pool->pa) / PTE_BYTES;
    }
}

bool paging_unmap(struct page_pool *pool, uint64_t va, uint64_t bytes)
{
    uint64_t *entry = NULL;

    for (uint64_t at = va; at != va + bytes; at += PAGE_BYTES) {
        /* One walk for each table. */
        entry = entry == NULL || L1_SLOT(at) == 0 ? small_leaf(pool, at) : entry + 1;
        if (entry == NULL || (*entry & PTE_PRESENT) == 0) {
            return false;
        }
        *entry = 0;
    }
    return true;
}

static bool is_mapped_type(enum memory_type type)
{
    return type == MEMORY_RAM || type == MEMORY_BOOT_SERVICES;
}

/* The pages that the map's entry lies in, as far as they are below the limit; empty if it is not RAM. */
static struct prange pages_of(const struct memory_range *range, uint64_t below)
{
    struct prange pages = {0, 0};

    if (is_mapped_type(range->type) && range->bytes.start < below) {
        pages.start = align_down(range->bytes.start, PAGE_BYTES);
        pages.end = range->bytes.end < below ? align_up(range->bytes.end, PAGE_BYTES) : below;
    }
    return pages;
}

bool paging_next_ram(const struct memmap *map, uint64_t below, uint32_t *index,
                     struct prange *range)
{
    *range = (struct prange){0, 0};
    for (; *index < map->count; ++*index) {
        const struct prange pages = pages_of(&map->ranges[*index], below);

        if (pages.start == pages.end) {
            continue;
        }
        if (range->start != range->end && pages.start > range->end) {
            break;
        }
        *range =
            (struct prange){range->start != range->end ? range->start : pages.start, pages.end};
    }
    return range->start != range->end;
}

bool paging_map_ram(struct page_pool *pool, const struct memmap *map, uint64_t below, uint64_t va,
                    uint64_t rights)
{
    uint32_t index = 0;
    struct prange range;

    while (paging_next_ram(map, below, &index, &range)) {
        if (!paging_map(pool, (struct page_mapping){va + range.start, range.start,
                                                    prange_bytes(range), rights})) {
            return false;
        }
    }
    return true;
}

/* Counts the tables of one level, each of which covers `span` bytes, from the lowest range upwards. */
struct table_count {
    uint64_t span;
    uint64_t counted_to; /* what lies below is counted already */
    uint32_t tables;
};

/* All tables that a range lies in. */
static void count_within(struct table_count *count, struct prange range)
{
    const uint64_t first = align_down(range.start, count->span);
    const uint64_t from = first > count->counted_to ? first : count->counted_to;
    const uint64_t end = align_up(range.end, count->span);

    if (from < end) {
        count->tables += (uint32_t)((end - from) / count->span);
        count->counted_to = end;
    }
}

/* Only the tables that a range begins or ends in: what lies between is one entry of the level above each. */
static void count_ends(struct table_count *count, struct prange range)
{
    const uint64_t ends[] = {range.start, range.end};

    for (unsigned int i = 0; i < 2; i++) {
        if (align_down(ends[i], count->span) != ends[i]) {
            count_within(count, (struct prange){ends[i], ends[i] + 1});
        }
    }
}

uint32_t paging_pages_for_ram(const struct memmap *map, uint64_t below, bool has_1gib_pages)
{
    struct table_count level3 = {.span = 1ULL << L4_SHIFT};
    struct table_count level2 = {.span = L3_PAGE_BYTES};
    struct table_count level1 = {.span = L2_PAGE_BYTES};
    uint32_t index = 0;
    struct prange range;

    while (paging_next_ram(map, below, &index, &range)) {
        count_within(&level3, range);
        if (has_1gib_pages) {
            count_ends(&level2, range);
        } else {
            count_within(&level2, range);
        }
        count_ends(&level1, range);
    }
    return 1 + level3.tables + level2.tables + level1.tables;
}
