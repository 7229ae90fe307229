/*
 * Memory as a row of at most 64 cells, so that a set of cells is one 64-bit word and every place
 * that a thing could have can be tried. For the tests of placement.
 */
#ifndef TESTS_CELL_ROW_H
#define TESTS_CELL_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memmap.h"
#include "random.h"

#define BUSY_MAX 8

/*
 * Cells [0, split) lie from 0 on, cells [split, cells) from `high` on; they must not touch when
 * split < cells.
 */
struct row {
    uint64_t unit;
    uint32_t cells;
    uint32_t split;
    uint64_t high;
};

static inline uint64_t cell_start(const struct row *row, uint32_t cell)
{
    return cell < row->split ? cell * row->unit : row->high + (cell - row->split) * row->unit;
}

static inline uint64_t cell_end(const struct row *row, uint32_t cell)
{
    return cell_start(row, cell) + row->unit;
}

/* The cells that a range touches. */
static inline uint64_t cells_of(const struct row *row, struct prange range)
{
    uint64_t mask = 0;

    for (uint32_t i = 0; i < row->cells; i++) {
        if (range.start < cell_end(row, i) && cell_start(row, i) < range.end) {
            mask |= 1ULL << i;
        }
    }
    return mask;
}

static inline bool is_in_one_part(const struct row *row, uint32_t first, uint32_t cells)
{
    return first + cells <= row->cells && (first >= row->split || first + cells <= row->split);
}

static inline uint64_t run_mask(uint32_t first, uint32_t cells)
{
    return (cells == 64 ? UINT64_MAX : (1ULL << cells) - 1) << first;
}

/* A random map of RAM, reservations, boot services and holes; returns the cells of RAM, where things
 * may be placed. */
static inline uint64_t random_map(struct random *random, const struct row *row, struct memmap *map)
{
    uint64_t ram = 0;

    map->count = 0;
    for (uint32_t i = 0; i < row->cells;) {
        uint32_t part_end = i < row->split ? row->split : row->cells;
        uint32_t run = 1 + random_below(random, 16);
        uint32_t end = run < part_end - i ? i + run : part_end;
        uint32_t kind = random_below(random, 7);
        struct prange bytes = {cell_start(row, i), cell_end(row, end - 1)};

        if (kind < 4) {
            struct memory_range *last = map->count == 0 ? NULL : &map->ranges[map->count - 1];

            ram |= run_mask(i, end - i);
            if (last != NULL && last->type == MEMORY_RAM && last->bytes.end == bytes.start) {
                last->bytes.end = bytes.end;
            } else {
                map->ranges[map->count++] = (struct memory_range){bytes, MEMORY_RAM};
            }
        } else if (kind < 6) {
            map->ranges[map->count++] =
                (struct memory_range){bytes, kind == 4 ? MEMORY_RESERVED : MEMORY_BOOT_SERVICES};
        }
        i = end;
    }
    return ram;
}

/* Random busy ranges, some empty, some outside RAM; returns their cells. */
static inline uint64_t random_busy(struct random *random, const struct row *row,
                                   struct prange *ranges, uint32_t *count)
{
    uint64_t busy = 0;

    *count = random_below(random, BUSY_MAX + 1);
    for (uint32_t i = 0; i < *count; i++) {
        uint32_t first = random_below(random, row->cells);
        uint32_t cells = random_below(random, 4);

        while (!is_in_one_part(row, first, cells)) {
            cells--;
        }
        ranges[i].start = cell_start(row, first);
        ranges[i].end = ranges[i].start + cells * row->unit;
        busy |= run_mask(first, cells);
    }
    return busy;
}

#endif
