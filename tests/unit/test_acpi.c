/*
 * From ACPI's root pointer to whole tables: what is found, and that a defect costs one table alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acpi_maker.h"

static struct firmware made;
static struct acpi_info info;

/* HPET at 0xfed00000, MCFG with one segment. */
static const uint8_t hpet[20] = {0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0xd0, 0xfe};
static const uint8_t mcfg[24] = {[8] = 0, 0, 0, 0xb0, [19] = 255};

static void two_tables(void)
{
    firmware_start(&made);
    table(&made, "HPET", 1, hpet, sizeof(hpet));
    table(&made, "MCFG", 1, mcfg, sizeof(mcfg));
}

static void assert_one_problem(enum acpi_defect defect, const char *signature, uint64_t at)
{
    assert_int_equal(info.problem_count, 1);
    assert_int_equal(info.problems[0].defect, defect);
    assert_string_equal(info.problems[0].signature, signature);
    assert_int_equal(info.problems[0].at, at);
}

static void assert_both_tables(void)
{
    assert_int_equal(info.table_count, 2);
    assert_int_equal(info.kinds, 1U << ACPI_HPET | 1U << ACPI_MCFG);
    assert_string_equal(info.used, "HPET MCFG");
    assert_int_equal(info.hpet.pa, 0xfed00000);
    assert_int_equal(info.pci_segment_count, 1);
    assert_int_equal(info.pci_segments[0].base.pa, 0xb0000000);
}

static void test_without_a_root_pointer_there_is_nothing(void **state)
{
    const struct physical_view nothing = {.bytes = NULL, .size = 0};
    const struct acpi_info zero = {0};

    (void)state;
    memset(&info, 0xa5, sizeof(info));
    acpi_read(&nothing, (paddr_t){0}, &info);
    assert_memory_equal(&info, &zero, sizeof(info));
}

static void test_tables_are_found_through_the_xsdt(void **state)
{
    (void)state;
    two_tables();
    firmware_end(&made, ROOT_BOTH);
    read_as_is(&made, &info);
    assert_both_tables();
    assert_true(info.xsdt);
    assert_int_equal(info.rsdp.pa, RSDP_PA);
    assert_int_equal(info.problem_count, 0);
}

static void test_tables_are_found_through_the_rsdt_of_acpi_1(void **state)
{
    (void)state;
    two_tables();
    firmware_end(&made, ROOT_RSDT);
    read_as_is(&made, &info);
    assert_both_tables();
    assert_false(info.xsdt);
    assert_int_equal(info.problem_count, 0);
}

static void test_a_root_pointer_of_acpi_1_may_end_with_memory(void **state)
{
    struct physical_view view;

    (void)state;
    two_tables();
    firmware_end(&made, ROOT_RSDT);
    pad_to(&made.memory, made.memory.size | 1);
    put_bytes(&made.memory, made.memory.bytes + RSDP_PA, 20);
    view = memory_with(0, made.memory.bytes, made.memory.size);
    acpi_read(&view, (paddr_t){made.memory.size - 20}, &info);
    assert_both_tables();
    for (uint64_t cut = 1; cut <= 20; cut++) {
        view.size = made.memory.size - cut;
        acpi_read(&view, (paddr_t){made.memory.size - 20}, &info);
        assert_one_problem(ACPI_OUT_OF_REACH, "RSDP", made.memory.size - 20);
        assert_int_equal(info.table_count, 0);
    }
    memory_free(view);
}

static void test_a_bad_root_pointer_leads_nowhere(void **state)
{
    (void)state;
    two_tables();
    firmware_end(&made, ROOT_BOTH);
    made.memory.bytes[RSDP_PA + 10]++;
    read_as_is(&made, &info);
    assert_one_problem(ACPI_BAD_CHECKSUM, "RSDP", RSDP_PA);
    assert_int_equal(info.table_count, 0);
    made.memory.bytes[RSDP_PA] = 'r';
    read_as_is(&made, &info);
    assert_one_problem(ACPI_BAD_SIGNATURE, "RSDP", RSDP_PA);
}

static void test_a_root_pointer_anywhere_is_survived(void **state)
{
    static const uint64_t places[] = {1, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX};
    struct physical_view view;

    (void)state;
    two_tables();
    view = memory_with(0, made.memory.bytes, made.memory.size);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        acpi_read(&view, (paddr_t){places[i]}, &info);
        assert_int_equal(info.problem_count, 1);
        assert_int_equal(info.kinds, 0);
    }
    memory_free(view);
}

static void test_the_rsdt_is_used_where_the_pointers_second_part_is_bad(void **state)
{
    static const uint32_t lengths[] = {0, 7, 35, 0x10000, UINT32_MAX};

    (void)state;
    two_tables();
    firmware_end(&made, ROOT_RSDT);
    root_table(&made, EMPTY_RSDT_PA, true, 0);
    root_pointer(&made, ROOT_PA, EMPTY_RSDT_PA);
    made.memory.bytes[RSDP_PA + 33]++;
    read_as_is(&made, &info);
    assert_both_tables();
    assert_one_problem(ACPI_BAD_EXTENSION, "RSDP", RSDP_PA);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        root_pointer(&made, ROOT_PA, EMPTY_RSDT_PA);
        poke(&made, RSDP_PA + 20, lengths[i], 4);
        read_as_is(&made, &info);
        assert_both_tables();
        assert_one_problem(ACPI_BAD_EXTENSION, "RSDP", RSDP_PA);
    }
}

static void test_the_rsdt_is_used_where_there_is_no_xsdt(void **state)
{
    (void)state;
    two_tables();
    firmware_end(&made, ROOT_RSDT);
    root_pointer(&made, ROOT_PA, 1);
    poke(&made, RSDP_PA + 24, 0, 8);
    checksum(&made, RSDP_PA, 36, RSDP_PA + 32);
    read_as_is(&made, &info);
    assert_both_tables();
    assert_int_equal(info.problem_count, 0);
}

static void test_the_rsdt_is_used_where_the_xsdt_is_bad(void **state)
{
    static const struct {
        uint64_t xsdt;
        enum acpi_defect defect;
    } cases[] = {
        {EMPTY_RSDT_PA, ACPI_BAD_CHECKSUM},
        {RSDP_PA, ACPI_BAD_SIGNATURE},
        {UINT64_C(0x123456789), ACPI_OUT_OF_REACH},
        {UINT64_MAX, ACPI_OUT_OF_REACH},
    };

    (void)state;
    two_tables();
    firmware_end(&made, ROOT_RSDT);
    root_table(&made, EMPTY_RSDT_PA, true, 0);
    made.memory.bytes[EMPTY_RSDT_PA + 12]++;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        root_pointer(&made, ROOT_PA, cases[i].xsdt);
        read_as_is(&made, &info);
        assert_both_tables();
        assert_false(info.xsdt);
        assert_one_problem(cases[i].defect, "XSDT", cases[i].xsdt);
    }
}

static void test_two_bad_root_tables_are_two_problems(void **state)
{
    (void)state;
    two_tables();
    firmware_end(&made, ROOT_BOTH);
    made.memory.bytes[EMPTY_RSDT_PA + 12]++;
    made.memory.bytes[ROOT_PA + 12]++;
    read_as_is(&made, &info);
    assert_int_equal(info.problem_count, 2);
    assert_string_equal(info.problems[0].signature, "XSDT");
    assert_string_equal(info.problems[1].signature, "RSDT");
    assert_int_equal(info.table_count, 0);
    assert_string_equal(info.used, "");
}

static void test_each_wrong_byte_of_a_table_is_seen_and_costs_that_table(void **state)
{
    (void)state;
    two_tables();
    firmware_end(&made, ROOT_XSDT);
    for (size_t at = 8; at < 56; at++) {
        made.memory.bytes[made.listed[0] + at] ^= 0x40;
        read_as_is(&made, &info);
        assert_one_problem(ACPI_BAD_CHECKSUM, "HPET", made.listed[0]);
        assert_int_equal(info.kinds, 1U << ACPI_MCFG);
        assert_int_equal(info.table_count, 2);
        assert_int_equal(info.hpet.pa, 0);
        made.memory.bytes[made.listed[0] + at] ^= 0x40;
    }
}

static void test_bad_lengths_cost_that_table(void **state)
{
    static const struct {
        uint32_t bytes;
        enum acpi_defect defect;
    } cases[] = {
        {0, ACPI_BAD_LENGTH},
        {7, ACPI_BAD_LENGTH},
        {35, ACPI_BAD_LENGTH},
        {UINT32_MAX, ACPI_BAD_LENGTH},
        {ACPI_TABLE_BYTES_MAX + 1, ACPI_BAD_LENGTH},
        {ACPI_TABLE_BYTES_MAX, ACPI_OUT_OF_REACH},
        {0x4000, ACPI_OUT_OF_REACH},
        {55, ACPI_BAD_CHECKSUM},
        {57, ACPI_BAD_CHECKSUM},
    };

    (void)state;
    two_tables();
    firmware_end(&made, ROOT_XSDT);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        poke(&made, made.listed[0] + 4, cases[i].bytes, 4);
        made.memory.bytes[made.listed[0] + 55] = 1; /* so that a length off by one is a wrong sum */
        checksum(&made, made.listed[0], 56, made.listed[0] + 9);
        read_as_is(&made, &info);
        assert_one_problem(cases[i].defect, "HPET", made.listed[0]);
        assert_int_equal(info.kinds, 1U << ACPI_MCFG);
    }
}

static void test_entries_to_nowhere_cost_nothing_else(void **state)
{
    (void)state;
    two_tables();
    list(&made, 0); /* no entry at all */
    list(&made, 0xfffffff0);
    list(&made, UINT64_MAX);
    list(&made, UINT64_C(1) << 40);
    list(&made, made.memory.size - 35);
    read_all(&made, &info);
    assert_both_tables();
    assert_int_equal(info.problem_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(info.problems[i].defect, ACPI_OUT_OF_REACH);
        assert_string_equal(info.problems[i].signature, "????");
    }
    assert_int_equal(info.problems[0].at, 0xfffffff0);
}

static void test_an_unprintable_signature_is_made_printable(void **state)
{
    (void)state;
    two_tables();
    list(&made, made.memory.size | 1);
    pad_to(&made.memory, made.memory.size | 1);
    put_bytes(&made.memory, "\x01~\xff ", 4);
    for (size_t i = 0; i < 32; i++) {
        put8(&made.memory, 0);
    }
    read_all(&made, &info);
    assert_one_problem(ACPI_BAD_LENGTH, "?~??", made.listed[2]);
}

static void test_root_tables_that_list_themselves_and_others_are_no_loop(void **state)
{
    (void)state;
    two_tables();
    list(&made, ROOT_PA);
    list(&made, EMPTY_RSDT_PA);
    read_all(&made, &info);
    assert_int_equal(info.problem_count, 0);
    assert_int_equal(info.table_count, 4);
    assert_string_equal(info.used, "HPET MCFG");
}

static void test_unknown_tables_are_counted_and_not_summed(void **state)
{
    (void)state;
    two_tables();
    table(&made, "SSDT", 1, hpet, sizeof(hpet));
    made.memory.bytes[made.memory.size - 1]++;
    table(&made, "DSDT", 1, hpet, sizeof(hpet)); /* which only the FADT may name */
    made.memory.bytes[made.memory.size - 1]++;
    read_all(&made, &info);
    assert_int_equal(info.problem_count, 0);
    assert_int_equal(info.table_count, 4);
    assert_string_equal(info.used, "HPET MCFG");
}

static void test_of_two_tables_the_first_good_one_is_used(void **state)
{
    uint8_t other[24];

    (void)state;
    memcpy(other, mcfg, sizeof(other));
    other[11] = 0xc0;
    two_tables();
    table(&made, "MCFG", 1, other, sizeof(other));
    read_all(&made, &info);
    assert_int_equal(info.pci_segment_count, 1);
    assert_int_equal(info.pci_segments[0].base.pa, 0xb0000000);
    assert_one_problem(ACPI_TWICE, "MCFG", made.listed[2]);

    made.memory.bytes[made.listed[1] + 36]++;
    read_as_is(&made, &info);
    assert_int_equal(info.pci_segments[0].base.pa, 0xc0000000);
    assert_one_problem(ACPI_BAD_CHECKSUM, "MCFG", made.listed[1]);
}

static void test_several_hpets_are_no_problem(void **state)
{
    (void)state;
    two_tables();
    table(&made, "HPET", 1, hpet, sizeof(hpet));
    read_all(&made, &info);
    assert_int_equal(info.problem_count, 0);
    assert_int_equal(info.hpet.pa, 0xfed00000);
}

static void test_problems_beyond_the_limit_are_counted_only(void **state)
{
    (void)state;
    two_tables();
    for (size_t i = 0; i < 100; i++) {
        list(&made, UINT64_MAX - i);
    }
    read_all(&made, &info);
    assert_both_tables();
    assert_int_equal(info.problem_count, 100);
    assert_int_equal(info.problems[ACPI_PROBLEMS_MAX - 1].at, UINT64_MAX - (ACPI_PROBLEMS_MAX - 1));
    assert_int_equal(info.local_apic.pa, 0); /* what is behind the list */
}

static void test_entries_beyond_the_limit_are_not_looked_at(void **state)
{
    (void)state;
    firmware_start(&made);
    while (made.listed_count < ACPI_TABLES_MAX) {
        list(&made, 0);
    }
    table(&made, "HPET", 1, hpet, sizeof(hpet));
    read_all(&made, &info);
    assert_int_equal(info.table_count, 0);
    assert_int_equal(info.problem_count, 0);
}

static void test_every_length_of_the_root_table(void **state)
{
    (void)state;
    for (int xsdt = 0; xsdt < 2; xsdt++) {
        const size_t entry = xsdt ? 8 : 4;

        two_tables();
        firmware_end(&made, xsdt ? ROOT_XSDT : ROOT_RSDT);
        for (size_t bytes = 36; bytes <= 36 + 2 * entry; bytes++) {
            poke(&made, ROOT_PA + 4, bytes, 4);
            checksum(&made, ROOT_PA, bytes, ROOT_PA + 9);
            read_as_is(&made, &info);
            assert_int_equal(info.table_count, (bytes - 36) / entry);
            assert_int_equal(info.problem_count, 0);
        }
    }
}

static void test_every_end_of_memory(void **state)
{
    (void)state;
    two_tables();
    firmware_end(&made, ROOT_XSDT);
    while (made.memory.size > 0) {
        made.memory.size--;
        read_as_is(&made, &info);
        assert_true(info.problem_count != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_root_pointer_there_is_nothing),
        cmocka_unit_test(test_tables_are_found_through_the_xsdt),
        cmocka_unit_test(test_tables_are_found_through_the_rsdt_of_acpi_1),
        cmocka_unit_test(test_a_root_pointer_of_acpi_1_may_end_with_memory),
        cmocka_unit_test(test_a_bad_root_pointer_leads_nowhere),
        cmocka_unit_test(test_a_root_pointer_anywhere_is_survived),
        cmocka_unit_test(test_the_rsdt_is_used_where_the_pointers_second_part_is_bad),
        cmocka_unit_test(test_the_rsdt_is_used_where_there_is_no_xsdt),
        cmocka_unit_test(test_the_rsdt_is_used_where_the_xsdt_is_bad),
        cmocka_unit_test(test_two_bad_root_tables_are_two_problems),
        cmocka_unit_test(test_each_wrong_byte_of_a_table_is_seen_and_costs_that_table),
        cmocka_unit_test(test_bad_lengths_cost_that_table),
        cmocka_unit_test(test_entries_to_nowhere_cost_nothing_else),
        cmocka_unit_test(test_an_unprintable_signature_is_made_printable),
        cmocka_unit_test(test_root_tables_that_list_themselves_and_others_are_no_loop),
        cmocka_unit_test(test_unknown_tables_are_counted_and_not_summed),
        cmocka_unit_test(test_of_two_tables_the_first_good_one_is_used),
        cmocka_unit_test(test_several_hpets_are_no_problem),
        cmocka_unit_test(test_problems_beyond_the_limit_are_counted_only),
        cmocka_unit_test(test_entries_beyond_the_limit_are_not_looked_at),
        cmocka_unit_test(test_every_length_of_the_root_table),
        cmocka_unit_test(test_every_end_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
