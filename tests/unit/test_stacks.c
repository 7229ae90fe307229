/*
 * Stacks with guard pages: areas as they are mapped, page by page, and which accesses are an overflow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stacks.h"
#include "x86/address_map.h"
#include "x86/paging.h"
#include "x86/vectors.h"

#define POOL_PAGES 32
#define POOL_PA    0x123456000ULL
#define AREAS_PA   0x7ff01000ULL
#define AREA_PAGES 10

static uint64_t tables[POOL_PAGES][PT_ENTRIES];

static struct page_pool pool_of(uint32_t pages)
{
    struct page_pool pool = {
        .tables = tables[0], .pa = POOL_PA, .capacity_pages = pages, .has_nx = true};

    memset(tables, 0xa5, sizeof(tables));
    paging_start(&pool);
    return pool;
}

/* The entry of a page: behind the three tables above them, those of 4 KiB pages follow in order. */
static uint64_t entry_of(uint64_t va)
{
    return tables[3 + (va - PROCESSOR_AREAS_START) / L2_PAGE_BYTES][L1_SLOT(va)];
}

/* From below: 1 to 3 are the fault stacks, 4 the ordinary one, 5 data, 0 what must not be there. */
static const char layout[AREA_PAGES + 1] = "0102030445";

static void test_an_area_is_mapped_but_for_a_page_below_each_stack(void **state)
{
    const uint32_t count = 100;
    struct page_pool pool = pool_of(POOL_PAGES);
    uint64_t pa = AREAS_PA;

    (void)state;
    assert_int_equal(PROCESSOR_AREA_MAPPED_BYTES, AREA_PAGES * PAGE_BYTES);
    assert_true(stacks_map_areas(&pool, PROCESSOR_AREAS_START, AREAS_PA, count));
    for (uint64_t page = 0; page < count * AREA_PAGES; page++) {
        const uint64_t entry = entry_of(PROCESSOR_AREAS_START + page * PAGE_BYTES);

        if (layout[page % AREA_PAGES] == '0') {
            assert_int_equal(entry, 0);
        } else {
            assert_int_equal(entry, pa | PTE_DATA);
            pa += PAGE_BYTES;
        }
    }
    assert_int_equal(pa, AREAS_PA + count * PROCESSOR_AREA_BYTES);
    assert_int_equal(entry_of(PROCESSOR_AREAS_START + count * PROCESSOR_AREA_MAPPED_BYTES), 0);
}

static void test_stacks_are_where_the_area_is_mapped(void **state)
{
    const uint64_t area = PROCESSOR_AREAS_START + 7 * PROCESSOR_AREA_MAPPED_BYTES;
    struct stack stacks[STACK_COUNT];
    static const struct {
        unsigned int number;
        char pages;
    } expected[] = {{IST_DF, '1'}, {IST_NMI, '2'}, {IST_MC, '3'}, {STACK_ORDINARY, '4'}};

    (void)state;
    stacks_of_area(area, stacks);
    for (unsigned int i = 0; i < 4; i++) {
        const struct stack stack = stacks[expected[i].number];

        assert_true(stack.start < stack.top && stack.top <= area + PROCESSOR_AREA_MAPPED_BYTES);
        assert_int_equal(layout[(stack.start - area) / PAGE_BYTES - 1], '0');
        for (uint64_t va = stack.start; va < stack.top; va += PAGE_BYTES) {
            assert_int_equal(layout[(va - area) / PAGE_BYTES], expected[i].pages);
        }
    }
    assert_int_equal(layout[(stacks[STACK_ORDINARY].top - area) / PAGE_BYTES], '5');
}

static void test_areas_take_the_tables_that_were_counted(void **state)
{
    (void)state;
    for (uint32_t count = 1; count <= 512; count++) {
        const uint32_t counted = stacks_pages_for_areas(count);
        struct page_pool pool = pool_of(1 + counted);

        assert_true(stacks_map_areas(&pool, PROCESSOR_AREAS_START, AREAS_PA, count));
        assert_int_equal(pool.used_pages, 1 + counted);
        pool = pool_of(counted);
        assert_false(stacks_map_areas(&pool, PROCESSOR_AREAS_START, AREAS_PA, count));
    }
}

static void test_an_overflow_is_an_access_to_a_guard_page_from_the_stack_above(void **state)
{
    struct stack stacks[STACK_COUNT];

    (void)state;
    stacks_of_area(PROCESSOR_AREAS_START, stacks);
    for (int number = 0; number < STACK_COUNT; number++) {
        const uint64_t start = stacks[number].start;

        assert_int_equal(stacks_find_overflow(stacks, start - 8, start), number);
        assert_int_equal(stacks_find_overflow(stacks, start - 8, start - 16), number);
        assert_int_equal(stacks_find_overflow(stacks, start - 1, start + PAGE_BYTES), number);
        assert_int_equal(stacks_find_overflow(stacks, start - PAGE_BYTES, start - PAGE_BYTES),
                         number);
        /* Something else touched it, from far away. */
        assert_int_equal(stacks_find_overflow(stacks, start - 8, start + PAGE_BYTES + 8), -1);
        assert_int_equal(stacks_find_overflow(stacks, start - 8, 0), -1);
        /* It was not the guard page. */
        assert_int_equal(stacks_find_overflow(stacks, start, start), -1);
        assert_int_equal(stacks_find_overflow(stacks, start - PAGE_BYTES - 1, start), -1);
    }
    assert_int_equal(stacks_find_overflow(stacks, 0, 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_area_is_mapped_but_for_a_page_below_each_stack),
        cmocka_unit_test(test_stacks_are_where_the_area_is_mapped),
        cmocka_unit_test(test_areas_take_the_tables_that_were_counted),
        cmocka_unit_test(test_an_overflow_is_an_access_to_a_guard_page_from_the_stack_above),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
