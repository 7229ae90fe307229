/*
 * The grid of characters: where text goes, how it moves up, and that drawing the changes alone shows all of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "random.h"
#include "text_grid.h"

#define RUNS 3000

static struct text_grid grid;
static char screen[TEXT_GRID_CELLS_MAX]; /* what a drawer would have drawn */
static uint32_t drawn;

static void start(uint32_t columns, uint32_t rows)
{
    memset(&grid, 0xa5, sizeof(grid));
    text_grid_start(&grid, columns, rows);
    memset(screen, ' ', sizeof(screen));
}

static void draw(void)
{
    uint32_t cell;

    for (drawn = 0; text_grid_next_change(&grid, &cell); drawn++) {
        assert_in_range(cell, 0, grid.columns * grid.rows - 1);
        assert_int_not_equal(screen[cell], grid.wanted[cell]);
        screen[cell] = grid.wanted[cell];
    }
    assert_memory_equal(screen, grid.wanted, (size_t)grid.columns * grid.rows);
}

static void put(const char *text)
{
    text_grid_put(&grid, text, strlen(text));
    draw();
}

static void assert_screen(const char *expected)
{
    assert_int_equal(strlen(expected), grid.columns * grid.rows);
    assert_memory_equal(screen, expected, strlen(expected));
}

static void test_text_goes_on_where_it_ended(void **state)
{
    (void)state;
    start(4, 3);
    put("");
    assert_int_equal(drawn, 0);
    put("a");
    put("b\nc");
    assert_screen("ab  "
                  "c   "
                  "    ");
}

static void test_long_lines_go_on_in_the_next_row(void **state)
{
    (void)state;
    start(4, 3);
    put("abcdef\ng");
    assert_screen("abcd"
                  "ef  "
                  "g   ");
    start(4, 3);
    put("abcd\nefgh\n");
    assert_screen("abcd"
                  "efgh"
                  "    ");
}

static void test_the_last_line_of_a_full_screen_stays_until_there_is_more(void **state)
{
    (void)state;
    start(2, 3);
    put("a\nb\nc\n");
    assert_screen("a b c ");
    put("d");
    assert_screen("b c d ");
    put("\n\n");
    assert_screen("c d   ");
    put("e");
    assert_screen("d   e ");
}

static void test_a_full_screen_moves_up_by_a_quarter(void **state)
{
    (void)state;
    start(1, 9);
    put("123456789");
    assert_screen("123456789");
    put("A");
    assert_screen("3456789A ");
}

static void test_only_what_differs_is_drawn(void **state)
{
    (void)state;
    start(4, 4);
    put("aaaa\naaaa\naaaa\naaab\n");
    assert_int_equal(drawn, 16);
    /* Three rows look as before; the last one has another character first, and blanks behind it. */
    put("c");
    assert_int_equal(drawn, 1 + 4);
    assert_screen("aaaaaaaaaaabc   ");
}

static void test_much_text_at_once_is_drawn_once(void **state)
{
    (void)state;
    start(2, 2);
    put("a\nb\nc\nd\ne\nf");
    assert_screen("e f ");
    assert_int_equal(drawn, 2);
}

/* A model without rows that move: the lines, cut to the width, of which the last ones are there. */
static void test_random_text_in_random_pieces(void **state)
{
    static char model[4096][8];
    struct random random = {.state = 5};

    (void)state;
    for (int run = 0; run < RUNS; run++) {
        const uint32_t columns = 1 + random_below(&random, 8);
        const uint32_t rows = 1 + random_below(&random, 12);
        uint32_t line = 0;
        uint32_t column = 0;

        start(columns, rows);
        memset(model, ' ', sizeof(model));
        for (uint32_t i = 0; i < 200; i++) {
            const char c = random_below(&random, 5) == 0 ? '\n' : (char)('a' + i % 26);

            text_grid_put(&grid, &c, 1);
            if (random_below(&random, 10) == 0) {
                draw();
            }
            if (c != '\n' && column == columns) {
                line++;
                column = 0;
            }
            if (c == '\n') {
                line++;
                column = 0;
            } else {
                model[line][column++] = c;
            }
        }
        draw();
        assert_in_range(grid.row, 0, rows);
        for (uint32_t row = 0; row < grid.row && row < line; row++) {
            assert_memory_equal(screen + (grid.row - 1 - row) * columns, model[line - 1 - row],
                                columns);
        }
        for (uint32_t cell = (grid.row + 1) * columns; cell < rows * columns; cell++) {
            assert_int_equal(screen[cell], ' ');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_goes_on_where_it_ended),
        cmocka_unit_test(test_long_lines_go_on_in_the_next_row),
        cmocka_unit_test(test_the_last_line_of_a_full_screen_stays_until_there_is_more),
        cmocka_unit_test(test_a_full_screen_moves_up_by_a_quarter),
        cmocka_unit_test(test_only_what_differs_is_drawn),
        cmocka_unit_test(test_much_text_at_once_is_drawn_once),
        cmocka_unit_test(test_random_text_in_random_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
