/*
 * What ACPI says about AMD's IOMMUs; and that a table can be hidden.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "abi/acpi.h"
#include "acpi_maker.h"
#include "random.h"

static struct firmware made;
static struct acpi_info info;
static struct block body;
static size_t block_at;

/* --- making one: offsets are those of the table, whose header is 36 bytes ----------------------------------------- */

static void ivrs_start(void)
{
    body.size = 0;
    put32(&body, 0x00203041); /* IVinfo */
    put64(&body, 0);
}

static void block_start(uint8_t type, uint8_t flags, uint16_t device)
{
    block_at = body.size;
    put8(&body, type);
    put8(&body, flags);
    put16(&body, 0);
    put16(&body, device);
}

static void block_end(void)
{
    body.bytes[block_at + 2] = (uint8_t)(body.size - block_at);
    body.bytes[block_at + 3] = (uint8_t)((body.size - block_at) >> 8);
}

static void iommu_start(uint8_t type, uint16_t device, uint64_t registers, uint16_t segment)
{
    block_start(type, 0x2d, device);
    put16(&body, 0x40);
    put64(&body, registers);
    put16(&body, segment);
    put16(&body, 0);
    put32(&body, 0);
    if (type != IVHD_10) {
        put64(&body, 0);
        put64(&body, 0);
    }
}

static void entry4(uint8_t type, uint16_t device, uint8_t setting)
{
    put8(&body, type);
    put16(&body, device);
    put8(&body, setting);
}

static void entry8(uint8_t type, uint16_t device, uint8_t setting, uint16_t source)
{
    entry4(type, device, setting);
    put8(&body, 0);
    put16(&body, source);
    put8(&body, 0);
}

static void memory(uint8_t type, uint64_t start, uint64_t bytes)
{
    block_start(type, 1, 0);
    put16(&body, 0);
    put64(&body, 0);
    put64(&body, start);
    put64(&body, bytes);
    block_end();
}

static void read_ivrs(void)
{
    read_one(&made, &info, "IVRS", 2, body.bytes, body.size);
}

static void assert_sound(void)
{
    assert_int_equal(info.problem_count, 0);
    assert_true(info.iommus_complete);
    assert_string_equal(info.used, "IVRS");
}

static void assert_damaged(uint64_t at)
{
    assert_int_equal(info.problem_count, 1);
    assert_int_equal(info.problems[0].defect, ACPI_MALFORMED);
    assert_int_equal(info.problems[0].at, at);
    assert_false(info.iommus_complete);
}

static void assert_setting(uint32_t index, uint16_t first, uint16_t last, uint8_t setting)
{
    assert_true(index < info.iommu_setting_count);
    assert_int_equal(info.iommu_settings[index].first, first);
    assert_int_equal(info.iommu_settings[index].last, last);
    assert_int_equal(info.iommu_settings[index].setting, setting);
}

/* --- IOMMUs ------------------------------------------------------------------------------------------------------ */

static void test_an_iommu_of_each_type_of_block(void **state)
{
    static const uint8_t types[] = {IVHD_10, IVHD_11, IVHD_40};

    (void)state;
    for (size_t i = 0; i < sizeof(types); i++) {
        ivrs_start();
        iommu_start(types[i], 0x0102, 0x1fed80000, 3);
        block_end();
        read_ivrs();
        assert_sound();
        assert_int_equal(info.ivrs.pa, TABLES_PA | 1);
        assert_int_equal(info.iommu_count, 1);
        assert_int_equal(info.iommus[0].registers.pa, 0x1fed80000);
        assert_int_equal(info.iommus[0].function.number, 0x0102);
        assert_int_equal(info.iommus[0].segment, 3);
        assert_int_equal(info.iommus[0].capability, 0x40);
        assert_int_equal(info.iommus[0].flags, 0x2d);
        assert_int_equal(info.iommus[0].type, types[i]);
        assert_int_equal(info.iommu_highest_device, 0x0102);
    }
}

static void test_no_table_is_no_iommu(void **state)
{
    (void)state;
    read_one(&made, &info, "MCFG", 1, "12345678", 8);
    assert_int_equal(info.ivrs.pa, 0);
    assert_int_equal(info.iommu_count, 0);
    assert_false(info.iommus_complete);
    assert_false(info.has_vtd);
}

static void test_of_several_blocks_for_one_iommu_the_highest_type_counts(void **state)
{
    (void)state;
    ivrs_start();
    iommu_start(IVHD_11, 2, 0x11000, 0);
    block_end();
    iommu_start(IVHD_10, 2, 0x10000, 0);
    block_end();
    iommu_start(IVHD_40, 2, 0x40000, 0);
    block_end();
    iommu_start(IVHD_10, 2, 0x20000, 1);
    block_end();
    iommu_start(IVHD_10, 3, 0x30000, 0);
    block_end();
    read_ivrs();
    assert_sound();
    assert_int_equal(info.iommu_count, 3);
    assert_int_equal(info.iommus[0].registers.pa, 0x40000);
    assert_int_equal(info.iommus[1].registers.pa, 0x20000);
    assert_int_equal(info.iommus[2].registers.pa, 0x30000);
}

static void test_more_iommus_than_fit_are_not_all_of_them(void **state)
{
    (void)state;
    ivrs_start();
    for (uint16_t i = 0; i <= ACPI_IOMMUS_MAX; i++) {
        iommu_start(IVHD_10, i, 0x10000, 0);
        block_end();
        read_ivrs();
        assert_int_equal(info.problem_count, 0);
        assert_int_equal(info.iommus_complete, i < ACPI_IOMMUS_MAX);
    }
    assert_int_equal(info.iommu_count, ACPI_IOMMUS_MAX);
}

static void test_a_table_of_intels_is_seen_and_not_read(void **state)
{
    (void)state;
    read_one(&made, &info, "DMAR", 1, "", 0);
    assert_true(info.has_vtd);
    assert_int_equal(info.problem_count, 0);
    assert_int_equal(info.iommu_count, 0);
}

static void test_a_second_table_may_name_others(void **state)
{
    (void)state;
    ivrs_start();
    iommu_start(IVHD_10, 2, 0x10000, 0);
    block_end();
    firmware_start(&made);
    table(&made, "IVRS", 2, body.bytes, body.size);
    table(&made, "IVRS", 2, body.bytes, body.size);
    read_all(&made, &info);
    assert_int_equal(info.problem_count, 1);
    assert_int_equal(info.problems[0].defect, ACPI_TWICE);
    assert_int_equal(info.iommu_count, 1);
    assert_false(info.iommus_complete);
}

/* --- devices ----------------------------------------------------------------------------------------------------- */

static void test_settings_of_all_kinds_of_entries(void **state)
{
    (void)state;
    ivrs_start();
    iommu_start(IVHD_40, 2, 0x10000, 0);
    entry4(0, 0xffff, 0xff); /* padding */
    entry4(IVHD_ALL, 0, 0x10);
    entry4(IVHD_SELECT, 0x08, 0xdf); /* a reserved bit among them */
    entry4(IVHD_RANGE_START, 0x10, 0x01);
    entry4(IVHD_RANGE_END, 0x17, 0);
    entry8(IVHD_ALIAS, 0x18, 0x02, 0x20);
    entry8(IVHD_ALIAS_START, 0x28, 0x04, 0x21);
    entry4(IVHD_RANGE_END, 0x2f, 0);
    entry8(IVHD_EXTENDED, 0x30, 0x20, 0);
    entry8(IVHD_EXTENDED_START, 0x38, 0x40, 0);
    entry4(IVHD_RANGE_END, 0x38, 0);
    entry8(IVHD_SPECIAL, 0, 0x80, 0xa0);
    entry8(IVHD_SPECIAL, 0, 0x80, 0xa0); /* as another block has it */
    entry4(IVHD_SELECT, 0x48, 0);        /* nothing to say */
    entry4(IVHD_ACPI_DEVICE, 0x50, 0x81);
    put_bytes(&body, "AMDI0020CID45678\2\3abc", 21);
    entry4(0x80, 0xffff, 0xff); /* of a length of 16, and unknown */
    put_bytes(&body, "0123456789ab", 12);
    entry4(IVHD_SELECT, 0x58, 0x03);
    block_end();
    read_ivrs();
    assert_sound();
    assert_int_equal(info.iommu_setting_count, 10);
    assert_setting(0, 0, 0xffff, 0x10);
    assert_setting(1, 0x08, 0x08, 0xd7);
    assert_setting(2, 0x10, 0x17, 0x01);
    assert_setting(3, 0x18, 0x18, 0x02);
    assert_setting(4, 0x28, 0x2f, 0x04);
    assert_setting(5, 0x30, 0x30, 0x20);
    assert_setting(6, 0x38, 0x38, 0x40);
    assert_setting(7, 0xa0, 0xa0, 0x80);
    assert_setting(8, 0x50, 0x50, 0x81);
    assert_setting(9, 0x58, 0x58, 0x03);
    assert_int_equal(info.iommu_highest_device, 0xa0);
}

static void test_the_highest_device_is_one_that_is_named_alone(void **state)
{
    static const struct {
        uint8_t type;
        uint16_t device;
        uint16_t source;
        uint16_t highest;
    } rows[] = {
        {IVHD_ALL, 0xffff, 0xffff, 2},
        {IVHD_RANGE_START, 0xff00, 0, 2},
        {IVHD_EXTENDED_START, 0xff00, 0xff00, 2},
        {IVHD_ALIAS_START, 0xff00, 0x123, 0x123},
        {IVHD_ALIAS, 0x123, 0x45, 0x123},
        {IVHD_ALIAS, 0x45, 0x123, 0x123},
        {IVHD_EXTENDED, 0x123, 0xffff, 0x123},
        {IVHD_SPECIAL, 0xffff, 0x123, 0x123},
        {0x4f, 0xffff, 0xffff, 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ivrs_start();
        iommu_start(IVHD_10, 2, 0x10000, 0);
        if (rows[i].type < 0x40) {
            entry4(rows[i].type, rows[i].device, 0);
        } else {
            entry8(rows[i].type, rows[i].device, 0, rows[i].source);
        }
        block_end();
        read_ivrs();
        assert_sound();
        assert_int_equal(info.iommu_highest_device, rows[i].highest);
    }
}

static void test_ranges_that_end_wrongly(void **state)
{
    (void)state;
    ivrs_start();
    iommu_start(IVHD_10, 2, 0x10000, 0);
    entry4(IVHD_RANGE_END, 0x10, 0);
    entry4(IVHD_RANGE_START, 0x18, 1);
    entry4(IVHD_RANGE_END, 0x17, 0);
    entry4(IVHD_SELECT, 0x20, 1);
    block_end();
    read_ivrs();
    assert_damaged(IVRS_BLOCKS + IVHD_ENTRIES_OF_10);
    assert_int_equal(info.iommu_setting_count, 1);
    assert_setting(0, 0x20, 0x20, 1);
}

static void test_more_settings_than_fit(void **state)
{
    (void)state;
    ivrs_start();
    iommu_start(IVHD_10, 2, 0x10000, 0);
    for (uint16_t i = 0; i < ACPI_IOMMU_SETTINGS + 3; i++) {
        entry4(IVHD_SELECT, i, 1);
    }
    block_end();
    read_ivrs();
    assert_sound();
    assert_int_equal(info.iommu_setting_count, ACPI_IOMMU_SETTINGS);
    assert_int_equal(info.entries_dropped, 3);
}

/* --- memory ------------------------------------------------------------------------------------------------------ */

static void test_memory_that_devices_need(void **state)
{
    (void)state;
    ivrs_start();
    memory(IVMD_ALL, 0x1000, 0x2000);
    memory(IVMD_SELECT, 0x5000, 0);
    memory(IVMD_SELECT, 0x6000, 0x1000);
    memory(IVMD_RANGE, 0xfffffffffffff000, 0xfff);
    block_start(0x23, 0, 0); /* no type of today */
    block_end();
    read_ivrs();
    assert_sound();
    assert_int_equal(info.iommu_range_count, 3);
    assert_int_equal(info.iommu_ranges[0].start, 0x1000);
    assert_int_equal(info.iommu_ranges[0].end, 0x3000);
    assert_int_equal(info.iommu_ranges[1].end, 0x7000);
    assert_int_equal(info.iommu_ranges[2].end, 0xffffffffffffffff);
}

static void test_memory_that_cannot_be(void **state)
{
    (void)state;
    ivrs_start();
    memory(IVMD_ALL, 0x1000, 0x1000);
    memory(IVMD_ALL, 0xfffffffffffff000, 0x1000);
    memory(IVMD_ALL, 0x2000, 0x1000);
    read_ivrs();
    assert_damaged(IVRS_BLOCKS + IVMD_BYTES + IVMD_LENGTH);
    assert_int_equal(info.iommu_range_count, 2);
}

static void test_more_memory_than_fits(void **state)
{
    (void)state;
    ivrs_start();
    for (unsigned int i = 0; i < ACPI_IOMMU_RANGES_MAX + 2; i++) {
        memory(IVMD_ALL, 0x1000 * i, 0x1000);
    }
    read_ivrs();
    assert_sound();
    assert_int_equal(info.iommu_range_count, ACPI_IOMMU_RANGES_MAX);
    assert_int_equal(info.entries_dropped, 2);
}

/* --- damage ------------------------------------------------------------------------------------------------------ */

/* Two IOMMUs and memory. Returns where the blocks begin, and where the table ends. */
static void full_table(size_t starts[4])
{
    ivrs_start();
    starts[0] = 36 + body.size;
    iommu_start(IVHD_10, 2, 0x10000, 0);
    entry4(IVHD_SELECT, 0x10, 1);
    entry8(IVHD_SPECIAL, 0, 0x80, 0xa0);
    block_end();
    starts[1] = 36 + body.size;
    iommu_start(IVHD_11, 3, 0x20000, 0);
    entry4(IVHD_SELECT, 0x18, 1);
    block_end();
    starts[2] = 36 + body.size;
    memory(IVMD_ALL, 0x1000, 0x1000);
    starts[3] = 36 + body.size;
}

static void test_every_truncation(void **state)
{
    size_t starts[4];

    (void)state;
    full_table(starts);
    for (size_t bytes = 36; bytes <= starts[3]; bytes++) {
        unsigned int whole = 0;

        while (whole < 3 && bytes >= starts[whole + 1]) {
            whole++;
        }
        read_one(&made, &info, "IVRS", 2, body.bytes, bytes - 36);
        if (bytes < IVRS_BLOCKS) {
            assert_damaged(bytes);
        } else if (bytes == starts[whole]) {
            assert_sound();
        } else {
            assert_damaged(starts[whole]);
        }
        assert_int_equal(info.iommu_count, whole > 2 ? 2 : whole);
        assert_int_equal(info.iommu_range_count, whole > 2);
    }
}

static void test_every_length_of_a_block(void **state)
{
    size_t starts[4];

    (void)state;
    full_table(starts);
    for (size_t bytes = 0; bytes <= 24 + 4 + 8; bytes++) {
        body.size = starts[1] - 36;
        body.bytes[starts[0] - 36 + 2] = (uint8_t)bytes;
        body.size = starts[0] - 36 + (bytes < 4 ? 4 : bytes);
        read_ivrs();
        if (bytes < 4) {
            assert_damaged(starts[0]);
        } else if (bytes < 24) {
            assert_damaged(starts[0] + bytes);
            assert_int_equal(info.iommu_count, 0);
        } else if (bytes == 24 || bytes == 28 || bytes == 36) {
            assert_sound();
        } else {
            assert_damaged(starts[0] + (bytes < 28 ? 24 : 28));
            assert_int_equal(info.iommu_count, 1);
        }
    }
}

static void test_the_first_defect_is_told(void **state)
{
    (void)state;
    ivrs_start();
    iommu_start(IVHD_10, 2, 0x10000, 0);
    entry4(IVHD_RANGE_END, 0, 0);
    entry4(IVHD_RANGE_END, 0, 0);
    put8(&body, IVHD_ALIAS);
    block_end();
    block_start(IVMD_ALL, 0, 0);
    block_end();
    put16(&body, IVMD_ALL);
    read_ivrs();
    assert_damaged(IVRS_BLOCKS + 24);
}

static void test_any_bytes_at_all(void **state)
{
    struct random random = {20261121};

    (void)state;
    for (unsigned int i = 0; i < 20000; i++) {
        const uint32_t bytes = random_below(&random, 200);

        ivrs_start();
        iommu_start(random_below(&random, 2) == 0 ? IVHD_10 : IVHD_40, 2, 0x10000, 0);
        for (uint32_t at = 0; at < bytes; at++) {
            put8(&body, (uint8_t)random_below(&random, random_below(&random, 3) == 0 ? 256 : 5));
        }
        block_end();
        read_ivrs();
        assert_in_range(info.iommu_count, 1, ACPI_IOMMUS_MAX);
        assert_in_range(info.iommu_setting_count, 0, ACPI_IOMMU_SETTINGS);
        assert_in_range(info.iommu_range_count, 0, ACPI_IOMMU_RANGES_MAX);
        assert_in_range(info.problem_count, 0, 1);
    }
}

/* --- hiding ------------------------------------------------------------------------------------------------------ */

static void test_a_hidden_table_is_sound_and_nobodys(void **state)
{
    uint8_t before[64];
    size_t at;

    (void)state;
    ivrs_start();
    iommu_start(IVHD_10, 2, 0x10000, 0);
    block_end();
    read_ivrs();
    at = info.ivrs.pa;
    memcpy(before, made.memory.bytes + at, sizeof(before));

    acpi_table_hide(made.memory.bytes + at);
    read_as_is(&made, &info);
    assert_int_equal(info.problem_count, 0);
    assert_int_equal(info.table_count, 1);
    assert_int_equal(info.kinds, 0);
    assert_int_equal(info.iommu_count, 0);
    assert_memory_equal(made.memory.bytes + at, "OEM0", 4);
    assert_memory_equal(made.memory.bytes + at + 4, before + 4, 5);
    assert_memory_equal(made.memory.bytes + at + 10, before + 10, sizeof(before) - 10);

    /* Its sum is right: under its old name it is still a good table. */
    memcpy(made.memory.bytes + at, before, 4);
    checksum(&made, at, made.memory.size - at, at + 9);
    assert_int_equal(made.memory.bytes[at + 9], before[9]);
}

static void test_the_hidden_tables_checksum_is_right(void **state)
{
    uint8_t sum = 0;
    size_t at;

    (void)state;
    ivrs_start();
    iommu_start(IVHD_10, 2, 0x10000, 0);
    block_end();
    read_ivrs();
    at = info.ivrs.pa;
    acpi_table_hide(made.memory.bytes + at);
    for (size_t i = at; i < made.memory.size; i++) {
        sum = (uint8_t)(sum + made.memory.bytes[i]);
    }
    assert_int_equal(sum, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_iommu_of_each_type_of_block),
        cmocka_unit_test(test_no_table_is_no_iommu),
        cmocka_unit_test(test_of_several_blocks_for_one_iommu_the_highest_type_counts),
        cmocka_unit_test(test_more_iommus_than_fit_are_not_all_of_them),
        cmocka_unit_test(test_a_table_of_intels_is_seen_and_not_read),
        cmocka_unit_test(test_a_second_table_may_name_others),
        cmocka_unit_test(test_settings_of_all_kinds_of_entries),
        cmocka_unit_test(test_the_highest_device_is_one_that_is_named_alone),
        cmocka_unit_test(test_ranges_that_end_wrongly),
        cmocka_unit_test(test_more_settings_than_fit),
        cmocka_unit_test(test_memory_that_devices_need),
        cmocka_unit_test(test_memory_that_cannot_be),
        cmocka_unit_test(test_more_memory_than_fits),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_every_length_of_a_block),
        cmocka_unit_test(test_the_first_defect_is_told),
        cmocka_unit_test(test_any_bytes_at_all),
        cmocka_unit_test(test_a_hidden_table_is_sound_and_nobodys),
        cmocka_unit_test(test_the_hidden_tables_checksum_is_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
