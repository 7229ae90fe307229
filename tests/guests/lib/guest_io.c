/*
 * Text on COM1 and leaving QEMU.
 * Source: PC16550D data sheet, section 8 (registers).
 */
#include "guest_io.h"

#define COM1          0x3f8
#define UART_DATA     (COM1 + 0)
#define UART_DIVISOR  (COM1 + 0) /* low and high byte, while LCR.DLAB is set */
#define UART_IER      (COM1 + 1)
#define UART_FCR      (COM1 + 2)
#define UART_LCR      (COM1 + 3)
#define UART_MCR      (COM1 + 4)
#define UART_LSR      (COM1 + 5)
#define LCR_8N1       0x03
#define LCR_DLAB      0x80
#define FCR_ENABLE    0x01
#define MCR_DTR_RTS   0x03
#define LSR_THR_EMPTY 0x20

#define EXIT_PORT  0xf4
#define WAIT_LIMIT 100000

void serial_open(void)
{
    outb(UART_IER, 0);
    outb(UART_LCR, LCR_DLAB | LCR_8N1);
    outb(UART_DIVISOR, 1);
    outb(UART_DIVISOR + 1, 0);
    outb(UART_LCR, LCR_8N1);
    outb(UART_FCR, FCR_ENABLE);
    outb(UART_MCR, MCR_DTR_RTS);
}

static void send(char c)
{
    for (int i = 0; i < WAIT_LIMIT && !(inb(UART_LSR) & LSR_THR_EMPTY); i++) {
    }
    outb(UART_DATA, (uint8_t)c);
}

void print_char(char c)
{
    if (c == '\n') {
        send('\r');
    }
    send(c);
}

void print(const char *text)
{
    for (; *text != '\0'; text++) {
        print_char(*text);
    }
}

void print_hex(uint64_t value)
{
    int shift = 60;

    print("0x");
    while (shift > 0 && ((value >> shift) & 0xf) == 0) {
        shift -= 4;
    }
    for (; shift >= 0; shift -= 4) {
        unsigned int digit = (unsigned int)(value >> shift) & 0xf;

        print_char((char)(digit < 10 ? '0' + digit : 'a' + digit - 10));
    }
}

/* Long division by ten, bit by bit: 32-bit code has no 64-bit divide without the compiler's
 * library. */
static uint64_t divide_by_ten(uint64_t value, unsigned int *remainder)
{
    uint64_t quotient = 0;
    unsigned int rest = 0;

    for (int bit = 63; bit >= 0; bit--) {
        rest = (rest << 1) | ((unsigned int)(value >> bit) & 1);
        quotient <<= 1;
        if (rest >= 10) {
            rest -= 10;
            quotient |= 1;
        }
    }
    *remainder = rest;
    return quotient;
}

void print_decimal(uint64_t value)
{
    char digits[20]; /* 2^64 has twenty */
    int count = 0;

    do {
        unsigned int digit;

        value = divide_by_ten(value, &digit);
        digits[count++] = (char)('0' + digit);
    } while (value != 0);
    while (count > 0) {
        print_char(digits[--count]);
    }
}

void leave(uint32_t verdict)
{
    outl(EXIT_PORT, verdict);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}
