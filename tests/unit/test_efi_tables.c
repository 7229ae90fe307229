/*
 * The configuration tables of EFI system tables of both widths, and the little that the EFI stage reads of a multiboot2
 * block before it may write.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "boot_info.h"
#include "efi_tables.h"

#define MEMORY_BYTES 0x4000
#define SYSTEM_PA    0x1000
#define TABLES_PA    0x2000

static uint8_t bytes[MEMORY_BYTES];
static struct physical_view memory = {.bytes = bytes, .size = MEMORY_BYTES};

static const uint8_t acpi_20[16] =
    "\x71\xe8\x68\x88\xf1\xe4\xd3\x11\xbc\x22\x00\x80\xc7\x3c\x88\x81";
static const uint8_t acpi_10[16] =
    "\x30\x2d\x9d\xeb\x88\x2d\xd3\x11\x9a\x16\x00\x90\x27\x3f\xc1\x4d";
static const uint8_t other[16] = "other table guid";

static void put(size_t at, uint64_t value, size_t size)
{
    memcpy(bytes + at, &value, size); /* little-endian, as the host is */
}

static void system_table(bool is_64bit, uint64_t count)
{
    memset(bytes, 0, sizeof(bytes));
    memory.size = MEMORY_BYTES;
    memcpy(bytes + SYSTEM_PA, "IBI SYST", 8);
    if (is_64bit) {
        put(SYSTEM_PA + 104, count, 8);
        put(SYSTEM_PA + 112, TABLES_PA, 8);
    } else {
        put(SYSTEM_PA + 64, count, 4);
        put(SYSTEM_PA + 68, TABLES_PA, 4);
    }
}

static void table(bool is_64bit, size_t index, const uint8_t guid[16], uint64_t pa)
{
    size_t at = TABLES_PA + index * (is_64bit ? 24 : 20);

    memcpy(bytes + at, guid, 16);
    put(at + 16, pa, is_64bit ? 8 : 4);
}

static void test_acpi_2_is_preferred_whatever_the_order(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        for (size_t first = 0; first < 2; first++) {
            system_table(wide, 3);
            table(wide, 0, first ? acpi_20 : acpi_10, first ? 0x1234 : 0x5678);
            table(wide, 1, other, 0x9999);
            table(wide, 2, first ? acpi_10 : acpi_20, first ? 0x5678 : 0x1234);
            assert_int_equal(efi_tables_rsdp(&memory, SYSTEM_PA, wide).pa, 0x1234);
        }
    }
}

static void test_acpi_1_alone_is_found(void **state)
{
    (void)state;
    system_table(true, 2);
    table(true, 0, other, 0x9999);
    table(true, 1, acpi_10, 0x123456789abc);
    assert_int_equal(efi_tables_rsdp(&memory, SYSTEM_PA, true).pa, 0x123456789abc);
}

static void test_smbios_3_is_preferred(void **state)
{
    static const uint8_t smbios_3[16] =
        "\x44\x15\xfd\xf2\x94\x97\x2c\x4a\x99\x2e\xe5\xbb\xcf\x20\xe3\x94";
    static const uint8_t smbios_2[16] =
        "\x31\x2d\x9d\xeb\x88\x2d\xd3\x11\x9a\x16\x00\x90\x27\x3f\xc1\x4d";

    (void)state;
    system_table(false, 2);
    table(false, 0, smbios_2, 0x2000);
    assert_int_equal(efi_tables_smbios(&memory, SYSTEM_PA, false).pa, 0x2000);
    table(false, 1, smbios_3, 0x3000);
    assert_int_equal(efi_tables_smbios(&memory, SYSTEM_PA, false).pa, 0x3000);
    assert_int_equal(efi_tables_rsdp(&memory, SYSTEM_PA, false).pa, 0);
}

static void test_no_table_is_address_0(void **state)
{
    (void)state;
    system_table(true, 0);
    assert_int_equal(efi_tables_rsdp(&memory, SYSTEM_PA, true).pa, 0);
    system_table(false, 1);
    table(false, 0, other, 0x9999);
    assert_int_equal(efi_tables_rsdp(&memory, SYSTEM_PA, false).pa, 0);
}

static void test_damaged_system_tables_are_survived(void **state)
{
    (void)state;
    system_table(true, 1);
    table(true, 0, acpi_20, 0x1234);
    bytes[SYSTEM_PA] = 'X';
    assert_int_equal(efi_tables_rsdp(&memory, SYSTEM_PA, true).pa, 0);

    system_table(true, UINT64_MAX);
    table(true, 0, acpi_20, 0x1234);
    assert_int_equal(efi_tables_rsdp(&memory, SYSTEM_PA, true).pa, 0);

    system_table(true, 2); /* the second entry lies outside */
    table(true, 0, other, 0x1234);
    memory.size = TABLES_PA + 30;
    assert_int_equal(efi_tables_rsdp(&memory, SYSTEM_PA, true).pa, 0);
    memory.size = SYSTEM_PA + 119;
    assert_int_equal(efi_tables_rsdp(&memory, SYSTEM_PA, true).pa, 0);
    assert_int_equal(efi_tables_rsdp(&memory, UINT64_MAX, true).pa, 0);
}

/* A multiboot2 block with the tags given as {type, value}; the end tag included. */
static void block(const uint64_t (*tags)[2], size_t count)
{
    size_t at = 8;

    memset(bytes, 0, sizeof(bytes));
    for (size_t i = 0; i < count; i++) {
        put(at, tags[i][0], 4);
        put(at + 4, 16, 4);
        put(at + 8, tags[i][1], 8);
        at += 16;
    }
    put(at + 4, 8, 4);
    put(0, at + 8, 4);
    memory.size = MEMORY_BYTES;
}

static void test_the_stage_finds_system_table_and_image_handle(void **state)
{
    static const uint64_t tags[][2] = {{18, 0}, {12, 0x123456789}, {20, 0xabcdef}};
    uint64_t system;
    uint64_t image;

    (void)state;
    block(tags, 3);
    assert_true(multiboot2_find_efi(&memory, 0, &system, &image));
    assert_int_equal(system, 0x123456789);
    assert_int_equal(image, 0xabcdef);
    block(tags, 2);
    assert_true(multiboot2_find_efi(&memory, 0, &system, &image));
    assert_int_equal(image, 0);
}

static void test_the_stage_says_when_there_is_no_system_table(void **state)
{
    static const uint64_t tags[][2] = {{18, 0}, {20, 0xabcdef}};
    uint64_t system;
    uint64_t image;

    (void)state;
    block(tags, 2);
    assert_false(multiboot2_find_efi(&memory, 0, &system, &image));
    assert_false(multiboot2_find_efi(&memory, MEMORY_BYTES, &system, &image));
    bytes[12] = 3; /* a tag shorter than its header ends the search */
    assert_false(multiboot2_find_efi(&memory, 0, &system, &image));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acpi_2_is_preferred_whatever_the_order),
        cmocka_unit_test(test_acpi_1_alone_is_found),
        cmocka_unit_test(test_smbios_3_is_preferred),
        cmocka_unit_test(test_no_table_is_address_0),
        cmocka_unit_test(test_damaged_system_tables_are_survived),
        cmocka_unit_test(test_the_stage_finds_system_table_and_image_handle),
        cmocka_unit_test(test_the_stage_says_when_there_is_no_system_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
