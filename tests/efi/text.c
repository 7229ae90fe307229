/* Lines on COM1 by port access, so that no firmware service is needed; and memory functions. */
#include <stdarg.h>

#include "hostile.h"

#define COM1_DATA     0x3f8
#define COM1_STATUS   0x3fd
#define COM1_CAN_SEND 0x20
#define SEND_TRIES    1000000
#define DEBUG_EXIT    0xf4

static void port_write(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "d"(port));
}

static uint8_t port_read(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "d"(port));
    return value;
}

static void send(char c)
{
    for (unsigned int i = 0; i < SEND_TRIES && !(port_read(COM1_STATUS) & COM1_CAN_SEND); i++) {
    }
    port_write(COM1_DATA, (uint8_t)c);
}

static void send_text(const char *text)
{
    while (*text != '\0') {
        send(*text++);
    }
}

static void send_hexadecimal(uint64_t value)
{
    char digits[17];
    char *at = digits + sizeof(digits) - 1;

    *at = '\0';
    do {
        *--at = "0123456789abcdef"[value & 0xf];
        value >>= 4;
    } while (value != 0);
    send_text("0x");
    send_text(at);
}

static void send_decimal(uint32_t value)
{
    char digits[11];
    char *at = digits + sizeof(digits) - 1;

    *at = '\0';
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    send_text(at);
}

static void send_format(const char *format, va_list arguments)
{
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            send(*format);
            continue;
        }
        switch (*++format) {
        case 's':
            send_text(va_arg(arguments, const char *));
            break;
        case 'x':
            send_hexadecimal(va_arg(arguments, uint64_t));
            break;
        default:
            send_decimal((uint32_t)va_arg(arguments, uint64_t));
            break;
        }
    }
}

/* On a line of its own, whatever the firmware or the loader has left there. */
static void send_line(const char *begin, const char *format, va_list arguments)
{
    send_text("\r\n");
    send_text(begin);
    send_format(format, arguments);
    send_text("\r\n");
}

void say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    send_line("", format, arguments);
    va_end(arguments);
}

void violation(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    send_line("VIOLATION ", format, arguments);
    va_end(arguments);
    leave(LEAVE_VIOLATION);
}

void give_up(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    send_line("HOSTILE gives up: ", format, arguments);
    va_end(arguments);
    leave(LEAVE_GIVEN_UP);
}

void leave(uint8_t value)
{
    port_write(DEBUG_EXIT, value);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

void *memset(void *to, int value, size_t bytes)
{
    void *at = to;

    __asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(value) : "memory");
    return to;
}

void *memcpy(void *to, const void *from, size_t bytes)
{
    void *at = to;

    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(bytes) : : "memory");
    return to;
}
