/*
 * The page-table builder, against a walk as the processor makes it (Intel SDM volume 3A, section 4.5): what was asked
 * for is mapped, nothing else is, in pages as large as fit, out of as many tables as were counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "paging.h"
#include "random.h"
#include "x86/paging.h"

#define POOL_PAGES 512
#define POOL_PA    0x123456000ULL
#define DIRECT     0xffff830000000000ULL
#define RUNS       300

static uint64_t tables[POOL_PAGES][PT_ENTRIES];
static struct memmap map;

static struct page_pool pool_of(uint32_t pages, bool has_1gib_pages)
{
    struct page_pool pool = {.tables = tables[0],
                             .pa = POOL_PA,
                             .capacity_pages = pages,
                             .has_1gib_pages = has_1gib_pages,
                             .has_nx = true};

    memset(tables, 0xa5, sizeof(tables));
    paging_start(&pool);
    return pool;
}

struct leaf {
    uint64_t entry; /* 0: not mapped */
    uint64_t span;
    uint64_t pa;
};

static struct leaf walk(uint64_t va)
{
    uint64_t pa = POOL_PA;

    for (unsigned int shift = 39;; shift -= 9) {
        const uint64_t entry = tables[(pa - POOL_PA) / 4096][(va >> shift) & 511];

        if ((entry & 1) == 0) {
            assert_int_equal(entry, 0);
            return (struct leaf){0};
        }
        if (shift == 12 || (entry & 0x80) != 0) {
            const uint64_t span = 1ULL << shift;
            /* Bit 12 of a large page's entry is PAT. */
            const uint64_t page = entry & (shift == 12 ? 0x000ffffffffff000 : 0x000fffffffffe000);

            assert_int_equal(page & (span - 1), 0);
            return (struct leaf){entry, span, page + (va & (span - 1))};
        }
        pa = entry & 0x000ffffffffff000;
        assert_in_range(pa, POOL_PA + 4096, POOL_PA + (POOL_PAGES - 1) * 4096);
    }
}

static void assert_mapped(uint64_t va, uint64_t pa, uint64_t span)
{
    const struct leaf leaf = walk(va);

    assert_int_not_equal(leaf.entry, 0);
    assert_int_equal(leaf.pa, pa);
    assert_int_equal(leaf.span, span);
}

static void assert_not_mapped(uint64_t va)
{
    assert_int_equal(walk(va).entry, 0);
}

static void test_the_largest_pages_that_fit(void **state)
{
    const uint64_t va = DIRECT + 0x1ff000;
    struct page_pool pool = pool_of(POOL_PAGES, true);

    (void)state;
    /* A 4 KiB page, up to 1 GiB in 2 MiB pages, 1 GiB, 2 MiB, a 4 KiB page. */
    assert_true(
        paging_map(&pool, (struct page_mapping){va, 0x1ff000, 0x80201000 - 0x1ff000, PTE_DATA}));
    assert_not_mapped(va - 1);
    assert_mapped(va, 0x1ff000, 0x1000);
    assert_mapped(DIRECT + 0x200000, 0x200000, 0x200000);
    assert_mapped(DIRECT + 0x3fffffff, 0x3fffffff, 0x200000);
    assert_mapped(DIRECT + 0x40000000, 0x40000000, 0x40000000);
    assert_mapped(DIRECT + 0x80000000, 0x80000000, 0x200000);
    assert_mapped(DIRECT + 0x80200123, 0x80200123, 0x1000);
    assert_not_mapped(DIRECT + 0x80201000);
    assert_int_equal(pool.used_pages, 1 + 1 + 2 + 2);
}

static void test_without_1_gib_pages_there_are_none(void **state)
{
    struct page_pool pool = pool_of(POOL_PAGES, false);

    (void)state;
    assert_true(paging_map(&pool, (struct page_mapping){DIRECT, 0, 0x80000000, PTE_DATA}));
    assert_mapped(DIRECT + 0x40000000, 0x40000000, 0x200000);
    assert_int_equal(pool.used_pages, 1 + 1 + 2);
}

static void test_an_image_off_its_alignment_is_mapped_page_by_page(void **state)
{
    const uint64_t va = 0xffff82d040200000;
    struct page_pool pool = pool_of(4, true);

    (void)state;
    assert_true(paging_map(&pool, (struct page_mapping){va, 0x7abcd000, 0x1000, PTE_CONSTANTS}));
    assert_true(
        paging_map(&pool, (struct page_mapping){va + 0x1000, 0x7abce000, 0x1ff000, PTE_CODE}));
    assert_mapped(va, 0x7abcd000, 0x1000);
    assert_mapped(va + 0x1fffff, 0x7abcd000 + 0x1fffff, 0x1000);
    assert_true((walk(va).entry & PTE_NX) != 0);
    assert_int_equal(walk(va + 0x1000).entry & (PTE_NX | PTE_WRITE), 0);
    assert_int_equal(pool.used_pages, 4);
}

/* Each page of it, and nothing around it. */
static void assert_all_mapped(struct page_mapping mapping, uint64_t span)
{
    for (uint64_t at = 0; at < mapping.bytes; at += span) {
        assert_int_equal(walk(mapping.va + at).entry & PTE_DATA, PTE_DATA);
        assert_mapped(mapping.va + at, mapping.pa + at, span);
    }
    assert_not_mapped(mapping.va - 1);
    assert_not_mapped(mapping.va + mapping.bytes);
}

static void test_whole_tables_of_leaves(void **state)
{
    const struct page_mapping large = {DIRECT + 0x3fe00000, 0x3fe00000, 0x80400000, PTE_DATA};
    const struct page_mapping small = {DIRECT + 0x400000, 0x1000, 0x400000, PTE_DATA};
    struct page_pool pool = pool_of(POOL_PAGES, false);

    (void)state;
    assert_true(paging_map(&pool, large));
    assert_all_mapped(large, 0x200000);
    assert_int_equal(pool.used_pages, 1 + 1 + 4);
    /* Off the alignment of larger pages. */
    pool = pool_of(POOL_PAGES, true);
    assert_true(paging_map(&pool, small));
    assert_all_mapped(small, 0x1000);
    assert_int_equal(pool.used_pages, 1 + 1 + 1 + 2);
}

static void test_a_whole_table_has_no_room_or_its_place_is_taken(void **state)
{
    const struct page_mapping gibibyte = {DIRECT, 0, 0x40000000, PTE_DATA};
    const struct page_mapping last_page = {DIRECT + 0x3ffff000, 0x3ffff000, 0x1000, PTE_DATA};
    struct page_pool pool = pool_of(2, false);

    (void)state;
    assert_false(paging_map(&pool, gibibyte));
    pool = pool_of(POOL_PAGES, false);
    assert_true(paging_map(&pool, last_page));
    assert_false(paging_map(&pool, gibibyte));
    assert_mapped(last_page.va, last_page.pa, 0x1000);
    pool = pool_of(POOL_PAGES, false);
    assert_true(paging_map(&pool, gibibyte));
    assert_false(paging_map(&pool, gibibyte));
    assert_false(paging_map(&pool, last_page));
}

/* Bit 7 is PAT in a 4 KiB page's entry; in others it says that the page is large, and PAT is bit 12. */
static void test_write_combining_in_pages_of_all_sizes(void **state)
{
    const struct page_mapping mapping = {DIRECT + 0x3fdff000, 0x3fdff000, 0x40201000,
                                         PTE_DATA + PTE_WRITE_COMBINING};
    struct page_pool pool = pool_of(POOL_PAGES, true);

    (void)state;
    assert_true(paging_map(&pool, mapping));
    assert_int_equal(walk(DIRECT + 0x3fdff000).entry, 0x3fdff000 | PTE_DATA | 0x80);
    assert_int_equal(walk(DIRECT + 0x3fe00000).entry, 0x3fe00000 | PTE_DATA | 0x1080);
    assert_int_equal(walk(DIRECT + 0x40000000).entry, 0x40000000 | PTE_DATA | 0x1080);
}

static void test_a_processor_without_nx_gets_no_bit_for_it(void **state)
{
    struct page_pool pool = pool_of(POOL_PAGES, true);

    (void)state;
    pool.has_nx = false;
    assert_true(paging_map(
        &pool, (struct page_mapping){DIRECT + 0x1ff000, 0x1ff000, 0x201000, PTE_CONSTANTS}));
    assert_int_equal(walk(DIRECT + 0x1ff000).entry, 0x1ff121);
    assert_int_equal(walk(DIRECT + 0x200000).entry, 0x2001a1);
}

static void test_a_pool_that_is_too_small_and_a_place_that_is_taken(void **state)
{
    const struct page_mapping page = {DIRECT, 0, 0x1000, PTE_DATA};
    struct page_pool pool = pool_of(3, true);

    (void)state;
    assert_false(paging_map(&pool, page));
    pool = pool_of(4, true);
    assert_true(paging_map(&pool, page));
    assert_false(paging_map(&pool, page));
    pool = pool_of(4, true);
    assert_true(paging_map(&pool, (struct page_mapping){DIRECT, 0, 0x200000, PTE_DATA}));
    assert_false(paging_map(&pool, page));
    map.count = 1;
    map.ranges[0] = (struct memory_range){{0, 0x1000}, MEMORY_RAM};
    pool = pool_of(paging_pages_for_ram(&map, 0x100000000, true) - 1, true);
    assert_false(paging_map_ram(&pool, &map, 0x100000000, DIRECT, PTE_DATA));
}

static void test_pages_are_taken_away_one_by_one(void **state)
{
    struct page_pool pool = pool_of(POOL_PAGES, true);

    (void)state;
    assert_true(
        paging_map(&pool, (struct page_mapping){DIRECT + 0x1fe000, 0x1fe000, 0x402000, PTE_DATA}));
    assert_true(
        paging_map(&pool, (struct page_mapping){DIRECT + 0x600000, 0x600000, 0x3000, PTE_DATA}));
    assert_true(paging_unmap(&pool, DIRECT + 0x601000, 0x1000));
    assert_mapped(DIRECT + 0x600000, 0x600000, 0x1000);
    assert_not_mapped(DIRECT + 0x601000);
    assert_mapped(DIRECT + 0x602000, 0x602000, 0x1000);
    /* Again; across a large page; where there is no table. */
    assert_false(paging_unmap(&pool, DIRECT + 0x600000, 0x2000));
    assert_not_mapped(DIRECT + 0x600000);
    assert_false(paging_unmap(&pool, DIRECT + 0x1ff000, 0x2000));
    assert_not_mapped(DIRECT + 0x1ff000);
    assert_mapped(DIRECT + 0x200000, 0x200000, 0x200000);
    assert_false(paging_unmap(&pool, DIRECT + 0x8000000000, 0x1000));
}

/* The most that the contract says of further ranges. */
static void test_what_further_ranges_take_at_most(void **state)
{
    struct page_pool pool = pool_of(1 + PAGING_PAGES_FOR_SMALL, true);
    const uint64_t bytes = 0x100000000;

    (void)state;
    assert_true(
        paging_map(&pool, (struct page_mapping){DIRECT + 0xb8000, 0xb8000, 4096, PTE_DATA}));
    /* Over the end of 512 GiB, and off every alignment at both ends. */
    pool = pool_of(1 + PAGING_PAGES_FOR_4_GIB, false);
    assert_true(paging_map(
        &pool, (struct page_mapping){DIRECT + 0x7f80001000, 0x7f80001000, bytes, PTE_DATA}));
    assert_int_equal(pool.used_pages, pool.capacity_pages);
}

/* --- a whole memory ------------------------------------------------------------------------- */

static void add_range(uint64_t start, uint64_t end, enum memory_type type)
{
    map.ranges[map.count++] = (struct memory_range){{start, end}, type};
}

static bool is_ram_page(uint64_t pa)
{
    for (uint32_t i = 0; i < map.count; i++) {
        const struct memory_range *range = &map.ranges[i];

        if ((range->type == MEMORY_RAM || range->type == MEMORY_BOOT_SERVICES) &&
            range->bytes.start < pa + 4096 && pa < range->bytes.end) {
            return true;
        }
    }
    return false;
}

static uint64_t random_length(struct random *random)
{
    static const uint64_t units[] = {1, 0x200, 0x1000, 0x200000, 0x40000000};

    return (1 + random_below(random, 3)) * units[random_below(random, 5)];
}

/* At the edges of every range, where mistakes are, all that is near is as it should be. */
static void assert_pages_near(uint64_t at, uint64_t below)
{
    static const int64_t distances[] = {-0x200000, -0x1000, -1, 0, 1, 0x1000, 0x1ff000, 0x200000};

    for (size_t i = 0; i < sizeof(distances) / sizeof(distances[0]); i++) {
        const uint64_t pa = at + (uint64_t)distances[i];
        const struct leaf leaf = pa < below ? walk(DIRECT + pa) : (struct leaf){0};

        if (pa >= below) {
            continue;
        }
        if (is_ram_page(pa & ~0xfffULL)) {
            assert_int_equal(leaf.pa, pa);
            assert_true((leaf.entry & PTE_NX) != 0 && (leaf.entry & PTE_WRITE) != 0);
        } else {
            assert_int_equal(leaf.entry, 0);
        }
    }
}

static void test_exactly_the_ram_is_mapped(void **state)
{
    struct random random = {0x9a9e};

    (void)state;
    for (int run = 0; run < RUNS; run++) {
        const bool large = random_below(&random, 2) != 0;
        const uint64_t below = random_below(&random, 2) != 0 ? 0x100000000 : 0x50000000000;
        uint64_t at = random_below(&random, 2) * random_length(&random);
        struct page_pool pool;
        uint32_t counted;

        map.count = 0;
        for (uint32_t i = 1 + (uint32_t)random_below(&random, 40); i > 0; i--) {
            const uint64_t end = at + random_length(&random);
            static const enum memory_type types[] = {MEMORY_RAM, MEMORY_BOOT_SERVICES,
                                                     MEMORY_RESERVED};

            add_range(at, end, types[random_below(&random, 3)]);
            at = end + random_below(&random, 2) * random_length(&random);
        }
        counted = paging_pages_for_ram(&map, below, large);
        assert_true(counted < POOL_PAGES);
        pool = pool_of(counted, large);
        assert_true(paging_map_ram(&pool, &map, below, DIRECT, PTE_DATA));
        /* Not one table is counted for nothing. */
        assert_int_equal(pool.used_pages, counted);
        for (uint32_t i = 0; i < map.count; i++) {
            assert_pages_near(map.ranges[i].bytes.start, below);
            assert_pages_near(map.ranges[i].bytes.end, below);
        }
        assert_not_mapped(DIRECT + below);
        assert_not_mapped(0);
    }
}

static void test_a_memory_without_ram_maps_nothing(void **state)
{
    struct page_pool pool = pool_of(1, true);

    (void)state;
    map.count = 0;
    add_range(0, 0x1000000, MEMORY_RESERVED);
    add_range(0x100000000, 0x200000000, MEMORY_RAM);
    assert_true(paging_map_ram(&pool, &map, 0x100000000, DIRECT, PTE_DATA));
    assert_not_mapped(DIRECT);
    assert_not_mapped(DIRECT + 0x100000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_largest_pages_that_fit),
        cmocka_unit_test(test_without_1_gib_pages_there_are_none),
        cmocka_unit_test(test_an_image_off_its_alignment_is_mapped_page_by_page),
        cmocka_unit_test(test_whole_tables_of_leaves),
        cmocka_unit_test(test_a_whole_table_has_no_room_or_its_place_is_taken),
        cmocka_unit_test(test_write_combining_in_pages_of_all_sizes),
        cmocka_unit_test(test_a_processor_without_nx_gets_no_bit_for_it),
        cmocka_unit_test(test_a_pool_that_is_too_small_and_a_place_that_is_taken),
        cmocka_unit_test(test_pages_are_taken_away_one_by_one),
        cmocka_unit_test(test_what_further_ranges_take_at_most),
        cmocka_unit_test(test_exactly_the_ram_is_mapped),
        cmocka_unit_test(test_a_memory_without_ram_maps_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
