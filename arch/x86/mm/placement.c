/*
 * Where everything goes. All of it is a walk over holes: the free intervals that are left of the
 * RAM, within limits, once everything busy is taken out.
 */
#include "placement.h"

#include <stddef.h>

#include "addr.h"
#include "x86/address_map.h"
#include "x86/paging.h"

/* No kernel below: legacy memory, and where boot.rst puts a kernel that is not told otherwise. */
#define KERNEL_LOWEST MIB(1)

/* --- holes --------------------------------------------------------------------------------- */

#define OWN_MAX 6

/*
 * What is in the way: a few ranges of our own choice, and somebody's list. Empty ranges are in
 * nobody's way.
 */
struct obstacles {
    struct prange own[OWN_MAX];
    uint32_t own_count;
    struct busy_list others;
};

static struct obstacles with(struct obstacles obstacles, struct prange range)
{
    obstacles.own[obstacles.own_count++] = range;
    return obstacles;
}

static uint32_t obstacle_count(const struct obstacles *obstacles)
{
    return obstacles->own_count + obstacles->others.count;
}

static struct prange obstacle(const struct obstacles *obstacles, uint32_t i)
{
    return i < obstacles->own_count ? obstacles->own[i]
                                    : obstacles->others.ranges[i - obstacles->own_count];
}

/* The first free interval in [from, end), or an empty one at `end`. */
static struct prange first_free(const struct obstacles *obstacles, uint64_t from, uint64_t end)
{
    uint32_t count = obstacle_count(obstacles);
    bool moved = true;

    while (moved && from < end) {
        moved = false;
        for (uint32_t i = 0; i < count; i++) {
            struct prange busy = obstacle(obstacles, i);

            if (busy.start <= from && from < busy.end) {
                from = busy.end;
                moved = true;
            }
        }
    }
    if (from >= end) {
        return (struct prange){end, end};
    }
    for (uint32_t i = 0; i < count; i++) {
        struct prange busy = obstacle(obstacles, i);

        if (from < busy.start && busy.start < end && busy.start < busy.end) {
            end = busy.start;
        }
    }
    return (struct prange){from, end};
}

/* A walk over the holes in [from, below), upwards. */
struct hole_walk {
    const struct memmap *map;
    const struct obstacles *obstacles;
    uint32_t index; /* of the map's range that holds, or comes after, `from` */
    uint64_t from;
    uint64_t below;
    uint64_t most; /* bytes of the largest hole so far, from its first aligned address on */
};

static struct hole_walk walk_holes(const struct memmap *map, const struct obstacles *obstacles,
                                   uint64_t at_least, uint64_t below)
{
    /*
     * The first page is never given away: firmware keeps its tables there, and 0 means "none" to
     * many.
     */
    uint64_t from = at_least < PAGE_BYTES ? PAGE_BYTES : at_least;

    return (struct hole_walk){map, obstacles, 0, from, below, 0};
}

static bool next_hole(struct hole_walk *walk, struct prange *hole)
{
    for (; walk->index < walk->map->count && walk->from < walk->below; walk->index++) {
        const struct memory_range *range = &walk->map->ranges[walk->index];
        uint64_t start = range->bytes.start < walk->from ? walk->from : range->bytes.start;
        uint64_t end = range->bytes.end < walk->below ? range->bytes.end : walk->below;

        if (range->type != MEMORY_RAM || start >= end) {
            continue;
        }
        *hole = first_free(walk->obstacles, start, end);
        if (hole->start < hole->end) {
            walk->from = hole->end;
            return true;
        }
    }
    return false;
}

/* The two ends of a hole, as places for one thing. */
struct places {
    uint64_t first;
    uint64_t last;
};

/*
 * The next hole that has room for `bytes` at an aligned address; what room there was at most is
 * kept in walk->most.
 */
static bool next_places(struct hole_walk *walk, uint64_t bytes, uint64_t alignment,
                        struct places *places)
{
    struct prange hole;

    while (next_hole(walk, &hole)) {
        uint64_t first = align_up(hole.start, alignment);
        /* At the top of the address space align_up wraps. */
        uint64_t room = first >= hole.start && first < hole.end ? hole.end - first : 0;

        walk->most = room > walk->most ? room : walk->most;
        if (room >= bytes) {
            *places = (struct places){first, align_down(hole.end - bytes, alignment)};
            return true;
        }
    }
    return false;
}

static bool find(const struct memmap *map, const struct obstacles *obstacles,
                 const struct placement_request *request, uint64_t *place, uint64_t *missing)
{
    struct hole_walk walk = walk_holes(map, obstacles, request->at_least, request->below);
    struct places places;
    bool found = false;

    while (next_places(&walk, request->bytes, request->alignment, &places)) {
        found = true;
        if (request->preference == PLACE_LOWEST) {
            *place = places.first;
            break;
        }
        *place = places.last;
    }
    *missing = found ? 0 : request->bytes - walk.most;
    return found;
}

bool placement_find(const struct memmap *map, struct busy_list busy,
                    const struct placement_request *request, uint64_t *place, uint64_t *missing)
{
    struct obstacles obstacles = {.others = busy};

    return find(map, &obstacles, request, place, missing);
}

/* --- lists -------------------------------------------------------------------------------- */

/* Few: each finds its place among those before it. */
static void sort(struct prange *ranges, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        const struct prange range = ranges[i];
        uint32_t at = i;

        for (; at > 0 && ranges[at - 1].start > range.start; at--) {
            ranges[at] = ranges[at - 1];
        }
        ranges[at] = range;
    }
}

uint32_t placement_settle(struct prange *ranges, uint32_t count)
{
    uint32_t settled = 0;

    sort(ranges, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct prange pages = {align_down(ranges[i].start, PAGE_BYTES),
                                     align_up(ranges[i].end, PAGE_BYTES)};

        if (ranges[i].start == ranges[i].end) {
            continue;
        }
        if (settled == 0 || ranges[settled - 1].end < pages.start) {
            ranges[settled++] = pages;
        } else if (ranges[settled - 1].end < pages.end) {
            ranges[settled - 1].end = pages.end;
        }
    }
    return settled;
}

/* --- the image ----------------------------------------------------------------------------- */

uint64_t placement_image(const struct memmap *map, struct prange image, bool loader_moved,
                         struct busy_list modules)
{
    const struct placement_request request = {
        .bytes = prange_bytes(image),
        .alignment = IMAGE_SLOT_BYTES,
        .below = GIB(4),
        .preference = PLACE_HIGHEST,
    };
    bool is_good =
        align_down(image.start, IMAGE_SLOT_BYTES) == image.start && memmap_is_ram(map, image);
    uint64_t place;
    uint64_t missing;

    if ((is_good && loader_moved) || !placement_find(map, modules, &request, &place, &missing)) {
        return image.start;
    }
    return !is_good || place > image.start ? place : image.start;
}

/* --- page tables --------------------------------------------------------------------------- */

struct status placement_tables(const struct memmap *map, struct prange image,
                               struct busy_list modules, uint64_t bytes, bool stays,
                               struct prange *room)
{
    const struct {
        uint64_t at_least;
        uint64_t below;
        enum placement_preference preference;
    } choices[] = {
        {image.end, align_up(image.end, IMAGE_SLOT_BYTES), PLACE_LOWEST},
        {0, stays ? 0 : MIB(1), PLACE_HIGHEST},
        {0, GIB(4), PLACE_HIGHEST},
    };
    struct obstacles obstacles = {.own = {image}, .own_count = 1, .others = modules};
    uint64_t missing = bytes;
    uint64_t place = 0;

    for (size_t i = 0; missing > 0 && i < sizeof(choices) / sizeof(choices[0]); i++) {
        const struct placement_request request = {
            .bytes = bytes,
            .alignment = PAGE_BYTES,
            .at_least = choices[i].at_least,
            .below = choices[i].below,
            .preference = choices[i].preference,
        };

        find(map, &obstacles, &request, &place, &missing);
    }
    if (missing > 0) {
        return status_at(PLACEMENT_NO_ROOM_TABLES, missing);
    }
    *room = (struct prange){place, place + bytes};
    return status_ok();
}

/* --- the page that other processors start in ----------------------------------------------- */

static bool start_page_below(const struct memmap *map, struct busy_list busy, uint64_t below,
                             paddr_t *page)
{
    const struct obstacles obstacles = {.others = busy};

    for (uint64_t start = below - PAGE_BYTES; start > 0; start -= PAGE_BYTES) {
        const struct prange bytes = {start, start + PAGE_BYTES};
        const struct prange free = first_free(&obstacles, bytes.start, bytes.end);

        if (free.start == bytes.start && free.end == bytes.end && memmap_is_ram(map, bytes)) {
            *page = (paddr_t){start};
            return true;
        }
    }
    return false;
}

bool placement_start_page(const struct memmap *map, struct busy_list busy, paddr_t *page)
{
    return start_page_below(map, busy, START_PAGES_GOOD_END, page) ||
           start_page_below(map, busy, START_PAGES_END, page);
}

/* --- a native kernel ----------------------------------------------------------------------- */

/* The search for a guest's places: what is given, what is found, and how near the failures came. */
struct guest_search {
    const struct memmap *map;
    const struct guest_needs *needs;
    struct obstacles fixed; /* the image and other modules */
    struct guest_placement *out;
    struct status failure; /* of the attempt that came furthest; among those, the least missing */
};

static void note_failure(struct guest_search *search, enum status_code code, uint64_t missing)
{
    /* The codes are in the order of the attempts: kernel, initrd, handed-over data. */
    if (code > search->failure.code ||
        (code == search->failure.code && missing < search->failure.offset)) {
        search->failure = status_at(code, missing);
    }
}

static struct prange kernel_range(const struct guest_search *search)
{
    return (struct prange){search->out->kernel, search->out->kernel + search->needs->kernel_bytes};
}

/* The block that is handed over. It is written before anything moves: the sources are in its way.
 */
static bool place_handoff(struct guest_search *search)
{
    const struct guest_needs *needs = search->needs;
    struct obstacles busy = with(search->fixed, needs->kernel_file);
    struct placement_request request = {
        .bytes = needs->handoff_bytes,
        .alignment = PAGE_BYTES,
        .below = GIB(4),
        .preference = PLACE_HIGHEST,
    };
    uint64_t place;
    uint64_t missing;

    busy = with(with(with(busy, needs->initrd), search->out->initrd), kernel_range(search));
    if (!find(search->map, &busy, &request, &place, &missing)) {
        note_failure(search, PLACEMENT_NO_ROOM_HANDOFF, missing);
        return false;
    }
    search->out->handoff = (struct prange){place, place + needs->handoff_bytes};
    return true;
}

static bool try_initrd_at(struct guest_search *search, uint64_t initrd)
{
    search->out->initrd = (struct prange){initrd, initrd + prange_bytes(search->needs->initrd)};
    return place_handoff(search);
}

/*
 * A new place for the initrd, which may overlap its old one: the highest below 4 GiB, or else above
 * where that is allowed. Should that leave no room for the block, then an end of another hole.
 */
static bool try_initrd(struct guest_search *search)
{
    const struct guest_needs *needs = search->needs;
    struct obstacles busy = with(with(search->fixed, needs->kernel_file), kernel_range(search));
    struct placement_request request = {
        .bytes = prange_bytes(needs->initrd),
        .alignment = PAGE_BYTES,
        .below = needs->initrd_below < GIB(4) ? needs->initrd_below : GIB(4),
        .preference = PLACE_HIGHEST,
    };
    struct hole_walk walk = walk_holes(search->map, &busy, 0, needs->initrd_below);
    struct places places;
    uint64_t place;
    uint64_t missing;

    if (!find(search->map, &busy, &request, &place, &missing)) {
        request.below = needs->initrd_below;
        if (!find(search->map, &busy, &request, &place, &missing)) {
            note_failure(search, PLACEMENT_NO_ROOM_INITRD, missing);
            return false;
        }
    }
    if (try_initrd_at(search, place)) {
        return true;
    }
    /* Where the block has no room although the initrd is nowhere, no place for the initrd helps. */
    search->out->initrd = (struct prange){0, 0};
    if (!place_handoff(search)) {
        return false;
    }
    while (next_places(&walk, request.bytes, request.alignment, &places)) {
        if (try_initrd_at(search, places.first) || try_initrd_at(search, places.last)) {
            return true;
        }
    }
    return false;
}

/* With the kernel at `kernel`, does all the rest have a place? */
static bool try_kernel_at(struct guest_search *search, uint64_t kernel, bool initrd_moves)
{
    search->out->kernel = kernel;
    search->out->initrd = search->needs->initrd;
    search->out->initrd_first = initrd_moves;
    return initrd_moves ? try_initrd(search) : place_handoff(search);
}

/*
 * Try the kernel's places upwards, until all the rest has one, too. The two ends of each hole are
 * enough: between them the kernel would only split what one thing beside it could use whole. (With
 * something on either side of the kernel a place between could help; that is not worth the search.)
 */
static bool try_kernel(struct guest_search *search, bool initrd_moves)
{
    const struct guest_needs *needs = search->needs;
    struct obstacles busy = initrd_moves ? search->fixed : with(search->fixed, needs->initrd);
    uint64_t preferred = needs->kernel_preferred;
    uint64_t lowest = preferred < KERNEL_LOWEST ? KERNEL_LOWEST : preferred;
    uint64_t alignment = needs->kernel_relocatable ? needs->kernel_alignment : 1;
    uint64_t below = GIB(4);
    struct places places;

    if (!needs->kernel_relocatable && preferred < below &&
        needs->kernel_bytes < below - preferred) {
        below = preferred + needs->kernel_bytes;
    }
    struct hole_walk walk = walk_holes(search->map, &busy, lowest, below);

    while (next_places(&walk, needs->kernel_bytes, alignment, &places)) {
        if (try_kernel_at(search, places.first, initrd_moves) ||
            try_kernel_at(search, places.last, initrd_moves)) {
            return true;
        }
    }
    if (walk.most < needs->kernel_bytes) {
        note_failure(search, PLACEMENT_NO_ROOM_KERNEL, needs->kernel_bytes - walk.most);
    }
    return false;
}

static bool initrd_can_stay(const struct guest_search *search)
{
    struct prange initrd = search->needs->initrd;

    if (initrd.start == initrd.end) {
        return true;
    }
    struct prange free = first_free(&search->fixed, initrd.start, initrd.end);

    return align_down(initrd.start, PAGE_BYTES) == initrd.start && initrd.start >= PAGE_BYTES &&
           initrd.end <= search->needs->initrd_below && memmap_is_ram(search->map, initrd) &&
           prange_bytes(free) == prange_bytes(initrd);
}

struct status placement_guest(const struct memmap *map, const struct guest_needs *needs,
                              struct guest_placement *out)
{
    struct guest_search search = {
        .map = map,
        .needs = needs,
        .fixed = {.own = {needs->image}, .own_count = 1, .others = needs->others},
        .out = out,
    };

    if (initrd_can_stay(&search) && try_kernel(&search, false)) {
        return status_ok();
    }
    if (needs->initrd.start != needs->initrd.end && try_kernel(&search, true)) {
        return status_ok();
    }
    return search.failure;
}
