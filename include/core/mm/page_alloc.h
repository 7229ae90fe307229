/*
 * Who has which page of RAM. The set of all RAM is kept as extents, [start, end) and what they are, sorted, neighbours
 * of one kind merged; so cost and memory depend on how many pieces there are, not on how much RAM.
 *
 * The extents lie in pages of their own: the first come from the caller, more are taken from what is free when they
 * are needed. Nothing here touches the memory that it hands out. One caller at a time.
 *
 * Nodes come later: an extent has room for a node's number, extents of different nodes would not merge, and
 * page_alloc_start and page_alloc_give would be told it with each range, page_alloc_take with the request.
 */
#ifndef MM_PAGE_ALLOC_H
#define MM_PAGE_ALLOC_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "memmap.h"
#include "placement.h"
#include "status.h"

enum page_state {
    PAGE_FREE,
    PAGE_ALLOCATED,
    PAGE_RESERVED, /* RAM that is not for handing out: it is busy, or page 0, or what boot services used */
    PAGE_OWN, /* taken for extents; stays so */
    PAGE_STATES,
};

/* A set of states, for page_alloc_next. */
#define PAGE_SET(state) (1U << (state))

struct page_leaf;

/* Writer: the functions below. */
struct page_alloc {
    uint8_t *window;           /* where physical memory is reached, from address 0 on */
    uint64_t window_end;       /* how far */
    struct page_leaf *highest; /* of a list by address, downwards; never empty */
    struct page_leaf *spare;   /* pages for further extents */
    uint32_t spares;
    uint64_t pages[PAGE_STATES]; /* how many there are of each kind; together, all pages of RAM */
};

/* The memory that the first extents need, in whole pages: for a map, and so many busy ranges. */
uint64_t page_alloc_bytes(const struct memmap *map, uint32_t busy_count);

/*
 * Begin: all whole pages of RAM are free, but for those that are PAGE_RESERVED.
 *
 * @busy        ranges that nobody may be given, page by page; among them `room`
 * @window      where physical memory is reached, from address 0 on
 * @window_end  how far: further extents are kept below
 * @room        page_alloc_bytes() of memory in the window, page-aligned
 * Cost:        linear in the map's entries, and in the busy ranges times those that are met
 */
void page_alloc_start(struct page_alloc *alloc, const struct memmap *map, struct busy_list busy,
                      uint8_t *window, uint64_t window_end, struct prange room);

struct page_request {
    uint64_t pages;     /* not 0 */
    uint64_t alignment; /* of the first, in bytes: a power of two, at least a page */
    uint64_t below;     /* the last one ends there at most */
};

/*
 * Take pages that lie side by side: the highest that are allowed, so that low memory is left for those who need it.
 *
 * @return  STATUS_OK; PAGES_NONE_FREE
 */
struct status page_alloc_take(struct page_alloc *alloc, const struct page_request *request,
                              struct prange *out);

/*
 * Give back what was taken, all of it or any part.
 *
 * @return  STATUS_OK; PAGES_BAD_RANGE; PAGES_NOT_TAKEN, where a page of it is not allocated (it was freed before, or
 *          never taken); PAGES_NO_EXTENT. Nothing is changed then
 */
struct status page_alloc_free(struct page_alloc *alloc, struct prange range);

/*
 * Keep what is free of a range from being taken. Pages that it touches in part count; what is no RAM is left out.
 *
 * @return  STATUS_OK; PAGES_IN_USE where a page of it is allocated or the allocator's own, and nothing is changed;
 *          PAGES_NO_EXTENT, where a part may be reserved already
 */
struct status page_alloc_reserve(struct page_alloc *alloc, struct prange range);

/*
 * Add a range to what is free: reserved pages that nobody needs any more, or RAM that was not in the map.
 *
 * @return  STATUS_OK; PAGES_BAD_RANGE; PAGES_IN_USE where a page of it is free, allocated or the allocator's own;
 *          PAGES_NO_EXTENT. Nothing is changed then
 */
struct status page_alloc_give(struct page_alloc *alloc, struct prange range);

/*
 * Take pages for extents now, if any will be needed and as far as there is memory, so that the next `changes` of one
 * range each take none: what has been found free until then stays free.
 */
void page_alloc_expect(struct page_alloc *alloc, uint32_t changes);

/*
 * The lowest range from `from` on whose pages are all of one of these states.
 *
 * @states  PAGE_SET() of each, or-ed
 * @return  false when there is none
 */
bool page_alloc_next(const struct page_alloc *alloc, uint64_t from, uint32_t states,
                     struct prange *range);

#endif
