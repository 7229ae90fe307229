/*
 * Framebuffers as screens of characters, and those that cannot be one; and RAM as the loader tells it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "random.h"
#include "screen.h"
#include "text_grid.h"

#define RUNS 100000

static struct boot_framebuffer framebuffer;
static struct screen screen;
static struct boot_info info;

static int ordinary(void **state)
{
    (void)state;
    framebuffer = (struct boot_framebuffer){
        .kind = FRAMEBUFFER_RGB,
        .base = {0x80000000},
        .pitch_bytes = 1280 * 4,
        .width = 1280,
        .height = 800,
        .bits_per_pixel = 32,
        .red = {16, 8},
        .green = {8, 8},
        .blue = {0, 8},
    };
    memset(&screen, 0xa5, sizeof(screen));
    return 0;
}

static void test_an_ordinary_one(void **state)
{
    (void)state;
    assert_null(screen_from(&framebuffer, &screen));
    assert_int_equal(screen.bytes.start, 0x80000000);
    assert_int_equal(screen.bytes.end, 0x80000000 + 1280 * 800 * 4);
    assert_int_equal(screen.line_bytes, 1280 * 4);
    assert_int_equal(screen.pitch_bytes, 1280 * 4);
    assert_int_equal(screen.height, 800);
    assert_int_equal(screen.columns, 160);
    assert_int_equal(screen.rows, 50);
    assert_int_equal(screen.style.ink, 0xc0c0c0);
    assert_int_equal(screen.urgent_style.ink, 0xffff55);
    assert_int_equal(screen.urgent_style.scale, screen.style.scale);
    assert_int_equal(screen.style.paper, 0);
    assert_int_equal(screen.style.pixel_bytes, 4);
    assert_int_equal(screen.style.scale, 1);
}

static void assert_layout(uint8_t bits, struct pixel_field red, struct pixel_field green,
                          struct pixel_field blue, uint8_t bytes, uint32_t ink)
{
    framebuffer.bits_per_pixel = bits;
    framebuffer.red = red;
    framebuffer.green = green;
    framebuffer.blue = blue;
    assert_null(screen_from(&framebuffer, &screen));
    assert_int_equal(screen.style.pixel_bytes, bytes);
    assert_int_equal(screen.style.ink, ink);
    assert_int_equal(screen.line_bytes, 1280 * bytes);
}

#define FIELD(position, bits) ((struct pixel_field){position, bits})

static void test_every_depth(void **state)
{
    (void)state;
    assert_layout(15, FIELD(10, 5), FIELD(5, 5), FIELD(0, 5), 2, 0x6318);
    assert_layout(16, FIELD(11, 5), FIELD(5, 6), FIELD(0, 5), 2, 0xc618);
    assert_layout(24, FIELD(0, 8), FIELD(8, 8), FIELD(16, 8), 3, 0xc0c0c0);
    assert_layout(32, FIELD(20, 10), FIELD(10, 10), FIELD(0, 10), 4,
                  0x303U << 20 | 0x303 << 10 | 0x303);
}

static void test_lines_longer_than_what_is_seen(void **state)
{
    (void)state;
    framebuffer.pitch_bytes = 8192;
    framebuffer.base.pa = 0x12345678000;
    assert_null(screen_from(&framebuffer, &screen));
    assert_int_equal(screen.bytes.end, 0x12345678000 + 8192 * 800);
    assert_int_equal(screen.line_bytes, 5120);
}

static void test_characters_grow_with_the_screen(void **state)
{
    static const uint32_t sizes[][5] = {
        {640, 480, 80, 30, 1},    {1920, 1080, 240, 67, 1}, {1920, 1200, 240, 75, 1},
        {3840, 2160, 240, 67, 2}, {7680, 4320, 240, 67, 4}, {16384, 16384, 186, 93, 11},
        {16384, 160, 1024, 5, 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        framebuffer.width = sizes[i][0];
        framebuffer.height = sizes[i][1];
        framebuffer.pitch_bytes = sizes[i][0] * 4;
        assert_null(screen_from(&framebuffer, &screen));
        assert_int_equal(screen.columns, sizes[i][2]);
        assert_int_equal(screen.rows, sizes[i][3]);
        assert_int_equal(screen.style.scale, sizes[i][4]);
    }
}

static void assert_refused(const char *words)
{
    struct screen before = screen;
    const char *defect = screen_from(&framebuffer, &screen);

    assert_non_null(defect);
    assert_non_null(strstr(defect, words));
    assert_memory_equal(&before, &screen, sizeof(screen));
    ordinary(NULL);
}

static void test_only_pixels_that_are_colours(void **state)
{
    (void)state;
    framebuffer.kind = FRAMEBUFFER_INDEXED;
    assert_refused("not colours");
    framebuffer.kind = FRAMEBUFFER_TEXT;
    assert_refused("not colours");
}

static void test_absurd_ones(void **state)
{
    static const uint8_t depths[] = {0, 1, 4, 8, 12, 14, 17, 23, 31, 33, 40, 64, 255};
    static const uint64_t addresses[] = {
        0, 1, 0xb8000, 0xfffff, 1ULL << 52, UINT64_MAX, (1ULL << 52) - 4096000 + 1};

    (void)state;
    for (size_t i = 0; i < sizeof(depths); i++) {
        framebuffer.bits_per_pixel = depths[i];
        assert_refused("pixels");
    }
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        framebuffer.base.pa = addresses[i];
        assert_refused("address");
    }
    framebuffer.base.pa = (1ULL << 52) - 4096000;
    assert_null(screen_from(&framebuffer, &screen));
    framebuffer.width = framebuffer.height = 0;
    assert_refused("small");
    framebuffer.width = 319;
    assert_refused("small");
    framebuffer.height = 159;
    assert_refused("small");
    framebuffer.width = 16385;
    assert_refused("large");
    framebuffer.height = UINT32_MAX;
    assert_refused("large");
    framebuffer.pitch_bytes = UINT32_MAX;
    assert_refused("large");
    framebuffer.pitch_bytes = 1280 * 4 - 1;
    assert_refused("overlap");
    framebuffer.pitch_bytes = 0;
    assert_refused("overlap");
}

static void test_absurd_colours(void **state)
{
    (void)state;
    framebuffer.red = FIELD(25, 8);
    assert_refused("colours");
    framebuffer.green = FIELD(0, 0);
    assert_refused("colours");
    framebuffer.blue = FIELD(255, 255);
    assert_refused("colours");
    framebuffer.blue = FIELD(0, 17);
    assert_refused("colours");
    framebuffer.bits_per_pixel = 15;
    assert_refused("colours");
}

/* Whatever is accepted can be drawn without leaving the framebuffer. */
static void test_random_ones(void **state)
{
    struct random random = {.state = 3};
    uint32_t accepted = 0;

    (void)state;
    for (int run = 0; run < RUNS; run++) {
        framebuffer.width = random_below(&random, 17000);
        framebuffer.height = random_below(&random, 17000);
        framebuffer.bits_per_pixel = (uint8_t)(8 * random_below(&random, 6));
        framebuffer.pitch_bytes = random_below(&random, 70000);
        framebuffer.base.pa = random_u64(&random) >> random_below(&random, 64);
        framebuffer.red = framebuffer.green = framebuffer.blue = FIELD(0, 8);
        if (screen_from(&framebuffer, &screen) != NULL) {
            continue;
        }
        const struct glyph_style *style = &screen.style;
        const uint32_t line = screen.columns * GLYPH_WIDTH * style->scale * style->pixel_bytes;

        accepted++;
        assert_in_range(screen.columns * screen.rows, 1, TEXT_GRID_CELLS_MAX);
        assert_in_range(style->scale, 1, GLYPH_SCALE_MAX);
        assert_in_range(style->pixel_bytes, 2, PIXEL_BYTES_MAX);
        assert_true(line <= screen.line_bytes && screen.line_bytes <= screen.pitch_bytes);
        assert_true(screen.rows * GLYPH_HEIGHT * style->scale <= screen.height);
        assert_int_equal(prange_bytes(screen.bytes), (uint64_t)screen.pitch_bytes * screen.height);
        assert_true(screen.bytes.end <= 1ULL << 52);
    }
    assert_in_range(accepted, RUNS / 100, RUNS);
}

static bool touches(uint64_t start, uint64_t end)
{
    return boot_info_touches_ram(&info, (struct prange){start, end});
}

static void test_ram_as_the_loader_tells_it(void **state)
{
    (void)state;
    boot_info_clear(&info);
    assert_false(touches(0, UINT64_MAX));
    info.has_memory_map = true;
    boot_info_add_range(&info, 0x1000, 0x1000, MEMORY_RAM);
    boot_info_add_range(&info, 0x5000, 0x1000, MEMORY_RESERVED);
    boot_info_add_range(&info, 0x8000, 0x1000, MEMORY_BOOT_SERVICES);
    boot_info_add_range(&info, UINT64_MAX - 0xfff, UINT64_MAX, MEMORY_RAM);
    assert_false(touches(0, 0x1000));
    assert_true(touches(0, 0x1001));
    assert_true(touches(0x1fff, 0x2000));
    assert_false(touches(0x2000, 0x8000));
    assert_true(touches(0x2000, 0x8001));
    assert_true(touches(UINT64_MAX - 1, UINT64_MAX));
}

static void test_ram_where_there_is_no_map(void **state)
{
    (void)state;
    boot_info_clear(&info);
    info.has_basic_memory = true;
    info.memory_lower_kib = 640;
    info.memory_upper_kib = 1024;
    assert_true(touches(0x9ffff, 0xa0000));
    assert_false(touches(0xa0000, 0x100000));
    assert_true(touches(0x1fffff, 0x200000));
    assert_false(touches(0x200000, UINT64_MAX));
    info.has_memory_map = true;
    assert_false(touches(0, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_an_ordinary_one, ordinary),
        cmocka_unit_test_setup(test_every_depth, ordinary),
        cmocka_unit_test_setup(test_lines_longer_than_what_is_seen, ordinary),
        cmocka_unit_test_setup(test_characters_grow_with_the_screen, ordinary),
        cmocka_unit_test_setup(test_only_pixels_that_are_colours, ordinary),
        cmocka_unit_test_setup(test_absurd_ones, ordinary),
        cmocka_unit_test_setup(test_absurd_colours, ordinary),
        cmocka_unit_test_setup(test_random_ones, ordinary),
        cmocka_unit_test(test_ram_as_the_loader_tells_it),
        cmocka_unit_test(test_ram_where_there_is_no_map),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
