/*
 * Lines, rows and moving up, in memory alone.
 */
#include "text_grid.h"

#include "mem.h"

#define PARTS_TO_MOVE 4 /* a full screen moves up by one of these parts */

void text_grid_start(struct text_grid *grid, uint32_t columns, uint32_t rows)
{
    grid->columns = columns;
    grid->rows = rows;
    grid->column = 0;
    grid->row = 0;
    grid->changed_from = 0;
    grid->changed_to = 0;
    memset(grid->wanted, ' ', (size_t)columns * rows);
    memset(grid->shown, ' ', (size_t)columns * rows);
}

static void move_up(struct text_grid *grid)
{
    const uint32_t cells = grid->columns * grid->rows;
    const uint32_t rows = grid->rows >= PARTS_TO_MOVE ? grid->rows / PARTS_TO_MOVE : 1;
    const uint32_t gone = rows * grid->columns;

    memmove(grid->wanted, grid->wanted + gone, cells - gone);
    memset(grid->wanted + cells - gone, ' ', gone);
    grid->row -= rows;
    grid->changed_from = 0;
    grid->changed_to = cells;
}

static void line_feed(struct text_grid *grid)
{
    grid->column = 0;
    grid->row++;
}

static void character_put(struct text_grid *grid, char character)
{
    uint32_t cell;

    if (grid->column == grid->columns) {
        line_feed(grid);
    }
    /* Only now, so that the last line of a full screen stays at its bottom. */
    if (grid->row == grid->rows) {
        move_up(grid);
    }
    cell = grid->row * grid->columns + grid->column++;
    grid->wanted[cell] = character;
    if (grid->changed_from == grid->changed_to) {
        grid->changed_from = cell;
        grid->changed_to = cell;
    }
    grid->changed_from = cell < grid->changed_from ? cell : grid->changed_from;
    grid->changed_to = cell + 1 > grid->changed_to ? cell + 1 : grid->changed_to;
}

void text_grid_put(struct text_grid *grid, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] != '\n') {
            character_put(grid, text[i]);
            continue;
        }
        if (grid->row == grid->rows) {
            move_up(grid);
        }
        line_feed(grid);
    }
}

bool text_grid_next_change(struct text_grid *grid, uint32_t *cell)
{
    while (grid->changed_from < grid->changed_to) {
        const uint32_t at = grid->changed_from++;

        if (grid->wanted[at] != grid->shown[at]) {
            grid->shown[at] = grid->wanted[at];
            *cell = at;
            return true;
        }
    }
    return false;
}
