/*
 * Which serial port of ACPI's a console is on, and how: acpi_console and acpi_serial_line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "abi/acpi.h"
#include "acpi.h"

static struct acpi_info info;
static struct acpi_serial port;
static struct serial_line line;

static void at_ports(uint64_t address)
{
    port = (struct acpi_serial){
        .is_named = true,
        .base = {.space = ACPI_SPACE_IO, .address = address, .bits = 8, .access_bytes = 1},
        .interface = SERIAL_16550,
        .baud = 115200,
    };
}

static void in_memory(uint64_t address, uint8_t bits, uint8_t access_bytes)
{
    at_ports(address);
    port.base.space = ACPI_SPACE_MEMORY;
    port.base.bits = bits;
    port.base.access_bytes = access_bytes;
    port.interface = SERIAL_16550_GAS;
}

static void assert_good(void)
{
    assert_null(acpi_serial_line(&port, &line));
}

static void assert_bad(const char *words)
{
    const struct serial_line before = line;
    const char *const found = acpi_serial_line(&port, &line);

    assert_non_null(found);
    assert_string_equal(found, words);
    assert_memory_equal(&before, &line, sizeof(line));
}

static void test_the_firmwares_console_goes_before_the_debug_port(void **state)
{
    (void)state;
    memset(&info, 0, sizeof(info));
    assert_null(acpi_console(&info));
    info.dbg2.is_named = true;
    assert_ptr_equal(acpi_console(&info), &info.dbg2);
    info.spcr.is_named = true;
    assert_ptr_equal(acpi_console(&info), &info.spcr);
}

static void test_ports(void **state)
{
    (void)state;
    at_ports(0x2f8);
    assert_good();
    assert_int_equal(line.baud, 115200);
    assert_int_equal(line.divisor, 1);
    assert_int_equal(line.line_control, 0x03);
    assert_int_equal(line.place.space, SERIAL_IN_PORTS);
    assert_int_equal(line.place.address, 0x2f8);
    assert_int_equal(line.place.stride_bytes, 1);
    assert_int_equal(line.place.access_bytes, 1);
    for (uint64_t address = 0; address < 0x10000; address++) {
        at_ports(address);
        if (address < 0x100 || address > 0xfff8) {
            assert_bad("its ports are none that a 16550 can have");
        } else {
            assert_good();
        }
    }
}

/* A width beside a plain type is an error that is known of firmware; beside the other one it is meant. */
static void test_a_width_of_ports_counts_where_it_is_told_to(void **state)
{
    (void)state;
    at_ports(0xffe1);
    port.base.bits = 32;
    assert_good();
    assert_int_equal(line.place.stride_bytes, 1);
    port.interface = SERIAL_16550_GAS;
    assert_bad("its ports are none that a 16550 can have");
    port.base.address = 0xffe0;
    assert_good();
    assert_int_equal(line.place.stride_bytes, 4);
    assert_int_equal(line.place.access_bytes, 1);
}

static void test_memory_of_every_width(void **state)
{
    static const uint8_t accesses[] = {0, 1, 2, 4, 8};

    (void)state;
    for (unsigned int bits = 0; bits < 256; bits++) {
        const unsigned int stride = bits == 0 ? 1 : bits / 8;
        const bool known = bits == 0 || bits == 8 || bits == 16 || bits == 32 || bits == 64;

        for (size_t i = 0; i < sizeof(accesses); i++) {
            const unsigned int access = accesses[i];

            in_memory(0xfedc1000, (uint8_t)bits, (uint8_t)access);
            if (!known) {
                assert_bad("its registers are apart by what is no power of 2");
            } else if (access > stride || access > 4) {
                assert_bad("its registers are wider than they are apart");
            } else {
                assert_good();
                assert_int_equal(line.place.space, SERIAL_IN_MEMORY);
                assert_int_equal(line.place.stride_bytes, stride);
                assert_int_equal(line.place.access_bytes, access != 0  ? access
                                                          : stride > 4 ? 4
                                                                       : stride);
            }
        }
    }
}

static void test_addresses_that_cannot_be(void **state)
{
    static const uint64_t bad[] = {0,         0xfffff, 0xb8000, UINT64_C(1) << 52, UINT64_MAX - 7,
                                   0xfedc1001};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        in_memory(bad[i], 32, 4);
        assert_bad("its address is none that a 16550 can have");
    }
    in_memory(0x100000, 32, 4);
    assert_good();
    in_memory((UINT64_C(1) << 52) - 0x2000, 32, 4);
    assert_good();
    in_memory(0xfedc1001, 8, 1);
    assert_good();
    port.base = (struct acpi_register){.address = 0}; /* out of reach */
    assert_bad("its address is none that a 16550 can have");
}

static void test_what_is_no_16550_or_too_far_away(void **state)
{
    (void)state;
    for (uint32_t interface = 0; interface <= UINT16_MAX; interface++) {
        at_ports(0x3f8);
        port.interface = (uint16_t)interface;
        if (interface == 0 || interface == 1 || interface == 0x12) {
            assert_good();
        } else {
            assert_bad("it is no 16550");
        }
    }
    at_ports(0x3f8);
    port.is_on_pci = true;
    assert_good();
    port.pci_segment = 1;
    assert_bad("it is in a PCI configuration space, or segment, that is not looked at");
    at_ports(0x3f8);
    port.base.space = ACPI_SPACE_PCI;
    assert_bad("it is in a PCI configuration space, or segment, that is not looked at");
}

static void assert_speed(uint32_t clock_hz, uint32_t baud, uint32_t divisor)
{
    at_ports(0x3f8);
    port.clock_hz = clock_hz;
    port.baud = baud;
    assert_good();
    assert_int_equal(line.divisor, divisor);
    assert_int_equal(line.baud, divisor == 0 ? 9600 : baud);
}

static void test_speeds(void **state)
{
    (void)state;
    assert_speed(0, 0, 0); /* as it is */
    assert_speed(0, 9600, 12);
    assert_speed(0, 57600, 2);
    assert_speed(1843200, 115200, 1);
    assert_speed(48000000, 115200, 26);
    assert_speed(24000000, 1500000, 1);
    assert_speed(0, 1500000, 0);  /* faster than the clock */
    assert_speed(0, 80000, 0);    /* far from any divisor */
    assert_speed(0, 113000, 1);   /* 2 % off */
    assert_speed(48000000, 1, 0); /* a divisor of more than 16 bits */
    assert_speed(UINT32_MAX, 4097, 65520);
    assert_speed(1, UINT32_MAX, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_firmwares_console_goes_before_the_debug_port),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_a_width_of_ports_counts_where_it_is_told_to),
        cmocka_unit_test(test_memory_of_every_width),
        cmocka_unit_test(test_addresses_that_cannot_be),
        cmocka_unit_test(test_what_is_no_16550_or_too_far_away),
        cmocka_unit_test(test_speeds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
