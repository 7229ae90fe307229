/*
 * Nested page tables. A new table maps to itself all that it can in pages of its own size; where that will not do,
 * because a page is kept, or memory types change inside it, the entry leads to a table of the next size. So it is for
 * start-up and for what is touched later alike.
 *
 *   page 0       the top table
 *   pages 1 to 3 tables of 4 KiB, 2 MiB and 1 GiB entries that make the page of ones of everything: for what is touched
 *                when no table is left
 *   then         tables in use, and those that wait
 */
#include "nested.h"

#include <stddef.h>

#include "compiler.h"
#include "mem.h"
#include "x86/nested_paging.h"
#include "x86/registers.h"

#define WIDTH_MOST  (L4_SHIFT + SLOT_BITS)
#define NO_TABLE    0 /* the top table's place: nobody takes that */
#define FIXED_PAGES 4

_Static_assert(EPT_WRITE == PTE_WRITE && EPT_LARGE == PTE_LARGE, "the formats differ");

/* Behind the highest address that tables can map. */
static uint64_t reach(const struct nested_request *request)
{
    return 1ULL << (request->physical_bits < WIDTH_MOST ? request->physical_bits : WIDTH_MOST);
}

/* The largest pages. */
static unsigned int largest_shift(const struct nested_request *request)
{
    return request->has_1gib_pages ? L3_SHIFT : L2_SHIFT;
}

static uint64_t leaf_flags(const struct nested_request *request, uint8_t type)
{
    return request->format == NESTED_NPT ? NPT_LEAF : EPT_LEAF | (uint64_t)type << EPT_TYPE_SHIFT;
}

static uint64_t table_flags(const struct nested_request *request)
{
    return request->format == NESTED_NPT ? NPT_TABLE : EPT_TABLE;
}

static uint64_t ones_leaf(const struct nested_request *request)
{
    return request->ones.pa | (leaf_flags(request, MEMORY_TYPE_WRITE_BACK) & ~PTE_WRITE);
}

static uint64_t walked_leaf(const struct nested_request *request)
{
    return request->walked.pa | leaf_flags(request, MEMORY_TYPE_WRITE_BACK);
}

/* --- tables ----------------------------------------------------------------------------------------------------- */

/* What kind of memory is at an address, and up to where. */
struct type_run {
    uint8_t type;
    uint64_t end;
};

static struct type_run type_run_at(const struct memory_types *types, uint64_t at)
{
    if (!types) {
        return (struct type_run){MEMORY_TYPE_WRITE_BACK, UINT64_MAX};
    }
    for (uint32_t i = 0; i < types->count; i++) {
        const struct memory_type_range *range = &types->ranges[i];

        if (at < range->bytes.start) {
            return (struct type_run){types->otherwise, range->bytes.start};
        }
        if (at < range->bytes.end) {
            return (struct type_run){range->type, range->bytes.end};
        }
    }
    return (struct type_run){types->otherwise, UINT64_MAX};
}

/* Map to itself what a table of pages of 1 << shift bytes can map, from `base` on; the rest is absent. */
static void table_fill(const struct nested_request *request, uint64_t *table, uint64_t base,
                       unsigned int shift)
{
    const uint64_t step = 1ULL << shift;
    const uint64_t table_end = base + (step << SLOT_BITS);
    const uint64_t end = table_end < reach(request) ? table_end : reach(request);
    const bool maps_pages = shift <= largest_shift(request);
    uint64_t *entry = table;

    for (uint64_t at = base; maps_pages && at < end;) {
        const struct type_run run = type_run_at(request->types, at);
        const uint64_t run_end = align_down(run.end < end ? run.end : end, step);
        uint64_t leaf = at | leaf_flags(request, run.type) | (shift > L1_SHIFT ? PTE_LARGE : 0);

        if (run_end <= at) { /* the type changes inside this page */
            *entry++ = 0;
            at += step;
            continue;
        }
        /* Where there are none larger than 2 MiB this is most of what much RAM costs. */
#pragma GCC unroll 16
        for (uint64_t left = (run_end - at) >> shift; left > 0; left--) {
            *entry++ = leaf;
            leaf += step;
        }
        at = run_end;
    }
    memset(entry, 0, (size_t)(table + PT_ENTRIES - entry) * PTE_BYTES);
}

static uint64_t *table_at(const struct nested *nested, uint32_t page)
{
    return nested->tables + (size_t)page * PT_ENTRIES;
}

/* Take a page that nobody has. What several processors take too much at the end is as many pages as they are. */
static uint32_t table_take(struct nested *nested)
{
    uint32_t page;

    if (__atomic_load_n(&nested->used_pages, __ATOMIC_RELAXED) >= nested->capacity_pages) {
        return NO_TABLE;
    }
    page = __atomic_fetch_add(&nested->used_pages, 1, __ATOMIC_RELAXED);
    return page < nested->capacity_pages ? page : NO_TABLE;
}

/*
 * Let an entry lead to a table of pages of 1 << shift bytes from `base` on. Another processor may be first: then its
 * table counts, and this one is lost.
 *
 * @return  the entry
 */
static uint64_t table_make(struct nested *nested, uint64_t *entry, uint64_t old, uint64_t base,
                           unsigned int shift)
{
    uint32_t page = table_take(nested);
    uint64_t value;

    if (page == NO_TABLE) {
        page = 1 + (shift - L1_SHIFT) / SLOT_BITS;
    } else {
        table_fill(&nested->request, table_at(nested, page), base, shift);
    }
    value = (nested->pa + page * PAGE_BYTES) | table_flags(&nested->request);
    return __atomic_compare_exchange_n(entry, &old, value, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE)
               ? value
               : old;
}

/*
 * The entry of an address in a table of pages of 1 << shift bytes. Tables on the way are made. A larger page is divided
 * when `divide` says so, else its entry is returned.
 */
static uint64_t *entry_at(struct nested *nested, uint64_t at, unsigned int shift, bool divide)
{
    uint64_t *table = nested->tables;

    for (unsigned int level = L4_SHIFT;; level -= SLOT_BITS) {
        uint64_t *entry = &table[(at >> level) % PT_ENTRIES];
        uint64_t value = __atomic_load_n(entry, __ATOMIC_ACQUIRE);

        if (level == shift) {
            return entry;
        }
        if (value == 0 || (divide && (value & PTE_LARGE) != 0)) {
            value =
                table_make(nested, entry, value, align_down(at, 1ULL << level), level - SLOT_BITS);
        }
        if ((value & PTE_LARGE) != 0) {
            return entry;
        }
        table = nested->tables + ((value & PTE_ADDRESS) - nested->pa) / PTE_BYTES;
    }
}

/* --- start-up --------------------------------------------------------------------------------------------------- */

/*
 * What cannot be in one page with what is around it: the ranges to be kept, the APIC's page, and each address where
 * memory types change, which is an empty range.
 */
static INIT uint32_t cut_count(const struct nested_request *request)
{
    return request->kept.count + request->has_apic_page +
           (request->types ? 2 * request->types->count : 0);
}

static INIT struct prange cut_range(const struct nested_request *request, uint32_t i)
{
    uint64_t at;

    if (i < request->kept.count) {
        return request->kept.ranges[i];
    }
    i -= request->kept.count;
    if (request->has_apic_page && i-- == 0) {
        return (struct prange){request->apic_page.pa, request->apic_page.pa + PAGE_BYTES};
    }
    at = i % 2 == 0 ? request->types->ranges[i / 2].bytes.start
                    : request->types->ranges[i / 2].bytes.end;
    at = at < request->top ? at : request->top;
    return (struct prange){at, at};
}

/* The numbers of the pages of 1 << shift bytes that a cut goes through: none at a page's bound. */
static INIT struct prange cut_pages(const struct nested_request *request, uint32_t i,
                                    unsigned int shift)
{
    const struct prange range = cut_range(request, i);

    return (struct prange){range.start >> shift, align_up(range.end, 1ULL << shift) >> shift};
}

/* Do earlier cuts go through that page, too? */
static INIT bool is_cut_before(const struct nested_request *request, uint32_t count, uint64_t page,
                               unsigned int shift)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct prange pages = cut_pages(request, i, shift);

        if (page >= pages.start && page < pages.end) {
            return true;
        }
    }
    return false;
}

static INIT uint64_t pages_cut(const struct nested_request *request, unsigned int shift)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < cut_count(request); i++) {
        const struct prange pages = cut_pages(request, i, shift);

        for (uint64_t page = pages.start; page < pages.end; page++) {
            count += !is_cut_before(request, i, page, shift);
        }
    }
    return count;
}

INIT uint64_t nested_bytes(const struct nested_request *request)
{
    const uint64_t level3 = align_up(request->top, 1ULL << L4_SHIFT) >> L4_SHIFT;
    const uint64_t level2 =
        request->has_1gib_pages ? pages_cut(request, L3_SHIFT) : request->top >> L3_SHIFT;

    return (FIXED_PAGES + level3 + level2 + pages_cut(request, L2_SHIFT) + NESTED_SPARE_TABLES) *
           PAGE_BYTES;
}

/* In how many pages of 1 << shift bytes so many bytes, in whole small pages, can lie. */
static INIT uint64_t pages_most(uint64_t bytes, unsigned int shift)
{
    const uint64_t larger = 1ULL << shift;

    return bytes == 0 ? 0 : (bytes + larger - 2 * PAGE_BYTES) / larger + 1;
}

/* What a range costs at most that is kept, too: each larger page that it lies in has to be divided. */
static INIT uint64_t range_bytes_most(uint64_t bytes)
{
    return (pages_most(bytes, L2_SHIFT) + pages_most(bytes, L3_SHIFT)) * PAGE_BYTES;
}

INIT uint64_t nested_bytes_before(const struct nested_request *request, const uint64_t *later,
                                  uint32_t count, uint64_t beside)
{
    uint64_t bytes = nested_bytes(request);

    for (uint32_t i = 0; i < count; i++) {
        bytes += range_bytes_most(later[i]);
    }
    /* The range that the tables are in is longer by what it costs itself, which is far less than its length. */
    return bytes + range_bytes_most(2 * (bytes + beside));
}

static INIT struct status request_check(const struct nested_request *request)
{
    if (request->top < GIB(4) || request->top % L3_PAGE_BYTES != 0 ||
        request->top > reach(request)) {
        return status_at(NESTED_BAD_RANGE, request->top);
    }
    for (uint32_t i = 0; i < request->kept.count + request->has_apic_page; i++) {
        const struct prange range = cut_range(request, i);

        if (range.start >= range.end || range.end > request->top ||
            (range.start | range.end) % PAGE_BYTES != 0) {
            return status_at(NESTED_BAD_RANGE, range.start);
        }
    }
    return status_ok();
}

/* The tables for what is touched when no table is left. */
static INIT void ones_make(const struct nested *nested)
{
    uint64_t entry = ones_leaf(&nested->request);

    for (uint32_t page = 1; page < FIXED_PAGES; page++) {
        uint64_t *table = table_at(nested, page);

#pragma GCC unroll 16
        for (unsigned int i = 0; i < PT_ENTRIES; i++) {
            table[i] = entry;
        }
        entry = (nested->pa + page * PAGE_BYTES) | table_flags(&nested->request);
    }
}

static INIT void cut_all(struct nested *nested, unsigned int shift)
{
    const struct nested_request *request = &nested->request;

    for (uint32_t i = 0; i < cut_count(request); i++) {
        const struct prange pages = cut_pages(request, i, shift);

        for (uint64_t page = pages.start; page < pages.end; page++) {
            entry_at(nested, page << shift, shift - SLOT_BITS, true);
        }
    }
}

static INIT void take_away(struct nested *nested, struct prange range)
{
    while (range.start < range.end) {
        const uint64_t table_end = align_down(range.start, L2_PAGE_BYTES) + L2_PAGE_BYTES;
        const uint64_t end = range.end < table_end ? range.end : table_end;

        memset(entry_at(nested, range.start, L1_SHIFT, true), 0,
               (end - range.start) / PAGE_BYTES * PTE_BYTES);
        range.start = end;
    }
}

INIT struct status nested_build(struct nested *nested, const struct nested_request *request,
                                uint64_t *tables, uint64_t pa, uint64_t bytes)
{
    const unsigned int shift = largest_shift(request);
    const struct status status = request_check(request);

    if (!is_ok(status)) {
        return status;
    }
    if (bytes < nested_bytes(request)) {
        return status_at(NESTED_NO_ROOM, nested_bytes(request) - bytes);
    }
    *nested = (struct nested){
        .request = *request,
        .tables = tables,
        .pa = pa,
        .capacity_pages = (uint32_t)(bytes / PAGE_BYTES),
        .used_pages = FIXED_PAGES,
    };
    memset(tables, 0, PAGE_BYTES);
    ones_make(nested);
    for (uint64_t at = 0; at < request->top; at += 1ULL << (shift + SLOT_BITS)) {
        entry_at(nested, at, shift, false);
    }
    cut_all(nested, L3_SHIFT);
    cut_all(nested, L2_SHIFT);
    for (uint32_t i = 0; i < request->kept.count; i++) {
        take_away(nested, request->kept.ranges[i]);
    }
    if (request->has_apic_page) {
        *entry_at(nested, request->apic_page.pa, L1_SHIFT, true) &= ~PTE_WRITE;
    }
    return status_ok();
}

/* --- faults ----------------------------------------------------------------------------------------------------- */

static bool entry_replace(uint64_t *entry, uint64_t *old, uint64_t value)
{
    return __atomic_compare_exchange_n(entry, old, value, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

enum nested_outcome nested_fault(struct nested *nested, uint64_t gpa, enum nested_access access)
{
    const struct nested_request *request = &nested->request;
    const bool writes = access == NESTED_WRITE || access == NESTED_WALK;
    uint64_t *entry;
    uint64_t value;

    if (gpa >= reach(request)) {
        return NESTED_DROP;
    }
    entry = entry_at(nested, gpa, L1_SHIFT, false);
    value = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
    /* Tables are full of pages, but for those that were taken away. */
    if (value == 0 &&
        entry_replace(entry, &value,
                      access == NESTED_WALK ? walked_leaf(request) : ones_leaf(request))) {
        return NESTED_KEPT;
    }
    if (!writes || (value & PTE_WRITE) != 0) {
        return NESTED_MAPPED;
    }
    if (access == NESTED_WALK) {
        entry_replace(entry, &value, walked_leaf(request));
        return NESTED_MAPPED;
    }
    return request->has_apic_page && (value & PTE_ADDRESS) == request->apic_page.pa ? NESTED_APIC
                                                                                    : NESTED_DROP;
}
