/*
 * The one page allocator, behind its lock.
 */
#include "pages.h"

#include <stddef.h>

#include "physmap.h"
#include "spinlock.h"
#include "x86/address_map.h"
#include "x86/paging.h"

#define USED (PAGE_SET(PAGE_ALLOCATED) | PAGE_SET(PAGE_OWN))

static struct page_alloc alloc;
static struct spinlock lock = SPINLOCK("pages", LOCK_PAGES);

void pages_start(const struct memmap *map, struct busy_list busy, struct prange room)
{
    page_alloc_start(&alloc, map, busy, physmap_low((paddr_t){0}), IDENTITY_MAP_BYTES, room);
}

struct status pages_take(uint64_t pages, struct prange *out)
{
    const struct page_request request = {pages, PAGE_BYTES, IDENTITY_MAP_BYTES};
    struct status status;

    spin_lock(&lock);
    status = page_alloc_take(&alloc, &request, out);
    spin_unlock(&lock);
    return status;
}

typedef struct status change_fn(struct page_alloc *alloc, struct prange range);

static struct status change(change_fn *how, struct prange range)
{
    struct status status;

    spin_lock(&lock);
    status = how(&alloc, range);
    spin_unlock(&lock);
    return status;
}

struct status pages_free(struct prange range)
{
    return change(page_alloc_free, range);
}

struct status pages_reserve(struct prange range)
{
    return change(page_alloc_reserve, range);
}

struct status pages_give(struct prange range)
{
    return change(page_alloc_give, range);
}

void pages_expect(uint32_t changes)
{
    if (alloc.highest == NULL) {
        return;
    }
    spin_lock(&lock);
    page_alloc_expect(&alloc, changes);
    spin_unlock(&lock);
}

void pages_count(uint64_t counts[PAGE_STATES])
{
    spin_lock(&lock);
    for (enum page_state state = 0; state < PAGE_STATES; state++) {
        counts[state] = alloc.pages[state];
    }
    spin_unlock(&lock);
}

uint32_t pages_used(struct prange *ranges, uint32_t most)
{
    struct prange range = {0, 0};
    uint32_t count = 0;

    if (alloc.highest == NULL) {
        return 0;
    }
    spin_lock(&lock);
    while (page_alloc_next(&alloc, range.end, USED, &range)) {
        if (count > 0 && (count == most || ranges[count - 1].end == range.start)) {
            ranges[count - 1].end = range.end;
        } else {
            ranges[count++] = range;
        }
    }
    spin_unlock(&lock);
    return count;
}
