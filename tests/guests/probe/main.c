/* The probe guest: reads an order on COM1, does it, says what came of it; and so on until it is
 * told to leave. */
#include "guest_io.h"
#include "probe.h"

#define UART_DATA   0x3f8
#define UART_STATUS 0x3fd
#define DATA_READY  0x01
#define LINE_MOST   256

/* Offsets in struct boot_params: Linux Documentation/arch/x86/zero-page.rst. */
#define E820_COUNT 0x1e8
#define E820_TABLE 0x2d0
#define E820_BYTES 20

struct fault last_fault;
uint8_t buffer[2 * PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));

static void read_line(char line[LINE_MOST])
{
    unsigned int count = 0;

    for (;;) {
        char c;

        while (!(inb(UART_STATUS) & DATA_READY)) {
            __asm__ volatile("pause");
        }
        c = (char)inb(UART_DATA);
        if (c == '\n') {
            line[count] = '\0';
            return;
        }
        if (count < LINE_MOST - 1) {
            line[count++] = c;
        }
    }
}

bool word(const char **line, const char *text)
{
    const char *at = *line;

    while (*text != '\0') {
        if (*at++ != *text++) {
            return false;
        }
    }
    if (*at != '\0' && *at != ' ') {
        return false;
    }
    *line = *at == ' ' ? at + 1 : at;
    return true;
}

static unsigned int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return (unsigned int)(c - '0');
    }
    return c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a') + 10 : 16;
}

uint64_t number(const char **line)
{
    uint64_t value = 0;
    unsigned int base = 10;
    const char *at = *line;

    if (at[0] == '0' && at[1] == 'x') {
        base = 16;
        at += 2;
    }
    for (; digit(*at) < base; at++) {
        value = value * base + digit(*at);
    }
    *line = *at == ' ' ? at + 1 : at;
    return value;
}

void say(const char *name)
{
    print("= ");
    print(name);
}

void end(void)
{
    print("\n");
}

void say_number(const char *name, uint64_t value)
{
    print(" ");
    print(name);
    print(" ");
    print_hex(value);
}

void say_outcome(bool done)
{
    if (done) {
        print(" done");
        return;
    }
    print(" fault ");
    print_decimal(last_fault.vector);
    print(" error ");
    print_hex(last_fault.error);
}

static void say_map(const uint8_t *zero_page)
{
    for (unsigned int i = 0; i < zero_page[E820_COUNT]; i++) {
        const uint8_t *entry = zero_page + E820_TABLE + i * E820_BYTES;
        uint64_t start, bytes;
        uint32_t type;

        __builtin_memcpy(&start, entry, sizeof(start));
        __builtin_memcpy(&bytes, entry + 8, sizeof(bytes));
        __builtin_memcpy(&type, entry + 16, sizeof(type));
        say("e820");
        say_number("start", start);
        say_number("bytes", bytes);
        say_number("type", type);
        end();
    }
}

static bool own_order(const char *line, const uint8_t *zero_page)
{
    if (word(&line, "map")) {
        say_map(zero_page);
    } else if (word(&line, "places")) {
        say("places");
        say_number("buffer", (uintptr_t)buffer);
        end();
    } else if (word(&line, "put")) {
        for (unsigned int i = 0; i < LINE_MOST && *line != '\0'; i++) {
            buffer[i] = (uint8_t)*line++;
        }
    } else if (word(&line, "dump")) {
        uint64_t count = number(&line);

        for (uint64_t i = 0; i < count && i < sizeof(buffer) / 8; i++) {
            say("quad");
            say_number("value", ((const uint64_t *)buffer)[i]);
            end();
        }
    } else if (word(&line, "leave")) {
        leave(VERDICT_PASS);
    } else {
        return false;
    }
    return true;
}

void unexpected(void)
{
    say("unexpected");
    say_outcome(false);
    say_number("rip", last_fault.rip);
    say_number("address", last_fault.address);
    end();
    leave(VERDICT_FAIL);
}

void probe_main(const uint8_t *zero_page)
{
    char line[LINE_MOST];

    serial_open();
    own_state();
    print("\nREADY\n");
    for (unsigned int done = 1;; done++) {
        read_line(line);
        if (!own_order(line, zero_page) && !instruction_order(line) && !memory_order(line) &&
            !processor_order(line) && !device_order(line)) {
            say("no such order\n");
        }
        print("DONE ");
        print_decimal(done);
        print("\n");
    }
}
