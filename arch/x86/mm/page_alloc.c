/*
 * The page allocator: a list of leaves, each a page full of extents in the order of their addresses. A leaf that
 * is full is split, leaves that have become small are joined. Every change is one stroke of the brush: the range is cut
 * out of what is there, and put in again as something else.
 */
#include "page_alloc.h"

#include <stddef.h>

#include "mem.h"
#include "x86/paging.h"

struct extent {
    uint64_t start;
    uint64_t pages : 48; /* 8 bits are left */
    uint64_t state : 8;
};

#define LEAF_HEADER_BYTES 32
#define LEAF_EXTENTS      ((PAGE_BYTES - LEAF_HEADER_BYTES) / sizeof(struct extent))
/* Neighbours that have no more extents than this together become one. */
#define LEAF_JOINED_MOST (LEAF_EXTENTS / 2)

/* A change splits one leaf at most; taking a page for extents is a change, too. */
#define SPARES_WANTED 2

struct page_leaf {
    struct page_leaf *lower;
    struct page_leaf *higher;
    uint64_t most; /* no free extent in it has more pages */
    uint64_t count;
    struct extent extents[LEAF_EXTENTS];
};
_Static_assert(sizeof(struct page_leaf) == PAGE_BYTES, "a leaf is a page");

/* --- leaves -------------------------------------------------------------------------------- */

static void *leaf_at(const struct page_alloc *alloc, uint64_t address)
{
    return alloc->window + address;
}

static void spare_add(struct page_alloc *alloc, struct page_leaf *leaf)
{
    leaf->lower = alloc->spare;
    alloc->spare = leaf;
    alloc->spares++;
}

/* There is one: see SPARES_WANTED. */
static struct page_leaf *spare_take(struct page_alloc *alloc)
{
    struct page_leaf *const leaf = alloc->spare;

    alloc->spare = leaf->lower;
    alloc->spares--;
    return leaf;
}

/* A new leaf, above `leaf`, or the first one of all. */
static struct page_leaf *leaf_add(struct page_alloc *alloc, struct page_leaf *leaf)
{
    struct page_leaf *const added = spare_take(alloc);

    added->lower = leaf;
    added->higher = leaf != NULL ? leaf->higher : NULL;
    added->most = leaf != NULL ? leaf->most : 0;
    added->count = 0;
    if (added->higher != NULL) {
        added->higher->lower = added;
    } else {
        alloc->highest = added;
    }
    if (leaf != NULL) {
        leaf->higher = added;
    }
    return added;
}

/* Take the leaf above `leaf` out of the list. What it held is `leaf`'s now, or nobody's. */
static void leaf_drop_above(struct page_alloc *alloc, struct page_leaf *leaf)
{
    struct page_leaf *const dropped = leaf->higher;

    leaf->higher = dropped->higher;
    if (dropped->higher != NULL) {
        dropped->higher->lower = leaf;
    } else {
        alloc->highest = leaf;
    }
    spare_add(alloc, dropped);
}

static void extents_copy(struct extent *to, const struct extent *from, uint64_t count)
{
    memmove(to, from, count * sizeof(*to));
}

/* Join a leaf with the one above it, if both are small, or one is empty. */
static void leaf_join(struct page_alloc *alloc, struct page_leaf *leaf)
{
    const struct page_leaf *const higher = leaf->higher;

    if (higher == NULL ||
        (leaf->count > 0 && higher->count > 0 && leaf->count + higher->count > LEAF_JOINED_MOST)) {
        return;
    }
    extents_copy(&leaf->extents[leaf->count], higher->extents, higher->count);
    leaf->count += higher->count;
    leaf->most = higher->most > leaf->most ? higher->most : leaf->most;
    leaf_drop_above(alloc, leaf);
}

/* --- extents ------------------------------------------------------------------------------- */

static uint64_t extent_end(const struct extent *extent)
{
    return extent->start + extent->pages * PAGE_BYTES;
}

/* The leaf that an address belongs to: the highest that does not begin above it, or else the lowest. */
static struct page_leaf *leaf_of(const struct page_alloc *alloc, uint64_t address)
{
    struct page_leaf *leaf = alloc->highest;

    while (leaf->lower != NULL && leaf->extents[0].start > address) {
        leaf = leaf->lower;
    }
    return leaf;
}

/* The place in that leaf of the first extent that ends above the address; leaf->count when none does. */
static uint64_t place_of(const struct page_leaf *leaf, uint64_t address)
{
    uint64_t low = 0;
    uint64_t high = leaf->count;

    if (high == 0 || extent_end(&leaf->extents[high - 1]) <= address) {
        return high;
    }
    while (low < high) {
        const uint64_t middle = (low + high) / 2;

        if (extent_end(&leaf->extents[middle]) <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The extent at a place, which may be the first one of the next leaf; NULL at the end of all. */
static struct extent *extent_at(struct page_leaf *leaf, uint64_t at)
{
    if (at == leaf->count) {
        leaf = leaf->higher;
        at = 0;
    }
    return leaf != NULL ? &leaf->extents[at] : NULL;
}

/* The first extent that ends above the address, in whichever leaf; NULL when none does. */
static struct extent *extent_from(const struct page_alloc *alloc, uint64_t address)
{
    struct page_leaf *const leaf = leaf_of(alloc, address);

    return extent_at(leaf, place_of(leaf, address));
}

/* Returns the leaf that it is in now. */
static struct page_leaf *extent_add(struct page_alloc *alloc, struct page_leaf *leaf, uint64_t at,
                                    struct extent extent)
{
    if (leaf->count == LEAF_EXTENTS) {
        /* What comes in order of address fills whole leaves. */
        const uint64_t kept = at == LEAF_EXTENTS ? LEAF_EXTENTS : LEAF_EXTENTS / 2;
        struct page_leaf *const added = leaf_add(alloc, leaf);

        extents_copy(added->extents, &leaf->extents[kept], LEAF_EXTENTS - kept);
        added->count = LEAF_EXTENTS - kept;
        leaf->count = kept;
        if (at > kept || kept == LEAF_EXTENTS) {
            leaf = added;
            at -= kept;
        }
    }
    extents_copy(&leaf->extents[at + 1], &leaf->extents[at], leaf->count - at);
    leaf->extents[at] = extent;
    leaf->count++;
    return leaf;
}

static void extent_drop(struct page_alloc *alloc, struct page_leaf *leaf, uint64_t at)
{
    leaf->count--;
    extents_copy(&leaf->extents[at], &leaf->extents[at + 1], leaf->count - at);
    leaf_join(alloc, leaf);
    if (leaf->lower != NULL) {
        leaf_join(alloc, leaf->lower);
    }
}

/* --- the brush ----------------------------------------------------------------------------- */

static uint64_t pages_in(struct prange range)
{
    return prange_bytes(range) / PAGE_BYTES;
}

/* Cut a range out of the extents there, which may be none, one or many. */
static void range_cut(struct page_alloc *alloc, struct prange range)
{
    for (;;) {
        struct page_leaf *leaf = leaf_of(alloc, range.start);
        uint64_t at = place_of(leaf, range.start);

        if (at == leaf->count && leaf->higher != NULL) {
            leaf = leaf->higher;
            at = 0;
        }
        if (at == leaf->count || leaf->extents[at].start >= range.end) {
            return;
        }

        struct extent *const extent = &leaf->extents[at];
        const uint64_t end = extent_end(extent);
        const struct prange piece = {
            extent->start > range.start ? extent->start : range.start,
            end < range.end ? end : range.end,
        };

        alloc->pages[extent->state] -= pages_in(piece);
        if (piece.start > extent->start) {
            const struct extent above = {
                .start = piece.end,
                .pages = (end - piece.end) / PAGE_BYTES,
                .state = extent->state,
            };

            extent->pages = (piece.start - extent->start) / PAGE_BYTES;
            if (above.pages > 0) {
                extent_add(alloc, leaf, at + 1, above);
                return;
            }
        } else if (piece.end < end) {
            extent->start = piece.end;
            extent->pages = (end - piece.end) / PAGE_BYTES;
            return;
        } else {
            extent_drop(alloc, leaf, at);
        }
    }
}

/* Enter a new extent; between two leaves, where there is room. */
static struct page_leaf *extent_put(struct page_alloc *alloc, struct page_leaf *leaf, uint64_t at,
                                    struct extent extent)
{
    if (at == LEAF_EXTENTS && leaf->higher != NULL && leaf->higher->count < LEAF_EXTENTS) {
        leaf = leaf->higher;
        at = 0;
    }
    return extent_add(alloc, leaf, at, extent);
}

/* Put a range in where nothing is, together with its neighbours if they are of its kind. */
static void range_put(struct page_alloc *alloc, struct prange range, enum page_state state)
{
    struct page_leaf *const home = leaf_of(alloc, range.start);
    const uint64_t at = place_of(home, range.start);
    struct extent *const below = at > 0 ? &home->extents[at - 1] : NULL;
    struct extent *const above = extent_at(home, at);
    const bool joins_below =
        below != NULL && below->state == state && extent_end(below) == range.start;
    const bool joins_above = above != NULL && above->state == state && above->start == range.end;
    const struct prange whole = {joins_below ? below->start : range.start,
                                 joins_above ? extent_end(above) : range.end};
    const struct extent extent = {whole.start, pages_in(whole), state};
    struct page_leaf *leaf = home;

    alloc->pages[state] += pages_in(range);
    if (joins_above) {
        *above = extent;
        leaf = at == home->count ? home->higher : home;
    } else if (joins_below) {
        *below = extent;
    } else {
        leaf = extent_put(alloc, home, at, extent);
    }
    if (state == PAGE_FREE && leaf->most < extent.pages) {
        leaf->most = extent.pages;
    }
    if (joins_above && joins_below) {
        extent_drop(alloc, home, at - 1);
    }
}

static void range_paint(struct page_alloc *alloc, struct prange range, enum page_state state)
{
    range_cut(alloc, range);
    range_put(alloc, range, state);
}

/* --- taking -------------------------------------------------------------------------------- */

/* The highest place in one extent; false when there is none. */
static bool fits(const struct extent *extent, const struct page_request *request,
                 struct prange *out)
{
    const uint64_t bytes = request->pages * PAGE_BYTES;
    const uint64_t below = align_down(request->below, PAGE_BYTES);
    const uint64_t end = extent_end(extent) < below ? extent_end(extent) : below;

    if (extent->pages < request->pages || end <= extent->start || end - extent->start < bytes) {
        return false;
    }
    out->start = align_down(end - bytes, request->alignment);
    out->end = out->start + bytes;
    return out->start >= extent->start;
}

static bool free_find(struct page_alloc *alloc, const struct page_request *request,
                      struct prange *out)
{
    for (struct page_leaf *leaf = alloc->highest; leaf != NULL; leaf = leaf->lower) {
        uint64_t most = 0;

        if (leaf->most < request->pages || leaf->extents[0].start >= request->below) {
            continue;
        }
        for (uint64_t i = leaf->count; i > 0; i--) {
            const struct extent *const extent = &leaf->extents[i - 1];

            if (extent->state != PAGE_FREE) {
                continue;
            }
            if (fits(extent, request, out)) {
                return true;
            }
            most = extent->pages > most ? extent->pages : most;
        }
        leaf->most = most;
    }
    return false;
}

/* Have pages for splits, as far as there is memory in the window. */
static void spares_have(struct page_alloc *alloc, uint32_t wanted)
{
    const struct page_request request = {1, PAGE_BYTES, alloc->window_end};
    struct prange page;

    while (alloc->spares > 0 && alloc->spares < wanted && free_find(alloc, &request, &page)) {
        range_paint(alloc, page, PAGE_OWN);
        spare_add(alloc, leaf_at(alloc, page.start));
    }
}

static void spares_fill(struct page_alloc *alloc)
{
    spares_have(alloc, SPARES_WANTED);
}

void page_alloc_expect(struct page_alloc *alloc, uint32_t changes)
{
    uint32_t splits = 0;

    /* One change makes two extents more of one at most. */
    for (const struct page_leaf *leaf = alloc->highest; leaf != NULL; leaf = leaf->lower) {
        splits += leaf->count + 2 * (uint64_t)changes > LEAF_EXTENTS;
    }
    if (splits > 0) {
        spares_have(alloc, SPARES_WANTED + (splits < changes ? splits : changes));
    }
}

struct status page_alloc_take(struct page_alloc *alloc, const struct page_request *request,
                              struct prange *out)
{
    spares_fill(alloc);
    /* One spare is left for whoever frees, and so makes room for more. */
    if (alloc->spares < SPARES_WANTED || !free_find(alloc, request, out)) {
        return status_at(PAGES_NONE_FREE, request->pages);
    }
    range_paint(alloc, *out, PAGE_ALLOCATED);
    return status_ok();
}

/* --- other changes ------------------------------------------------------------------------- */

/*
 * Is all of the range of these states? If not, where does it begin to be otherwise? What is no RAM is allowed only
 * where `gaps` says so.
 */
static bool range_is(const struct page_alloc *alloc, struct prange range, uint32_t states,
                     bool gaps, uint64_t *offender)
{
    uint64_t at = range.start;

    while (at < range.end) {
        const struct extent *const extent = extent_from(alloc, at);
        const bool none = extent == NULL || extent->start >= range.end;
        const bool gap = none || extent->start > at;

        if ((gap && !gaps) || (!none && (PAGE_SET(extent->state) & states) == 0)) {
            *offender = gap && !gaps ? at : extent->start > at ? extent->start : at;
            return false;
        }
        at = none ? range.end : extent_end(extent);
    }
    return true;
}

static bool is_good(struct prange range)
{
    return range.start < range.end && ((range.start | range.end) & (PAGE_BYTES - 1)) == 0;
}

/* Change the whole of a range that is of these states; `code` says that it is not. */
static struct status change(struct page_alloc *alloc, struct prange range, uint32_t states,
                            bool gaps, enum status_code code, enum page_state state)
{
    uint64_t offender;

    if (!is_good(range)) {
        return status_at(PAGES_BAD_RANGE, range.start);
    }
    if (!range_is(alloc, range, states, gaps, &offender)) {
        return status_at(code, offender);
    }
    if (alloc->spares == 0) {
        return status_at(PAGES_NO_EXTENT, range.start);
    }
    range_paint(alloc, range, state);
    spares_fill(alloc);
    return status_ok();
}

struct status page_alloc_free(struct page_alloc *alloc, struct prange range)
{
    return change(alloc, range, PAGE_SET(PAGE_ALLOCATED), false, PAGES_NOT_TAKEN, PAGE_FREE);
}

struct status page_alloc_give(struct page_alloc *alloc, struct prange range)
{
    return change(alloc, range, PAGE_SET(PAGE_RESERVED), true, PAGES_IN_USE, PAGE_FREE);
}

/* The whole pages that bytes lie in; none for an empty range, wherever it is. */
static struct prange pages_around(struct prange bytes)
{
    if (bytes.start >= bytes.end) {
        return (struct prange){0, 0};
    }
    const uint64_t end = align_up(bytes.end, PAGE_BYTES);

    return (struct prange){align_down(bytes.start, PAGE_BYTES),
                           end < bytes.end ? align_down(bytes.end, PAGE_BYTES) : end};
}

struct status page_alloc_reserve(struct page_alloc *alloc, struct prange range)
{
    const struct prange pages = pages_around(range);
    uint64_t offender;
    struct prange free;

    if (!range_is(alloc, pages, PAGE_SET(PAGE_FREE) | PAGE_SET(PAGE_RESERVED), true, &offender)) {
        return status_at(PAGES_IN_USE, offender);
    }
    for (uint64_t at = pages.start;
         page_alloc_next(alloc, at, PAGE_SET(PAGE_FREE), &free) && free.start < pages.end;
         at = free.end) {
        free.end = free.end < pages.end ? free.end : pages.end;
        if (alloc->spares == 0) {
            return status_at(PAGES_NO_EXTENT, free.start);
        }
        range_paint(alloc, free, PAGE_RESERVED);
        /* Not from what is to be reserved: the range has to be that first. */
    }
    spares_fill(alloc);
    return status_ok();
}

bool page_alloc_next(const struct page_alloc *alloc, uint64_t from, uint32_t states,
                     struct prange *range)
{
    const struct page_leaf *leaf = leaf_of(alloc, from);

    for (uint64_t at = place_of(leaf, from); leaf != NULL; leaf = leaf->higher, at = 0) {
        for (; at < leaf->count; at++) {
            const struct extent *const extent = &leaf->extents[at];

            if ((PAGE_SET(extent->state) & states) != 0) {
                range->start = extent->start > from ? extent->start : from;
                range->end = extent_end(extent);
                return true;
            }
        }
    }
    return false;
}

/* --- the beginning ------------------------------------------------------------------------- */

uint64_t page_alloc_bytes(const struct memmap *map, uint32_t busy_count)
{
    /* A busy range cuts one extent into three at most; page 0 is one more. */
    const uint64_t extents = map->count + 2 * (uint64_t)busy_count + 1;

    return ((extents + LEAF_EXTENTS - 1) / LEAF_EXTENTS + SPARES_WANTED) * PAGE_BYTES;
}

/* The lowest busy range, in whole pages, that ends above an address; an empty one at the end of all when none does. */
static struct prange busy_from(struct busy_list busy, uint64_t address)
{
    struct prange lowest = {UINT64_MAX, UINT64_MAX};

    for (uint32_t i = 0; i < busy.count; i++) {
        const struct prange pages = pages_around(busy.ranges[i]);

        if (pages.start < lowest.start && pages.end > address && pages.start < pages.end) {
            lowest = pages;
        }
    }
    return lowest;
}

/* The whole pages of an entry that holds RAM; empty if there are none. */
static struct prange pages_of(const struct memory_range *range)
{
    const uint64_t start = align_up(range->bytes.start, PAGE_BYTES);
    const uint64_t end = align_down(range->bytes.end, PAGE_BYTES);
    const bool is_ram = range->type == MEMORY_RAM || range->type == MEMORY_BOOT_SERVICES;

    return is_ram && start < end ? (struct prange){start, end} : (struct prange){0, 0};
}

void page_alloc_start(struct page_alloc *alloc, const struct memmap *map, struct busy_list busy,
                      uint8_t *window, uint64_t window_end, struct prange room)
{
    /* The first page is never given away: 0 means "none" to many. */
    struct prange next = {0, PAGE_BYTES};

    *alloc = (struct page_alloc){.window = window, .window_end = window_end};
    for (uint64_t at = room.start; at < room.end; at += PAGE_BYTES) {
        spare_add(alloc, leaf_at(alloc, at));
    }
    leaf_add(alloc, NULL);
    for (uint32_t i = 0; i < map->count; i++) {
        struct prange left = pages_of(&map->ranges[i]);

        while (left.start < left.end) {
            struct prange piece = left;
            enum page_state state = map->ranges[i].type == MEMORY_RAM ? PAGE_FREE : PAGE_RESERVED;

            if (next.end <= left.start) {
                next = busy_from(busy, left.start);
            }
            if (next.start > left.start) {
                piece.end = next.start < left.end ? next.start : left.end;
            } else {
                piece.end = next.end < left.end ? next.end : left.end;
                state = PAGE_RESERVED;
            }
            range_put(alloc, piece, state);
            left.start = piece.end;
        }
    }
}
