/*
 * The page allocator beside a naive model: an array with one byte for each page. What it may do of its own accord, take
 * free pages for its extents, the model takes over from it. Any difference aborts with the number of its line: the
 * fuzzer shares this with the unit tests.
 */
#ifndef TESTS_PAGE_MODEL_H
#define TESTS_PAGE_MODEL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "page_alloc.h"
#include "x86/paging.h"

#define MODEL_PAGES  4096
#define WINDOW_PAGES 2048 /* of those, the lower ones can be touched */

#define NO_RAM PAGE_STATES

struct page_model {
    uint8_t state[MODEL_PAGES];
    uint8_t *window;
    struct page_alloc alloc;
};

#define model_require(holds)                                                                       \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, "page model, line %d: %s\n", __LINE__, #holds);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline struct prange model_range(uint64_t page, uint64_t pages)
{
    return (struct prange){page * PAGE_BYTES, (page + pages) * PAGE_BYTES};
}

/* All pages of RAM. */
static inline uint64_t model_total(const struct page_alloc *alloc)
{
    uint64_t pages = 0;

    for (enum page_state state = 0; state < PAGE_STATES; state++) {
        pages += alloc->pages[state];
    }
    return pages;
}

/* Every page of both is the same, and the counts are what is counted. */
static inline void model_compare(struct page_model *model)
{
    uint64_t counted[PAGE_STATES] = {0};
    uint8_t seen[MODEL_PAGES];

    memset(seen, NO_RAM, sizeof(seen));
    for (enum page_state state = 0; state < PAGE_STATES; state++) {
        struct prange range = {0, 0};
        uint64_t before = UINT64_MAX;

        while (page_alloc_next(&model->alloc, range.end, PAGE_SET(state), &range)) {
            model_require(range.start != before && range.start < range.end);
            before = range.end;
            for (uint64_t at = range.start; at < range.end; at += PAGE_BYTES) {
                model_require(at / PAGE_BYTES < MODEL_PAGES && seen[at / PAGE_BYTES] == NO_RAM);
                seen[at / PAGE_BYTES] = state;
                counted[state]++;
            }
        }
        model_require(counted[state] == model->alloc.pages[state]);
    }
    for (uint64_t page = 0; page < MODEL_PAGES; page++) {
        if (seen[page] == PAGE_OWN && model->state[page] == PAGE_FREE) {
            model_require(page < WINDOW_PAGES);
            model->state[page] = PAGE_OWN;
        }
        model_require(seen[page] == model->state[page]);
    }
}

/* The first page of the range whose state is not in the set; MODEL_PAGES when there is none. */
static inline uint64_t model_offender(const struct page_model *model, uint64_t page, uint64_t pages,
                                      uint32_t states)
{
    for (uint64_t i = page; i < page + pages; i++) {
        const uint8_t state = i < MODEL_PAGES ? model->state[i] : NO_RAM;

        if ((PAGE_SET(state) & states) == 0) {
            return i;
        }
    }
    return UINT64_MAX;
}

static inline void model_paint(struct page_model *model, uint64_t page, uint64_t pages,
                               enum page_state state)
{
    for (uint64_t i = page; i < page + pages; i++) {
        model->state[i] = state;
    }
}

/* The highest place by trying all; MODEL_PAGES when there is none. */
static inline uint64_t model_place(const struct page_model *model,
                                   const struct page_request *request)
{
    for (uint64_t page = MODEL_PAGES; page > 0; page--) {
        const uint64_t first = page - 1;

        if (first * PAGE_BYTES % request->alignment == 0 &&
            (first + request->pages) * PAGE_BYTES <= request->below &&
            model_offender(model, first, request->pages, PAGE_SET(PAGE_FREE)) == UINT64_MAX) {
            return first;
        }
    }
    return MODEL_PAGES;
}

/* Take, and hold it against the model. */
static inline bool model_take(struct page_model *model, const struct page_request *request,
                              struct prange *out)
{
    const struct status status = page_alloc_take(&model->alloc, request, out);

    if (is_ok(status)) {
        const uint64_t page = out->start / PAGE_BYTES;

        /* What it took for itself before that it may have taken from there. */
        model_require(prange_bytes(*out) == request->pages * PAGE_BYTES);
        model_require(out->start % request->alignment == 0 && out->end <= request->below);
        model_require(model_offender(model, page, request->pages, PAGE_SET(PAGE_FREE)) ==
                      UINT64_MAX);
        model_paint(model, page, request->pages, PAGE_ALLOCATED);
        model_compare(model);
        model_paint(model, page, request->pages, PAGE_FREE);
        model_require(model_place(model, request) == page);
        model_paint(model, page, request->pages, PAGE_ALLOCATED);
        return true;
    }
    model_require(status.code == PAGES_NONE_FREE && status.offset == request->pages);
    model_compare(model);
    /* Without a spare page for extents nothing is given out, although there may be RAM above the window. */
    model_require(model->alloc.spares < 2 || model_place(model, request) == MODEL_PAGES);
    return false;
}

static inline void model_change(struct page_model *model, struct status status, uint64_t page,
                                uint64_t pages, uint32_t states, enum status_code refusal,
                                enum page_state state)
{
    const uint64_t offender = model_offender(model, page, pages, states);

    if (pages == 0) {
        model_require(status.code == PAGES_BAD_RANGE);
    } else if (offender != UINT64_MAX) {
        model_require(status.code == refusal && status.offset == offender * PAGE_BYTES);
    } else if (status.code != PAGES_NO_EXTENT) {
        model_require(is_ok(status));
        model_paint(model, page, pages, state);
    }
    model_compare(model);
}

static inline void model_free(struct page_model *model, uint64_t page, uint64_t pages)
{
    model_change(model, page_alloc_free(&model->alloc, model_range(page, pages)), page, pages,
                 PAGE_SET(PAGE_ALLOCATED), PAGES_NOT_TAKEN, PAGE_FREE);
}

/* The range has to end within the model. */
static inline void model_give(struct page_model *model, uint64_t page, uint64_t pages)
{
    model_change(model, page_alloc_give(&model->alloc, model_range(page, pages)), page, pages,
                 PAGE_SET(PAGE_RESERVED) | PAGE_SET(NO_RAM), PAGES_IN_USE, PAGE_FREE);
}

static inline void model_reserve(struct page_model *model, uint64_t page, uint64_t pages)
{
    const struct status status = page_alloc_reserve(&model->alloc, model_range(page, pages));
    const uint32_t allowed = PAGE_SET(PAGE_FREE) | PAGE_SET(PAGE_RESERVED) | PAGE_SET(NO_RAM);
    const uint64_t offender = model_offender(model, page, pages, allowed);

    if (offender != UINT64_MAX) {
        model_require(status.code == PAGES_IN_USE && status.offset == offender * PAGE_BYTES);
    } else {
        model_require(is_ok(status));
        for (uint64_t i = page; i < page + pages && i < MODEL_PAGES; i++) {
            if (model->state[i] == PAGE_FREE) {
                model->state[i] = PAGE_RESERVED;
            }
        }
    }
    model_compare(model);
}

/* Begin with a map and busy ranges; the room for extents is at `room`, where there is RAM in the window. */
static inline void model_start(struct page_model *model, const struct memmap *map,
                               struct busy_list busy, struct prange room)
{
    memset(model->state, NO_RAM, sizeof(model->state));
    for (uint32_t i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->ranges[i];

        for (uint64_t page = 0; page < MODEL_PAGES; page++) {
            if (range->bytes.start <= page * PAGE_BYTES &&
                (page + 1) * PAGE_BYTES <= range->bytes.end &&
                (range->type == MEMORY_RAM || range->type == MEMORY_BOOT_SERVICES)) {
                model->state[page] =
                    range->type == MEMORY_RAM && page > 0 ? PAGE_FREE : PAGE_RESERVED;
            }
        }
    }
    for (uint32_t i = 0; i < busy.count; i++) {
        for (uint64_t page = 0; page < MODEL_PAGES; page++) {
            if (model->state[page] == PAGE_FREE && busy.ranges[i].start < busy.ranges[i].end &&
                prange_overlaps(busy.ranges[i], model_range(page, 1))) {
                model->state[page] = PAGE_RESERVED;
            }
        }
    }
    page_alloc_start(&model->alloc, map, busy, model->window, WINDOW_PAGES * PAGE_BYTES, room);
    model_compare(model);
}

#endif
