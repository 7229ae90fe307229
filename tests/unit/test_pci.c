/*
 * The search on the PCI buses: cards anywhere, bridges in a chain, in a circle and all over the place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "abi/pci.h"
#include "pci.h"

#define FUNCTIONS     65536
#define SERIAL_16550  0x07000200
#define NETWORK       0x02000000
#define READS_AT_MOST (256 * 32 * (1 + 8 * 4))

struct fake_function {
    uint32_t words[16];
};

static struct fake_function functions[FUNCTIONS];
static uint32_t reads;

static uint32_t fake_read(struct pci_function function, uint8_t offset)
{
    assert_int_equal(offset % 4, 0);
    assert_in_range(offset, 0, 60);
    reads++;
    return functions[function.number].words[offset / 4];
}

static int no_functions(void **state)
{
    (void)state;
    memset(functions, 0xff, sizeof(functions));
    reads = 0;
    return 0;
}

static uint16_t number(unsigned int bus, unsigned int device, unsigned int function)
{
    return (uint16_t)(bus << 8 | device << 3 | function);
}

static uint32_t *put(uint16_t at, uint32_t class_and_revision, uint32_t header)
{
    uint32_t *words = functions[at].words;

    memset(words, 0, sizeof(functions[at].words));
    words[0] = 0x00021b36;
    words[PCI_CLASS / 4] = class_and_revision;
    words[PCI_HEADER / 4] = header << 16;
    return words;
}

static void put_bridge(uint16_t at, unsigned int secondary)
{
    put(at, 0x06040000, PCI_HEADER_BRIDGE)[PCI_BRIDGE_BUSES / 4] = secondary << 8;
}

static void assert_found(uint16_t expected)
{
    struct pci_function found;

    assert_true(pci_find(fake_read, PCI_CLASS_SERIAL, PCI_CLASS_SERIAL_MASK, &found));
    assert_int_equal(found.number, expected);
}

static void assert_not_found(void)
{
    struct pci_function found;

    assert_false(pci_find(fake_read, PCI_CLASS_SERIAL, PCI_CLASS_SERIAL_MASK, &found));
    assert_in_range(reads, 0, READS_AT_MOST);
}

static void test_a_machine_without_pci(void **state)
{
    (void)state;
    assert_not_found();
}

static void test_the_first_card_is_taken(void **state)
{
    (void)state;
    put(number(0, 0, 0), 0x06000000, 0);
    put(number(0, 31, 0), SERIAL_16550, 0);
    assert_found(number(0, 31, 0));
    put(number(0, 4, 0), NETWORK, 0);
    put(number(0, 5, 0), SERIAL_16550, 0);
    assert_found(number(0, 5, 0));
}

static void test_any_interface_and_revision_of_the_class(void **state)
{
    (void)state;
    put(number(0, 1, 0), 0x07010200, 0); /* a parallel port */
    put(number(0, 2, 0), 0x07000677, 0);
    assert_found(number(0, 2, 0));
}

static void test_other_functions_only_of_devices_that_have_them(void **state)
{
    (void)state;
    put(number(0, 3, 0), NETWORK, 0);
    put(number(0, 3, 5), SERIAL_16550, 0);
    assert_not_found();
    put(number(0, 3, 0), NETWORK, PCI_HEADER_MANY);
    assert_found(number(0, 3, 5));
}

static void test_behind_bridges(void **state)
{
    (void)state;
    put_bridge(number(0, 28, 0), 1);
    put_bridge(number(1, 0, 0), 7);
    put_bridge(number(7, 31, 0), 255);
    put(number(255, 31, 0), SERIAL_16550, 0);
    assert_found(number(255, 31, 0));
    put(number(1, 9, 0), SERIAL_16550, 0);
    assert_found(number(1, 9, 0));
}

static void test_a_bus_that_no_bridge_leads_to_is_not_looked_at(void **state)
{
    (void)state;
    put(number(3, 0, 0), SERIAL_16550, 0);
    assert_not_found();
    assert_int_equal(reads, 32 * 9);
}

static void test_bridges_that_lead_back_or_nowhere_end_the_search(void **state)
{
    (void)state;
    put_bridge(number(0, 1, 0), 0);
    put_bridge(number(0, 2, 0), 5);
    put_bridge(number(5, 0, 0), 5);
    put_bridge(number(5, 1, 0), 2);
    put_bridge(number(5, 2, 0), 200);
    assert_not_found();
}

static void test_a_bus_full_of_bridges_to_everywhere(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < FUNCTIONS; i++) {
        put_bridge((uint16_t)i, i % 256);
        functions[i].words[PCI_HEADER / 4] |= PCI_HEADER_MANY << 16;
    }
    assert_not_found();
}

static void assert_bar(uint32_t low, uint32_t high, bool is_ports, uint64_t address)
{
    struct pci_bar bar;
    uint32_t *words = put(0, SERIAL_16550, 0);

    words[4] = low;
    words[5] = high;
    assert_true(pci_bar_read(fake_read, (struct pci_function){0}, 0, &bar));
    assert_int_equal(bar.is_ports, is_ports);
    assert_int_equal(bar.address, address);
}

static void test_base_address_registers(void **state)
{
    static const uint32_t unset[] = {0, 1, 2, 4, 8, 0xffffffff};

    (void)state;
    assert_bar(0xc001, 0x12345678, true, 0xc000);
    assert_bar(0xfebf1000, 0x12345678, false, 0xfebf1000);
    assert_bar(0xfebf1008, 0x12345678, false, 0xfebf1000);
    assert_bar(0xfebf100c, 0x12, false, 0x12febf1000);
    assert_bar(0x00000004, 0x1, false, 0x100000000);
    for (size_t i = 0; i < sizeof(unset) / sizeof(unset[0]); i++) {
        struct pci_bar bar;

        put(0, SERIAL_16550, 0)[4] = unset[i];
        assert_false(pci_bar_read(fake_read, (struct pci_function){0}, 0, &bar));
    }
    put(0, SERIAL_16550, 0)[9] = 0xe001;
    struct pci_bar last;

    assert_true(pci_bar_read(fake_read, (struct pci_function){0}, 5, &last));
    assert_int_equal(last.address, 0xe000);
}

/* --- the highest bus ---------------------------------------------------------------------------------------------- */

static void put_bridge_to(uint16_t at, unsigned int secondary, unsigned int last)
{
    put(at, 0x06040000, PCI_HEADER_BRIDGE)[PCI_BRIDGE_BUSES / 4] = last << 16 | secondary << 8;
}

static void test_the_highest_bus_without_pci_is_0(void **state)
{
    (void)state;
    assert_int_equal(pci_highest_bus(fake_read), 0);
    assert_in_range(reads, 0, READS_AT_MOST);
}

static void test_the_highest_bus_with_a_device(void **state)
{
    (void)state;
    put(number(0, 3, 0), NETWORK, 0);
    assert_int_equal(pci_highest_bus(fake_read), 0);
    /* That no bridge leads to it, as on machines with several host bridges, does not matter. */
    put(number(0x80, 31, 0), NETWORK, 0);
    assert_int_equal(pci_highest_bus(fake_read), 0x80);
    put(number(0xff, 31, 0), NETWORK, PCI_HEADER_MANY);
    assert_int_equal(pci_highest_bus(fake_read), 0xff);
}

static void test_buses_that_bridges_keep_count(void **state)
{
    (void)state;
    put_bridge_to(number(0, 1, 0), 1, 4);
    assert_int_equal(pci_highest_bus(fake_read), 4);
    put(number(0, 2, 0), NETWORK, PCI_HEADER_MANY);
    put_bridge_to(number(0, 2, 7), 5, 9);
    assert_int_equal(pci_highest_bus(fake_read), 9);
    put_bridge_to(number(0, 3, 0), 0, 0);
    assert_int_equal(pci_highest_bus(fake_read), 9);
}

static void test_functions_that_are_not_there_keep_no_bus(void **state)
{
    (void)state;
    put(number(0, 2, 0), NETWORK, 0);
    put_bridge_to(number(0, 2, 1), 5, 9);
    assert_int_equal(pci_highest_bus(fake_read), 0);
    put(number(0, 2, 0), NETWORK, PCI_HEADER_MANY);
    functions[number(0, 2, 1)].words[0] = PCI_NOTHING_THERE;
    assert_int_equal(pci_highest_bus(fake_read), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_machine_without_pci, no_functions),
        cmocka_unit_test_setup(test_the_first_card_is_taken, no_functions),
        cmocka_unit_test_setup(test_any_interface_and_revision_of_the_class, no_functions),
        cmocka_unit_test_setup(test_other_functions_only_of_devices_that_have_them, no_functions),
        cmocka_unit_test_setup(test_behind_bridges, no_functions),
        cmocka_unit_test_setup(test_a_bus_that_no_bridge_leads_to_is_not_looked_at, no_functions),
        cmocka_unit_test_setup(test_bridges_that_lead_back_or_nowhere_end_the_search, no_functions),
        cmocka_unit_test_setup(test_a_bus_full_of_bridges_to_everywhere, no_functions),
        cmocka_unit_test_setup(test_base_address_registers, no_functions),
        cmocka_unit_test_setup(test_the_highest_bus_without_pci_is_0, no_functions),
        cmocka_unit_test_setup(test_the_highest_bus_with_a_device, no_functions),
        cmocka_unit_test_setup(test_buses_that_bridges_keep_count, no_functions),
        cmocka_unit_test_setup(test_functions_that_are_not_there_keep_no_bus, no_functions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
