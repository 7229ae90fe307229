/*
 * ACPI's processors, interrupt controllers and nodes: MADT and SRAT.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acpi_maker.h"

#define ENABLED 1
#define CAPABLE 2

static struct firmware made;
static struct acpi_info info;
static size_t madt;

static void madt_start(void)
{
    firmware_start(&made);
    madt = table_start(&made, "APIC", 5);
    put32(&made.memory, 0xfee00000);
    put32(&made.memory, 1);
}

static void local_apic(uint8_t uid, uint8_t id, uint32_t flags)
{
    put8(&made.memory, 0);
    put8(&made.memory, 8);
    put8(&made.memory, uid);
    put8(&made.memory, id);
    put32(&made.memory, flags);
}

static void x2apic(uint32_t uid, uint32_t id, uint32_t flags)
{
    put8(&made.memory, 9);
    put8(&made.memory, 16);
    put16(&made.memory, 0);
    put32(&made.memory, id);
    put32(&made.memory, flags);
    put32(&made.memory, uid);
}

static void io_apic(uint8_t id, uint32_t pa, uint32_t gsi)
{
    put8(&made.memory, 1);
    put8(&made.memory, 12);
    put8(&made.memory, id);
    put8(&made.memory, 0);
    put32(&made.memory, pa);
    put32(&made.memory, gsi);
}

static void address_override(uint64_t pa)
{
    put8(&made.memory, 5);
    put8(&made.memory, 12);
    put16(&made.memory, 0);
    put64(&made.memory, pa);
}

static void madt_end(void)
{
    table_end(&made, madt);
    read_all(&made, &info);
}

static void assert_processor(uint32_t index, uint32_t id, uint32_t uid, bool enabled)
{
    assert_true(index < info.processor_count);
    assert_int_equal(info.processors[index].apic_id, id);
    assert_int_equal(info.processors[index].uid, uid);
    assert_int_equal(info.processors[index].enabled, enabled);
}

static void assert_damaged(const char *signature, uint64_t at)
{
    assert_int_equal(info.problem_count, 1);
    assert_int_equal(info.problems[0].defect, ACPI_MALFORMED);
    assert_string_equal(info.problems[0].signature, signature);
    assert_int_equal(info.problems[0].at, at);
}

static void test_processors_come_in_the_tables_order(void **state)
{
    (void)state;
    madt_start();
    local_apic(1, 4, ENABLED);
    local_apic(2, 0, ENABLED | CAPABLE);
    io_apic(7, 0xfec00000, 0);
    local_apic(3, 9, CAPABLE);
    local_apic(4, 10, 0);
    local_apic(5, 0xff, ENABLED); /* means all processors */
    x2apic(0x12345678, 0x9abcdef0, ENABLED);
    x2apic(6, 0xffffffff, ENABLED);
    io_apic(8, 0xfec01000, 24);
    madt_end();
    assert_int_equal(info.problem_count, 0);
    assert_int_equal(info.processor_count, 4);
    assert_int_equal(info.processors_enabled, 3);
    assert_processor(0, 4, 1, true);
    assert_processor(1, 0, 2, true);
    assert_processor(2, 9, 3, false);
    assert_processor(3, 0x9abcdef0, 0x12345678, true);
    assert_int_equal(info.processors_duplicated, 0);
    assert_int_equal(info.local_apic.pa, 0xfee00000);
    assert_int_equal(info.io_apic_count, 2);
    assert_int_equal(info.io_apics[1].base.pa, 0xfec01000);
    assert_int_equal(info.io_apics[1].gsi_base, 24);
    assert_int_equal(info.io_apics[1].id, 8);
}

static void test_the_override_is_the_local_apics_address(void **state)
{
    (void)state;
    madt_start();
    address_override(UINT64_C(0x123456789000));
    local_apic(0, 0, ENABLED);
    madt_end();
    assert_int_equal(info.local_apic.pa, UINT64_C(0x123456789000));
    assert_int_equal(info.processor_count, 1);
}

static void test_a_processor_named_twice_is_one(void **state)
{
    (void)state;
    madt_start();
    local_apic(0, 0, ENABLED);
    local_apic(1, 2, CAPABLE);
    local_apic(2, 1, ENABLED);
    x2apic(0, 0, ENABLED);
    x2apic(1, 2, ENABLED); /* there after all */
    x2apic(2, 1, 0);       /* an entry that means nothing */
    madt_end();
    assert_int_equal(info.processor_count, 3);
    assert_int_equal(info.processors_enabled, 3);
    assert_int_equal(info.processors_duplicated, 2);
    assert_processor(1, 2, 1, true);
}

static void test_processors_beyond_the_limit_are_dropped_and_counted(void **state)
{
    (void)state;
    madt_start();
    for (uint32_t i = 0; i < 600; i++) {
        x2apic(i, 1000 - i, ENABLED);
    }
    x2apic(0, 1000, ENABLED); /* known, so neither new nor dropped */
    madt_end();
    assert_int_equal(info.problem_count, 0);
    assert_int_equal(info.processor_count, ACPI_PROCESSORS_MAX);
    assert_int_equal(info.processors_enabled, ACPI_PROCESSORS_MAX);
    assert_int_equal(info.processors_dropped, 600 - ACPI_PROCESSORS_MAX);
    assert_int_equal(info.processors_duplicated, 1);
    assert_processor(511, 489, 511, true);
    assert_int_equal(info.io_apic_count, 0);
}

static void test_processors_are_found_by_their_id(void **state)
{
    (void)state;
    madt_start();
    for (uint32_t i = 0; i < 10; i++) {
        local_apic((uint8_t)i, (uint8_t)(2 * i), ENABLED);
    }
    madt_end();
    for (uint32_t hint = 0; hint < 12; hint++) {
        assert_int_equal(acpi_processor_find(&info, 8, hint), 4);
        assert_int_equal(acpi_processor_find(&info, 9, hint), 10);
    }
    assert_int_equal(acpi_processor_find(&info, 0, UINT32_MAX), 0);
}

static void test_io_apics_beyond_the_limit_are_dropped_and_counted(void **state)
{
    (void)state;
    madt_start();
    for (uint32_t i = 0; i < ACPI_IO_APICS_MAX + 3; i++) {
        io_apic((uint8_t)i, 0xfec00000 + 0x1000 * i, 24 * i);
    }
    madt_end();
    assert_int_equal(info.io_apic_count, ACPI_IO_APICS_MAX);
    assert_int_equal(info.entries_dropped, 3);
}

static void test_unknown_entries_are_passed_over(void **state)
{
    (void)state;
    madt_start();
    for (int type = 0; type < 256; type++) {
        if (type != 0 && type != 1 && type != 5 && type != 9) {
            put8(&made.memory, (uint8_t)type);
            put8(&made.memory, 2);
        }
    }
    local_apic(0, 3, ENABLED);
    put16(&made.memory, 0x0207); /* the shortest one, at the end */
    madt_end();
    assert_int_equal(info.problem_count, 0);
    assert_int_equal(info.processor_count, 1);
}

/* Every length byte of an entry in the middle: 0 and 1 end the list, others are too short for the type, or run over. */
static void test_every_length_of_every_entry(void **state)
{
    static const uint8_t types[] = {0, 1, 5, 9};
    static const uint8_t needs[] = {8, 12, 12, 16};

    (void)state;
    for (size_t type = 0; type < sizeof(types); type++) {
        for (size_t bytes = 0; bytes < 256; bytes++) {
            madt_start();
            local_apic(0, 0, ENABLED);
            put8(&made.memory, types[type]);
            put8(&made.memory, (uint8_t)bytes);
            for (size_t i = 2; i < bytes && i < 100; i++) {
                put8(&made.memory, 1);
            }
            if (bytes < 100) {
                local_apic(1, 200, ENABLED);
            }
            madt_end();
            assert_processor(0, 0, 0, true);
            if (bytes < needs[type] || bytes > 100) {
                assert_damaged("APIC", 44 + 8);
                assert_int_equal(info.processor_count, bytes < 2 || bytes > 100 ? 1 : 2);
            } else {
                assert_int_equal(info.problem_count, 0);
            }
        }
    }
}

static void test_every_truncation_of_a_madt(void **state)
{
    static const size_t ends[] = {44, 52, 68, 80, 92};
    const size_t whole = 92;

    (void)state;
    for (size_t bytes = 36; bytes <= whole; bytes++) {
        bool at_an_end = false;

        madt_start();
        local_apic(0, 0, ENABLED);
        x2apic(1, 1, ENABLED);
        io_apic(0, 0xfec00000, 0);
        address_override(0xfee00000);
        made.memory.size = madt + bytes;
        madt_end();
        for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
            at_an_end = at_an_end || bytes == ends[i];
        }
        assert_int_equal(info.problem_count, !at_an_end);
        assert_int_equal(info.processor_count, (bytes >= 52) + (bytes >= 68));
        assert_int_equal(info.io_apic_count, bytes >= 80);
        assert_int_equal(info.kinds, 1U << ACPI_MADT);
    }
}

/* --- SRAT -------------------------------------------------------------------------------------------------------- */

static size_t srat;

static void srat_start(uint8_t revision)
{
    srat = table_start(&made, "SRAT", revision);
    put32(&made.memory, 1);
    put64(&made.memory, 0);
}

static void near_local_apic(uint8_t id, uint32_t node, uint32_t flags)
{
    put8(&made.memory, 0);
    put8(&made.memory, 16);
    put8(&made.memory, (uint8_t)node);
    put8(&made.memory, id);
    put32(&made.memory, flags);
    put32(&made.memory, (node & 0xffffff00) | 0x77);
    put32(&made.memory, 0);
}

static void near_x2apic(uint32_t id, uint32_t node, uint32_t flags)
{
    put8(&made.memory, 2);
    put8(&made.memory, 24);
    put16(&made.memory, 0);
    put32(&made.memory, node);
    put32(&made.memory, id);
    put32(&made.memory, flags);
    put64(&made.memory, 0);
}

static void near_memory(uint64_t base, uint64_t bytes, uint32_t node, uint32_t flags)
{
    put8(&made.memory, 1);
    put8(&made.memory, 40);
    put32(&made.memory, node);
    put16(&made.memory, 0);
    put64(&made.memory, base);
    put64(&made.memory, bytes);
    put32(&made.memory, 0);
    put32(&made.memory, flags);
    put64(&made.memory, 0);
}

static void some_processors(void)
{
    madt_start();
    for (uint8_t i = 0; i < 4; i++) {
        local_apic(i, i, ENABLED);
    }
    x2apic(4, 0x1000, ENABLED);
    table_end(&made, madt);
}

static void test_processors_and_memory_are_near_to_nodes(void **state)
{
    (void)state;
    some_processors();
    srat_start(2);
    near_local_apic(0, 5, ENABLED);
    near_local_apic(1, 0x123456, ENABLED);
    near_local_apic(2, 6, 0); /* not in use */
    near_local_apic(77, 7, ENABLED);
    near_x2apic(0x1000, 0xfedcba98, ENABLED);
    near_memory(0, 0xa0000, 5, ENABLED);
    near_memory(UINT64_C(0x100000000), UINT64_C(0x40000000), 0x98765432, ENABLED | 2);
    near_memory(0x100000, 0x100000, 1, 0);
    near_memory(0x100000, 0, 1, ENABLED);
    table_end(&made, srat);
    read_all(&made, &info);
    assert_int_equal(info.problem_count, 0);
    assert_int_equal(info.processors[0].node, 5);
    assert_int_equal(info.processors[1].node, 0x123456);
    assert_int_equal(info.processors[2].node, 0);
    assert_int_equal(info.processors[4].node, 0xfedcba98);
    assert_int_equal(info.processor_count, 5);
    assert_int_equal(info.processors[5].node, 0); /* nobody's */
    assert_int_equal(info.memory_range_count, 2);
    assert_int_equal(info.memory_ranges[0].bytes.end, 0xa0000);
    assert_int_equal(info.memory_ranges[0].node, 5);
    assert_false(info.memory_ranges[0].hot_pluggable);
    assert_int_equal(info.memory_ranges[1].bytes.start, UINT64_C(0x100000000));
    assert_int_equal(info.memory_ranges[1].bytes.end, UINT64_C(0x140000000));
    assert_int_equal(info.memory_ranges[1].node, 0x98765432);
    assert_true(info.memory_ranges[1].hot_pluggable);
}

static void test_nodes_have_8_bits_in_revision_1(void **state)
{
    (void)state;
    some_processors();
    srat_start(1);
    near_local_apic(1, 0x123456, ENABLED);
    near_memory(0, 0xa0000, 0x98765432, ENABLED);
    table_end(&made, srat);
    read_all(&made, &info);
    assert_int_equal(info.processors[1].node, 0x56);
    assert_int_equal(info.memory_ranges[0].node, 0x32);
}

static void test_the_srat_may_come_before_the_madt(void **state)
{
    (void)state;
    firmware_start(&made);
    srat_start(3);
    near_local_apic(3, 9, ENABLED);
    table_end(&made, srat);
    madt = table_start(&made, "APIC", 5);
    put64(&made.memory, 0);
    local_apic(0, 3, ENABLED);
    madt_end();
    assert_int_equal(info.processors[0].node, 9);
    assert_string_equal(info.used, "APIC SRAT");
}

static void test_memory_that_wraps_around_is_left_out(void **state)
{
    (void)state;
    some_processors();
    srat_start(3);
    near_memory(UINT64_MAX - 0xfff, 0x2000, 1, ENABLED);
    near_memory(UINT64_MAX - 0x1000, 0x1000, 1, ENABLED); /* just not */
    table_end(&made, srat);
    read_all(&made, &info);
    assert_damaged("SRAT", 48);
    assert_int_equal(info.memory_range_count, 1);
    assert_int_equal(info.memory_ranges[0].bytes.end, UINT64_MAX);
}

static void test_memory_beyond_the_limit_is_dropped_and_counted(void **state)
{
    (void)state;
    some_processors();
    srat_start(3);
    for (uint32_t i = 0; i < ACPI_MEMORY_RANGES_MAX + 5; i++) {
        near_memory(i * UINT64_C(0x1000), 0x1000, i, ENABLED);
    }
    table_end(&made, srat);
    read_all(&made, &info);
    assert_int_equal(info.memory_range_count, ACPI_MEMORY_RANGES_MAX);
    assert_int_equal(info.entries_dropped, 5);
    assert_int_equal(info.problem_count, 0);
}

static void test_every_truncation_of_an_srat(void **state)
{
    const size_t whole = 48 + 16 + 40 + 24;

    (void)state;
    for (size_t bytes = 36; bytes <= whole; bytes++) {
        const bool at_an_end = bytes == 48 || bytes == 64 || bytes == 104 || bytes == whole;

        some_processors();
        srat_start(3);
        near_local_apic(0, 5, ENABLED);
        near_memory(0, 0xa0000, 5, ENABLED);
        near_x2apic(0x1000, 6, ENABLED);
        made.memory.size = srat + bytes;
        table_end(&made, srat);
        read_all(&made, &info);
        assert_int_equal(info.problem_count, !at_an_end);
        assert_int_equal(info.processors[0].node, bytes >= 64 ? 5 : 0);
        assert_int_equal(info.memory_range_count, bytes >= 104);
        assert_int_equal(info.processors[4].node, bytes == whole ? 6 : 0);
    }
}

static void test_srat_entries_too_short_for_their_type_are_left_out(void **state)
{
    static const uint8_t needs[] = {16, 40, 24};

    (void)state;
    for (uint8_t type = 0; type < 4; type++) {
        for (uint8_t bytes = 0; bytes < 50; bytes++) {
            some_processors();
            srat_start(3);
            put8(&made.memory, type);
            put8(&made.memory, bytes);
            for (uint8_t i = 2; i < bytes; i++) {
                put8(&made.memory, 0);
            }
            near_local_apic(3, 9, ENABLED);
            table_end(&made, srat);
            read_all(&made, &info);
            if (bytes < 2 || (type < 3 && bytes < needs[type])) {
                assert_damaged("SRAT", 48);
            } else {
                assert_int_equal(info.problem_count, 0);
            }
            assert_int_equal(info.processors[3].node, bytes < 2 ? 0 : 9);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_processors_come_in_the_tables_order),
        cmocka_unit_test(test_the_override_is_the_local_apics_address),
        cmocka_unit_test(test_a_processor_named_twice_is_one),
        cmocka_unit_test(test_processors_beyond_the_limit_are_dropped_and_counted),
        cmocka_unit_test(test_processors_are_found_by_their_id),
        cmocka_unit_test(test_io_apics_beyond_the_limit_are_dropped_and_counted),
        cmocka_unit_test(test_unknown_entries_are_passed_over),
        cmocka_unit_test(test_every_length_of_every_entry),
        cmocka_unit_test(test_every_truncation_of_a_madt),
        cmocka_unit_test(test_processors_and_memory_are_near_to_nodes),
        cmocka_unit_test(test_nodes_have_8_bits_in_revision_1),
        cmocka_unit_test(test_the_srat_may_come_before_the_madt),
        cmocka_unit_test(test_memory_that_wraps_around_is_left_out),
        cmocka_unit_test(test_memory_beyond_the_limit_is_dropped_and_counted),
        cmocka_unit_test(test_every_truncation_of_an_srat),
        cmocka_unit_test(test_srat_entries_too_short_for_their_type_are_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
