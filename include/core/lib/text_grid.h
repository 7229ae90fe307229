/*
 * A screen of characters in ordinary memory: what should be on it, and what is, so that whoever draws it touches
 * only what differs, and never reads the screen itself.
 */
#ifndef LIB_TEXT_GRID_H
#define LIB_TEXT_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_GRID_CELLS_MAX 18432

/* Writer: the functions below. Cells are numbered from 0, row by row. */
struct text_grid {
    uint32_t columns;
    uint32_t rows;
    uint32_t column; /* where the next character goes */
    uint32_t row;
    uint32_t changed_from; /* cells that may differ */
    uint32_t changed_to;
    char wanted[TEXT_GRID_CELLS_MAX];
    char shown[TEXT_GRID_CELLS_MAX];
};

/*
 * An empty screen, and nothing but blanks shown.
 *
 * @columns, @rows  not 0; their product is at most TEXT_GRID_CELLS_MAX
 */
void text_grid_start(struct text_grid *grid, uint32_t columns, uint32_t rows);

/*
 * Write text. Lines that are too long go on in the next row; a full screen moves up by a quarter at once, because
 * every move costs drawing it again.
 */
void text_grid_put(struct text_grid *grid, const char *text, size_t bytes);

/*
 * The next cell that has to be drawn, as grid->wanted says; it counts as shown from now on.
 *
 * @return  false when everything is shown
 */
bool text_grid_next_change(struct text_grid *grid, uint32_t *cell);

#endif
