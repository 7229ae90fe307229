/*
 * The page allocator against an array of bytes: random operations, thousands of ranges, exhaustion, every refusal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "page_model.h"
#include "random.h"

#define RUNS     60
#define CHANGES  400
#define BUSY_MAX 6

static struct page_model model;
static struct memmap map;

static int window_make(void **state)
{
    (void)state;
    model.window = calloc(WINDOW_PAGES, PAGE_BYTES);
    return model.window == NULL;
}

static int window_end(void **state)
{
    (void)state;
    free(model.window);
    return 0;
}

static void add(uint64_t start, uint64_t end, enum memory_type type)
{
    map.ranges[map.count++] = (struct memory_range){{start, end}, type};
}

/* Pages [first, end) are RAM of a kind; to be called upwards. */
static void add_pages(uint64_t first, uint64_t end, enum memory_type type)
{
    add(first * PAGE_BYTES, end * PAGE_BYTES, type);
}

/* All of the map is RAM, and the room is at the end of the window. */
static struct prange start_plain(void)
{
    struct prange room;

    map.count = 0;
    add_pages(0, MODEL_PAGES, MEMORY_RAM);
    room.end = WINDOW_PAGES * PAGE_BYTES;
    room.start = room.end - page_alloc_bytes(&map, 1);
    model_start(&model, &map, (struct busy_list){&room, 1}, room);
    return room;
}

static struct prange take(uint64_t pages, uint64_t alignment, uint64_t below)
{
    const struct page_request request = {pages, alignment, below};
    struct prange out = {0, 0};

    assert_true(model_take(&model, &request, &out));
    return out;
}

static bool refuses(uint64_t pages, uint64_t alignment, uint64_t below)
{
    const struct page_request request = {pages, alignment, below};
    struct prange out;

    return !model_take(&model, &request, &out);
}

static void assert_refused(struct status status, enum status_code code, uint64_t offset)
{
    const uint64_t free = model.alloc.pages[PAGE_FREE];

    assert_int_equal(status.code, code);
    assert_int_equal(status.offset, offset);
    model_compare(&model);
    assert_int_equal(model.alloc.pages[PAGE_FREE], free);
}

/* --- the beginning ------------------------------------------------------------------------- */

static void test_whole_pages_of_ram_are_free(void **state)
{
    struct prange room = model_range(100, 0);

    (void)state;
    map.count = 0;
    add(0, 0x9fc00, MEMORY_RAM); /* the last page in part */
    add(0x9fc00, MIB(1), MEMORY_RESERVED);
    add(MIB(1), MIB(2) + 1, MEMORY_RAM);
    add(MIB(2) + 1, MIB(3), MEMORY_ACPI_NVS);
    add(MIB(3) + 1, MIB(3) + PAGE_BYTES, MEMORY_RAM); /* none whole */
    add(MIB(4), MIB(5), MEMORY_BOOT_SERVICES);
    add(MIB(5), MIB(5) + 2 * PAGE_BYTES, MEMORY_ACPI_RECLAIM);
    room.end = room.start + page_alloc_bytes(&map, 1);
    model_start(&model, &map, (struct busy_list){&room, 1}, room);
    assert_int_equal(model_total(&model.alloc), 0x9f + 256 + 256);
    /* Page 0, boot services, the room. */
    assert_int_equal(model.alloc.pages[PAGE_RESERVED], 1 + 256 + prange_bytes(room) / PAGE_BYTES);
    assert_int_equal(model.alloc.pages[PAGE_ALLOCATED] + model.alloc.pages[PAGE_OWN], 0);
}

static void test_what_is_busy_is_reserved_page_by_page(void **state)
{
    const struct prange busy[] = {
        model_range(1000, 10),    {MIB(1) + 1, MIB(1) + 2}, {MIB(2), MIB(2)}, /* empty */
        {MIB(2) - 1, MIB(2) + 1}, {0x5000, MIB(1) + 1},     {UINT64_MAX - 1, UINT64_MAX},
        {MIB(3) + 1, MIB(3) + 1},
    };

    (void)state;
    map.count = 0;
    add_pages(0, 1024, MEMORY_RAM);
    model_start(&model, &map, (struct busy_list){busy, sizeof(busy) / sizeof(busy[0])},
                model_range(1000, 10));
    assert_int_equal(model.alloc.pages[PAGE_RESERVED], 1 + 10 + (256 - 5) + 1 + 2);
}

static void test_memory_for_extents_is_a_page_for_each_254(void **state)
{
    (void)state;
    map.count = 1;
    assert_int_equal(page_alloc_bytes(&map, 3), 3 * PAGE_BYTES);
    map.count = 8192;
    assert_int_equal(page_alloc_bytes(&map, 66), (33 + 2) * PAGE_BYTES);
}

/* --- taking -------------------------------------------------------------------------------- */

static void test_the_highest_pages_are_taken_below_the_bound(void **state)
{
    const struct prange room = start_plain();

    (void)state;
    assert_int_equal(take(3, PAGE_BYTES, UINT64_MAX).end, MODEL_PAGES * PAGE_BYTES);
    assert_int_equal(take(3, PAGE_BYTES, WINDOW_PAGES * PAGE_BYTES).end, room.start);
    assert_int_equal(take(1, PAGE_BYTES, MIB(1)).end, MIB(1));
    assert_int_equal(take(1, PAGE_BYTES, MIB(1) + 1).start, MIB(1) - 2 * PAGE_BYTES);
    assert_int_equal(take(1, MIB(1), MIB(3) - 1).start, MIB(2));
    assert_int_equal(take(2, PAGE_BYTES, 3 * PAGE_BYTES).start, PAGE_BYTES);
    assert_true(refuses(1, PAGE_BYTES, 2 * PAGE_BYTES));
    assert_true(refuses(MODEL_PAGES, PAGE_BYTES, UINT64_MAX));
    assert_true(refuses(UINT64_MAX / PAGE_BYTES + 2, PAGE_BYTES, UINT64_MAX));
    assert_true(refuses(1, GIB(1), UINT64_MAX));
}

static void test_all_can_be_taken_and_comes_back_as_one(void **state)
{
    struct random random = {0xa11};
    uint64_t left;

    (void)state;
    start_plain();
    left = model.alloc.pages[PAGE_FREE];
    while (!refuses(1, PAGE_BYTES, UINT64_MAX)) {
        left--;
    }
    assert_int_equal(model.alloc.pages[PAGE_FREE], 0);
    assert_int_equal(left, model.alloc.pages[PAGE_OWN]);
    /* In random order, one page after the other: hundreds of pieces, which merge. */
    for (uint64_t i = 0; i < 100 * MODEL_PAGES && model.alloc.pages[PAGE_ALLOCATED] > 0; i++) {
        const uint64_t page = random_below(&random, MODEL_PAGES);

        if (model.state[page] == PAGE_ALLOCATED) {
            model_free(&model, page, 1);
            assert_int_equal(model.state[page] == PAGE_ALLOCATED, false);
        }
    }
    assert_int_equal(model.alloc.pages[PAGE_ALLOCATED], 0);
    assert_int_equal(take(WINDOW_PAGES, PAGE_BYTES, UINT64_MAX).start, WINDOW_PAGES * PAGE_BYTES);
}

/* --- refusals ------------------------------------------------------------------------------ */

static void test_a_double_free_is_refused(void **state)
{
    struct prange taken;

    (void)state;
    start_plain();
    taken = take(4, PAGE_BYTES, MIB(1));
    assert_true(is_ok(page_alloc_free(&model.alloc, taken)));
    model_paint(&model, taken.start / PAGE_BYTES, 4, PAGE_FREE);
    assert_refused(page_alloc_free(&model.alloc, taken), PAGES_NOT_TAKEN, taken.start);
}

static void test_what_was_never_taken_is_not_freed(void **state)
{
    struct prange taken;

    (void)state;
    start_plain();
    taken = take(4, PAGE_BYTES, MIB(1));
    /* One page more, on either side; nowhere near; reserved; no RAM. */
    assert_refused(
        page_alloc_free(&model.alloc, (struct prange){taken.start - PAGE_BYTES, taken.end}),
        PAGES_NOT_TAKEN, taken.start - PAGE_BYTES);
    assert_refused(
        page_alloc_free(&model.alloc, (struct prange){taken.start, taken.end + PAGE_BYTES}),
        PAGES_NOT_TAKEN, taken.end);
    assert_refused(page_alloc_free(&model.alloc, model_range(500, 1)), PAGES_NOT_TAKEN,
                   500 * PAGE_BYTES);
    assert_refused(page_alloc_free(&model.alloc, model_range(0, 1)), PAGES_NOT_TAKEN, 0);
    assert_refused(page_alloc_free(&model.alloc, model_range(MODEL_PAGES, 1)), PAGES_NOT_TAKEN,
                   MODEL_PAGES * PAGE_BYTES);
}

static void test_a_part_can_be_freed(void **state)
{
    struct prange taken;

    (void)state;
    start_plain();
    taken = take(8, PAGE_BYTES, MIB(1));
    model_free(&model, taken.start / PAGE_BYTES + 2, 3);
    assert_int_equal(model.alloc.pages[PAGE_ALLOCATED], 5);
    assert_refused(page_alloc_free(&model.alloc, taken), PAGES_NOT_TAKEN,
                   taken.start + 2 * PAGE_BYTES);
}

static void test_ranges_that_are_no_pages_are_refused(void **state)
{
    static const struct prange bad[] = {
        {0x5000, 0x5000}, {0x6000, 0x5000}, {0x5001, 0x6000}, {0x5000, 0x5fff}};

    (void)state;
    start_plain();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_refused(page_alloc_free(&model.alloc, bad[i]), PAGES_BAD_RANGE, bad[i].start);
        assert_refused(page_alloc_give(&model.alloc, bad[i]), PAGES_BAD_RANGE, bad[i].start);
    }
}

static void test_reserved_memory_can_be_given_once(void **state)
{
    const struct prange room = start_plain();

    (void)state;
    /* As the image's first sections later: out of the middle of what is reserved. */
    model_reserve(&model, 300, 100);
    model_give(&model, 310, 20);
    assert_int_equal(model.alloc.pages[PAGE_RESERVED],
                     1 + prange_bytes(room) / PAGE_BYTES + 100 - 20);
    assert_refused(page_alloc_give(&model.alloc, model_range(310, 20)), PAGES_IN_USE,
                   310 * PAGE_BYTES);
    assert_refused(page_alloc_give(&model.alloc, model_range(329, 2)), PAGES_IN_USE,
                   329 * PAGE_BYTES);
    assert_refused(page_alloc_give(&model.alloc, model_range(305, 10)), PAGES_IN_USE,
                   310 * PAGE_BYTES);
}

static void test_ram_that_was_not_in_the_map_can_be_given(void **state)
{
    const struct prange added = model_range(3000, 100);
    struct prange room;
    uint64_t total;

    (void)state;
    map.count = 0;
    add_pages(1, 2000, MEMORY_RAM);
    add_pages(3050, 3060, MEMORY_BOOT_SERVICES);
    room = model_range(1900, page_alloc_bytes(&map, 1) / PAGE_BYTES);
    model_start(&model, &map, (struct busy_list){&room, 1}, room);
    total = model_total(&model.alloc);
    model_give(&model, 3000, 100);
    assert_int_equal(model_total(&model.alloc), total + 90);
    assert_refused(page_alloc_give(&model.alloc, added), PAGES_IN_USE, added.start);
    assert_int_equal(take(100, PAGE_BYTES, UINT64_MAX).start, added.start);
}

static void test_reserving_takes_what_is_free_and_leaves_the_rest(void **state)
{
    struct prange taken;

    (void)state;
    start_plain();
    taken = take(1, PAGE_BYTES, 400 * PAGE_BYTES);
    /* Beyond the end of RAM, and in part. */
    model_reserve(&model, MODEL_PAGES - 3, 10);
    assert_true(is_ok(page_alloc_reserve(&model.alloc, (struct prange){MIB(1) - 1, MIB(1) + 1})));
    model_paint(&model, 255, 2, PAGE_RESERVED);
    model_compare(&model);
    assert_true(is_ok(page_alloc_reserve(&model.alloc, (struct prange){MIB(1), MIB(1)})));
    assert_true(is_ok(page_alloc_reserve(&model.alloc, (struct prange){MIB(2) + 1, MIB(2) + 1})));
    model_compare(&model);
    assert_true(
        is_ok(page_alloc_reserve(&model.alloc, (struct prange){UINT64_MAX - 5, UINT64_MAX})));
    assert_refused(page_alloc_reserve(&model.alloc, model_range(390, 20)), PAGES_IN_USE,
                   taken.start);
}

/* Do three changes, in the middle of three of so many pieces of RAM, take a page for extents? */
static bool three_changes_take(uint64_t pieces, bool expected)
{
    struct prange room;
    uint64_t own;

    map.count = 0;
    add_pages(8, 72, MEMORY_RAM);
    for (uint64_t piece = 0; piece < pieces; piece++) {
        add_pages(80 + 4 * piece, 83 + 4 * piece, MEMORY_RAM);
    }
    room = model_range(8, page_alloc_bytes(&map, 0) / PAGE_BYTES);
    model_start(&model, &map, (struct busy_list){&room, 1}, room);
    if (expected) {
        page_alloc_expect(&model.alloc, 3);
        model_compare(&model);
    }
    own = model.alloc.pages[PAGE_OWN];
    for (uint64_t piece = 0; piece < 3; piece++) {
        model_reserve(&model, 80 + 4 * (5 + 60 * piece) + 1, 1);
    }
    return model.alloc.pages[PAGE_OWN] > own;
}

/* Where a leaf is full, a change takes a page, and it may be one that somebody has found free before. */
static void test_expected_changes_take_no_page(void **state)
{
    unsigned int taken = 0;

    (void)state;
    for (uint64_t pieces = 200; pieces < 300; pieces++) {
        taken += three_changes_take(pieces, false);
        assert_false(three_changes_take(pieces, true));
    }
    /* Nor is one taken for them where there is room enough. */
    assert_false(three_changes_take(200, false));
    assert_int_equal(model.alloc.pages[PAGE_OWN], 0);
    assert_false(three_changes_take(200, true));
    assert_int_equal(model.alloc.pages[PAGE_OWN], 0);
    assert_true(taken > 0);
}

/* --- without memory for extents ------------------------------------------------------------ */

/* RAM above the window only, so the room is all that there will ever be. */
static void start_above(struct prange *room)
{
    map.count = 0;
    add_pages(WINDOW_PAGES, MODEL_PAGES, MEMORY_RAM);
    *room = model_range(10, page_alloc_bytes(&map, 1) / PAGE_BYTES);
    model_start(&model, &map, (struct busy_list){room, 1}, *room);
}

static void test_no_memory_for_extents_is_told_and_harmless(void **state)
{
    struct prange room;
    struct prange all;
    uint64_t page = WINDOW_PAGES;
    struct status status = status_ok();

    (void)state;
    start_above(&room);
    all = take(WINDOW_PAGES, PAGE_BYTES, UINT64_MAX);
    assert_int_equal(all.start, WINDOW_PAGES * PAGE_BYTES);
    /* Every second page: the leaves fill up, and none can be added. */
    for (; is_ok(status); page += 2) {
        status = page_alloc_free(&model.alloc, model_range(page, 1));
        if (is_ok(status)) {
            model_paint(&model, page, 1, PAGE_FREE);
        }
    }
    assert_int_equal(status.code, PAGES_NO_EXTENT);
    assert_int_equal(status.offset, (page - 2) * PAGE_BYTES);
    assert_true(model.alloc.pages[PAGE_FREE] > 200);
    model_compare(&model);
    assert_true(refuses(1, PAGE_BYTES, UINT64_MAX));
    status = page_alloc_reserve(&model.alloc, model_range(WINDOW_PAGES, 1));
    assert_int_equal(status.code, PAGES_NO_EXTENT);
    status = page_alloc_give(&model.alloc, model_range(1, 1));
    assert_int_equal(status.code, PAGES_NO_EXTENT);
    model_compare(&model);
}

/* --- at random ----------------------------------------------------------------------------- */

static uint64_t some_pages(struct random *random)
{
    static const uint32_t most[] = {2, 4, 16, 300};

    return 1 + random_below(random, most[random_below(random, 4)]);
}

/* RAM in pieces of `most` pages at most, with gaps and other types between. */
static void random_ram(struct random *random, uint32_t most)
{
    uint64_t page = random_below(random, 3);

    map.count = 0;
    while (page < MODEL_PAGES) {
        const uint64_t end = page + 1 + random_below(random, most);
        const enum memory_type type =
            random_below(random, 6) == 0 ? MEMORY_BOOT_SERVICES : MEMORY_RAM;

        add_pages(page, end < MODEL_PAGES ? end : MODEL_PAGES, type);
        page = end + random_below(random, 3);
    }
}

static struct prange random_busy(struct random *random, struct prange *busy, uint32_t count)
{
    const uint64_t room_pages = page_alloc_bytes(&map, count) / PAGE_BYTES;

    for (uint32_t i = 1; i < count; i++) {
        busy[i] = model_range(random_below(random, MODEL_PAGES), some_pages(random));
        busy[i].start += random_below(random, PAGE_BYTES);
    }
    busy[0] = model_range(random_below(random, WINDOW_PAGES - (uint32_t)room_pages), room_pages);
    return busy[0];
}

static void random_change(struct random *random)
{
    const uint64_t page = random_below(random, MODEL_PAGES);
    uint64_t pages = some_pages(random);
    const struct page_request request = {
        pages, PAGE_BYTES << random_below(random, 6),
        random_below(random, 2) ? UINT64_MAX : random_below(random, MODEL_PAGES + 1) * PAGE_BYTES};
    struct prange out;

    if (page + pages > MODEL_PAGES) {
        pages = MODEL_PAGES - page;
    }
    switch (random_below(random, 8)) {
    case 0:
        model_free(&model, page, pages);
        break;
    case 1:
        model_give(&model, page, pages);
        break;
    case 2:
        model_reserve(&model, page, pages);
        break;
    case 3:
    case 4:
    case 5:
        /* All that is there, of what is taken: whole, in parts, and beyond. */
        if (page_alloc_next(&model.alloc, page * PAGE_BYTES, PAGE_SET(PAGE_ALLOCATED), &out)) {
            model_free(&model, out.start / PAGE_BYTES,
                       1 + random_below(random, (uint32_t)(prange_bytes(out) / PAGE_BYTES + 1)));
        }
        break;
    default:
        model_take(&model, &request, &out);
        break;
    }
}

static void test_random_changes_equal_the_model(void **state)
{
    struct random random = {0x9a9e};

    (void)state;
    for (int run = 0; run < RUNS; run++) {
        struct prange ranges[BUSY_MAX];
        const struct busy_list busy = {ranges, 1 + random_below(&random, BUSY_MAX)};

        random_ram(&random, run % 2 ? 3 : 500);
        model_start(&model, &map, busy, random_busy(&random, ranges, busy.count));
        for (int i = 0; i < CHANGES; i++) {
            random_change(&random);
        }
    }
}

/* Single pages at random until nothing is left, then all at random: leaves are split and joined. */
static void test_fragmentation_comes_and_goes(void **state)
{
    struct random random = {0xf4a6};
    uint64_t spares;

    (void)state;
    start_plain();
    take(MODEL_PAGES - WINDOW_PAGES, PAGE_BYTES, UINT64_MAX);
    for (uint64_t page = WINDOW_PAGES; page < MODEL_PAGES; page += 2) {
        model_free(&model, page, 1);
    }
    assert_true(model.alloc.pages[PAGE_OWN] >= 7); /* 1,024 free pages between as many taken ones */
    spares = model.alloc.spares;
    for (uint64_t left = 1024; left > 0;) {
        const uint64_t page = WINDOW_PAGES + 1 + 2 * (uint64_t)random_below(&random, 1024);

        if (model.state[page] == PAGE_ALLOCATED) {
            model_free(&model, page, 1);
            left--;
        }
    }
    assert_true(model.alloc.spares > spares + 4);
    assert_int_equal(take(WINDOW_PAGES, PAGE_BYTES, UINT64_MAX).start, WINDOW_PAGES * PAGE_BYTES);
}

static void test_a_map_of_thousands_of_ranges(void **state)
{
    static struct memmap long_map;
    struct page_alloc alloc;
    const struct prange room = model_range(16, 64);
    struct prange out;
    uint64_t taken = 0;

    (void)state;
    long_map.count = 0;
    for (uint64_t i = 0; i < MEMMAP_RANGES_MAX; i++) {
        long_map.ranges[i] =
            (struct memory_range){model_range(1000 + 8 * i, 1 + i % 7), MEMORY_RAM};
    }
    long_map.count = MEMMAP_RANGES_MAX;
    assert_true(page_alloc_bytes(&long_map, 1) <= prange_bytes(room));
    page_alloc_start(&alloc, &long_map, (struct busy_list){&room, 1}, model.window,
                     WINDOW_PAGES * PAGE_BYTES, room);
    /* The window holds some of its RAM. */
    while (
        is_ok(page_alloc_take(&alloc, &(struct page_request){7, PAGE_BYTES, UINT64_MAX}, &out))) {
        taken++;
        assert_int_equal((out.start / PAGE_BYTES - 1000) % 8, 0);
    }
    assert_int_equal(taken, (MEMMAP_RANGES_MAX + 0) / 7);
    assert_int_equal(alloc.pages[PAGE_ALLOCATED], 7 * taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_pages_of_ram_are_free),
        cmocka_unit_test(test_what_is_busy_is_reserved_page_by_page),
        cmocka_unit_test(test_memory_for_extents_is_a_page_for_each_254),
        cmocka_unit_test(test_the_highest_pages_are_taken_below_the_bound),
        cmocka_unit_test(test_all_can_be_taken_and_comes_back_as_one),
        cmocka_unit_test(test_a_double_free_is_refused),
        cmocka_unit_test(test_what_was_never_taken_is_not_freed),
        cmocka_unit_test(test_a_part_can_be_freed),
        cmocka_unit_test(test_ranges_that_are_no_pages_are_refused),
        cmocka_unit_test(test_reserved_memory_can_be_given_once),
        cmocka_unit_test(test_expected_changes_take_no_page),
        cmocka_unit_test(test_ram_that_was_not_in_the_map_can_be_given),
        cmocka_unit_test(test_reserving_takes_what_is_free_and_leaves_the_rest),
        cmocka_unit_test(test_no_memory_for_extents_is_told_and_harmless),
        cmocka_unit_test(test_random_changes_equal_the_model),
        cmocka_unit_test(test_fragmentation_comes_and_goes),
        cmocka_unit_test(test_a_map_of_thousands_of_ranges),
    };

    return cmocka_run_group_tests(tests, window_make, window_end);
}
