/*
 * What ACPI says about power, timers and PCI: FADT, the sleep type in the DSDT, HPET, MCFG.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "abi/acpi.h"
#include "acpi_maker.h"

#define FADT_6_BYTES 276

static struct firmware made;
static struct acpi_info info;
static size_t fadt;

static void gas(size_t at, uint8_t space, uint8_t bits, uint8_t access, uint64_t address)
{
    poke(&made, fadt + at, space, 1);
    poke(&made, fadt + at + 1, bits, 1);
    poke(&made, fadt + at + 2, 0, 1);
    poke(&made, fadt + at + 3, access, 1);
    poke(&made, fadt + at + 4, address, 8);
}

/* A FADT of this length with everything 0, not summed yet. */
static void fadt_start(size_t bytes)
{
    firmware_start(&made);
    fadt = table_start(&made, "FACP", 6);
    while (made.memory.size < fadt + bytes) {
        put8(&made.memory, 0);
    }
}

static void fadt_read(void)
{
    table_end(&made, fadt);
    read_all(&made, &info);
}

static void assert_register(struct acpi_register found, uint8_t space, uint64_t address)
{
    assert_int_equal(found.space, space);
    assert_int_equal(found.address, address);
}

static void assert_damaged(const char *signature, uint64_t at)
{
    assert_int_equal(info.problem_count, 1);
    assert_int_equal(info.problems[0].defect, ACPI_MALFORMED);
    assert_string_equal(info.problems[0].signature, signature);
    assert_int_equal(info.problems[0].at, at);
}

/* --- FADT -------------------------------------------------------------------------------------------------------- */

static void fadt_of_acpi_1(void)
{
    poke(&made, fadt + 48, 0xb2, 4);
    poke(&made, fadt + 52, 0xf1, 1);
    poke(&made, fadt + 64, 0x604, 4);
    poke(&made, fadt + 68, 0x704, 4);
    poke(&made, fadt + 76, 0x608, 4);
    poke(&made, fadt + 91, 4, 1);
    poke(&made, fadt + 109, 0x1234, 2);
    poke(&made, fadt + 112, 1U << 8 | 1U << 10, 4);
}

static void test_registers_of_acpi_1_are_ports(void **state)
{
    (void)state;
    fadt_start(116);
    fadt_of_acpi_1();
    fadt_read();
    assert_int_equal(info.problem_count, 0);
    assert_register(info.power.pm1a_control, ACPI_SPACE_IO, 0x604);
    assert_register(info.power.pm1b_control, ACPI_SPACE_IO, 0x704);
    assert_register(info.pm_timer, ACPI_SPACE_IO, 0x608);
    assert_true(info.pm_timer_is_32bit);
    assert_int_equal(info.power.smi_command, 0xb2);
    assert_int_equal(info.power.acpi_enable, 0xf1);
    assert_int_equal(info.boot_flags, 0x1234);
    assert_int_equal(info.power.reset.address,
                     0); /* supported, it says, but the field is not there */
    assert_false(info.power.sleep_types_known);
    assert_string_equal(info.used, "FACP");
}

static void test_generic_addresses_come_first(void **state)
{
    (void)state;
    fadt_start(FADT_6_BYTES);
    fadt_of_acpi_1();
    gas(116, ACPI_SPACE_IO, 8, 1, 0xcf9);
    poke(&made, fadt + 128, 0x0f, 1);
    gas(172, ACPI_SPACE_IO, 16, 2, 0x1804);
    gas(184, ACPI_SPACE_MEMORY, 16, 2, 0xfe000004);
    gas(208, ACPI_SPACE_MEMORY, 32, 3, 0xfe000008);
    fadt_read();
    assert_register(info.power.reset, ACPI_SPACE_IO, 0xcf9);
    assert_int_equal(info.power.reset.bits, 8);
    assert_int_equal(info.power.reset.access_bytes, 1);
    assert_int_equal(info.power.reset_value, 0x0f);
    assert_register(info.power.pm1a_control, ACPI_SPACE_IO, 0x1804);
    assert_int_equal(info.power.pm1a_control.access_bytes, 2);
    assert_register(info.power.pm1b_control, ACPI_SPACE_MEMORY, 0xfe000004);
    assert_register(info.pm_timer, ACPI_SPACE_MEMORY, 0xfe000008);
    assert_int_equal(info.pm_timer.access_bytes, 4);
    assert_int_equal(info.power.sleep_control.address, 0);
}

static void test_generic_addresses_that_cannot_be_are_passed_over(void **state)
{
    (void)state;
    fadt_start(FADT_6_BYTES);
    fadt_of_acpi_1();
    gas(116, 3, 8, 5, 0xcf9);                  /* of the embedded controller */
    gas(172, ACPI_SPACE_IO, 16, 2, 0x10000);   /* no port */
    gas(184, ACPI_SPACE_PCI, 16, 2, 0x1f0000); /* not for a control block */
    gas(208, 0x7f, 32, 0xff, UINT64_MAX);      /* no space */
    fadt_read();
    assert_int_equal(info.power.reset.address, 0);
    assert_int_equal(info.power.reset.access_bytes, 0);
    assert_register(info.power.pm1a_control, ACPI_SPACE_IO, 0x604);
    assert_register(info.power.pm1b_control, ACPI_SPACE_IO, 0x704);
    assert_register(info.pm_timer, ACPI_SPACE_IO, 0x608);
    poke(&made, fadt + 64, 0x10000, 4); /* a port that is none either */
    fadt_read();
    assert_int_equal(info.power.pm1a_control.address, 0);
}

static void test_all_access_sizes(void **state)
{
    static const uint8_t bytes[] = {0, 1, 2, 4, 8, 0, 0};

    (void)state;
    for (uint8_t access = 0; access < sizeof(bytes); access++) {
        fadt_start(FADT_6_BYTES);
        fadt_of_acpi_1();
        gas(116, ACPI_SPACE_IO, 8, access, 0xcf9);
        fadt_read();
        assert_int_equal(info.power.reset.address, 0xcf9);
        assert_int_equal(info.power.reset.access_bytes, bytes[access]);
    }
}

static void test_what_flags_deny_is_not_there(void **state)
{
    (void)state;
    fadt_start(FADT_6_BYTES);
    fadt_of_acpi_1();
    gas(116, ACPI_SPACE_PCI, 8, 0, 0x1f0044);
    poke(&made, fadt + 112, 0, 4);
    fadt_read();
    assert_int_equal(info.power.reset.address, 0);
    assert_false(info.pm_timer_is_32bit);
    assert_int_equal(info.pm_timer.address, 0x608);
    poke(&made, fadt + 112, 1U << 10, 4);
    poke(&made, fadt + 91, 0, 1); /* the timer's length */
    fadt_read();
    assert_register(info.power.reset, ACPI_SPACE_PCI, 0x1f0044);
    assert_int_equal(info.pm_timer.address, 0);
}

static void test_reduced_hardware_has_a_sleep_register_alone(void **state)
{
    (void)state;
    fadt_start(FADT_6_BYTES);
    fadt_of_acpi_1();
    gas(244, ACPI_SPACE_IO, 8, 1, 0x600);
    poke(&made, fadt + 112, 1U << 20, 4);
    fadt_read();
    assert_register(info.power.sleep_control, ACPI_SPACE_IO, 0x600);
    assert_int_equal(info.power.pm1a_control.address, 0);
    assert_int_equal(info.pm_timer.address, 0);
    assert_int_equal(info.power.smi_command, 0);
}

static void test_every_truncation_of_a_fadt(void **state)
{
    (void)state;
    for (size_t bytes = 36; bytes <= FADT_6_BYTES; bytes++) {
        fadt_start(FADT_6_BYTES);
        fadt_of_acpi_1();
        gas(116, ACPI_SPACE_IO, 8, 1, 0xcf9);
        gas(172, ACPI_SPACE_IO, 16, 2, 0x1804);
        made.memory.size = fadt + bytes;
        fadt_read();
        if (bytes < 116) {
            assert_damaged("FACP", bytes);
            assert_int_equal(info.power.pm1a_control.address, 0);
        } else {
            assert_int_equal(info.problem_count, 0);
            assert_int_equal(info.power.pm1a_control.address, bytes < 184 ? 0x604 : 0x1804);
            assert_int_equal(info.power.reset.address, bytes < 128 ? 0 : 0xcf9);
        }
    }
}

/* --- DSDT -------------------------------------------------------------------------------------------------------- */

static const uint8_t s5[] = {0x08, '_', 'S', '5', '_', 0x12, 8, 4, 0x0a, 5, 0x0a, 7, 0, 0};

/* A DSDT that the FADT names, with this AML. Returns its address. */
static size_t dsdt_read_wide(const void *aml, size_t bytes, bool wide)
{
    size_t at;

    fadt_start(FADT_6_BYTES);
    at = table(&made, "DSDT", 2, aml, bytes);
    made.listed_count--; /* it is not in the root table */
    poke(&made, fadt + (wide ? 140 : 40), at, wide ? 8 : 4);
    poke(&made, fadt + 4, FADT_6_BYTES, 4);
    checksum(&made, fadt, FADT_6_BYTES, fadt + 9);
    read_all(&made, &info);
    return at;
}

static size_t dsdt_read(const void *aml, size_t bytes)
{
    return dsdt_read_wide(aml, bytes, false);
}

static void test_the_sleep_type_is_found_in_the_dsdt(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        dsdt_read_wide(s5, sizeof(s5), wide);
        assert_int_equal(info.problem_count, 0);
        assert_string_equal(info.used, "FACP DSDT");
        assert_int_equal(info.table_count, 1);
        assert_true(info.power.sleep_types_known);
        assert_int_equal(info.power.sleep_type_a, 5);
        assert_int_equal(info.power.sleep_type_b, 7);
    }
}

static void test_the_sleep_type_is_found_wherever_it_is(void **state)
{
    static const char *const letters[] = {"\x08", "_", "S", "5", "_S5", "S5_", "5_", "x", "\x5c"};
    static const uint8_t shortest[] = {0x08, '_', 'S', '5', '_', 0x12, 4, 2, 0, 1};
    uint8_t aml[100];

    (void)state;
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        for (size_t before = 0; before < 40; before++) {
            for (size_t at = 0; at < before; at++) {
                aml[at] = (uint8_t)letters[i][at % strlen(letters[i])];
            }
            memcpy(aml + before, s5, sizeof(s5));
            dsdt_read(aml, before + sizeof(s5));
            assert_true(info.power.sleep_types_known);
            assert_int_equal(info.power.sleep_type_a, 5);
            memcpy(aml + before, shortest, sizeof(shortest));
            dsdt_read(aml, before + sizeof(shortest));
            assert_true(info.power.sleep_types_known);
            assert_int_equal(info.power.sleep_type_b, 1);
        }
    }
}

static void test_all_encodings_of_a_sleep_type(void **state)
{
    static const struct {
        uint8_t aml[24];
        uint8_t bytes;
        bool known;
    } cases[] = {
        {{0x12, 4, 2, 0, 1}, 5, true},                       /* Zero, One */
        {{0x12, 8, 2, 0x0b, 0, 0, 0x0b, 1, 0}, 9, true},     /* words */
        {{0x12, 9, 2, 0x0c, 0, 0, 0, 0, 0x0a, 1}, 10, true}, /* a double word, a byte */
        {{0x12, 12, 2, 0, 0x0e, 1, 0, 0, 0, 0, 0, 0, 0}, 13, true},
        {{0x12, 20, 2, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0, 0x0e, 1}, 21, true},
        {{0x12, 0x46, 0, 2, 0x0a, 0, 0x01, 1}, 8, true},    /* a length of two bytes */
        {{0x12, 0x87, 0, 0, 2, 0x0a, 0, 0x01}, 8, true},    /* of three */
        {{0x12, 0xc8, 0, 0, 0, 2, 0x0a, 0, 0x01}, 9, true}, /* of four */
        {{0x12, 0x85, 0, 0, 2, 0x0a, 0, 0x01}, 8, false},   /* which ends too early */
        {{0x12, 4, 2, 0, 0xff}, 5, false},                  /* Ones: not from 0 to 7 */
        {{0x12, 6, 2, 0x0a, 8, 0x0a, 0}, 7, false},         /* 8 */
        {{0x12, 6, 2, 0x0a, 0, 0x0a, 8}, 7, false},         /* 8 for PM1b */
        {{0x12, 7, 2, 0x0b, 1, 1, 0x0a, 0}, 8, false},      /* 0x101 */
        {{0x12, 12, 2, 0, 0x0e, 1, 0, 0, 0, 0, 0, 0, 1}, 13, false},
        {{0x12, 3, 1, 1}, 4, false},             /* one element */
        {{0x12, 2, 0}, 3, false},                /* none */
        {{0x12, 3, 2, 0}, 4, false},             /* fewer than it says */
        {{0x12, 5, 2, 0x0a, 1, 0x0a}, 6, false}, /* cut in an integer */
        {{0x12, 0}, 2, false},                   /* a length that does not count itself */
        {{0x12, 1}, 2, false},
        {{0x12, 0x40, 0}, 3, false},
        {{0x12, 5, 2, 0, 1}, 5, false}, /* over the table's end */
        {{0x12, 0xcf, 0xff, 0xff, 0xff, 2, 0, 1}, 8, false},
        {{0x13, 4, 2, 0, 1}, 5, false},               /* a variable package */
        {{0x0a, 5}, 2, false},                        /* an integer */
        {{0x12, 6, 2, '_', 'S', '5', '_'}, 7, false}, /* a name */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t aml[40] = {0x08, '_', 'S', '5', '_'};

        memcpy(aml + 5, cases[i].aml, cases[i].bytes);
        dsdt_read(aml, 5U + cases[i].bytes);
        assert_int_equal(info.power.sleep_types_known, cases[i].known);
        assert_int_equal(info.problem_count, 0);
        if (cases[i].known) {
            assert_int_equal(info.power.sleep_type_a, 0);
            assert_int_equal(info.power.sleep_type_b, 1);
        }
    }
}

static void test_a_package_may_be_long_and_end_with_the_table(void **state)
{
    static uint8_t aml[6 + 0x1020] = {0x08, '_', 'S', '5', '_', 0x12, 0x80, 0x02, 0x01, 2, 0, 1};

    (void)state;
    dsdt_read(aml, sizeof(aml));
    assert_true(info.power.sleep_types_known);
    dsdt_read(aml, sizeof(aml) - 1);
    assert_false(info.power.sleep_types_known);
}

static void test_only_what_a_name_operator_defines_counts(void **state)
{
    uint8_t aml[2 * sizeof(s5) + 1];

    (void)state;
    memcpy(aml, s5, sizeof(s5));
    aml[0] = 0x14; /* a method */
    aml[9] = 1;
    dsdt_read(aml, sizeof(s5));
    assert_false(info.power.sleep_types_known);

    memcpy(aml + sizeof(s5), s5, sizeof(s5)); /* the search goes on behind it */
    dsdt_read(aml, 2 * sizeof(s5));
    assert_true(info.power.sleep_types_known);
    assert_int_equal(info.power.sleep_type_a, 5);

    aml[0] = 0x08;
    aml[1] = 0x5c; /* \_S5_ */
    memcpy(aml + 2, s5 + 1, sizeof(s5) - 1);
    dsdt_read(aml, sizeof(s5) + 1);
    assert_true(info.power.sleep_types_known);
    aml[0] = 0x14;
    dsdt_read(aml, sizeof(s5) + 1);
    assert_false(info.power.sleep_types_known);
}

static void test_every_truncation_of_a_dsdt(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < sizeof(s5); bytes++) {
        dsdt_read(s5, bytes);
        assert_false(info.power.sleep_types_known);
        assert_string_equal(info.used, "FACP DSDT");
    }
}

static void test_a_bad_dsdt_costs_the_sleep_type_alone(void **state)
{
    size_t at = dsdt_read(s5, sizeof(s5));

    (void)state;
    made.memory.bytes[at + 20]++;
    read_as_is(&made, &info);
    assert_int_equal(info.problem_count, 1);
    assert_int_equal(info.problems[0].defect, ACPI_BAD_CHECKSUM);
    assert_string_equal(info.problems[0].signature, "DSDT");
    assert_string_equal(info.used, "FACP");

    poke(&made, fadt + 140, UINT64_C(0x100000000), 8); /* the wide address counts */
    checksum(&made, fadt, FADT_6_BYTES, fadt + 9);
    read_as_is(&made, &info);
    assert_int_equal(info.problems[0].defect, ACPI_OUT_OF_REACH);
    assert_int_equal(info.problems[0].at, UINT64_C(0x100000000));

    poke(&made, fadt + 140, fadt, 8); /* itself */
    checksum(&made, fadt, FADT_6_BYTES, fadt + 9);
    read_as_is(&made, &info);
    assert_int_equal(info.problem_count, 1);
    assert_int_equal(info.problems[0].defect, ACPI_BAD_SIGNATURE);
}

/* --- HPET and MCFG ------------------------------------------------------------------------------------------------ */

static void test_the_hpets_address(void **state)
{
    uint8_t bytes[20] = {[5] = 64, [8] = 0, 0x10, 0xd0, 0xfe};

    (void)state;
    read_one(&made, &info, "HPET", 1, bytes, sizeof(bytes));
    assert_int_equal(info.hpet.pa, 0xfed01000);
    bytes[4] = ACPI_SPACE_IO;
    read_one(&made, &info, "HPET", 1, bytes, sizeof(bytes));
    assert_int_equal(info.hpet.pa, 0);
    assert_damaged("HPET", 40);
    bytes[4] = 0;
    for (size_t count = 0; count < sizeof(bytes); count++) {
        read_one(&made, &info, "HPET", 1, bytes, count);
        assert_int_equal(info.hpet.pa, 0);
        assert_damaged("HPET", 36 + count);
    }
}

/* `count` entries of segment i at i * 256 MiB, buses i to 255. */
static size_t mcfg_bytes(uint8_t *bytes, size_t count)
{
    memset(bytes, 0, 8 + 16 * count);
    for (size_t i = 0; i < count; i++) {
        bytes[8 + 16 * i + 3] = (uint8_t)(i << 4);
        bytes[8 + 16 * i + 4] = 1; /* above 4 GiB */
        bytes[8 + 16 * i + 8] = (uint8_t)i;
        bytes[8 + 16 * i + 10] = (uint8_t)i;
        bytes[8 + 16 * i + 11] = 255;
    }
    return 8 + 16 * count;
}

static void test_pci_segments(void **state)
{
    uint8_t bytes[512];

    (void)state;
    read_one(&made, &info, "MCFG", 1, bytes, mcfg_bytes(bytes, 3));
    assert_int_equal(info.problem_count, 0);
    assert_int_equal(info.pci_segment_count, 3);
    assert_int_equal(info.pci_segments[2].base.pa, UINT64_C(0x120000000));
    assert_int_equal(info.pci_segments[2].segment, 2);
    assert_int_equal(info.pci_segments[2].first_bus, 2);
    assert_int_equal(info.pci_segments[2].last_bus, 255);

    read_one(&made, &info, "MCFG", 1, bytes, mcfg_bytes(bytes, ACPI_PCI_SEGMENTS_MAX + 2));
    assert_int_equal(info.pci_segment_count, ACPI_PCI_SEGMENTS_MAX);
    assert_int_equal(info.entries_dropped, 2);

    mcfg_bytes(bytes, 3);
    bytes[8 + 16 + 11] = 0; /* buses 1 to 0 */
    read_one(&made, &info, "MCFG", 1, bytes, 8 + 48);
    assert_int_equal(info.pci_segment_count, 2);
    assert_damaged("MCFG", 44 + 16);
}

static void test_every_truncation_of_an_mcfg(void **state)
{
    uint8_t bytes[512];

    (void)state;
    for (size_t count = 0; count <= mcfg_bytes(bytes, 2); count++) {
        read_one(&made, &info, "MCFG", 1, bytes, count);
        assert_int_equal(info.pci_segment_count, count < 24 ? 0 : (count - 8) / 16);
        if (count < 8) {
            assert_damaged("MCFG", 36 + count);
        } else if (count % 16 != 8) {
            assert_damaged("MCFG", 44 + (count - 8) / 16 * 16);
        } else {
            assert_int_equal(info.problem_count, 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registers_of_acpi_1_are_ports),
        cmocka_unit_test(test_generic_addresses_come_first),
        cmocka_unit_test(test_generic_addresses_that_cannot_be_are_passed_over),
        cmocka_unit_test(test_all_access_sizes),
        cmocka_unit_test(test_what_flags_deny_is_not_there),
        cmocka_unit_test(test_reduced_hardware_has_a_sleep_register_alone),
        cmocka_unit_test(test_every_truncation_of_a_fadt),
        cmocka_unit_test(test_the_sleep_type_is_found_in_the_dsdt),
        cmocka_unit_test(test_the_sleep_type_is_found_wherever_it_is),
        cmocka_unit_test(test_all_encodings_of_a_sleep_type),
        cmocka_unit_test(test_a_package_may_be_long_and_end_with_the_table),
        cmocka_unit_test(test_only_what_a_name_operator_defines_counts),
        cmocka_unit_test(test_every_truncation_of_a_dsdt),
        cmocka_unit_test(test_a_bad_dsdt_costs_the_sleep_type_alone),
        cmocka_unit_test(test_the_hpets_address),
        cmocka_unit_test(test_pci_segments),
        cmocka_unit_test(test_every_truncation_of_an_mcfg),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
