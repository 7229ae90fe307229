/*
 * A 16550 behind I/O ports or in memory, polled. Its status is asked once for each FIFO full of bytes.
 * Runs in the EFI stage, too: no pointer that depends on where the image is.
 */
#include "uart.h"

#include "compiler.h"
#include "instructions.h"
#include "physmap.h"
#include "x86/ports.h"

static struct uart com1;

static uint64_t register_address(const struct uart *uart, unsigned int which)
{
    return uart->place.address + (uint64_t)which * uart->place.stride_bytes;
}

static uint8_t register_read(const struct uart *uart, unsigned int which)
{
    const uint64_t address = register_address(uart, which);
    const volatile void *memory;

    if (uart->place.space == SERIAL_IN_PORTS) {
        return port_read8((uint16_t)address);
    }
    memory = physmap_device((paddr_t){address});
    if (uart->place.access_bytes == sizeof(uint32_t)) {
        return (uint8_t) * (const volatile uint32_t *)memory;
    }
    if (uart->place.access_bytes == sizeof(uint16_t)) {
        return (uint8_t) * (const volatile uint16_t *)memory;
    }
    return *(const volatile uint8_t *)memory;
}

static void register_write(const struct uart *uart, unsigned int which, uint8_t value)
{
    const uint64_t address = register_address(uart, which);

    if (uart->place.space == SERIAL_IN_PORTS) {
        port_write8((uint16_t)address, value);
    } else if (uart->place.access_bytes == sizeof(uint32_t)) {
        *(volatile uint32_t *)physmap_device((paddr_t){address}) = value;
    } else if (uart->place.access_bytes == sizeof(uint16_t)) {
        *(volatile uint16_t *)physmap_device((paddr_t){address}) = value;
    } else {
        *(volatile uint8_t *)physmap_device((paddr_t){address}) = value;
    }
}

/*
 * An absent device reads as all ones, or as zeros; the line status of a 16550 never does the one, because its top bits
 * are errors, and its line control, which keeps what is written, not the other. The line's format stays as it is.
 */
static bool is_there(const struct uart *uart)
{
    const uint8_t control = register_read(uart, UART_LINE_CONTROL);
    uint8_t kept;

    if (register_read(uart, UART_LINE_STATUS) == UART_ABSENT) {
        return false;
    }
    register_write(uart, UART_LINE_CONTROL, control | UART_LATCH_OPEN);
    kept = register_read(uart, UART_LINE_CONTROL);
    register_write(uart, UART_LINE_CONTROL, control & ~(UART_LATCH_OPEN | UART_BREAK));
    return (kept & UART_LATCH_OPEN) != 0;
}

static void speed_set(const struct uart *uart, const struct serial_line *line)
{
    register_write(uart, UART_LINE_CONTROL, UART_LATCH_OPEN);
    register_write(uart, UART_DIVISOR_LOW, (uint8_t)line->divisor);
    register_write(uart, UART_DIVISOR_HIGH, (uint8_t)(line->divisor >> 8));
    register_write(uart, UART_LINE_CONTROL, line->line_control);
}

bool uart_start(struct uart *uart, const struct serial_line *line)
{
    *uart = (struct uart){
        .place = line->place,
        .burst_bytes = 1,
        .wait_reads = UART_WAIT_READS * (1ULL + UART_QUICK_BAUD / line->baud),
    };
    uart->answers = is_there(uart);
    if (!uart->answers) {
        return false;
    }
    if (line->divisor != 0) {
        speed_set(uart, line);
    }
    register_write(uart, UART_INTERRUPTS, 0);
    register_write(uart, UART_FIFO, UART_FIFO_ON);
    register_write(uart, UART_MODEM_CONTROL, UART_DTR_RTS);
    if ((register_read(uart, UART_IDENTITY) & UART_FIFO_WORKS) == UART_FIFO_WORKS) {
        uart->burst_bytes = UART_FIFO_BYTES;
    }
    return true;
}

static bool status_wait(const struct uart *uart, uint8_t bit)
{
    for (uint64_t reads = 0; reads < uart->wait_reads; reads++) {
        if ((register_read(uart, UART_LINE_STATUS) & bit) != 0) {
            return true;
        }
    }
    return false;
}

void uart_drain(const struct uart *uart)
{
    if (uart->answers) {
        status_wait(uart, UART_ALL_SENT);
    }
}

static void byte_send(struct uart *uart, char byte)
{
    if (uart->room_bytes == 0) {
        if (!status_wait(uart, UART_CAN_SEND)) {
            uart->answers = false;
            return;
        }
        uart->room_bytes = uart->burst_bytes;
    }
    uart->room_bytes--;
    register_write(uart, UART_DATA, (uint8_t)byte);
}

void uart_send(struct uart *uart, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes && uart->answers; i++) {
        if (text[i] == '\n') {
            byte_send(uart, '\r');
        }
        if (uart->answers) {
            byte_send(uart, text[i]);
        }
    }
}

INIT bool com1_start(void)
{
    const struct serial_line line = serial_default(COM1_PORT);

    return uart_start(&com1, &line);
}

void com1_send(const char *text, size_t bytes)
{
    uart_send(&com1, text, bytes);
}
