/*
 * The final page tables: Berth's own image page by page with the rights that each section needs, without the guard
 * pages below its stacks, and the RAM below 4 GiB (all RAM, where Berth stays below a guest). No page is writable and
 * executable; nothing else is mapped but the VGA text screen, the consoles' device memory, the HPET and, where there
 * are other processors or a guest above, the local APIC and their stacks. (The boot tables map more, and come back for
 * the jump into a native kernel, which wants them.)
 */
#ifndef CPU_PAGE_TABLES_H
#define CPU_PAGE_TABLES_H

#include <stdbool.h>

#include "addr.h"
#include "caps.h"
#include "memmap.h"

struct device_memory {
    struct prange bytes; /* at most 1 GiB */
    bool
        combines; /* writes may come late and together, as to a framebuffer; else each comes as it is */
};

/* Device memory that they are to map: whole pages above 1 MiB, not overlapping, none of which holds RAM. */
struct device_list {
    const struct device_memory *devices;
    uint32_t count; /* at most PAGE_TABLES_DEVICES */
};
#define PAGE_TABLES_DEVICES 4

/*
 * How much memory they take at most: whole pages.
 *
 * @ram_below   how much of the RAM they are to map: IDENTITY_MAP_BYTES, or PHYSMAP_END
 * @devices     how many device_list names
 * @processors  how many ACPI names; where that is one, no other is started
 */
uint64_t page_tables_bytes(const struct memmap *map, const struct cpu_caps *caps,
                           uint64_t ram_below, uint32_t devices, uint32_t processors);

/*
 * Build them, and switch to them.
 *
 * @ram_below  as it was counted
 * @image      where Berth is
 * @devices    at their places in the direct map
 * @room       page_tables_bytes() of RAM below 4 GiB, page-aligned, which nobody else uses
 * @return     false when that is not enough: it was counted wrongly
 */
bool page_tables_build(const struct memmap *map, const struct cpu_caps *caps, uint64_t ram_below,
                       paddr_t image, struct device_list devices, struct prange room);

/*
 * Map memory above 4 GiB, too (of the range what lies there), at its place in the direct map, unless all RAM is mapped.
 * Once.
 *
 * @range   at most 4 GiB
 * @return  false when it is more
 */
bool page_tables_add(struct prange range);

/*
 * Map the page of a device, uncached, at its place in the direct map.
 *
 * @return  false when it lies above 4 GiB, or when something is mapped there
 */
bool page_tables_add_device(paddr_t page);

/*
 * Map the areas of other processors, from PROCESSOR_AREAS_START on, with a guard page below each stack.
 *
 * @areas   PROCESSOR_AREA_BYTES for each
 * @count   not more than were counted
 * @return  false when the tables do not fit: they were counted wrongly
 */
bool page_tables_add_areas(paddr_t areas, uint32_t count);

/*
 * Map one page of low memory at its own address, too, to be read and executed but not written, for processors that
 * switch to these tables there. One at a time.
 */
void page_tables_lend(paddr_t page);
/* The end of that. Other processors may remember it until they load these tables again. */
void page_tables_take_back(void);

/*
 * Take away the mapping of pages of the image; the calling processor forgets it.
 *
 * @start, @end  link addresses, multiples of 4 KiB, mapped until now
 * @return       false when a part was not mapped
 */
bool page_tables_remove(const void *start, const void *end);

/*
 * Be on the boot tables, which map the low 4 GiB with all that the firmware keeps there, at their own addresses, too:
 * the final ones end, if they are in force.
 *
 * @return  where the image is
 */
paddr_t page_tables_retreat(void);

/* Switch to the boot tables of an image at `image`: the low 4 GiB at their own addresses, writable and executable. */
void page_tables_use_boot(paddr_t image);

#endif
