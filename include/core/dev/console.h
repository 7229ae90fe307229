/*
 * The consoles behind the log. Starting them installs the log's sink. A console that comes up late is given the log
 * from its beginning; one that does not answer, or faults, is not asked again.
 */
#ifndef DEV_CONSOLE_H
#define DEV_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot_info.h"
#include "memmap.h"
#include "options.h"
#include "page_tables.h"

/*
 * Start the consoles that the options name and the machine has, as far as the boot tables map them.
 *
 * @info  where text and pixels are on display, and what is RAM; NULL when it could not be decoded: VGA text is tried
 */
void console_start(const struct options *options, const struct boot_info *info);

/* Log what is missing of the consoles that the options name. */
void console_report(void);

/*
 * The devices' memory that the final page tables are to map. A console whose memory turns out to be RAM, or beyond what
 * the processor can address, ends here.
 *
 * @return  whole pages that do not overlap, none of which holds RAM; valid until the next call
 */
struct device_list console_devices(const struct memmap *map, unsigned int physical_bits);

/* The final page tables are in force: start the consoles that only they map. */
void console_continue(void);

/* Wait, within bounds, until everything that was printed is out. */
void console_drain(void);

/* The boot tables are about to come back: end these again. */
void console_retreat(void);

/* For a report before console_start has started any: COM1 and VGA text as they are by default. */
void console_emergency(void);

/*
 * The VGA text screen, 80 by 25 at 0xb8000.
 *
 * @return  false when the machine has no VGA or it shows graphics
 */
bool vga_start(void);
void vga_send(const char *text, size_t bytes);

#endif
