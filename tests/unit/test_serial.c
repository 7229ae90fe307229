/*
 * Serial lines as the command line describes them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "serial.h"

static struct serial_line line;

static void parse(const char *text)
{
    line = serial_default(0x3f8);
    assert_true(serial_parse(text, &line));
}

static void assert_refused(const char *text)
{
    const struct serial_line before = line = serial_default(0x2f8);

    assert_false(serial_parse(text, &line));
    assert_memory_equal(&before, &line, sizeof(line));
}

static void assert_place(enum serial_space space, uint64_t address, uint8_t stride)
{
    assert_int_equal(line.place.space, space);
    assert_int_equal(line.place.address, address);
    assert_int_equal(line.place.stride_bytes, stride);
    assert_int_equal(line.place.access_bytes, stride);
}

static void test_default(void **state)
{
    (void)state;
    line = serial_default(0x3e8);
    assert_int_equal(line.baud, 115200);
    assert_int_equal(line.divisor, 1);
    assert_int_equal(line.line_control, 0x03);
    assert_place(SERIAL_IN_PORTS, 0x3e8, 1);
}

static void test_what_is_not_told_is_the_default(void **state)
{
    (void)state;
    parse("9600");
    assert_int_equal(line.baud, 9600);
    assert_int_equal(line.divisor, 12);
    assert_int_equal(line.line_control, 0x03);
    assert_place(SERIAL_IN_PORTS, 0x3f8, 1);
    parse("2,7e2");
    assert_int_equal(line.baud, 2);
    assert_int_equal(line.divisor, 57600);
    assert_place(SERIAL_IN_PORTS, 0x3f8, 1);
}

/* PC16550D section 8.1: the line control register. */
static void test_every_format(void **state)
{
    static const char parities[] = "noems";
    static const uint8_t parity_bits[] = {0x00, 0x08, 0x18, 0x28, 0x38};
    char text[16];

    (void)state;
    for (unsigned int data = 0; data <= 9; data++) {
        for (unsigned int parity = 0; parity < 5; parity++) {
            for (unsigned int stop = 0; stop <= 9; stop++) {
                snprintf(text, sizeof(text), "115200,%u%c%u", data, parities[parity], stop);
                if (data != 7 && data != 8) {
                    assert_refused(text);
                } else if (stop != 1 && stop != 2) {
                    assert_refused(text);
                } else {
                    parse(text);
                    assert_int_equal(line.line_control,
                                     (data - 5) | parity_bits[parity] | (stop - 1) << 2);
                }
            }
        }
    }
}

static void test_places(void **state)
{
    (void)state;
    parse("115200,8n1,0x2f8");
    assert_place(SERIAL_IN_PORTS, 0x2f8, 1);
    parse("115200,8n1,0x0");
    assert_place(SERIAL_IN_PORTS, 0, 1);
    parse("115200,8n1,0xFff8");
    assert_place(SERIAL_IN_PORTS, 0xfff8, 1);
    parse("115200,8n1,0xfe034000");
    assert_place(SERIAL_IN_MEMORY, 0xfe034000, 4);
    parse("115200,8n1,0xfe034001/1");
    assert_place(SERIAL_IN_MEMORY, 0xfe034001, 1);
    parse("115200,8n1,0xffffffffff000");
    assert_place(SERIAL_IN_MEMORY, 0xffffffffff000, 4);
    parse("115200,8n1,pci");
    assert_int_equal(line.place.space, SERIAL_ON_PCI);
}

static void test_what_is_none_changes_nothing(void **state)
{
    static const char *const texts[] = {
        "",
        ",",
        "115200,",
        "115200,,",
        "115200,,0x2f8",
        "115200,8n",
        "115200,8n1,",
        "115200,8n1x",
        "115200,8x1",
        "115200,8N1",
        "115200,8n1,2f8",
        "115200,8n1,0x",
        "115200,8n1,0xg",
        "115200,8n1,0x2f8,",
        "115200,8n1,0x2f8 ",
        "115200,8n1,0x2f8/1",
        "115200,8n1,0xfff9",
        "115200,8n1,0xffff",
        "115200,8n1,0x10000",
        "115200,8n1,0xffffc",
        "115200,8n1,0xfe034002",
        "115200,8n1,0xfe034000/4",
        "115200,8n1,0xfe034000/",
        "115200,8n1,0xffffffffff001/1",
        "115200,8n1,0x10000000000002f8",
        "115200,8n1,0x100000000000002f8",
        "115200,8n1,pcix",
        "115200,8n1,pc",
        "115200,8n1,PCI",
        "115200,pci",
        "115201",
        "17",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_refused(texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_what_is_not_told_is_the_default),
        cmocka_unit_test(test_every_format),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_what_is_none_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
