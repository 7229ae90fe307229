/*
 * UEFI's memory map: each descriptor becomes a range of the right type, whatever firmware says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "boot_info.h"
#include "efi_handoff.h"
#include "efi_map_maker.h"

static struct boot_info info;
static struct made_map made;

static void describe(uint32_t type, uint64_t start, uint64_t pages, uint64_t attributes)
{
    put_descriptor(&made, type, start, pages, attributes);
}

static struct status decode_map(void)
{
    info.efi.map = made.map;
    info.efi.map_bytes = made.bytes;
    info.efi.map_descriptor_bytes = MADE_DESCRIPTOR_BYTES;
    return efi_map_decode(&info);
}

static void decode_good(uint32_t count)
{
    assert_int_equal(decode_map().code, STATUS_OK);
    assert_true(info.has_memory_map);
    assert_int_equal(info.range_count, count);
}

static void assert_range(uint32_t i, uint64_t base, uint64_t length, uint32_t type)
{
    assert_int_equal(info.ranges[i].base, base);
    assert_int_equal(info.ranges[i].length, length);
    assert_int_equal(info.ranges[i].type, type);
}

static int before_each(void **state)
{
    (void)state;
    memset(&info, 0xa5, sizeof(info));
    boot_info_clear(&info);
    made.bytes = 0;
    return 0;
}

/* --- types and attributes ------------------------------------------------------------------- */

/* UEFI 2.10, table 7.6 ("Memory Type Usage after ExitBootServices()"), and one beyond it. */
static const struct {
    enum memory_type plain;   /* write-back */
    enum memory_type special; /* write-back and special-purpose, or not write-back at all */
} expected[] = {
    {MEMORY_RESERVED, MEMORY_RESERVED},         /*  0 reserved */
    {MEMORY_RAM, MEMORY_RESERVED},              /*  1 loader code */
    {MEMORY_RAM, MEMORY_RESERVED},              /*  2 loader data */
    {MEMORY_BOOT_SERVICES, MEMORY_RESERVED},    /*  3 boot services code */
    {MEMORY_BOOT_SERVICES, MEMORY_RESERVED},    /*  4 boot services data */
    {MEMORY_RESERVED, MEMORY_RESERVED},         /*  5 runtime services code */
    {MEMORY_RESERVED, MEMORY_RESERVED},         /*  6 runtime services data */
    {MEMORY_RAM, MEMORY_RESERVED},              /*  7 conventional */
    {MEMORY_UNUSABLE, MEMORY_UNUSABLE},         /*  8 unusable */
    {MEMORY_ACPI_RECLAIM, MEMORY_ACPI_RECLAIM}, /*  9 ACPI reclaim */
    {MEMORY_ACPI_NVS, MEMORY_ACPI_NVS},         /* 10 ACPI NVS */
    {MEMORY_RESERVED, MEMORY_RESERVED},         /* 11 memory-mapped IO */
    {MEMORY_RESERVED, MEMORY_RESERVED},         /* 12 IO port space */
    {MEMORY_RESERVED, MEMORY_RESERVED},         /* 13 PAL code */
    {MEMORY_PERSISTENT, MEMORY_PERSISTENT},     /* 14 persistent */
    {MEMORY_RESERVED, MEMORY_RESERVED},         /* 15 unaccepted */
    {MEMORY_RESERVED, MEMORY_RESERVED},         /* 16 unknown */
};

static void test_each_type_with_each_attribute(void **state)
{
    (void)state;
    for (uint32_t type = 0; type < sizeof(expected) / sizeof(expected[0]); type++) {
        before_each(NULL);
        describe(type, 0x1000, 2, WB | UC);
        describe(type, 0x10000, 2, WB | SP);
        describe(type, 0x20000, 2, UC);
        describe(type, 0x30000, 2, WB | UC | RUNTIME);
        describe(type, 0x40000, 2, 0);
        decode_good(5);
        assert_range(0, 0x1000, 0x2000, expected[type].plain);
        assert_range(1, 0x10000, 0x2000, expected[type].special);
        assert_range(2, 0x20000, 0x2000, expected[type].special);
        assert_range(3, 0x30000, 0x2000, MEMORY_RESERVED);
        assert_range(4, 0x40000, 0x2000, expected[type].special);
    }
}

static void test_types_of_firmware_and_of_systems_that_are_not_ours_are_reserved(void **state)
{
    static const uint32_t types[] = {0x6fffffff, 0x70000000, 0x80000000, 0xffffffff,
                                     MEMORY_BOOT_SERVICES};

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        before_each(NULL);
        describe(types[i], 0x1000, 1, WB);
        decode_good(1);
        assert_range(0, 0x1000, 0x1000, MEMORY_RESERVED);
    }
}

/* --- lengths -------------------------------------------------------------------------------- */

static void test_no_pages_are_no_length_and_too_many_are_as_many_as_can_be_said(void **state)
{
    (void)state;
    describe(7, 0x1000, 0, WB);
    describe(7, 0x100000, UINT64_MAX / 4096, WB);     /* wraps */
    describe(7, 0x200000, UINT64_MAX / 4096 + 1, WB); /* cannot be counted in bytes */
    describe(7, 0x300000, UINT64_MAX, WB);
    describe(7, 0xfffffffffffff000, 2, WB); /* wraps */
    decode_good(5);
    assert_range(0, 0x1000, 0, MEMORY_RAM);
    assert_range(1, 0x100000, 0xfffffffffffff000, MEMORY_RAM);
    assert_range(2, 0x200000, UINT64_MAX, MEMORY_RAM);
    assert_range(3, 0x300000, UINT64_MAX, MEMORY_RAM);
    assert_range(4, 0xfffffffffffff000, 0x2000, MEMORY_RAM);
}

static void test_what_continues_the_descriptor_before_it_joins_it(void **state)
{
    (void)state;
    describe(7, 0x1000, 1, WB);
    describe(2, 0x2000, 1, WB); /* loader data is RAM like the conventional memory before it */
    describe(1, 0x3000, 4, WB);
    describe(4, 0x7000, 1, WB); /* another type of range */
    describe(3, 0x8000, 1, WB);
    describe(7, 0xa000, 1, WB); /* a gap */
    describe(7, 0x9000, 1, WB); /* touches from below: left to memmap */
    describe(7, 0xa000, 0, WB); /* empty */
    describe(7, 0xa000, 1, WB);
    describe(7, 0xfffffffffffff000, 1, WB); /* to the end of the address space */
    describe(7, 0, 1, WB);                  /* which does not continue at its start */
    decode_good(8);
    assert_range(0, 0x1000, 0x6000, MEMORY_RAM);
    assert_range(1, 0x7000, 0x2000, MEMORY_BOOT_SERVICES);
    assert_range(2, 0xa000, 0x1000, MEMORY_RAM);
    assert_range(3, 0x9000, 0x1000, MEMORY_RAM);
    assert_range(4, 0xa000, 0, MEMORY_RAM);
    assert_range(5, 0xa000, 0x1000, MEMORY_RAM);
    assert_range(6, 0xfffffffffffff000, 0x1000, MEMORY_RAM);
    assert_range(7, 0, 0x1000, MEMORY_RAM);
}

static void test_a_descriptor_that_wraps_is_continued_by_none(void **state)
{
    (void)state;
    describe(7, 0xfffffffffffff000, 3, WB); /* "ends" at 0x2000 */
    describe(7, 0x2000, 1, WB);
    describe(7, 0x3000, UINT64_MAX / 4096, WB);
    decode_good(3);
    assert_range(0, 0xfffffffffffff000, 0x3000, MEMORY_RAM);
    assert_range(1, 0x2000, 0x1000, MEMORY_RAM);
}

/* --- the whole map -------------------------------------------------------------------------- */

static void test_the_map_replaces_what_was_there(void **state)
{
    (void)state;
    info.has_memory_map = true;
    info.range_count = BOOT_RANGES_MAX;
    info.ranges_dropped = 7;
    describe(7, 0x1000, 1, WB);
    decode_good(1);
    assert_int_equal(info.ranges_dropped, 0);
    made.bytes = 0;
    decode_good(0);
}

static void test_of_too_many_descriptors_the_smallest_ram_goes_first(void **state)
{
    const uint32_t descriptors = BOOT_EFI_MAP_BYTES / MADE_DESCRIPTOR_BYTES;
    const uint32_t dropped = descriptors - BOOT_RANGES_MAX;

    (void)state;
    /* Reservations between RAM and what boot services used; some RAM is small. */
    for (uint32_t i = 0; i < descriptors; i++) {
        uint64_t pages = i % 4 == 2 && i / 4 < dropped ? 1 : 2;

        describe(i % 4 == 2 ? 4 - i % 8 / 4 : i % 4 == 0 ? 7 : 0, i * 0x10000ULL, pages, WB);
    }
    decode_good(BOOT_RANGES_MAX);
    assert_int_equal(info.ranges_dropped, dropped);
    uint32_t reserved = 0;
    uint32_t single_pages = 0;

    for (uint32_t i = 0; i < info.range_count; i++) {
        reserved += info.ranges[i].type == MEMORY_RESERVED;
        single_pages += info.ranges[i].length == 0x1000;
    }
    assert_int_equal(reserved, descriptors / 2);
    assert_int_equal(single_pages, 0);
}

static void test_too_many_reservations_are_an_error_that_says_where(void **state)
{
    struct status status;

    (void)state;
    for (uint32_t i = 0; i <= BOOT_RANGES_MAX; i++) {
        describe(0, i * 0x2000ULL, 1, WB);
    }
    status = decode_map();
    assert_int_equal(status.code, INFO_TOO_MANY_RANGES);
    assert_int_equal(status.offset, BOOT_RANGES_MAX * MADE_DESCRIPTOR_BYTES);
}

static void test_thousands_of_descriptors_that_join_are_one_range(void **state)
{
    const uint32_t descriptors = BOOT_EFI_MAP_BYTES / MADE_DESCRIPTOR_BYTES;

    (void)state;
    for (uint32_t i = 0; i < descriptors; i++) {
        describe(0, i * 0x1000ULL, 1, UC);
    }
    decode_good(1);
    assert_range(0, 0, descriptors * 0x1000ULL, MEMORY_RESERVED);
}

static void test_descriptors_too_short_to_be_one_are_refused(void **state)
{
    static const uint32_t sizes[] = {0, 8, 39};

    (void)state;
    describe(7, 0x1000, 1, WB);
    decode_map();
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        info.efi.map_descriptor_bytes = sizes[i];
        assert_int_equal(efi_map_decode(&info).code, INFO_BAD_ENTRY_SIZE);
    }
    info.efi.map_descriptor_bytes = 40;
    info.efi.map_bytes = 40;
    assert_int_equal(efi_map_decode(&info).code, STATUS_OK);
    assert_range(0, 0x1000, 0x1000, MEMORY_RAM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_each_type_with_each_attribute, before_each),
        cmocka_unit_test_setup(test_types_of_firmware_and_of_systems_that_are_not_ours_are_reserved,
                               before_each),
        cmocka_unit_test_setup(test_no_pages_are_no_length_and_too_many_are_as_many_as_can_be_said,
                               before_each),
        cmocka_unit_test_setup(test_what_continues_the_descriptor_before_it_joins_it, before_each),
        cmocka_unit_test_setup(test_a_descriptor_that_wraps_is_continued_by_none, before_each),
        cmocka_unit_test_setup(test_the_map_replaces_what_was_there, before_each),
        cmocka_unit_test_setup(test_of_too_many_descriptors_the_smallest_ram_goes_first,
                               before_each),
        cmocka_unit_test_setup(test_too_many_reservations_are_an_error_that_says_where,
                               before_each),
        cmocka_unit_test_setup(test_thousands_of_descriptors_that_join_are_one_range, before_each),
        cmocka_unit_test_setup(test_descriptors_too_short_to_be_one_are_refused, before_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
