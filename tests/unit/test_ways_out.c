/*
 * Which ways out can be taken, by what is known; and the firmware's ResetSystem in tables of both widths.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "abi/acpi.h"
#include "abi/efi_memory.h"
#include "ways_out.h"

#define MEMORY_BYTES 0x4000
#define SYSTEM_PA    0x1000
#define RUNTIME_PA   0x2003
#define SERVICE_PA   0x12345678
#define RAM_END      0x80000000
#define STRIDE       48

static uint8_t bytes[MEMORY_BYTES];
static const struct physical_view memory = {.bytes = bytes, .size = MEMORY_BYTES};
static struct boot_info info;
static struct acpi_info acpi;
static struct exit_known known;
static uint64_t map[2 * STRIDE / sizeof(uint64_t)];

static int everything_is_known(void **state)
{
    (void)state;
    memset(&info, 0, sizeof(info));
    memset(&acpi, 0, sizeof(acpi));
    info.has_memory_map = true;
    info.range_count = 1;
    info.ranges[0] = (struct boot_range){0, RAM_END, MEMORY_RAM};
    known = (struct exit_known){&info, &acpi};
    return 0;
}

static struct way_check check(enum way_out way, enum exit_goal goal)
{
    return way_out_check(way, goal, &known, &memory);
}

static void assert_open(enum way_out way, enum exit_goal goal)
{
    const struct way_check found = check(way, goal);

    assert_true(found.exists);
    assert_null(found.bar);
}

static void assert_missing(enum way_out way, enum exit_goal goal)
{
    assert_false(check(way, goal).exists);
}

static void assert_barred(enum way_out way, enum exit_goal goal, const char *why)
{
    const struct way_check found = check(way, goal);

    assert_true(found.exists);
    assert_non_null(found.bar);
    assert_string_equal(found.bar, why);
}

/* --- the order, and what is there on every PC ------------------------------------------------------------------- */

static void test_the_order_is_from_the_mildest_to_the_harshest(void **state)
{
    (void)state;
    assert_true(WAY_ACPI < WAY_EFI && WAY_EFI < WAY_KEYBOARD && WAY_KEYBOARD < WAY_PCI &&
                WAY_PCI < WAY_TRIPLE_FAULT && WAY_TRIPLE_FAULT < WAYS_OUT);
}

static void test_before_anything_is_known_there_is_what_every_pc_has(void **state)
{
    (void)state;
    known = (struct exit_known){NULL, NULL};
    assert_missing(WAY_ACPI, EXIT_RESTART);
    assert_missing(WAY_EFI, EXIT_RESTART);
    assert_open(WAY_KEYBOARD, EXIT_RESTART);
    assert_open(WAY_PCI, EXIT_RESTART);
    assert_open(WAY_TRIPLE_FAULT, EXIT_RESTART);
    for (enum way_out way = WAY_ACPI; way <= WAYS_OUT; way++) {
        assert_missing(way, EXIT_POWER_OFF);
    }
}

static void test_nothing_but_acpi_and_efi_switches_off(void **state)
{
    (void)state;
    for (enum way_out way = WAY_KEYBOARD; way <= WAYS_OUT; way++) {
        assert_missing(way, EXIT_POWER_OFF);
    }
}

/* --- ACPI: restart --------------------------------------------------------------------------------------------- */

static void reset_at(uint8_t space, uint64_t address)
{
    acpi.power.reset = (struct acpi_register){.space = space, .address = address};
}

static void test_without_a_reset_register_there_is_no_reset_by_acpi(void **state)
{
    (void)state;
    assert_missing(WAY_ACPI, EXIT_RESTART);
}

static void test_any_port_will_do(void **state)
{
    (void)state;
    reset_at(ACPI_SPACE_IO, 0xffff);
    assert_open(WAY_ACPI, EXIT_RESTART);
}

static void test_the_pci_reset_port_is_not_tried_twice(void **state)
{
    (void)state;
    reset_at(ACPI_SPACE_IO, 0xcf9);
    assert_missing(WAY_PCI, EXIT_RESTART);
    reset_at(ACPI_SPACE_IO, 0x92);
    assert_open(WAY_PCI, EXIT_RESTART);
    reset_at(ACPI_SPACE_MEMORY, 0xcf9);
    assert_open(WAY_PCI, EXIT_RESTART);
}

static void test_a_register_in_memory_is_below_4_gib_and_not_in_ram(void **state)
{
    static const uint64_t high[] = {1ULL << 32, UINT64_MAX};

    (void)state;
    reset_at(ACPI_SPACE_MEMORY, RAM_END);
    assert_open(WAY_ACPI, EXIT_RESTART);
    reset_at(ACPI_SPACE_MEMORY, 0xffffffff);
    assert_open(WAY_ACPI, EXIT_RESTART);
    reset_at(ACPI_SPACE_MEMORY, RAM_END - 1);
    assert_barred(WAY_ACPI, EXIT_RESTART, "its register lies in RAM");
    for (size_t i = 0; i < sizeof(high) / sizeof(high[0]); i++) {
        reset_at(ACPI_SPACE_MEMORY, high[i]);
        assert_barred(WAY_ACPI, EXIT_RESTART, "its register lies above 4 GiB");
    }
}

static void test_a_register_in_configuration_space_is_one_that_ports_reach(void **state)
{
    static const uint64_t beyond[] = {0x2000000000, 0x80000, 0x100, 0x1000000000000};

    (void)state;
    reset_at(ACPI_SPACE_PCI, 0x1f000700ff);
    assert_open(WAY_ACPI, EXIT_RESTART);
    for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        reset_at(ACPI_SPACE_PCI, beyond[i]);
        assert_barred(WAY_ACPI, EXIT_RESTART, "its register is none of PCI's bus 0");
    }
}

/* --- ACPI: switching off ----------------------------------------------------------------------------------------- */

static struct acpi_register port(uint64_t address)
{
    return (struct acpi_register){.space = ACPI_SPACE_IO, .address = address};
}

static struct acpi_register in_memory(uint64_t address)
{
    return (struct acpi_register){.space = ACPI_SPACE_MEMORY, .address = address};
}

static void test_control_block_and_sleep_type_switch_off(void **state)
{
    (void)state;
    acpi.power.pm1a_control = port(0x604);
    acpi.power.sleep_types_known = true;
    assert_open(WAY_ACPI, EXIT_POWER_OFF);
    acpi.power.pm1b_control = port(0x704);
    assert_open(WAY_ACPI, EXIT_POWER_OFF);
    assert_missing(WAY_ACPI, EXIT_RESTART);
}

static void test_without_a_sleep_type_acpi_cannot_switch_off(void **state)
{
    (void)state;
    acpi.power.pm1a_control = port(0x604);
    assert_barred(WAY_ACPI, EXIT_POWER_OFF, "its tables do not tell the sleep type of S5");
}

static void test_without_registers_there_is_no_switching_off_by_acpi(void **state)
{
    (void)state;
    acpi.power.sleep_types_known = true;
    assert_missing(WAY_ACPI, EXIT_POWER_OFF);
}

static void test_every_register_that_switches_off_is_checked(void **state)
{
    struct acpi_register *const registers[] = {&acpi.power.sleep_control, &acpi.power.pm1b_control,
                                               &acpi.power.pm1a_control};

    (void)state;
    acpi.power.sleep_types_known = true;
    acpi.power.pm1a_control = port(0x604);
    for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
        const struct acpi_register before = *registers[i];

        *registers[i] = in_memory(RAM_END - 1);
        assert_barred(WAY_ACPI, EXIT_POWER_OFF, "its register lies in RAM");
        *registers[i] = in_memory(0xfe000000);
        assert_open(WAY_ACPI, EXIT_POWER_OFF);
        *registers[i] = before;
    }
}

static void test_a_register_of_two_bytes_does_not_reach_into_ram_or_beyond_4_gib(void **state)
{
    (void)state;
    acpi.power.sleep_types_known = true;
    info.ranges[0].base = 0xa0000001;
    acpi.power.pm1a_control = in_memory(0xa0000000);
    assert_barred(WAY_ACPI, EXIT_POWER_OFF, "its register lies in RAM");
    acpi.power.pm1a_control = in_memory(0xffffffff);
    assert_barred(WAY_ACPI, EXIT_POWER_OFF, "its register lies above 4 GiB");
}

/* --- EFI ------------------------------------------------------------------------------------------------------- */

static void put(size_t at, uint64_t value, size_t size)
{
    memcpy(bytes + at, &value, size); /* little-endian, as the host is */
}

/* CRC-32 of so many bytes, as `cksum -o3` and zlib have it. */
static uint32_t crc_of(const uint8_t *from, size_t count)
{
    uint32_t crc = ~0U;

    while (count-- > 0) {
        crc ^= *from++;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
        }
    }
    return ~crc;
}

static void runtime_sum(void)
{
    uint32_t size;

    memcpy(&size, bytes + RUNTIME_PA + 12, sizeof(size));
    put(RUNTIME_PA + 16, 0, 4);
    put(RUNTIME_PA + 16, crc_of(bytes + RUNTIME_PA, size), 4);
}

/* A system table whose runtime services have a ResetSystem. */
static void firmware(bool is_64bit, uint64_t service)
{
    memset(bytes, 0xa5, sizeof(bytes));
    memcpy(bytes + SYSTEM_PA, "IBI SYST", 8);
    memcpy(bytes + RUNTIME_PA, "RUNTSERV", 8);
    if (is_64bit) {
        put(SYSTEM_PA + 88, RUNTIME_PA, 8);
        put(RUNTIME_PA + 12, 136, 4);
        put(RUNTIME_PA + 104, service, 8);
    } else {
        put(SYSTEM_PA + 56, RUNTIME_PA, 4);
        put(RUNTIME_PA + 12, 80, 4);
        put(RUNTIME_PA + 64, service, 4);
    }
    runtime_sum();
    info.efi = (struct boot_efi){.system_table_pa = SYSTEM_PA, .is_64bit = is_64bit};
}

static const char *bar_of(uint64_t service)
{
    const char *bar = "not set";

    assert_int_equal(efi_reset_system(&info.efi, &memory, &bar), service);
    return bar;
}

#define DAMAGED  "the table of its runtime services is damaged"
#define HIGH     "its runtime services lie above 4 GiB"
#define NOT_KEPT "its ResetSystem does not lie in memory of its runtime services"

static void test_reset_system_is_found_in_tables_of_both_widths(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        firmware(wide, SERVICE_PA);
        assert_null(bar_of(SERVICE_PA));
        assert_open(WAY_EFI, EXIT_RESTART);
        assert_open(WAY_EFI, EXIT_POWER_OFF);
    }
}

static void test_the_checksum_is_known_by_the_usual_example(void **state)
{
    (void)state;
    assert_int_equal(crc_of((const uint8_t *)"123456789", 9), 0xcbf43926);
}

static void test_without_a_system_table_there_is_no_efi(void **state)
{
    (void)state;
    assert_missing(WAY_EFI, EXIT_RESTART);
}

static void test_a_change_in_any_byte_of_the_table_is_damage(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        for (size_t at = 0; at < (wide ? 136 : 80); at++) {
            firmware(wide, SERVICE_PA);
            bytes[RUNTIME_PA + at] ^= 0x10;
            assert_string_equal(bar_of(0), DAMAGED);
        }
        assert_barred(WAY_EFI, EXIT_RESTART, DAMAGED);
    }
}

static void test_a_table_that_is_none_is_damage(void **state)
{
    static const uint32_t sizes[] = {0, 16, 111, 4097, UINT32_MAX};

    (void)state;
    firmware(true, SERVICE_PA);
    bytes[SYSTEM_PA] = 'i';
    assert_string_equal(bar_of(0), DAMAGED);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        firmware(true, SERVICE_PA);
        put(RUNTIME_PA + 12, sizes[i], 4);
        assert_string_equal(bar_of(0), DAMAGED);
    }
    firmware(true, SERVICE_PA);
    put(SYSTEM_PA + 88, MEMORY_BYTES - 16, 8); /* the table runs over the end of what can be read */
    memcpy(bytes + MEMORY_BYTES - 16, bytes + RUNTIME_PA, 16);
    assert_string_equal(bar_of(0), DAMAGED);
    firmware(true, SERVICE_PA);
    put(SYSTEM_PA + 88, UINT64_MAX, 8);
    assert_string_equal(bar_of(0), DAMAGED);
}

static void test_the_shortest_table_with_the_service_in_it_is_enough(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        firmware(wide, SERVICE_PA);
        put(RUNTIME_PA + 12, wide ? 112 : 68, 4);
        runtime_sum();
        assert_null(bar_of(SERVICE_PA));
    }
}

static void test_a_service_above_4_gib_or_nowhere_is_not_called(void **state)
{
    (void)state;
    firmware(true, 1ULL << 32);
    assert_string_equal(bar_of(0), HIGH);
    firmware(true, 0);
    assert_string_equal(bar_of(0), NOT_KEPT);
}

static void descriptor(size_t index, uint64_t start, uint64_t pages, uint64_t attributes)
{
    const struct efi_memory_descriptor entry = {
        .physical_start = start, .pages = pages, .attributes = attributes};

    memcpy((uint8_t *)map + index * STRIDE, &entry, sizeof(entry));
}

static void test_a_service_lies_in_memory_that_the_firmware_keeps(void **state)
{
    (void)state;
    firmware(true, SERVICE_PA);
    descriptor(0, 0, 1ULL << 40, EFI_MEMORY_WB);
    descriptor(1, SERVICE_PA - 0x678, 1, EFI_MEMORY_RUNTIME);
    info.efi.map = (const uint8_t *)map;
    info.efi.map_bytes = sizeof(map);
    info.efi.map_descriptor_bytes = STRIDE;
    assert_null(bar_of(SERVICE_PA));
    descriptor(1, SERVICE_PA + 1, 1, EFI_MEMORY_RUNTIME);
    assert_string_equal(bar_of(0), NOT_KEPT);
    descriptor(1, SERVICE_PA - 0x1000, 1, EFI_MEMORY_RUNTIME);
    assert_string_equal(bar_of(0), NOT_KEPT);
    descriptor(1, SERVICE_PA - 0x1000, 2, EFI_MEMORY_RUNTIME);
    assert_null(bar_of(SERVICE_PA));
}

#define with_all(test) cmocka_unit_test_setup(test, everything_is_known)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_all(test_the_order_is_from_the_mildest_to_the_harshest),
        with_all(test_before_anything_is_known_there_is_what_every_pc_has),
        with_all(test_nothing_but_acpi_and_efi_switches_off),
        with_all(test_without_a_reset_register_there_is_no_reset_by_acpi),
        with_all(test_any_port_will_do),
        with_all(test_the_pci_reset_port_is_not_tried_twice),
        with_all(test_a_register_in_memory_is_below_4_gib_and_not_in_ram),
        with_all(test_a_register_in_configuration_space_is_one_that_ports_reach),
        with_all(test_control_block_and_sleep_type_switch_off),
        with_all(test_without_a_sleep_type_acpi_cannot_switch_off),
        with_all(test_without_registers_there_is_no_switching_off_by_acpi),
        with_all(test_every_register_that_switches_off_is_checked),
        with_all(test_a_register_of_two_bytes_does_not_reach_into_ram_or_beyond_4_gib),
        with_all(test_reset_system_is_found_in_tables_of_both_widths),
        with_all(test_the_checksum_is_known_by_the_usual_example),
        with_all(test_without_a_system_table_there_is_no_efi),
        with_all(test_a_change_in_any_byte_of_the_table_is_damage),
        with_all(test_a_table_that_is_none_is_damage),
        with_all(test_the_shortest_table_with_the_service_in_it_is_enough),
        with_all(test_a_service_above_4_gib_or_nowhere_is_not_called),
        with_all(test_a_service_lies_in_memory_that_the_firmware_keeps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
