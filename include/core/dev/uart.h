/*
 * Any 16550, polled. Source: PC16550D data sheet, section 8.
 */
#ifndef DEV_UART_H
#define DEV_UART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serial.h"

/* Writer: the functions below. */
struct uart {
    struct serial_place place;
    bool answers;
    uint32_t burst_bytes; /* what it takes once it is empty: 1, or its FIFO */
    uint32_t room_bytes;  /* how many of these are left for sure */
    uint64_t wait_reads;  /* how often its status is read before it is given up */
};

/*
 * Set it up for sending.
 *
 * @line    at a place that is not SERIAL_ON_PCI; memory is mapped
 * @return  false when there is nothing
 */
bool uart_start(struct uart *uart, const struct serial_line *line);

/*
 * Send text; line ends become CR LF. Waits no longer than the line rate demands; a device that does not get ready in
 * several times that is never asked again.
 */
void uart_send(struct uart *uart, const char *text, size_t bytes);

/* Wait until the last bit is on the line, no longer than for room. */
void uart_drain(const struct uart *uart);

/* COM1 by its default, for who cannot know more: before the command line is known. */
bool com1_start(void);
void com1_send(const char *text, size_t bytes);

#endif
