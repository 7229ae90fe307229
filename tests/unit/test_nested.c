/* Nested page tables: what a guest reaches from the start, and what becomes of an access that they do not allow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nested_model.h"

#define ONES   0x111000ULL
#define WALKED 0x222000ULL
#define APIC   0xfee00000ULL
#define PAGE   0x1000ULL

static const struct prange kept_ranges[] = {
    {0x7fe00000, 0x80000000}, /* all of 2 MiB */
    {0x9f000, 0xa0000},
    {0x7fdff000, 0x7fe00000},
};

static const struct nested_request npt = {
    .format = NESTED_NPT,
    .physical_bits = 40,
    .top = GIB(5),
    .kept = {kept_ranges, 3},
    .has_apic_page = true,
    .apic_page = {APIC},
    .ones = {ONES},
    .walked = {WALKED},
};

static struct nested nested;

static int npt_make(void **state)
{
    (void)state;
    return nested_make(&nested, &npt) ? 0 : -1;
}

static int npt_free(void **state)
{
    (void)state;
    free(nested.tables);
    return 0;
}

static void assert_itself(uint64_t gpa, unsigned int shift)
{
    const struct nested_page page = nested_walk(&nested, gpa);

    assert_true(page.sound && page.present && page.may_write);
    assert_int_equal(page.pa, gpa);
    assert_int_equal(page.shift, shift);
}

static void assert_leads(uint64_t gpa, uint64_t pa, bool may_write)
{
    const struct nested_page page = nested_walk(&nested, gpa);

    assert_true(page.sound && page.present);
    assert_int_equal(page.pa, pa);
    assert_int_equal(page.may_write, may_write);
}

static void assert_absent(uint64_t gpa)
{
    assert_false(nested_walk(&nested, gpa).present);
}

static void test_memory_is_mapped_to_itself_in_large_pages(void **state)
{
    (void)state;
    assert_itself(0, 12);
    assert_itself(0x200000, 21);
    assert_itself(0x7fdfe000, 12);
    assert_itself(0x80000000, 21);
    assert_itself(APIC + PAGE, 12);
    assert_itself(GIB(5) - 1, 21);
    assert_absent(GIB(5));
    assert_absent(0x9f000);
    assert_absent(0x7fdff000);
    assert_absent(0x7fe00000);
    assert_absent(0x7ffff000);
    assert_leads(APIC, APIC, false);
}

static void test_kept_memory_reads_as_ones_after_one_word(void **state)
{
    (void)state;
    assert_int_equal(nested_fault(&nested, 0x9f123, NESTED_READ), NESTED_KEPT);
    assert_leads(0x9f000, ONES, false);
    assert_int_equal(nested_fault(&nested, 0x9f123, NESTED_READ), NESTED_MAPPED);
    assert_int_equal(nested_fault(&nested, 0x9f123, NESTED_EXECUTE), NESTED_MAPPED);
    assert_int_equal(nested_fault(&nested, 0x9f123, NESTED_WRITE), NESTED_DROP);
    assert_int_equal(nested_fault(&nested, 0x7fe00000, NESTED_WRITE), NESTED_KEPT);
    assert_leads(0x7fe00000, ONES, false);
    assert_int_equal(nested_fault(&nested, 0x7fe00000, NESTED_WRITE), NESTED_DROP);
    assert_absent(0x7fe01000);
}

static void test_kept_memory_taken_for_a_page_table(void **state)
{
    (void)state;
    assert_int_equal(nested_fault(&nested, 0x9f000, NESTED_WALK), NESTED_KEPT);
    assert_leads(0x9f000, WALKED, true);
    assert_int_equal(nested_fault(&nested, 0x9f000, NESTED_WALK), NESTED_MAPPED);
    assert_int_equal(nested_fault(&nested, 0x9f000, NESTED_WRITE), NESTED_MAPPED);
    /* Read first, then walked. */
    assert_int_equal(nested_fault(&nested, 0x7fdff000, NESTED_READ), NESTED_KEPT);
    assert_int_equal(nested_fault(&nested, 0x7fdff000, NESTED_WALK), NESTED_MAPPED);
    assert_leads(0x7fdff000, WALKED, true);
}

static void test_the_apics_page(void **state)
{
    (void)state;
    assert_int_equal(nested_fault(&nested, APIC + 0x300, NESTED_WRITE), NESTED_APIC);
    assert_int_equal(nested_fault(&nested, APIC + 0x300, NESTED_READ), NESTED_MAPPED);
    assert_leads(APIC, APIC, false);
    assert_int_equal(nested_fault(&nested, APIC, NESTED_WALK), NESTED_MAPPED);
    assert_leads(APIC, WALKED, true);
}

static void test_above_the_top_memory_is_mapped_when_touched(void **state)
{
    (void)state;
    assert_int_equal(nested_fault(&nested, GIB(700) + 5, NESTED_WRITE), NESTED_MAPPED);
    assert_itself(GIB(700), 21);
    assert_itself(GIB(701) - 1, 21);
    assert_absent(GIB(701));
    assert_int_equal(nested_fault(&nested, GIB(700), NESTED_READ), NESTED_MAPPED);
    assert_int_equal(nested_fault(&nested, 1ULL << 40, NESTED_READ), NESTED_DROP);
    assert_int_equal(nested_fault(&nested, UINT64_MAX, NESTED_WRITE), NESTED_DROP);
}

static void test_without_tables_left_there_are_ones(void **state)
{
    (void)state;
    for (uint64_t gib = 0; gib < NESTED_SPARE_TABLES; gib++) {
        assert_int_equal(nested_fault(&nested, GIB(5 + gib), NESTED_READ), NESTED_MAPPED);
        assert_itself(GIB(5 + gib), 21);
    }
    assert_int_equal(nested_fault(&nested, GIB(50), NESTED_READ), NESTED_MAPPED);
    assert_leads(GIB(50) + 0x1234, ONES | 0x234, false);
    assert_int_equal(nested_fault(&nested, GIB(50), NESTED_WRITE), NESTED_DROP);
    assert_int_equal(nested_fault(&nested, GIB(600), NESTED_WRITE), NESTED_DROP);
    assert_leads(GIB(600), ONES, false);
    assert_int_equal(nested_fault(&nested, GIB(600), NESTED_WALK), NESTED_MAPPED);
    assert_leads(GIB(600), WALKED, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_memory_is_mapped_to_itself_in_large_pages, npt_make,
                                        npt_free),
        cmocka_unit_test_setup_teardown(test_kept_memory_reads_as_ones_after_one_word, npt_make,
                                        npt_free),
        cmocka_unit_test_setup_teardown(test_kept_memory_taken_for_a_page_table, npt_make,
                                        npt_free),
        cmocka_unit_test_setup_teardown(test_the_apics_page, npt_make, npt_free),
        cmocka_unit_test_setup_teardown(test_above_the_top_memory_is_mapped_when_touched, npt_make,
                                        npt_free),
        cmocka_unit_test_setup_teardown(test_without_tables_left_there_are_ones, npt_make,
                                        npt_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
