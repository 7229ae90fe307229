/*
 * The serial ports that ACPI names: SPCR and DBG2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "abi/acpi.h"
#include "acpi_maker.h"

#define SPCR_4_BYTES 88

static struct firmware made;
static struct acpi_info info;
static uint8_t bytes[256]; /* of a table, behind its header */

static void gas(size_t at, uint8_t space, uint8_t bits, uint8_t access, uint64_t address)
{
    bytes[at] = space;
    bytes[at + 1] = bits;
    bytes[at + 3] = access;
    memcpy(bytes + at + 4, &address, sizeof(address));
}

static void assert_damaged(const char *signature, uint64_t at)
{
    assert_int_equal(info.problem_count, 1);
    assert_int_equal(info.problems[0].defect, ACPI_MALFORMED);
    assert_string_equal(info.problems[0].signature, signature);
    assert_int_equal(info.problems[0].at, at);
}

/* --- SPCR: offsets are the table's, less the header ---- */

static void spcr(uint8_t interface, uint8_t baud, uint32_t precise)
{
    memset(bytes, 0, sizeof(bytes));
    bytes[0] = interface;
    gas(4, ACPI_SPACE_IO, 8, 1, 0x2f8);
    bytes[22] = baud;
    memcpy(bytes + 44, &precise, sizeof(precise));
}

static void spcr_read(uint8_t revision)
{
    read_one(&made, &info, "SPCR", revision, bytes, SPCR_4_BYTES - 36);
}

static void test_the_firmwares_console(void **state)
{
    (void)state;
    spcr(SERIAL_16550, 7, 0);
    spcr_read(2);
    assert_int_equal(info.problem_count, 0);
    assert_int_equal(info.spcr.base.space, ACPI_SPACE_IO);
    assert_int_equal(info.spcr.base.address, 0x2f8);
    assert_int_equal(info.spcr.base.bits, 8);
    assert_int_equal(info.spcr.base.access_bytes, 1);
    assert_int_equal(info.spcr.interface, SERIAL_16550);
    assert_int_equal(info.spcr.baud, 115200);
    assert_int_equal(info.dbg2.base.address, 0);

    gas(4, ACPI_SPACE_MEMORY, 32, 3, UINT64_C(0xfedc00001000));
    bytes[0] = SERIAL_16550_GAS;
    spcr_read(2);
    assert_int_equal(info.spcr.base.space, ACPI_SPACE_MEMORY);
    assert_int_equal(info.spcr.base.address, UINT64_C(0xfedc00001000));
    assert_int_equal(info.spcr.base.bits, 32);
    assert_int_equal(info.spcr.base.access_bytes, 4);
    assert_int_equal(info.spcr.interface, SERIAL_16550_GAS);
}

static void test_all_baud_rates(void **state)
{
    static const uint32_t rates[] = {[3] = 9600, [4] = 19200, [6] = 57600, [7] = 115200, [255] = 0};

    (void)state;
    for (size_t code = 0; code < 256; code++) {
        spcr(SERIAL_16550_SUBSET, (uint8_t)code, 0);
        spcr_read(4);
        assert_int_equal(info.spcr.baud, rates[code]);
        assert_int_equal(info.spcr.base.address, 0x2f8);
    }
    spcr(SERIAL_16550, 7, 1500000);
    spcr_read(4);
    assert_int_equal(info.spcr.baud, 1500000);
    spcr_read(3); /* whose table has no such field */
    assert_int_equal(info.spcr.baud, 115200);
}

/* Whether it can be used is said later: who names something else gets a warning. */
static void test_any_port_that_is_named_is_told(void **state)
{
    (void)state;
    for (size_t interface = 0; interface < 256; interface++) {
        spcr((uint8_t)interface, 7, 0);
        spcr_read(2);
        assert_true(info.spcr.is_named);
        assert_int_equal(info.spcr.interface, interface);
        assert_int_equal(info.spcr.base.address, 0x2f8);
    }
    spcr(SERIAL_16550, 7, 0);
    gas(4, ACPI_SPACE_PCI, 8, 1, 0x10000);
    spcr_read(2);
    assert_int_equal(info.spcr.base.space, ACPI_SPACE_PCI);
    gas(4, ACPI_SPACE_IO, 8, 1, 0x10000); /* where no processor gets */
    spcr_read(2);
    assert_true(info.spcr.is_named);
    assert_int_equal(info.spcr.base.address, 0);
    gas(4, ACPI_SPACE_IO, 8, 1, 0); /* redirection is turned off */
    spcr_read(2);
    assert_false(info.spcr.is_named);
    assert_int_equal(info.problem_count, 0);
}

static void test_the_clock_of_new_tables(void **state)
{
    (void)state;
    spcr(SERIAL_16550, 7, 0);
    memcpy(bytes + 40, &(uint32_t){48000000}, 4);
    for (uint8_t revision = 1; revision <= 4; revision++) {
        spcr_read(revision);
        assert_int_equal(info.spcr.clock_hz, revision < 3 ? 0 : 48000000);
    }
}

static void pci(uint16_t device, uint16_t vendor)
{
    memcpy(bytes + 28, &device, 2);
    memcpy(bytes + 30, &vendor, 2);
    bytes[32] = 0x3a;
    bytes[33] = 0x1f;
    bytes[34] = 5;
    bytes[39] = 2;
    spcr_read(1);
}

static void test_a_pci_card(void **state)
{
    (void)state;
    spcr(SERIAL_16550, 7, 0);
    pci(0x0002, 0x1b36);
    assert_true(info.spcr.is_on_pci);
    assert_int_equal(info.spcr.pci_function.number, 0x3afd);
    assert_int_equal(info.spcr.pci_segment, 2);
    assert_int_equal(info.spcr.pci_id, 0x00021b36);
    pci(0xffff, 0xffff);
    assert_false(info.spcr.is_on_pci);
    assert_int_equal(info.spcr.pci_segment, 0);
    pci(0xffff, 0x1b36);
    assert_false(info.spcr.is_on_pci);
    pci(0x0002, 0xffff);
    assert_false(info.spcr.is_on_pci);
    pci(0, 0);
    assert_false(info.spcr.is_on_pci);
}

static void test_every_truncation_of_an_spcr(void **state)
{
    (void)state;
    spcr(SERIAL_16550, 7, 9000);
    for (size_t count = 0; count <= SPCR_4_BYTES - 36; count++) {
        read_one(&made, &info, "SPCR", 4, bytes, count);
        if (count < 80 - 36) {
            assert_damaged("SPCR", 36 + count);
            assert_int_equal(info.spcr.base.address, 0);
        } else {
            assert_int_equal(info.problem_count, 0);
            assert_int_equal(info.spcr.baud, count < 84 - 36 ? 115200 : 9000);
        }
    }
}

/* --- DBG2 ---- */

#define DEVICE_BYTES 38 /* 22, an address and its size */

static void device(size_t index, uint16_t type, uint16_t subtype, uint64_t address)
{
    const size_t at = 8 + index * DEVICE_BYTES;

    bytes[at + 1] = DEVICE_BYTES;
    bytes[at + 3] = 1;
    memcpy(bytes + at + 12, &type, 2);
    memcpy(bytes + at + 14, &subtype, 2);
    bytes[at + 18] = 22;
    bytes[at + 20] = 34;
    gas(at + 22, address < 0x10000 ? ACPI_SPACE_IO : ACPI_SPACE_PCI, 8, 1, address);
}

static void dbg2(uint32_t count)
{
    memset(bytes, 0, sizeof(bytes));
    bytes[0] = 44;
    memcpy(bytes + 4, &count, 4);
}

static void dbg2_read(size_t devices)
{
    read_one(&made, &info, "DBG2", 0, bytes, 8 + devices * DEVICE_BYTES);
}

static void test_the_first_serial_debug_port(void **state)
{
    (void)state;
    dbg2(5);
    device(0, 0x8001, 0, 0x1000);  /* IEEE 1394 */
    device(1, 0x8000, 3, 0x1100);  /* a PL011 */
    device(2, 0x8000, 0, 0x20000); /* in PCI configuration space */
    device(3, 0x8000, 1, 0x3e8);
    device(4, 0x8000, 0, 0x2e8);
    dbg2_read(5);
    assert_int_equal(info.problem_count, 0);
    assert_true(info.dbg2.is_named);
    assert_int_equal(info.dbg2.base.address, 0x3e8);
    assert_int_equal(info.dbg2.interface, SERIAL_16550_SUBSET);
    assert_int_equal(info.dbg2.baud, 0);
    assert_int_equal(info.spcr.base.address, 0);
}

static void test_a_device_without_addresses_is_passed_over(void **state)
{
    (void)state;
    dbg2(2);
    device(0, 0x8000, 0, 0x3e8);
    device(1, 0x8000, 0, 0x2e8);
    bytes[8 + 3] = 0;
    dbg2_read(2);
    assert_int_equal(info.dbg2.base.address, 0x2e8);
}

static void test_an_address_outside_its_device_is_none(void **state)
{
    (void)state;
    for (size_t at = 0; at < 0x10000; at += 13) {
        dbg2(1);
        device(0, 0x8000, 0, 0x3e8);
        bytes[8 + 18] = (uint8_t)at;
        bytes[8 + 19] = (uint8_t)(at >> 8);
        dbg2_read(1);
        if (at + 12 > DEVICE_BYTES) {
            assert_int_equal(info.dbg2.base.address, 0);
        }
    }
}

static void test_every_length_of_a_device(void **state)
{
    (void)state;
    for (uint32_t count = 0; count < 0x200; count++) {
        dbg2(2);
        device(0, 0x8001, 0, 0x3e8);
        device(1, 0x8000, 0, 0x2e8);
        bytes[9] = (uint8_t)count;
        bytes[10] = (uint8_t)(count >> 8);
        dbg2_read(2);
        if (count < 22 || count > 2 * DEVICE_BYTES) {
            assert_damaged("DBG2", 44);
        } else if (count == 22) {
            assert_damaged("DBG2", 44 + 22); /* which is no device */
        }
        assert_true(count != DEVICE_BYTES || info.dbg2.base.address == 0x2e8);
    }
}

static void test_counts_and_offsets_that_lie_are_survived(void **state)
{
    (void)state;
    dbg2(UINT32_MAX); /* more than there are */
    device(0, 0x8001, 0, 0x3e8);
    dbg2_read(1);
    assert_damaged("DBG2", 44 + DEVICE_BYTES);
    dbg2(1);
    memset(bytes, 0xff, 4);
    dbg2_read(1);
    assert_damaged("DBG2", 36);
    dbg2(1); /* fewer than there are */
    device(0, 0x8001, 0, 0x3e8);
    device(1, 0x8000, 0, 0x3e8);
    dbg2_read(2);
    assert_int_equal(info.problem_count, 0);
    assert_int_equal(info.dbg2.base.address, 0);
    dbg2(0);
    dbg2_read(0);
    assert_int_equal(info.problem_count, 0);
    dbg2(0); /* then the offset does not matter */
    memset(bytes, 0xff, 4);
    dbg2_read(1);
    assert_int_equal(info.problem_count, 0);
}

static void test_every_truncation_of_a_dbg2(void **state)
{
    (void)state;
    dbg2(1);
    device(0, 0x8000, 0, 0x3e8);
    for (size_t count = 0; count <= 8 + DEVICE_BYTES; count++) {
        read_one(&made, &info, "DBG2", 0, bytes, count);
        if (count < 8) {
            assert_damaged("DBG2", 36 + count);
        } else if (count < 8 + DEVICE_BYTES) {
            assert_damaged("DBG2", 44);
        } else {
            assert_int_equal(info.problem_count, 0);
        }
        assert_int_equal(info.dbg2.base.address, count < 8 + DEVICE_BYTES ? 0 : 0x3e8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_firmwares_console),
        cmocka_unit_test(test_all_baud_rates),
        cmocka_unit_test(test_any_port_that_is_named_is_told),
        cmocka_unit_test(test_the_clock_of_new_tables),
        cmocka_unit_test(test_a_pci_card),
        cmocka_unit_test(test_every_truncation_of_an_spcr),
        cmocka_unit_test(test_the_first_serial_debug_port),
        cmocka_unit_test(test_a_device_without_addresses_is_passed_over),
        cmocka_unit_test(test_an_address_outside_its_device_is_none),
        cmocka_unit_test(test_every_length_of_a_device),
        cmocka_unit_test(test_counts_and_offsets_that_lie_are_survived),
        cmocka_unit_test(test_every_truncation_of_a_dbg2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
