/*
 * Pixels of every layout, against a model that works with single bits of the whole line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "glyph.h"
#include "random.h"

#define RUNS 5000

static void test_parts_of_pixels(void **state)
{
    static const struct {
        struct pixel_field field;
        uint8_t intensity;
        uint32_t part;
    } cases[] = {
        {{0, 8}, 0xc0, 0x000000c0}, {{16, 8}, 0xc0, 0x00c00000},  {{24, 8}, 0xff, 0xff000000},
        {{0, 5}, 0xff, 0x0000001f}, {{11, 5}, 0xc0, 0x0000c000},  {{5, 6}, 0xff, 0x000007e0},
        {{5, 6}, 0x80, 0x00000400}, {{10, 5}, 0x00, 0x00000000},  {{0, 10}, 0xff, 0x000003ff},
        {{20, 10}, 0, 0},           {{0, 10}, 0xc0, 0x00000303},  {{0, 16}, 0xc0, 0x0000c0c0},
        {{0, 1}, 0x7f, 0x00000000}, {{31, 1}, 0x80, 0x80000000U},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(pixel_part(cases[i].field, cases[i].intensity), cases[i].part);
    }
}

static void assert_line(uint8_t dots, struct glyph_style style, const char *expected, size_t bytes)
{
    uint8_t line[GLYPH_LINE_ROOM];

    assert_int_equal(glyph_line(dots, &style, line), bytes);
    assert_memory_equal(line, expected, bytes);
}

static void test_each_depth(void **state)
{
    (void)state;
    assert_line(0xa1, (struct glyph_style){0x7fff, 0x1234, 2, 1},
                "\xff\x7f\x34\x12\xff\x7f\x34\x12\x34\x12\x34\x12\x34\x12\xff\x7f", 16);
    assert_line(0x80, (struct glyph_style){0xc0b0a0, 0x030201, 3, 1},
                "\xa0\xb0\xc0\1\2\3\1\2\3\1\2\3\1\2\3\1\2\3\1\2\3\1\2\3", 24);
    assert_line(0x01, (struct glyph_style){0xf0c0b0a0, 0, 4, 1},
                "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xa0\xb0\xc0\xf0", 32);
}

static void test_a_dot_becomes_a_square(void **state)
{
    (void)state;
    assert_line(0x40, (struct glyph_style){0xabcd, 0, 2, 2},
                "\0\0\0\0\xcd\xab\xcd\xab\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32);
}

/* The room is an allocation of its own, so that a write beyond it is seen. */
static void test_random_styles(void **state)
{
    struct random random = {.state = 7};

    (void)state;
    for (int run = 0; run < RUNS; run++) {
        const struct glyph_style style = {
            .ink = (uint32_t)random_u64(&random),
            .paper = (uint32_t)random_u64(&random),
            .pixel_bytes = (uint8_t)(2 + random_below(&random, 3)),
            .scale = (uint8_t)(1 + random_below(&random, GLYPH_SCALE_MAX)),
        };
        const uint8_t dots = (uint8_t)random_below(&random, 256);
        uint8_t *line = malloc(GLYPH_LINE_ROOM);
        const size_t bytes = glyph_line(dots, &style, line);

        assert_int_equal(bytes, (size_t)GLYPH_WIDTH * style.scale * style.pixel_bytes);
        assert_int_equal(bytes % 8, 0);
        for (size_t i = 0; i < bytes; i++) {
            const size_t pixel = i / style.pixel_bytes;
            const int is_ink = dots >> (7 - pixel / style.scale) & 1;

            assert_int_equal(
                line[i], (is_ink ? style.ink : style.paper) >> 8 * (i % style.pixel_bytes) & 0xff);
        }
        free(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_of_pixels),
        cmocka_unit_test(test_each_depth),
        cmocka_unit_test(test_a_dot_becomes_a_square),
        cmocka_unit_test(test_random_styles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
