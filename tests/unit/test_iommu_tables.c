/*
 * The IOMMU's tables, against a walk as the hardware makes it (IOMMU 2.2.3): every address leads to itself, but those
 * that are kept, in pages as large as fit, out of as many tables as were counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "iommu_tables.h"
#include "random.h"

#define PAGES_MOST 512
#define TABLES_PA  0x7fabc000ULL
#define RUNS       400
#define KEPT_MOST  12

static uint64_t tables[PAGES_MOST + 1][512];
static struct prange kept[KEPT_MOST];
static struct iommu_device devices[65536 + 1];
static struct memmap map;

struct leaf {
    uint64_t span; /* 0: not mapped, as far as this reaches */
    uint64_t pa;
};

/* What a device that asks for an address gets, by the specification alone. */
static struct leaf walk(unsigned int level, uint64_t address)
{
    uint64_t pa = TABLES_PA;

    assert_int_equal(address >> (12 + 9 * level), 0);
    for (;;) {
        const unsigned int shift = 12 + 9 * (level - 1);
        const uint64_t entry = tables[(pa - TABLES_PA) / 4096][address >> shift & 511];
        const unsigned int next = entry >> 9 & 7;

        if ((entry & 1) == 0) {
            assert_int_equal(entry, 0);
            return (struct leaf){0, 0};
        }
        assert_int_equal(entry >> 52, 0x600); /* read and write, and nothing else */
        assert_int_equal(entry & 0x1fe, 0);
        pa = entry & 0x000ffffffffff000;
        if (next == 0) {
            assert_in_range(level, 1, 3); /* no page above 1 GiB */
            assert_int_equal(pa & ((1ULL << shift) - 1), 0);
            return (struct leaf){1ULL << shift, pa | (address & ((1ULL << shift) - 1))};
        }
        assert_int_equal(next, level - 1);
        assert_in_range(pa, TABLES_PA + 4096, TABLES_PA + 4096 * (PAGES_MOST - 1));
        level = next;
    }
}

static bool is_kept(const struct iommu_mapping *mapping, struct prange range)
{
    for (uint32_t i = 0; i < mapping->kept.count; i++) {
        if (prange_overlaps(mapping->kept.ranges[i], range)) {
            return true;
        }
    }
    return false;
}

static void check_address(const struct iommu_mapping *mapping, unsigned int level, uint64_t address)
{
    const struct leaf leaf = walk(level, address);
    const uint64_t page = address & ~0xfffULL;

    if (address >= mapping->top || is_kept(mapping, (struct prange){page, page + 4096})) {
        assert_int_equal(leaf.span, 0);
        return;
    }
    assert_int_equal(leaf.pa, address);
    /* The next larger page would have met something that is kept, or there is none. */
    if (leaf.span < GIB(1)) {
        const uint64_t start = address & ~(leaf.span * 512 - 1);

        assert_true(is_kept(mapping, (struct prange){start, start + leaf.span * 512}));
    }
}

static void build(const struct iommu_mapping *mapping)
{
    const uint32_t pages = iommu_map_pages(mapping);

    assert_in_range(pages, 1, PAGES_MOST);
    memset(tables, 0xa5, sizeof(tables));
    assert_true(iommu_map_build(mapping, tables[0], TABLES_PA, pages));
    assert_int_equal(tables[pages][0], 0xa5a5a5a5a5a5a5a5);
}

static uint64_t random_address(struct random *random, uint64_t below)
{
    return random_u64(random) % below;
}

/* Sorted pages, apart from each other: single ones, some, or a GiB and more. */
static uint32_t random_kept(struct random *random, uint64_t top)
{
    static const uint64_t sizes[] = {0x1000, 0x5000, 0x200000, 0x345000, 0x40000000, 0x87654000};
    const uint64_t within = random_below(random, 2) == 0 ? GIB(4) : top;
    const uint32_t count = random_below(random, KEPT_MOST + 1);
    uint64_t at = 0;
    uint32_t made = 0;

    for (uint32_t i = 0; i < count; i++) {
        at += random_address(random, 2 * within / KEPT_MOST) & ~0xfffULL;
        kept[made].start = at;
        at += sizes[random_below(random, 6)];
        kept[made].end = at;
        made += kept[made].end <= top;
    }
    return made;
}

static void test_every_address_leads_to_itself_but_those_that_are_kept(void **state)
{
    static const uint64_t tops[] = {GIB(1),   GIB(4),   GIB(5),    GIB(64),
                                    GIB(512), GIB(513), GIB(1024), GIB(1024 * 3)};
    struct random random = {20261121};

    (void)state;
    for (unsigned int run = 0; run < RUNS; run++) {
        struct iommu_mapping mapping = {.top = tops[random_below(&random, 8)]};
        unsigned int level;

        mapping.kept = (struct busy_list){kept, random_kept(&random, mapping.top)};
        build(&mapping);
        level = iommu_map_levels(&mapping);
        for (unsigned int i = 0; i < 50; i++) {
            check_address(&mapping, level, random_address(&random, mapping.top));
            check_address(&mapping, level, random_address(&random, 1ULL << (12 + 9 * level)));
        }
        check_address(&mapping, level, 0);
        check_address(&mapping, level, mapping.top - 1);
        check_address(&mapping, level, mapping.top & ((1ULL << (12 + 9 * level)) - 1));
        for (uint32_t i = 0; i < mapping.kept.count; i++) {
            check_address(&mapping, level, kept[i].start);
            check_address(&mapping, level, kept[i].end - 1);
            check_address(&mapping, level, kept[i].end % mapping.top);
            check_address(&mapping, level, kept[i].start == 0 ? 0 : kept[i].start - 1);
        }
    }
}

static void test_each_page_around_what_is_kept(void **state)
{
    struct iommu_mapping mapping = {.top = GIB(4), .kept = {kept, 2}};

    (void)state;
    kept[0] = (struct prange){0x3ff000, 0x801000};
    kept[1] = (struct prange){0x801000, 0x802000}; /* they may touch */
    build(&mapping);
    for (uint64_t page = 0; page < 0xc00000; page += 0x1000) {
        check_address(&mapping, 3, page + 0x123);
    }
    assert_int_equal(iommu_map_pages(&mapping), 4);
}

static void test_a_small_machine_takes_little(void **state)
{
    struct iommu_mapping mapping = {.top = GIB(1024), .kept = {kept, 3}};

    (void)state;
    kept[0] = (struct prange){0x9e000, 0x9f000};
    kept[1] = (struct prange){0x3fc00000, 0x3fe00000};
    kept[2] = (struct prange){0xfed80000, 0xfed84000};
    assert_int_equal(iommu_map_pages(&mapping), 3 + 2 + 2);
    mapping.kept.count = 0;
    assert_int_equal(iommu_map_pages(&mapping), 3);
    mapping.top = GIB(512);
    assert_int_equal(iommu_map_pages(&mapping), 1);
}

static void test_levels(void **state)
{
    static const struct {
        uint64_t top;
        unsigned int levels;
    } rows[] = {
        {GIB(1), 3},
        {GIB(512), 3},
        {GIB(513), 4},
        {1ULL << 48, 4},
        {(1ULL << 48) + GIB(1), 5},
        {1ULL << 52, 5},
        {1ULL << 57, 5},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct iommu_mapping mapping = {.top = rows[i].top};

        assert_int_equal(iommu_map_levels(&mapping), rows[i].levels);
    }
}

static void test_what_is_wholly_kept_takes_no_tables(void **state)
{
    struct iommu_mapping mapping = {.top = GIB(1024), .kept = {kept, 1}};

    (void)state;
    kept[0] = (struct prange){GIB(512), GIB(1024)};
    build(&mapping);
    assert_int_equal(iommu_map_pages(&mapping), 2);
    check_address(&mapping, 4, GIB(512) - 1);
    check_address(&mapping, 4, GIB(512));
    check_address(&mapping, 4, GIB(1024) - 1);
}

static void test_a_further_range_takes_no_more_than_is_said(void **state)
{
    struct random random = {7};

    (void)state;
    for (unsigned int run = 0; run < 2000; run++) {
        const struct iommu_mapping before = {.top = GIB(2048)};
        struct iommu_mapping after = {.top = GIB(2048), .kept = {kept, 1}};
        const uint64_t edge = GIB(1) << random_below(&random, 11);

        kept[0].start = edge - (random_address(&random, GIB(1)) & ~0xfffULL);
        kept[0].end = kept[0].start + 0x1000 + (random_address(&random, GIB(1)) & ~0xfffULL);
        assert_in_range(iommu_map_pages(&after), iommu_map_pages(&before),
                        iommu_map_pages(&before) + IOMMU_PAGES_FOR_RANGE);
    }
}

static void test_too_little_room_is_told_and_kept_to(void **state)
{
    const struct iommu_mapping mapping = {.top = GIB(1024), .kept = {kept, 1}};

    (void)state;
    kept[0] = (struct prange){0x1000, 0x2000};
    for (uint32_t pages = 0; pages < 5; pages++) {
        memset(tables, 0xa5, sizeof(tables));
        assert_false(iommu_map_build(&mapping, tables[0], TABLES_PA, pages));
        assert_int_equal(tables[pages][0], 0xa5a5a5a5a5a5a5a5);
    }
    assert_true(iommu_map_build(&mapping, tables[0], TABLES_PA, 5));
}

/* --- where the map ends ------------------------------------------------------------------------------------------- */

static void put(uint64_t start, uint64_t end, enum memory_type type)
{
    map.ranges[map.count++] = (struct memory_range){{start, end}, type};
}

static void test_where_the_map_ends(void **state)
{
    (void)state;
    map.count = 0;
    put(0, 0x40000000, MEMORY_RAM);
    put(0xfffffc000000, 0x1000000000000, MEMORY_RESERVED);
    assert_int_equal(iommu_map_top(&map, 36), GIB(64));
    assert_int_equal(iommu_map_top(&map, 40), GIB(1024));
    assert_int_equal(iommu_map_top(&map, 52), GIB(1024));
    map.count = 1;
    put(GIB(1000), GIB(2000) + 1, MEMORY_RAM);
    assert_int_equal(iommu_map_top(&map, 48), GIB(2001));
}

/* --- the device table --------------------------------------------------------------------------------------------- */

static void devices_build(uint32_t count, const struct acpi_iommu_setting *settings,
                          uint32_t setting_count)
{
    const struct iommu_device_request request = {
        .count = count,
        .tables_pa = 0x12345678000,
        .levels = 4,
        .settings = settings,
        .setting_count = setting_count,
    };

    memset(devices, 0xa5, sizeof(devices));
    iommu_devices_build(&request, devices);
    assert_int_equal(devices[count].words[0], 0xa5a5a5a5a5a5a5a5);
}

static void assert_device(uint32_t number, uint64_t second, uint64_t third)
{
    assert_int_equal(devices[number].words[0], 0x6000000000000000 | 0x12345678000 | 4 << 9 | 3);
    assert_int_equal(devices[number].words[1], second);
    assert_int_equal(devices[number].words[2], third);
    assert_int_equal(devices[number].words[3], 0);
}

static void test_all_devices_have_one_domain_and_one_map(void **state)
{
    (void)state;
    devices_build(65536, NULL, 0);
    for (uint32_t i = 0; i < 65536; i++) {
        assert_device(i, 1, 0);
    }
}

static void test_settings_of_the_firmware(void **state)
{
    static const struct acpi_iommu_setting settings[] = {
        {0x10, 0x12, 0x10}, {0x12, 0x12, 0xd7},     {0x7e, 0xffff, 0x20},
        {0x18, 0x18, 0x40}, {0xff00, 0xffff, 0x01}, {0x19, 0x19, 0x07},
    };

    (void)state;
    devices_build(128, settings, sizeof(settings) / sizeof(settings[0]));
    assert_device(0x0f, 1, 0);
    assert_device(0x10, 1 | 1ULL << 40, 0);
    assert_device(0x11, 1 | 1ULL << 40, 0);
    assert_device(0x12, 1 | 1ULL << 40, 0xc700000000000000);
    assert_device(0x13, 1, 0);
    assert_device(0x18, 1, 0x4000000000000000);
    assert_device(0x19, 1, 0x0700000000000000);
    assert_device(0x7d, 1, 0);
    assert_device(0x7e, 1 | 2ULL << 40, 0);
    assert_device(0x7f, 1 | 2ULL << 40, 0);
}

static void test_buses(void **state)
{
    (void)state;
    assert_int_equal(iommu_buses(0), 17);
    assert_int_equal(iommu_buses(0xff), 17);
    assert_int_equal(iommu_buses(0x100), 18);
    assert_int_equal(iommu_buses(0xefff), 256);
    assert_int_equal(iommu_buses(0xffff), 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_address_leads_to_itself_but_those_that_are_kept),
        cmocka_unit_test(test_each_page_around_what_is_kept),
        cmocka_unit_test(test_a_small_machine_takes_little),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_what_is_wholly_kept_takes_no_tables),
        cmocka_unit_test(test_a_further_range_takes_no_more_than_is_said),
        cmocka_unit_test(test_too_little_room_is_told_and_kept_to),
        cmocka_unit_test(test_where_the_map_ends),
        cmocka_unit_test(test_all_devices_have_one_domain_and_one_map),
        cmocka_unit_test(test_settings_of_the_firmware),
        cmocka_unit_test(test_buses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
