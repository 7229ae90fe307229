/*
 * The consoles behind the log. Starting them installs the log's sink. A console that comes up late is given the log
 * from its beginning; one that does not answer, or faults, is not asked again.
 */
#ifndef DEV_CONSOLE_H
#define DEV_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "acpi.h"
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

/*
 * ACPI's tables are read: start the console on the serial line that they name, if the options want it, and log why it
 * is not used if it cannot be. A line that is in use already is not started again, unless only ACPI knows its speed.
 *
 * @map  what is RAM
 */
void console_acpi(const struct acpi_info *acpi, const struct memmap *map);

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

/* The boot tables are about to come back: end these again. */
void console_retreat(void);

/* A guest is about to start that has the screens: only serial lines are consoles from now on. */
void console_leave_screens(void);

/* The machine is about to be reset or turned off: wait until serial lines have sent what they were given. */
void console_drain(void);

/*
 * A report begins; what was being shown is interrupted. Before console_start has started any console, COM1 and VGA text
 * are, as they are by default.
 */
void console_emergency(void);

/*
 * The report itself was interrupted by an exception: if a console was being given something, end it.
 *
 * @return  whether there was one
 */
bool console_blame(void);

/*
 * The VGA text screen, 80 by 25 at 0xb8000.
 *
 * @return  false when the machine has no VGA or it shows graphics
 */
bool vga_start(void);
void vga_send(const char *text, size_t bytes);

#endif
