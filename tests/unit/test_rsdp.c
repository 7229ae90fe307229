/*
 * The search for ACPI's root pointer, in a model of a PC's first megabyte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "rsdp.h"

#define MEMORY_BYTES 0x100000
#define EBDA         0x9fc00

static uint8_t bytes[MEMORY_BYTES];
static const struct physical_view memory = {.bytes = bytes, .size = MEMORY_BYTES};
static struct boot_info info;

static int empty_memory(void **state)
{
    (void)state;
    memset(bytes, 0, sizeof(bytes));
    memset(&info, 0, sizeof(info));
    bytes[0x40e] = EBDA >> 4 & 0xff;
    bytes[0x40f] = EBDA >> 12;
    return 0;
}

/* A root pointer with a good checksum; `mark` makes it differ from others. */
static void put(uint32_t at, uint8_t mark)
{
    uint8_t sum = 0;

    memcpy(bytes + at, "RSD PTR ", 8);
    bytes[at + 9] = mark;
    for (size_t i = 0; i < 20; i++) {
        sum = (uint8_t)(sum + bytes[at + i]);
    }
    bytes[at + 8] = (uint8_t)(bytes[at + 8] - sum);
}

static void test_none_is_address_0(void **state)
{
    (void)state;
    assert_int_equal(rsdp_locate(&memory, &info).pa, 0);
}

static void test_it_is_found_at_both_ends_of_both_areas(void **state)
{
    static const uint32_t places[] = {EBDA, EBDA + 1008 - 16, 0xe0000, 0xfffe0};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        empty_memory(state);
        put(places[i], 1);
        assert_int_equal(rsdp_locate(&memory, &info).pa, places[i]);
    }
}

static void test_it_is_found_at_any_place(void **state)
{
    (void)state;
    for (uint32_t at = 0xe0000; at < 0xfffe0; at += at == 0xe0400 ? 0x1f800 : 16) {
        put(at, 1);
        assert_int_equal(rsdp_locate(&memory, &info).pa, at);
        memset(bytes + at, 0, 20);
    }
}

static void test_the_extended_bios_data_area_comes_first(void **state)
{
    (void)state;
    put(0xf0000, 1);
    put(EBDA + 64, 2);
    assert_int_equal(rsdp_locate(&memory, &info).pa, EBDA + 64);
}

static void test_only_every_16_bytes_and_only_inside_the_areas(void **state)
{
    static const uint32_t places[] = {0xe0008, EBDA + 1024, 0xdfff0, 0xffff0};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        empty_memory(state);
        if (places[i] + 20 <= MEMORY_BYTES) {
            put(places[i], 1);
        } else {
            memcpy(bytes + places[i], "RSD PTR ", 8);
        }
        assert_int_equal(rsdp_locate(&memory, &info).pa, 0);
    }
}

static void test_a_bad_checksum_does_not_count(void **state)
{
    (void)state;
    put(0xe0010, 1);
    bytes[0xe0010 + 19]++;
    put(0xf0000, 2);
    assert_int_equal(rsdp_locate(&memory, &info).pa, 0xf0000);
}

static void test_with_the_loaders_copy_only_its_equal_counts(void **state)
{
    (void)state;
    put(0xe0010, 1);
    put(0xf0000, 2);
    info.rsdp_bytes = 20;
    memcpy(info.rsdp, bytes + 0xf0000, 20);
    assert_int_equal(rsdp_locate(&memory, &info).pa, 0xf0000);
}

static void test_a_wild_data_area_segment_is_survived(void **state)
{
    (void)state;
    bytes[0x40e] = bytes[0x40f] = 0xff;
    put(0xf0000, 1);
    assert_int_equal(rsdp_locate(&memory, &info).pa, 0xf0000);
    bytes[0x40e] = bytes[0x40f] = 0;
    put(0, 3); /* segment 0 means that there is no such area */
    assert_int_equal(rsdp_locate(&memory, &info).pa, 0xf0000);
}

static void test_the_extended_bios_data_area_reaches_to_640_kib(void **state)
{
    (void)state;
    assert_int_equal(ebda_range(&memory).start, EBDA);
    assert_int_equal(ebda_range(&memory).end, 0xa0000);
    bytes[0x40f] = 0x80;
    bytes[0x40e] = 0;
    assert_int_equal(ebda_range(&memory).start, 0x80000);
}

static void test_an_extended_bios_data_area_where_none_can_be_is_empty(void **state)
{
    static const uint16_t segments[] = {0, 0x4f, 0xa000, 0xffff};

    (void)state;
    for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
        memcpy(bytes + 0x40e, &segments[i], sizeof(segments[i]));
        assert_int_equal(ebda_range(&memory).start, 0);
        assert_int_equal(ebda_range(&memory).end, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_extended_bios_data_area_reaches_to_640_kib, empty_memory),
        cmocka_unit_test_setup(test_an_extended_bios_data_area_where_none_can_be_is_empty,
                               empty_memory),
        cmocka_unit_test_setup(test_none_is_address_0, empty_memory),
        cmocka_unit_test_setup(test_it_is_found_at_both_ends_of_both_areas, empty_memory),
        cmocka_unit_test_setup(test_it_is_found_at_any_place, empty_memory),
        cmocka_unit_test_setup(test_the_extended_bios_data_area_comes_first, empty_memory),
        cmocka_unit_test_setup(test_only_every_16_bytes_and_only_inside_the_areas, empty_memory),
        cmocka_unit_test_setup(test_a_bad_checksum_does_not_count, empty_memory),
        cmocka_unit_test_setup(test_with_the_loaders_copy_only_its_equal_counts, empty_memory),
        cmocka_unit_test_setup(test_a_wild_data_area_segment_is_survived, empty_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
