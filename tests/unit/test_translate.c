/* What page tables say of an address, against tables that the builder has made; and error codes in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "paging.h"
#include "translate.h"
#include "x86/paging.h"

#define POOL_PAGES 16
#define POOL_PA    0x3000ULL /* where the tables lie in the memory of the test */

static _Alignas(4096) uint8_t bytes[POOL_PA + POOL_PAGES * PAGE_BYTES];
static const struct physical_view memory = {bytes, sizeof(bytes)};
static struct page_pool pool;

#define IMAGE_VA 0xffff82d040200000ULL
#define SMALL_PA 0x7654321000ULL
#define LOW_VA   0x1000ULL
#define LARGE_VA 0xffff830000200000ULL
#define HUGE_VA  0xffff830040000000ULL

static int tables_make(void **state)
{
    const struct page_mapping mappings[] = {
        {IMAGE_VA, SMALL_PA, 3 * PAGE_BYTES, PTE_DATA},
        {LOW_VA, 0x9f000, PAGE_BYTES, PTE_CODE},
        {LARGE_VA, 0x40000000, L2_PAGE_BYTES, PTE_DATA},
        {HUGE_VA, 0x80000000, L3_PAGE_BYTES, PTE_DATA},
    };

    (void)state;
    memset(bytes, 0, sizeof(bytes));
    pool = (struct page_pool){.tables = (uint64_t *)(void *)(bytes + POOL_PA),
                              .pa = POOL_PA,
                              .capacity_pages = POOL_PAGES,
                              .has_1gib_pages = true};
    paging_start(&pool);
    for (size_t i = 0; i < sizeof(mappings) / sizeof(mappings[0]); i++) {
        assert_true(paging_map(&pool, mappings[i]));
    }
    return 0;
}

static void assert_at(uint64_t va, uint64_t expected)
{
    uint64_t pa = 0;

    assert_true(page_translate(&memory, POOL_PA, va, &pa));
    assert_int_equal(pa, expected);
}

static void assert_nowhere(uint64_t va)
{
    uint64_t pa;

    assert_false(page_translate(&memory, POOL_PA, va, &pa));
}

static void test_pages_of_every_size(void **state)
{
    (void)state;
    assert_at(IMAGE_VA, SMALL_PA);
    assert_at(IMAGE_VA + 0x2fff, SMALL_PA + 0x2fff);
    assert_at(LOW_VA + 0x123, 0x9f123);
    assert_at(LARGE_VA, 0x40000000);
    assert_at(LARGE_VA + 0x1fffff, 0x401fffff);
    assert_at(HUGE_VA + 0x3fffffff, 0xbfffffff);
}

static void test_what_is_not_mapped(void **state)
{
    (void)state;
    assert_nowhere(0);
    assert_nowhere(LOW_VA + PAGE_BYTES);
    assert_nowhere(IMAGE_VA - 1);
    assert_nowhere(IMAGE_VA + 3 * PAGE_BYTES);
    assert_nowhere(LARGE_VA - 1);
    assert_nowhere(HUGE_VA + L3_PAGE_BYTES);
    assert_nowhere(UINT64_MAX);
}

/* The bits that count in a table say yes, but the address is none. */
static void test_an_address_that_is_not_canonical(void **state)
{
    (void)state;
    assert_nowhere(IMAGE_VA & ~(1ULL << 63));
    assert_nowhere(LOW_VA | 1ULL << 48);
    assert_nowhere(LOW_VA | 1ULL << 63);
}

static void test_a_table_that_cannot_be_read_maps_nothing(void **state)
{
    const struct physical_view less = {bytes, POOL_PA + PAGE_BYTES};
    uint64_t pa;

    (void)state;
    assert_false(page_translate(&less, POOL_PA, IMAGE_VA, &pa));
    assert_false(page_translate(&memory, sizeof(bytes), IMAGE_VA, &pa));
}

static void test_error_codes_in_words(void **state)
{
    (void)state;
    assert_string_equal(page_fault_access(0), "read at");
    assert_string_equal(page_fault_access(PF_PRESENT), "read at");
    assert_string_equal(page_fault_access(PF_PRESENT | PF_WRITE), "write to");
    assert_string_equal(page_fault_access(PF_PRESENT | PF_EXECUTE), "execute at");
    assert_string_equal(page_fault_cause(0), "not mapped");
    assert_string_equal(page_fault_cause(PF_WRITE), "not mapped");
    assert_string_equal(page_fault_cause(PF_PRESENT | PF_WRITE), "not allowed");
    assert_string_equal(page_fault_cause(PF_PRESENT | PF_RESERVED),
                        "a page-table entry is damaged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_pages_of_every_size, tables_make),
        cmocka_unit_test_setup(test_what_is_not_mapped, tables_make),
        cmocka_unit_test_setup(test_an_address_that_is_not_canonical, tables_make),
        cmocka_unit_test_setup(test_a_table_that_cannot_be_read_maps_nothing, tables_make),
        cmocka_unit_test(test_error_codes_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
