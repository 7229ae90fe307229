/*
 * A 16550 behind I/O ports or in memory, polled. Its status is asked once for each FIFO full of bytes.
 * Runs in the EFI stage, too: no pointer that depends on where the image is.
 */
#include "uart.h"

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

    if (uart->place.space == SERIAL_IN_PORTS) {
        return port_read8((uint16_t)address);
    }
    if (uart->place.stride_bytes == sizeof(uint32_t)) {
        return (uint8_t) * (volatile uint32_t *)physmap_device((paddr_t){address});
    }
    return *(volatile uint8_t *)physmap_device((paddr_t){address});
}

static void register_write(const struct uart *uart, unsigned int which, uint8_t value)
{
    const uint64_t address = register_address(uart, which);

    if (uart->place.space == SERIAL_IN_PORTS) {
        port_write8((uint16_t)address, value);
    } else if (uart->place.stride_bytes == sizeof(uint32_t)) {
        *(volatile uint32_t *)physmap_device((paddr_t){address}) = value;
    } else {
        *(volatile uint8_t *)physmap_device((paddr_t){address}) = value;
    }
}

bool uart_start(struct uart *uart, const struct serial_line *line)
{
    const uint32_t divisor = UART_BAUD_BASE / line->baud;

    *uart = (struct uart){
        .place = line->place,
        .burst_bytes = 1,
        .wait_reads = UART_WAIT_READS * (1ULL + UART_QUICK_BAUD / line->baud),
    };
    /* An absent device reads as all ones; a 16550 never does so in its line status, whose top bits
     * are errors. */
    uart->answers = register_read(uart, UART_LINE_STATUS) != UART_ABSENT;
    if (!uart->answers) {
        return false;
    }
    register_write(uart, UART_LINE_CONTROL, UART_LATCH_OPEN);
    register_write(uart, UART_DIVISOR_LOW, (uint8_t)divisor);
    register_write(uart, UART_DIVISOR_HIGH, (uint8_t)(divisor >> 8));
    register_write(uart, UART_LINE_CONTROL, line->line_control);
    register_write(uart, UART_INTERRUPTS, 0);
    register_write(uart, UART_FIFO, UART_FIFO_ON);
    register_write(uart, UART_MODEM_CONTROL, UART_DTR_RTS);
    if ((register_read(uart, UART_IDENTITY) & UART_FIFO_WORKS) == UART_FIFO_WORKS) {
        uart->burst_bytes = UART_FIFO_BYTES;
    }
    return true;
}

static bool room_wait(struct uart *uart)
{
    for (uint64_t reads = 0; reads < uart->wait_reads; reads++) {
        if ((register_read(uart, UART_LINE_STATUS) & UART_CAN_SEND) != 0) {
            uart->room_bytes = uart->burst_bytes;
            return true;
        }
    }
    return false;
}

static void byte_send(struct uart *uart, char byte)
{
    if (uart->room_bytes == 0 && !room_wait(uart)) {
        uart->answers = false;
        return;
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

void uart_drain(const struct uart *uart)
{
    for (uint64_t reads = 0; uart->answers && reads < uart->wait_reads; reads++) {
        if ((register_read(uart, UART_LINE_STATUS) & UART_ALL_SENT) != 0) {
            return;
        }
    }
}

bool com1_start(void)
{
    const struct serial_line line = serial_default(COM1_PORT);

    return uart_start(&com1, &line);
}

void com1_send(const char *text, size_t bytes)
{
    uart_send(&com1, text, bytes);
}
