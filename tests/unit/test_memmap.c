/*
 * The memory map against an oracle that knows nothing of edges: an array with one cell for each
 * unit of memory, into which every entry is painted, the more careful type over the less careful
 * one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "memmap.h"
#include "random.h"

#define CELLS       96
#define BITS        36
#define RANDOM_RUNS 30000

static struct boot_info info;
static struct memmap map;

static void start_info(void)
{
    info.has_memory_map = true;
    info.range_count = 0;
}

static void add(uint64_t base, uint64_t length, uint32_t type)
{
    info.ranges[info.range_count++] = (struct boot_range){base, length, type};
}

static void assert_range(uint32_t index, uint64_t start, uint64_t end, enum memory_type type)
{
    assert_in_range(index, 0, map.count - 1);
    assert_int_equal(map.ranges[index].bytes.start, start);
    assert_int_equal(map.ranges[index].bytes.end, end);
    assert_int_equal(map.ranges[index].type, type);
}

static void build_ok(void)
{
    assert_int_equal(memmap_build(&info, BITS, &map).code, STATUS_OK);
}

/* --- single cases --------------------------------------------------------------------------- */

static void test_a_map_of_a_pc_comes_out_sorted_and_unchanged(void **state)
{
    (void)state;
    start_info();
    add(0x100000, 0x7fee0000, MEMORY_RAM);
    add(0, 0x9fc00, MEMORY_RAM);
    add(0xf0000, 0x10000, MEMORY_RESERVED);
    add(0x9fc00, 0x400, MEMORY_RESERVED);
    add(0xfffc0000, 0x40000, MEMORY_RESERVED);
    build_ok();
    assert_int_equal(map.count, 5);
    assert_range(0, 0, 0x9fc00, MEMORY_RAM);
    assert_range(1, 0x9fc00, 0xa0000, MEMORY_RESERVED);
    assert_range(2, 0xf0000, 0x100000, MEMORY_RESERVED);
    assert_range(3, 0x100000, 0x7ffe0000, MEMORY_RAM);
    assert_range(4, 0xfffc0000, 0x100000000, MEMORY_RESERVED);
    assert_int_equal(memmap_ram_bytes(&map), 0x9fc00 + 0x7fee0000);
    assert_int_equal(map.repairs.overlaps, 0);
    assert_int_equal(map.repairs.empty + map.repairs.wrapped + map.repairs.clipped, 0);
}

static void test_neighbours_of_one_type_become_one_range(void **state)
{
    (void)state;
    start_info();
    add(0x3000, 0x1000, MEMORY_RAM);
    add(0x1000, 0x1000, MEMORY_RAM);
    add(0x2000, 0x1000, MEMORY_RAM);
    add(0x2800, 0x0400, MEMORY_RAM);
    build_ok();
    assert_int_equal(map.count, 1);
    assert_range(0, 0x1000, 0x4000, MEMORY_RAM);
    assert_int_equal(map.repairs.overlaps, 0);
}

static void test_ram_on_both_sides_of_a_reservation_stays_apart(void **state)
{
    (void)state;
    start_info();
    add(0, 0x10000, MEMORY_RAM);
    add(0x4000, 0x1000, MEMORY_RESERVED);
    build_ok();
    assert_int_equal(map.count, 3);
    assert_range(0, 0, 0x4000, MEMORY_RAM);
    assert_range(1, 0x4000, 0x5000, MEMORY_RESERVED);
    assert_range(2, 0x5000, 0x10000, MEMORY_RAM);
    assert_int_equal(map.repairs.overlaps, 1);
}

static void test_of_two_types_the_more_careful_one_wins(void **state)
{
    /* The contract's order, most careful first. */
    static const enum memory_type order[] = {
        MEMORY_UNUSABLE,   MEMORY_DISABLED,     MEMORY_RESERVED,      MEMORY_ACPI_NVS,
        MEMORY_PERSISTENT, MEMORY_ACPI_RECLAIM, MEMORY_BOOT_SERVICES, MEMORY_RAM,
    };

    (void)state;
    for (size_t careful = 0; careful < sizeof(order) / sizeof(order[0]); careful++) {
        for (size_t other = careful + 1; other < sizeof(order) / sizeof(order[0]); other++) {
            start_info();
            add(0, 0x1000, MEMORY_RAM);
            add(0x2000, 0x1000, order[other]);
            add(0x2000, 0x1000, order[careful]);
            build_ok();
            assert_int_equal(map.count, 2);
            assert_range(1, 0x2000, 0x3000, order[careful]);
            assert_int_equal(map.repairs.overlaps, 1);
        }
    }
}

static void test_an_unknown_type_is_reserved(void **state)
{
    static const uint32_t unknown[] = {0, 8, 12, MEMORY_BOOT_SERVICES - 1, 0x80000000, UINT32_MAX};

    (void)state;
    start_info();
    add(0, 0x100000, MEMORY_RAM);
    for (uint32_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        add(0x10000 + i * 0x2000, 0x1000, unknown[i]);
    }
    build_ok();
    assert_int_equal(map.repairs.unknown, 6);
    assert_int_equal(map.count, 13);
    assert_range(1, 0x10000, 0x11000, MEMORY_RESERVED);
    assert_range(11, 0x1a000, 0x1b000, MEMORY_RESERVED);
}

static void test_an_entry_of_length_zero_is_no_entry(void **state)
{
    (void)state;
    start_info();
    add(0x1000, 0, MEMORY_RESERVED);
    add(0, 0x10000, MEMORY_RAM);
    add(UINT64_MAX, 0, MEMORY_RAM);
    build_ok();
    assert_int_equal(map.count, 1);
    assert_int_equal(map.repairs.empty, 2);
}

static void test_an_entry_that_wraps_is_cut_at_the_end_of_the_address_space(void **state)
{
    (void)state;
    start_info();
    add(0, 0x10000, MEMORY_RAM);
    add(0xfffffffffffff000, 0x1001, MEMORY_RESERVED);
    add(0x20000, UINT64_MAX, MEMORY_RAM);
    build_ok();
    assert_int_equal(map.repairs.wrapped, 2);
    assert_int_equal(map.repairs.clipped, 1);
    assert_int_equal(map.count, 3);
    assert_range(1, 0x20000, 1ULL << BITS, MEMORY_RAM);
    assert_range(2, 0xfffffffffffff000, UINT64_MAX, MEMORY_RESERVED);
}

static void test_an_entry_up_to_the_last_byte_does_not_wrap(void **state)
{
    (void)state;
    start_info();
    add(0, 0x10000, MEMORY_RAM);
    add(0xffffffffff000000, 0x1000000, MEMORY_RESERVED);
    add(UINT64_MAX, 1, MEMORY_RESERVED);
    build_ok();
    assert_int_equal(map.repairs.wrapped, 0);
    assert_int_equal(map.count, 2);
    assert_range(1, 0xffffffffff000000, UINT64_MAX, MEMORY_RESERVED);
}

static void test_ram_that_the_cpu_cannot_address_is_left_out(void **state)
{
    (void)state;
    start_info();
    add(0, 0x10000, MEMORY_RAM);
    add((1ULL << BITS) - 0x1000, 0x2000, MEMORY_RAM);
    add(1ULL << BITS, 0x1000, MEMORY_RAM);
    add((1ULL << BITS) + 0x4000, 0x1000, MEMORY_RESERVED);
    build_ok();
    assert_int_equal(map.repairs.clipped, 2);
    assert_int_equal(map.count, 3);
    assert_range(1, (1ULL << BITS) - 0x1000, 1ULL << BITS, MEMORY_RAM);
    assert_range(2, (1ULL << BITS) + 0x4000, (1ULL << BITS) + 0x5000, MEMORY_RESERVED);
}

static void test_no_map_and_a_map_without_ram_are_refused(void **state)
{
    (void)state;
    start_info();
    assert_int_equal(memmap_build(&info, BITS, &map).code, MEMMAP_EMPTY);
    add(0, 0x1000, MEMORY_RESERVED);
    assert_int_equal(memmap_build(&info, BITS, &map).code, MEMMAP_EMPTY);
    add(0, 0x1000, MEMORY_RAM);
    assert_int_equal(memmap_build(&info, BITS, &map).code, MEMMAP_EMPTY);
    add(0, 0x1001, MEMORY_RAM);
    assert_int_equal(memmap_build(&info, BITS, &map).code, STATUS_OK);
    info.has_memory_map = false;
    assert_int_equal(memmap_build(&info, BITS, &map).code, MEMMAP_EMPTY);
    assert_int_equal(map.count, 0);
}

static void test_the_largest_map_there_can_be_fits(void **state)
{
    (void)state;
    start_info();
    /*
     * One reservation inside each of many RAM entries, backwards: as many ranges as entries can
     * make.
     */
    for (uint32_t i = BOOT_RANGES_MAX / 2; i > 0; i--) {
        add((uint64_t)i * 0x10000, 0x8000, MEMORY_RAM);
        add((uint64_t)i * 0x10000 + 0x1000, 0x1000, MEMORY_RESERVED);
    }
    build_ok();
    assert_int_equal(map.count, BOOT_RANGES_MAX / 2 * 3);
    assert_int_equal(map.repairs.dropped, 0);

    start_info();
    add(0, UINT64_MAX, MEMORY_RESERVED);
    for (uint32_t i = BOOT_RANGES_MAX - 1; i > 0; i--) {
        add((uint64_t)i * 0x10000, 0x8000, MEMORY_UNUSABLE);
    }
    assert_int_equal(memmap_build(&info, BITS, &map).code, MEMMAP_EMPTY);
    assert_int_equal(map.count, 2 * BOOT_RANGES_MAX - 1);
}

static void test_ram_is_asked_for_by_range(void **state)
{
    (void)state;
    start_info();
    add(0x1000, 0x1000, MEMORY_RAM);
    add(0x2000, 0x1000, MEMORY_RESERVED);
    add(0x3000, 0x2000, MEMORY_RAM);
    build_ok();
    assert_true(memmap_is_ram(&map, (struct prange){0x1000, 0x2000}));
    assert_true(memmap_is_ram(&map, (struct prange){0x3800, 0x3801}));
    assert_true(memmap_touches_ram(&map, (struct prange){0xfff, 0x1001}));
    assert_true(memmap_touches_ram(&map, (struct prange){0x1fff, 0x2001}));
    assert_false(memmap_touches_ram(&map, (struct prange){0xfff, 0x1000}));
    assert_false(memmap_touches_ram(&map, (struct prange){0x2000, 0x2001}));
    assert_true(memmap_is_ram(&map, (struct prange){0x2800, 0x2800}));
    assert_false(memmap_is_ram(&map, (struct prange){0x1000, 0x2001}));
    assert_false(memmap_is_ram(&map, (struct prange){0xfff, 0x1001}));
    assert_false(memmap_is_ram(&map, (struct prange){0x1000, 0x5000}));
    assert_false(memmap_is_ram(&map, (struct prange){0x4fff, 0x5001}));
    assert_false(memmap_is_ram(&map, (struct prange){0x9000, 0xa000}));
    assert_false(memmap_is_ram(&map, (struct prange){0x1800, 0x1000}));

    /* A map whose touching ranges nobody merged. */
    map.count = 2;
    map.ranges[0] = (struct memory_range){{0x1000, 0x2000}, MEMORY_RAM};
    map.ranges[1] = (struct memory_range){{0x2000, 0x3000}, MEMORY_RAM};
    assert_true(memmap_is_ram(&map, (struct prange){0x1800, 0x2800}));
}

static void test_what_boot_services_used_is_ram_in_a_range_of_its_own(void **state)
{
    (void)state;
    start_info();
    add(0x2000, 0x1000, MEMORY_BOOT_SERVICES);
    assert_int_equal(memmap_build(&info, BITS, &map).code, STATUS_OK);
    add(0x1000, 0x1000, MEMORY_RAM);
    add(0x3000, 0x1000, MEMORY_RAM);
    add((1ULL << BITS) - 0x1000, 0x2000, MEMORY_BOOT_SERVICES);
    build_ok();
    assert_int_equal(map.repairs.unknown, 0);
    assert_int_equal(map.repairs.clipped, 1);
    assert_int_equal(map.count, 4);
    assert_range(0, 0x1000, 0x2000, MEMORY_RAM);
    assert_range(1, 0x2000, 0x3000, MEMORY_BOOT_SERVICES);
    assert_range(2, 0x3000, 0x4000, MEMORY_RAM);
    assert_range(3, (1ULL << BITS) - 0x1000, 1ULL << BITS, MEMORY_BOOT_SERVICES);
    assert_int_equal(memmap_ram_bytes(&map), 0x4000);
    assert_true(memmap_is_ram(&map, (struct prange){0x1000, 0x4000}));
    assert_false(memmap_is_ram(&map, (struct prange){0x1000, 0x4001}));
    assert_true(memmap_touches_ram(&map, (struct prange){0x2800, 0x2801}));
}

static bool starts_processors(uint64_t base, uint64_t length, uint32_t type)
{
    start_info();
    add(base, length, type);
    add(base + length, 0x800, MEMORY_BOOT_SERVICES);
    add(0x100000, 0x100000, MEMORY_RAM);
    build_ok();
    return memmap_has_start_page(&map);
}

static void test_a_processor_starts_in_a_whole_page_of_low_ram(void **state)
{
    (void)state;
    assert_true(starts_processors(0, 0x9f400, MEMORY_RAM));
    assert_true(starts_processors(0x1000, 0x800, MEMORY_RAM));
    assert_true(starts_processors(0xff000, 0x1000, MEMORY_RAM));
    assert_false(starts_processors(0, 0x1000, MEMORY_RAM));
    assert_false(starts_processors(0x4001, 0x17fe, MEMORY_RAM));
    assert_false(starts_processors(0, 0xa0000, MEMORY_RESERVED));
}

static void test_each_type_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(memory_type_name(MEMORY_RAM), "ram");
    assert_string_equal(memory_type_name(MEMORY_RESERVED), "reserved");
    assert_string_equal(memory_type_name(MEMORY_ACPI_RECLAIM), "acpi-reclaim");
    assert_string_equal(memory_type_name(MEMORY_ACPI_NVS), "acpi-nvs");
    assert_string_equal(memory_type_name(MEMORY_UNUSABLE), "unusable");
    assert_string_equal(memory_type_name(MEMORY_DISABLED), "disabled");
    assert_string_equal(memory_type_name(MEMORY_PERSISTENT), "persistent");
    assert_string_equal(memory_type_name(MEMORY_BOOT_SERVICES), "boot-services");
    assert_string_equal(memory_type_name((enum memory_type)0), "reserved");
    assert_string_equal(memory_type_name((enum memory_type)8), "reserved");
}

/* --- random maps against the oracle --------------------------------------------------------- */

/* A window of CELLS cells in the address space. The cell behind the last one may be the end of it.
 */
struct window {
    uint64_t base;
    uint64_t unit;
    uint32_t physical_cells; /* so many are below 1 << BITS */
    bool at_top;
};

static uint64_t cell_address(const struct window *window, uint32_t cell)
{
    return window->at_top && cell == CELLS ? UINT64_MAX : window->base + cell * window->unit;
}

static struct window random_window(struct random *random)
{
    uint64_t unit = 2ULL << random_below(random, 28); /* not 1: the very last byte cannot be said */

    switch (random_below(random, 4)) {
    case 0: /* over the end of what the CPU can address */
        return (struct window){(1ULL << BITS) - CELLS / 2 * unit, unit, CELLS / 2, false};
    case 1: /* up to the end of the address space */
        return (struct window){0 - CELLS * unit, unit, 0, true};
    default:
        return (struct window){0, unit, CELLS, false};
    }
}

/*
 * How careful, most careful highest; 0 is a hole. By the contract, and written down apart from the
 * code.
 */
static unsigned int care(uint32_t type)
{
    switch (type) {
    case MEMORY_RAM:
        return 1;
    case MEMORY_BOOT_SERVICES:
        return 2;
    case MEMORY_ACPI_RECLAIM:
        return 3;
    case MEMORY_PERSISTENT:
        return 4;
    case MEMORY_ACPI_NVS:
        return 5;
    case MEMORY_DISABLED:
        return 7;
    case MEMORY_UNUSABLE:
        return 8;
    default:
        return type == 0 || type == 0xff || type == MEMORY_RESERVED ? 6 : 0;
    }
}

static bool counts_as_ram(uint32_t type)
{
    return type == MEMORY_RAM || type == MEMORY_BOOT_SERVICES;
}

struct painted {
    uint32_t first;
    uint32_t end;
    enum memory_type type;
};

struct oracle {
    uint8_t care[CELLS];
    uint32_t type[CELLS];
    struct memmap_repairs repairs;
    uint32_t count;
    struct painted entries[40];
};

static void paint(struct oracle *oracle, const struct window *window, uint32_t first,
                  uint32_t cells, uint32_t type)
{
    uint32_t end = first + cells;
    bool unknown = type == 0 || (type > 7 && type != MEMORY_BOOT_SERVICES);

    oracle->repairs.empty += cells == 0;
    oracle->repairs.unknown += cells != 0 && unknown;
    type = unknown ? MEMORY_RESERVED : type;
    if (end > CELLS) { /* happens in a window at the top alone */
        oracle->repairs.wrapped++;
        end = CELLS;
    }
    if (cells != 0 && counts_as_ram(type) && end > window->physical_cells) {
        oracle->repairs.clipped++;
        end = window->physical_cells;
    }
    if (first >= end) {
        return;
    }
    oracle->entries[oracle->count++] = (struct painted){first, end, type};
    for (uint32_t i = first; i < end; i++) {
        if (care(type) > oracle->care[i]) {
            oracle->care[i] = (uint8_t)care(type);
            oracle->type[i] = type;
        }
    }
}

static void count_overlaps(struct oracle *oracle)
{
    for (uint32_t i = 0; i < oracle->count; i++) {
        const struct painted *a = &oracle->entries[i];
        bool overlaps = false;

        for (uint32_t j = 0; j < oracle->count; j++) {
            const struct painted *b = &oracle->entries[j];
            bool earlier = b->first < a->first || (b->first == a->first && b->type < a->type);

            overlaps |= earlier && b->type != a->type && b->end > a->first;
        }
        oracle->repairs.overlaps += overlaps;
    }
}

static void random_info(struct random *random, const struct window *window, struct oracle *oracle)
{
    static const uint32_t types[] = {
        1, 1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 0, 0xff, MEMORY_BOOT_SERVICES, MEMORY_BOOT_SERVICES};
    uint32_t entries = random_below(random, 33);

    memset(oracle, 0, sizeof(*oracle));
    start_info();
    for (uint32_t i = 0; i < entries; i++) {
        uint32_t first = random_below(random, CELLS);
        uint32_t most = window->at_top ? CELLS : CELLS - first;
        uint32_t cells =
            random_below(random, random_below(random, 2) ? most + 1 : (most < 6 ? most + 1 : 6));
        uint32_t type = types[random_below(random, sizeof(types) / sizeof(types[0]))];

        if (i > 0 && random_below(random, 8) == 0) { /* a duplicate, perhaps of another type */
            const struct boot_range *last = &info.ranges[info.range_count - 1];

            first = (uint32_t)((last->base - window->base) / window->unit);
            cells = (uint32_t)(last->length / window->unit);
        }
        add(window->base + first * window->unit, cells * window->unit, type);
        paint(oracle, window, first, cells, type);
    }
    count_overlaps(oracle);
}

static void assert_equals_oracle(const struct oracle *oracle, const struct window *window)
{
    uint32_t index = 0;

    for (uint32_t i = 0; i < CELLS;) {
        uint32_t end = i + 1;

        while (end < CELLS && oracle->type[end] == oracle->type[i]) {
            end++;
        }
        if (oracle->type[i] != 0) {
            assert_range(index++, cell_address(window, i), cell_address(window, end),
                         oracle->type[i]);
        }
        i = end;
    }
    assert_int_equal(map.count, index);
    assert_memory_equal(&map.repairs, &oracle->repairs, offsetof(struct memmap_repairs, dropped));
}

static void test_random_maps_equal_the_oracle(void **state)
{
    struct random random = {0x1234567};
    struct oracle oracle;

    (void)state;
    for (int run = 0; run < RANDOM_RUNS; run++) {
        struct window window = random_window(&random);
        bool has_ram = false;

        random_info(&random, &window, &oracle);
        struct status status = memmap_build(&info, BITS, &map);

        for (uint32_t i = 0; i < CELLS; i++) {
            has_ram |= counts_as_ram(oracle.type[i]);
        }
        assert_int_equal(status.code, has_ram ? STATUS_OK : MEMMAP_EMPTY);
        assert_equals_oracle(&oracle, &window);
    }
}

/*
 * What is left of `whole` when the smallest RAM is taken out until it fits; false when it never
 * does.
 */
static bool shrink(struct memmap *whole, uint32_t limit)
{
    while (whole->count > limit) {
        uint32_t victim = whole->count;

        for (uint32_t i = 0; i < whole->count; i++) {
            if (counts_as_ram(whole->ranges[i].type) &&
                (victim == whole->count || prange_bytes(whole->ranges[i].bytes) <
                                               prange_bytes(whole->ranges[victim].bytes))) {
                victim = i;
            }
        }
        if (victim == whole->count) {
            return false;
        }
        whole->repairs.dropped++;
        whole->repairs.dropped_bytes += prange_bytes(whole->ranges[victim].bytes);
        memmove(&whole->ranges[victim], &whole->ranges[victim + 1],
                (whole->count - victim - 1) * sizeof(whole->ranges[0]));
        whole->count--;
    }
    return true;
}

static void test_beyond_the_limit_the_smallest_ram_goes_and_never_a_reservation(void **state)
{
    static struct memmap expected;
    struct random random = {0xabcdef};
    struct oracle oracle;
    int full = 0;
    int shrunk = 0;

    (void)state;
    for (int run = 0; run < RANDOM_RUNS; run++) {
        struct window window = {0, 0x1000, CELLS, false};
        uint32_t limit = random_below(&random, 12);

        random_info(&random, &window, &oracle);
        memmap_build(&info, BITS, &expected);
        struct status status = memmap_build_limited(&info, BITS, limit, &map);

        if (!shrink(&expected, limit)) {
            assert_int_equal(status.code, MEMMAP_FULL);
            full++;
            continue;
        }
        assert_int_equal(status.code, memmap_ram_bytes(&expected) == 0 ? MEMMAP_EMPTY : STATUS_OK);
        assert_int_equal(map.count, expected.count);
        for (uint32_t i = 0; i < map.count; i++) {
            assert_range(i, expected.ranges[i].bytes.start, expected.ranges[i].bytes.end,
                         expected.ranges[i].type);
        }
        assert_int_equal(map.repairs.dropped, expected.repairs.dropped);
        assert_int_equal(map.repairs.dropped_bytes, expected.repairs.dropped_bytes);
        shrunk += map.repairs.dropped != 0;
    }
    assert_true(full > 1000);
    assert_true(shrunk > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_map_of_a_pc_comes_out_sorted_and_unchanged),
        cmocka_unit_test(test_neighbours_of_one_type_become_one_range),
        cmocka_unit_test(test_ram_on_both_sides_of_a_reservation_stays_apart),
        cmocka_unit_test(test_of_two_types_the_more_careful_one_wins),
        cmocka_unit_test(test_an_unknown_type_is_reserved),
        cmocka_unit_test(test_an_entry_of_length_zero_is_no_entry),
        cmocka_unit_test(test_an_entry_that_wraps_is_cut_at_the_end_of_the_address_space),
        cmocka_unit_test(test_an_entry_up_to_the_last_byte_does_not_wrap),
        cmocka_unit_test(test_ram_that_the_cpu_cannot_address_is_left_out),
        cmocka_unit_test(test_no_map_and_a_map_without_ram_are_refused),
        cmocka_unit_test(test_the_largest_map_there_can_be_fits),
        cmocka_unit_test(test_ram_is_asked_for_by_range),
        cmocka_unit_test(test_what_boot_services_used_is_ram_in_a_range_of_its_own),
        cmocka_unit_test(test_a_processor_starts_in_a_whole_page_of_low_ram),
        cmocka_unit_test(test_each_type_has_its_name),
        cmocka_unit_test(test_random_maps_equal_the_oracle),
        cmocka_unit_test(test_beyond_the_limit_the_smallest_ram_goes_and_never_a_reservation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
