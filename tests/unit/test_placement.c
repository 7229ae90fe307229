/*
 * Places for one thing, and for the image, against exhaustive search over a small memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cell_row.h"
#include "placement.h"
#include "random.h"
#include "x86/address_map.h"
#include "x86/paging.h"

#define FIND_RUNS  60000
#define IMAGE_RUNS 20000

static struct memmap map;

/* --- one thing ------------------------------------------------------------------------------ */

static const struct row small_row = {.unit = 512, .cells = 64, .split = 64};

/* Every aligned place, by trying all of them. */
static bool exhaustive_find(uint64_t allowed, const struct placement_request *request,
                            uint64_t *place)
{
    uint32_t cells = (uint32_t)(request->bytes / small_row.unit);
    bool found = false;

    for (uint32_t i = 0; i + cells <= small_row.cells; i++) {
        uint64_t start = cell_start(&small_row, i);
        uint64_t mask = run_mask(i, cells);

        if ((allowed & mask) == mask && start % request->alignment == 0 &&
            start >= request->at_least && start + request->bytes <= request->below &&
            !(found && request->preference == PLACE_LOWEST)) {
            *place = start;
            found = true;
        }
    }
    return found;
}

/* The largest number of bytes for which there would be a place. */
static uint64_t largest_fit(uint64_t allowed, struct placement_request request)
{
    uint64_t place;

    for (request.bytes = small_row.cells * small_row.unit; request.bytes > 0;
         request.bytes -= small_row.unit) {
        if (exhaustive_find(allowed, &request, &place)) {
            return request.bytes;
        }
    }
    return 0;
}

static void test_random_finds_equal_exhaustive_search(void **state)
{
    struct random random = {0x5eed};
    int found = 0;

    (void)state;
    for (int run = 0; run < FIND_RUNS; run++) {
        struct prange ranges[BUSY_MAX];
        struct busy_list busy = {ranges, 0};
        uint64_t ram = random_map(&random, &small_row, &map);
        uint64_t taken = random_busy(&random, &small_row, ranges, &busy.count);
        uint64_t first_page = run_mask(0, PAGE_BYTES / (uint32_t)small_row.unit);
        uint64_t allowed = ram & ~taken & ~first_page;
        struct placement_request request = {
            .bytes = small_row.unit * (1 + random_below(&random, 16)),
            .alignment = 1ULL << random_below(&random, 14),
            .at_least = small_row.unit * random_below(&random, 48),
            .below = random_below(&random, 3) == 0 ? UINT64_MAX
                                                   : small_row.unit * random_below(&random, 80),
            .preference = random_below(&random, 2) ? PLACE_HIGHEST : PLACE_LOWEST,
        };
        uint64_t place = 0;
        uint64_t missing = 0;
        uint64_t expected = 0;
        bool fits = exhaustive_find(allowed, &request, &expected);

        assert_int_equal(placement_find(&map, busy, &request, &place, &missing), fits);
        if (fits) {
            assert_int_equal(place, expected);
            found++;
        } else {
            assert_int_equal(missing, request.bytes - largest_fit(allowed, request));
        }
    }
    assert_in_range(found, FIND_RUNS / 10, FIND_RUNS - FIND_RUNS / 10);
}

static void test_odd_sizes_hold_their_alignment_and_stay_in_free_ram(void **state)
{
    struct random random = {0xbeef};

    (void)state;
    for (int run = 0; run < FIND_RUNS; run++) {
        struct prange ranges[BUSY_MAX];
        struct busy_list busy = {ranges, 0};
        uint64_t ram = random_map(&random, &small_row, &map);
        uint64_t taken = random_busy(&random, &small_row, ranges, &busy.count);
        struct placement_request request = {
            .bytes = 1 + random_below(&random, 6000),
            .alignment = 1ULL << random_below(&random, 13),
            .at_least = random_below(&random, 20000),
            .below = 12000 + random_below(&random, 30000),
            .preference = random_below(&random, 2) ? PLACE_HIGHEST : PLACE_LOWEST,
        };
        uint64_t place;
        uint64_t missing;

        if (placement_find(&map, busy, &request, &place, &missing)) {
            uint64_t cells = cells_of(&small_row, (struct prange){place, place + request.bytes});

            assert_int_equal(cells & ~ram, 0);
            assert_int_equal(cells & taken, 0);
            assert_int_equal(place % request.alignment, 0);
            assert_true(place >= request.at_least && place >= PAGE_BYTES);
            assert_true(place + request.bytes <= request.below);
        } else {
            assert_in_range(missing, 1, request.bytes);
        }
    }
}

static void test_a_hole_at_the_top_of_the_address_space_does_not_wrap(void **state)
{
    struct busy_list nothing = {NULL, 0};
    struct placement_request request = {
        .bytes = 0x1000, .alignment = 0x200000, .below = UINT64_MAX, .preference = PLACE_LOWEST};
    uint64_t place;
    uint64_t missing;

    (void)state;
    map.count = 1;
    map.ranges[0] = (struct memory_range){{UINT64_MAX - 0x8000, UINT64_MAX}, MEMORY_RAM};
    assert_false(placement_find(&map, nothing, &request, &place, &missing));
    assert_int_equal(missing, 0x1000);
}

static void test_nothing_is_placed_where_boot_services_were(void **state)
{
    struct placement_request request = {
        .bytes = 0x2000, .alignment = 1, .below = GIB(4), .preference = PLACE_HIGHEST};
    uint64_t place;
    uint64_t missing;

    (void)state;
    map.count = 3;
    map.ranges[0] = (struct memory_range){{0x10000, 0x13000}, MEMORY_RAM};
    map.ranges[1] = (struct memory_range){{0x13000, 0x14000}, MEMORY_BOOT_SERVICES};
    map.ranges[2] = (struct memory_range){{0x14000, 0x15000}, MEMORY_RAM};
    assert_true(placement_find(&map, (struct busy_list){NULL, 0}, &request, &place, &missing));
    assert_int_equal(place, 0x11000);
    request.bytes = 0x4000;
    assert_false(placement_find(&map, (struct busy_list){NULL, 0}, &request, &place, &missing));
    assert_int_equal(missing, 0x1000);
}

/* --- the image ------------------------------------------------------------------------------ */

#define SLOT IMAGE_SLOT_BYTES

static uint64_t image_goes_to(uint64_t start_mib, bool loader_moved, struct busy_list busy)
{
    return placement_image(&map, (struct prange){MIB(start_mib), MIB(start_mib + 2)}, loader_moved,
                           busy);
}

static void test_the_image_stays_where_the_loader_moved_it(void **state)
{
    struct busy_list nothing = {NULL, 0};

    (void)state;
    map.count = 1;
    map.ranges[0] = (struct memory_range){{MIB(1), MIB(64)}, MEMORY_RAM};
    assert_int_equal(image_goes_to(4, true, nothing), MIB(4));
    assert_int_equal(image_goes_to(4, false, nothing), MIB(62));
    assert_int_equal(image_goes_to(62, false, nothing), MIB(62));
}

static void test_an_image_off_its_alignment_moves_even_downwards_or_stays(void **state)
{
    struct prange high = {MIB(4), MIB(61)};
    struct busy_list busy = {&high, 1};

    (void)state;
    map.count = 1;
    map.ranges[0] = (struct memory_range){{MIB(1), MIB(63)}, MEMORY_RAM};
    assert_int_equal(image_goes_to(61, true, busy), MIB(2));
    map.ranges[0].bytes.start = MIB(3); /* the holes at 3 and at 61 MiB hold no aligned slot */
    assert_int_equal(image_goes_to(61, true, busy), MIB(61));
}

static void test_an_image_in_memory_that_is_not_ram_moves(void **state)
{
    struct busy_list nothing = {NULL, 0};

    (void)state;
    map.count = 3;
    map.ranges[0] = (struct memory_range){{MIB(1), MIB(5)}, MEMORY_RAM};
    map.ranges[1] = (struct memory_range){{MIB(5), MIB(40)}, MEMORY_ACPI_NVS};
    map.ranges[2] = (struct memory_range){{MIB(40), MIB(64)}, MEMORY_BOOT_SERVICES};
    assert_int_equal(image_goes_to(4, true, nothing), MIB(2));
    assert_int_equal(image_goes_to(8, true, nothing), MIB(2));
    assert_int_equal(image_goes_to(42, true, nothing), MIB(42)); /* will be RAM */
}

/* The only RAM is one slot and the image, which lies partly in it. */
static void one_hole(uint64_t slot, struct prange image)
{
    struct prange all = {image.start < slot ? image.start : slot,
                         image.end > slot + SLOT ? image.end : slot + SLOT};

    map.count = 1;
    map.ranges[0] = (struct memory_range){all, MEMORY_RAM};
}

static void test_an_image_off_its_alignment_may_move_over_itself(void **state)
{
    const uint64_t slot = 8 * SLOT;
    const uint64_t bytes = KIB(900);
    const int64_t offsets[] = {-(int64_t)bytes + 1,  -(int64_t)bytes / 2,
                               -(int64_t)PAGE_BYTES, (int64_t)PAGE_BYTES,
                               (int64_t)bytes / 2,   (int64_t)(SLOT - PAGE_BYTES)};

    (void)state;
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        struct prange image = {slot + (uint64_t)offsets[i], slot + (uint64_t)offsets[i] + bytes};
        struct prange module = {slot + bytes - 1, slot + bytes};

        one_hole(slot, image);
        for (int loader_moved = 0; loader_moved < 2; loader_moved++) {
            assert_int_equal(
                placement_image(&map, image, loader_moved, (struct busy_list){NULL, 0}), slot);
            assert_int_equal(
                placement_image(&map, image, loader_moved, (struct busy_list){&module, 1}),
                image.start);
        }
    }
}

static void test_random_images_go_to_the_highest_free_slot_or_stay(void **state)
{
    /* One MiB a cell, so that a slot is two of them. */
    const struct row row = {.unit = MIB(1), .cells = 64, .split = 32, .high = GIB(4) - MIB(24)};
    struct random random = {0x1111};
    int moved = 0;
    int over_itself = 0;

    (void)state;
    for (int run = 0; run < IMAGE_RUNS; run++) {
        struct prange ranges[BUSY_MAX];
        struct busy_list busy = {ranges, 0};
        uint64_t ram = random_map(&random, &row, &map);
        uint64_t taken = random_busy(&random, &row, ranges, &busy.count);
        uint32_t at = random_below(&random, row.split - 2);
        struct prange image = {cell_start(&row, at), cell_start(&row, at) + SLOT};
        bool loader_moved = random_below(&random, 2);
        bool aligned = image.start % SLOT == 0;
        uint64_t allowed = ram & ~taken & ~1ULL;
        uint64_t best = 0;

        for (uint32_t i = 0; i + 1 < row.cells; i++) {
            if (is_in_one_part(&row, i, 2) && cell_start(&row, i) % SLOT == 0 &&
                (allowed >> i & 3) == 3 && cell_start(&row, i) + SLOT <= GIB(4)) {
                best = cell_start(&row, i);
            }
        }
        uint64_t target = placement_image(&map, image, loader_moved, busy);
        bool good = aligned && memmap_is_ram(&map, image);

        if (best == 0 || (good && (loader_moved || best <= image.start))) {
            assert_int_equal(target, image.start);
        } else {
            assert_int_equal(target, best);
            moved++;
            over_itself += prange_overlaps(image, (struct prange){best, best + SLOT});
        }
    }
    assert_true(moved > IMAGE_RUNS / 4);
    assert_true(over_itself > IMAGE_RUNS / 1000);
}

/* --- page tables ----------------------------------------------------------------------------- */

static struct prange tables_go_to(struct prange image, struct busy_list modules, uint64_t bytes)
{
    struct prange room = {0, 0};

    assert_int_equal(placement_tables(&map, image, modules, bytes, false, &room).code, STATUS_OK);
    assert_int_equal(prange_bytes(room), bytes);
    return room;
}

static void test_page_tables_go_behind_the_image_or_high(void **state)
{
    const struct prange image = {MIB(4), MIB(5)};
    struct prange module = {MIB(5), MIB(5) + 0x800};
    struct prange room;
    struct status status;

    (void)state;
    map.count = 1;
    map.ranges[0] = (struct memory_range){{MIB(1), MIB(64)}, MEMORY_RAM};
    assert_int_equal(tables_go_to(image, (struct busy_list){NULL, 0}, 0x10000).start, MIB(5));
    assert_int_equal(tables_go_to(image, (struct busy_list){&module, 1}, 0x10000).start,
                     MIB(5) + 0x1000);
    /* The rest of the image's slot is in nobody's way, then the memory below 1 MiB; what is larger goes high. */
    assert_int_equal(tables_go_to(image, (struct busy_list){NULL, 0}, MIB(1)).start, MIB(5));
    assert_int_equal(tables_go_to(image, (struct busy_list){&module, 1}, MIB(1)).start, MIB(63));
    map.ranges[0].bytes.start = 0;
    module.end = MIB(5) + 0x1800;
    assert_int_equal(tables_go_to(image, (struct busy_list){&module, 1}, MIB(1) - 0x1000).start,
                     0x1000);
    assert_int_equal(tables_go_to(image, (struct busy_list){&module, 1}, MIB(1)).start, MIB(63));
    /* Those that stay under a guest leave that memory to it. */
    status =
        placement_tables(&map, image, (struct busy_list){&module, 1}, MIB(1) - 0x1000, true, &room);
    assert_int_equal(status.code, STATUS_OK);
    assert_int_equal(room.start, MIB(63) + 0x1000);
    map.ranges[0].bytes.start = MIB(1);
    module = (struct prange){MIB(5), MIB(64)};
    assert_int_equal(tables_go_to(image, (struct busy_list){&module, 1}, 0x10000).start,
                     MIB(4) - 0x10000);
    status = placement_tables(&map, image, (struct busy_list){&module, 1}, MIB(3) + 0x2000, false,
                              &room);
    assert_int_equal(status.code, PLACEMENT_NO_ROOM_TABLES);
    assert_int_equal(status.offset, 0x2000);
}

/* --- the page that other processors start in ------------------------------------------------ */

/* Half pages, up to where start-up messages end and beyond. */
static const struct row start_row = {.unit = 0x800, .cells = 64, .split = 32, .high = 0x98000};

static bool exhaustive_start_page(uint64_t allowed, uint64_t *page)
{
    bool found = false;

    for (uint32_t i = 0; i < start_row.cells; i += 2) {
        const uint64_t start = cell_start(&start_row, i);
        const uint64_t mask = run_mask(i, 2);

        if ((allowed & mask) == mask && start != 0 && start < START_PAGES_END &&
            (!found || start < START_PAGES_GOOD_END || *page >= START_PAGES_GOOD_END)) {
            *page = start;
            found = true;
        }
    }
    return found;
}

/* Boot services' memory is in no word of random_map(). */
static uint64_t ram_of_either_kind(void)
{
    uint64_t ram = 0;

    for (uint32_t i = 0; i < map.count; i++) {
        if (map.ranges[i].type == MEMORY_RAM || map.ranges[i].type == MEMORY_BOOT_SERVICES) {
            ram |= cells_of(&start_row, map.ranges[i].bytes);
        }
    }
    return ram;
}

static void test_random_start_pages_are_the_highest_free_ones_below_512_kib(void **state)
{
    struct random random = {0x51b1};
    int found = 0;

    (void)state;
    for (int run = 0; run < IMAGE_RUNS; run++) {
        struct prange ranges[BUSY_MAX];
        struct busy_list busy = {ranges, 0};

        random_map(&random, &start_row, &map);

        const uint64_t taken = random_busy(&random, &start_row, ranges, &busy.count);
        uint64_t expected = 0;
        paddr_t page = {0};
        const bool is_there = exhaustive_start_page(ram_of_either_kind() & ~taken, &expected);

        assert_int_equal(placement_start_page(&map, busy, &page), is_there);
        assert_int_equal(page.pa, expected);
        found += is_there;
    }
    assert_true(found > IMAGE_RUNS / 4);
}

static void test_what_boot_services_used_is_good_enough_to_start_in(void **state)
{
    const struct busy_list nothing = {NULL, 0};
    paddr_t page = {0};

    (void)state;
    map.count = 1;
    map.ranges[0] = (struct memory_range){{0, 0x2000}, MEMORY_BOOT_SERVICES};
    assert_true(placement_start_page(&map, nothing, &page));
    assert_int_equal(page.pa, 0x1000);
    map.ranges[0] = (struct memory_range){{0, 0x1000}, MEMORY_RAM};
    assert_false(placement_start_page(&map, nothing, &page));
    map.ranges[0] = (struct memory_range){{START_PAGES_END, MIB(1)}, MEMORY_RAM};
    assert_false(placement_start_page(&map, nothing, &page));
}

/* --- lists --------------------------------------------------------------------------------- */

#define SETTLE_RUNS  20000
#define LISTED_MOST  10
#define LISTED_PAGES 64

/* The pages that a range lies in, one bit each. */
static uint64_t pages_mask(struct prange range)
{
    uint64_t mask = 0;

    for (uint64_t at = range.start; at < range.end; at++) {
        mask |= 1ULL << (at / PAGE_BYTES);
        at |= PAGE_BYTES - 1;
    }
    return mask;
}

static void test_random_lists_keep_their_pages_and_get_into_order(void **state)
{
    struct random random = {0x5e77};

    (void)state;
    for (int run = 0; run < SETTLE_RUNS; run++) {
        struct prange list[LISTED_MOST];
        const uint32_t count = random_below(&random, LISTED_MOST + 1);
        uint64_t wanted = 0;
        uint64_t got = 0;
        uint32_t settled;

        for (uint32_t i = 0; i < count; i++) {
            const uint64_t start = random_below(&random, (LISTED_PAGES - 8) * PAGE_BYTES);
            const uint64_t unit = random_below(&random, 2) != 0 ? PAGE_BYTES : 1;

            list[i].start = start / unit * unit;
            list[i].end = list[i].start + random_below(&random, 7) * unit;
            wanted |= pages_mask(list[i]);
        }
        settled = placement_settle(list, count);
        assert_true(settled <= count);
        for (uint32_t i = 0; i < settled; i++) {
            assert_true(list[i].start < list[i].end);
            assert_int_equal((list[i].start | list[i].end) % PAGE_BYTES, 0);
            assert_true(i == 0 || list[i - 1].end < list[i].start);
            got |= pages_mask(list[i]);
        }
        assert_int_equal(got, wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_finds_equal_exhaustive_search),
        cmocka_unit_test(test_odd_sizes_hold_their_alignment_and_stay_in_free_ram),
        cmocka_unit_test(test_a_hole_at_the_top_of_the_address_space_does_not_wrap),
        cmocka_unit_test(test_nothing_is_placed_where_boot_services_were),
        cmocka_unit_test(test_the_image_stays_where_the_loader_moved_it),
        cmocka_unit_test(test_an_image_off_its_alignment_moves_even_downwards_or_stays),
        cmocka_unit_test(test_an_image_in_memory_that_is_not_ram_moves),
        cmocka_unit_test(test_an_image_off_its_alignment_may_move_over_itself),
        cmocka_unit_test(test_random_images_go_to_the_highest_free_slot_or_stay),
        cmocka_unit_test(test_page_tables_go_behind_the_image_or_high),
        cmocka_unit_test(test_random_start_pages_are_the_highest_free_ones_below_512_kib),
        cmocka_unit_test(test_what_boot_services_used_is_good_enough_to_start_in),
        cmocka_unit_test(test_random_lists_keep_their_pages_and_get_into_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
