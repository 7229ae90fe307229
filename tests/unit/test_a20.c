/* A20 stays on: every byte to the ports that have a say in it, and to their neighbours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "a20.h"

#define PORTS 0x10000

static void test_two_ports_are_looked_after(void **state)
{
    static uint8_t map[PORTS / 8];

    (void)state;
    memset(map, 0, sizeof(map));
    a20_ports(map);
    for (unsigned int port = 0; port < PORTS; port++) {
        assert_int_equal(map[port / 8] >> port % 8 & 1, port == 0x64 || port == 0x92);
    }
}

static void test_commands_of_the_keyboard_controller(void **state)
{
    (void)state;
    for (unsigned int command = 0; command <= 0xff; command++) {
        uint8_t value = (uint8_t)command;
        const bool passes = a20_passes(0x64, &value);

        assert_int_equal(passes, command != 0xd1 && command != 0xdd);
        /* 0xf0 to 0xff pull those of four lines low whose bits are 0: bit 1 is A20. 0xfe is a reset. */
        assert_int_equal(value, command >= 0xf0 ? command | 2 : command);
    }
}

static void test_the_system_control_port(void **state)
{
    (void)state;
    for (unsigned int byte = 0; byte <= 0xff; byte++) {
        uint8_t value = (uint8_t)byte;

        assert_true(a20_passes(0x92, &value));
        assert_int_equal(value, byte | 2);
    }
}

static void test_other_ports_get_what_is_sent(void **state)
{
    static const uint16_t others[] = {0x60, 0x63, 0x65, 0x91, 0x93, 0x3f8};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        uint8_t value = 0xdd;

        assert_true(a20_passes(others[i], &value));
        assert_int_equal(value, 0xdd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_ports_are_looked_after),
        cmocka_unit_test(test_commands_of_the_keyboard_controller),
        cmocka_unit_test(test_the_system_control_port),
        cmocka_unit_test(test_other_ports_get_what_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
