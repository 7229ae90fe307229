/*
 * The memory map: the loader's entries become edges (here a type begins, here it ends); the edges
 * are sorted, and one sweep over them, which counts what is open of each type, writes down the most
 * careful type between every two edges.
 */
#include "memmap.h"

#include <stddef.h>

#include "addr.h"
#include "x86/address_map.h"
#include "x86/paging.h"

/* The types by how careful they are: where several overlap, the one of the highest rank wins. */
static const uint32_t type_of_rank[] = {
    MEMORY_RAM,      MEMORY_BOOT_SERVICES, MEMORY_ACPI_RECLAIM, MEMORY_PERSISTENT,
    MEMORY_ACPI_NVS, MEMORY_RESERVED,      MEMORY_DISABLED,     MEMORY_UNUSABLE,
};
#define RANKS (sizeof(type_of_rank) / sizeof(type_of_rank[0]))

/* RANKS for a type that is not known. */
static uint32_t rank_of(uint32_t type)
{
    uint32_t rank = 0;

    while (rank < RANKS && type_of_rank[rank] != type) {
        rank++;
    }
    return rank;
}

static bool is_ram(enum memory_type type)
{
    return type == MEMORY_RAM || type == MEMORY_BOOT_SERVICES;
}

typedef struct memmap_edge edge_t;

/*
 * The sweep reads the edges where it writes the ranges. When it has read n + 1 edges it has written n ranges at most,
 * so it never writes to what it has not read yet.
 */
_Static_assert((size_t)MEMMAP_EDGES_MAX *(sizeof(struct memory_range) - sizeof(edge_t)) <=
                   offsetof(struct memmap, making.edges) - offsetof(struct memmap, ranges),
               "all ranges fit before the edges that are still to be read");

/* --- the edges ----------------------------------------------------------------------------- */

/* One entry, mended; false when nothing of it is left. */
static bool mend_entry(const struct boot_range *entry, uint64_t physical_end,
                       struct memory_range *mended, struct memmap_repairs *repairs)
{
    uint64_t start = entry->base;
    uint64_t end = start + entry->length;
    enum memory_type type = entry->type;

    if (entry->length == 0) {
        repairs->empty++;
        return false;
    }
    if (rank_of(entry->type) == RANKS) {
        repairs->unknown++;
        type = MEMORY_RESERVED;
    }
    if (end < start) {
        /* An end of exactly 2^64 is legal, but only the byte before it can be said. */
        repairs->wrapped += end != 0;
        end = UINT64_MAX;
    }
    if (is_ram(type) && end > physical_end) {
        repairs->clipped++;
        end = physical_end;
    }
    *mended = (struct memory_range){{start, end}, type};
    return start < end;
}

static uint32_t collect_edges(const struct boot_info *info, uint64_t physical_end, edge_t *edges,
                              struct memmap_repairs *repairs)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < info->range_count; i++) {
        struct memory_range range;

        if (mend_entry(&info->ranges[i], physical_end, &range, repairs)) {
            edges[count++] = (edge_t){range.bytes.start, range.type, true};
            edges[count++] = (edge_t){range.bytes.end, range.type, false};
        }
    }
    return count;
}

/*
 * By address; at one address what ends comes first, so that neighbours which only touch do not
 * overlap.
 */
static bool edge_before(const edge_t *a, const edge_t *b)
{
    if (a->at != b->at) {
        return a->at < b->at;
    }
    if (a->opens != b->opens) {
        return b->opens;
    }
    return a->type < b->type;
}

static bool edges_sorted(const edge_t *edges, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        if (edge_before(&edges[i], &edges[i - 1])) {
            return false;
        }
    }
    return true;
}

/* Let the edge at `hole` sink in the heap, whose greatest edge is the first one. */
static void sift_down(edge_t *edges, uint32_t hole, uint32_t count)
{
    edge_t sinking = edges[hole];

    for (uint32_t child = 2 * hole + 1; child < count; child = 2 * hole + 1) {
        if (child + 1 < count && edge_before(&edges[child], &edges[child + 1])) {
            child++;
        }
        if (!edge_before(&sinking, &edges[child])) {
            break;
        }
        edges[hole] = edges[child];
        hole = child;
    }
    edges[hole] = sinking;
}

/*
 * Heap sort: n log n whatever comes, in place, without recursion. Most firmware sorts its map
 * already.
 */
static void sort_edges(edge_t *edges, uint32_t count)
{
    if (edges_sorted(edges, count)) {
        return;
    }
    for (uint32_t i = count / 2; i > 0; i--) {
        sift_down(edges, i - 1, count);
    }
    for (uint32_t last = count - 1; last > 0; last--) {
        edge_t greatest = edges[0];

        edges[0] = edges[last];
        edges[last] = greatest;
        sift_down(edges, 0, last);
    }
}

/* --- the result ---------------------------------------------------------------------------- */

/* The smallest piece of RAM, the lowest one among equals; map->count when there is none. */
static uint32_t smallest_ram(const struct memmap *map)
{
    uint32_t smallest = map->count;
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < map->count; i++) {
        if (is_ram(map->ranges[i].type) && prange_bytes(map->ranges[i].bytes) < least) {
            smallest = i;
            least = prange_bytes(map->ranges[i].bytes);
        }
    }
    return smallest;
}

static void count_dropped(struct memmap_repairs *repairs, uint64_t bytes)
{
    repairs->dropped++;
    repairs->dropped_bytes += bytes;
}

/*
 * Append a finished range. When there is no room, the smallest RAM is left out, be it the new range
 * or an old one. (The room for RAM never grows, so in the end it is the smallest pieces that are
 * missing.)
 */
static bool append(struct memmap *map, uint32_t limit, struct memory_range range)
{
    if (map->count == limit) {
        uint32_t victim = smallest_ram(map);
        uint64_t bytes = prange_bytes(range.bytes);

        if (is_ram(range.type) &&
            (victim == limit || bytes < prange_bytes(map->ranges[victim].bytes))) {
            count_dropped(&map->repairs, bytes);
            return true;
        }
        if (victim == limit) {
            return false;
        }
        count_dropped(&map->repairs, prange_bytes(map->ranges[victim].bytes));
        map->count--;
        for (uint32_t i = victim; i < map->count; i++) {
            map->ranges[i] = map->ranges[i + 1];
        }
    }
    map->ranges[map->count++] = range;
    return true;
}

/* What is open at one point of the sweep. */
struct open_types {
    uint32_t count[RANKS];
    uint32_t ranks; /* bit r: something of rank r is open */
};

static void cross_edge(struct open_types *open, const edge_t *edge, struct memmap_repairs *repairs)
{
    uint32_t rank = rank_of(edge->type);
    uint32_t bit = 1U << rank;

    if (edge->opens) {
        repairs->overlaps += (open->ranks & ~bit) != 0;
        open->count[rank]++;
        open->ranks |= bit;
    } else if (--open->count[rank] == 0) {
        open->ranks &= ~bit;
    }
}

/* The next edge is read before a range is written. */
static bool sweep(const edge_t *edges, uint32_t count, uint32_t limit, struct memmap *map)
{
    struct open_types open = {{0}, 0};
    struct memory_range current = {{0, 0}, MEMORY_RAM}; /* grows until something else begins */

    for (uint32_t i = 0; i < count; i++) {
        uint64_t at = edges[i].at;

        cross_edge(&open, &edges[i], &map->repairs);
        if (open.ranks == 0 || i + 1 == count || edges[i + 1].at == at) {
            continue;
        }
        uint64_t next = edges[i + 1].at;
        enum memory_type type = type_of_rank[31 - __builtin_clz(open.ranks)];

        if (current.type == type && current.bytes.end == at) {
            current.bytes.end = next;
            continue;
        }
        if (current.bytes.start < current.bytes.end && !append(map, limit, current)) {
            return false;
        }
        current = (struct memory_range){{at, next}, type};
    }
    return current.bytes.start == current.bytes.end || append(map, limit, current);
}

struct status memmap_build_limited(const struct boot_info *info, unsigned int physical_bits,
                                   uint32_t limit, struct memmap *out)
{
    out->count = 0;
    out->repairs = (struct memmap_repairs){0};
    if (!info->has_memory_map) {
        return status_at(MEMMAP_EMPTY, 0);
    }
    edge_t *const edges = out->making.edges;
    const uint32_t count = collect_edges(info, 1ULL << physical_bits, edges, &out->repairs);

    sort_edges(edges, count);
    if (!sweep(edges, count, limit, out)) {
        return status_at(MEMMAP_FULL, 0);
    }
    return memmap_ram_bytes(out) == 0 ? status_at(MEMMAP_EMPTY, 0) : status_ok();
}

struct status memmap_build(const struct boot_info *info, unsigned int physical_bits,
                           struct memmap *out)
{
    return memmap_build_limited(info, physical_bits, MEMMAP_RANGES_MAX, out);
}

/* --- questions ----------------------------------------------------------------------------- */

bool memmap_is_ram(const struct memmap *map, struct prange range)
{
    uint64_t reached = range.start;

    for (uint32_t i = 0; i < map->count && reached < range.end; i++) {
        struct prange bytes = map->ranges[i].bytes;

        if (is_ram(map->ranges[i].type) && bytes.start <= reached && reached < bytes.end) {
            reached = bytes.end;
        }
    }
    return range.start <= range.end && reached >= range.end;
}

bool memmap_touches_ram(const struct memmap *map, struct prange range)
{
    for (uint32_t i = 0; i < map->count; i++) {
        if (is_ram(map->ranges[i].type) && prange_overlaps(map->ranges[i].bytes, range)) {
            return true;
        }
    }
    return false;
}

bool memmap_has_start_page(const struct memmap *map)
{
    for (uint64_t page = PAGE_BYTES; page < LOW_MEMORY_BYTES; page += PAGE_BYTES) {
        if (memmap_is_ram(map, (struct prange){page, page + PAGE_BYTES})) {
            return true;
        }
    }
    return false;
}

uint64_t memmap_ram_bytes(const struct memmap *map)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < map->count; i++) {
        if (is_ram(map->ranges[i].type)) {
            bytes += prange_bytes(map->ranges[i].bytes);
        }
    }
    return bytes;
}

const char *memory_type_name(enum memory_type type)
{
    switch (type) {
    case MEMORY_RAM:
        return "ram";
    case MEMORY_ACPI_RECLAIM:
        return "acpi-reclaim";
    case MEMORY_ACPI_NVS:
        return "acpi-nvs";
    case MEMORY_UNUSABLE:
        return "unusable";
    case MEMORY_DISABLED:
        return "disabled";
    case MEMORY_PERSISTENT:
        return "persistent";
    case MEMORY_BOOT_SERVICES:
        return "boot-services";
    case MEMORY_RESERVED:
        break;
    }
    return "reserved";
}
