/*
 * The consoles behind the log. Starting them installs the log's sink.
 */
#ifndef DEV_CONSOLE_H
#define DEV_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot_info.h"
#include "options.h"

/*
 * Start the consoles that the options name and the machine has.
 *
 * @framebuffer  what the loader says is on display on a PC BIOS: VGA text is used unless it names a graphics mode;
 *               NULL where there is no VGA text, under UEFI
 */
void console_start(const struct options *options, const struct boot_framebuffer *framebuffer);

/* For a report before console_start: COM1 and VGA text as they are by default. Nothing when they
 * are started. */
void console_emergency(void);

/*
 * A 16550 on COM1. Sending waits for the device only so long (UART_WAIT_READS); one that does not
 * answer in that time is never asked again. Line ends become CR LF.
 *
 * @return  false when there is none
 */
bool com1_start(uint32_t baud);
void com1_send(const char *text, size_t bytes);

/*
 * The VGA text screen, 80 by 25 at 0xb8000.
 *
 * @return  false when the machine has no VGA or it shows graphics
 */
bool vga_start(void);
void vga_send(const char *text, size_t bytes);

#endif
