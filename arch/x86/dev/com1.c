/*
 * A 16550 on COM1, polled. Source: PC16550D data sheet, section 8.
 */
#include "console.h"

#include "instructions.h"
#include "x86/ports.h"

static bool answers;

bool com1_start(uint32_t baud)
{
    const uint32_t divisor = UART_BAUD_BASE / baud;

    /* An absent device reads as all ones; a 16550 never does so in its line status, whose top bits
     * are errors. */
    answers = port_read8(COM1_PORT + UART_LINE_STATUS) != UART_ABSENT;
    if (!answers) {
        return false;
    }
    port_write8(COM1_PORT + UART_LINE_CONTROL, UART_LATCH_OPEN);
    port_write8(COM1_PORT + UART_DIVISOR_LOW, (uint8_t)divisor);
    port_write8(COM1_PORT + UART_DIVISOR_HIGH, (uint8_t)(divisor >> 8));
    port_write8(COM1_PORT + UART_LINE_CONTROL, UART_8N1);
    port_write8(COM1_PORT + UART_INTERRUPTS, 0);
    port_write8(COM1_PORT + UART_FIFO, UART_FIFO_ON);
    port_write8(COM1_PORT + UART_MODEM_CONTROL, UART_DTR_RTS);
    return true;
}

static void byte_send(char byte)
{
    for (uint32_t reads = 0; (port_read8(COM1_PORT + UART_LINE_STATUS) & UART_CAN_SEND) == 0;
         reads++) {
        if (reads == UART_WAIT_READS) {
            answers = false;
            return;
        }
    }
    port_write8(COM1_PORT + UART_DATA, (uint8_t)byte);
}

void com1_send(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes && answers; i++) {
        if (text[i] == '\n') {
            byte_send('\r');
        }
        byte_send(text[i]);
    }
}
