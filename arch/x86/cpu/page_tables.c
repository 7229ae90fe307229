/*
 * What the final page tables map, and the switches between them and the boot tables.
 */
#include "page_tables.h"

#include "compiler.h"

#include <stddef.h>

#include "image.h"
#include "instructions.h"
#include "paging.h"
#include "physmap.h"
#include "processors.h"
#include "stacks.h"
#include "x86/address_map.h"
#include "x86/paging.h"
#include "x86/ports.h"

extern const uint8_t _start[], __text_start[], __rodata_start[], __data_start[], __stacks_start[];
extern const uint64_t boot_page_table_l4[];

static struct page_pool pool;
static uint32_t pages_before_lending;
static uint64_t ram_mapped_below;
static paddr_t image_mapped; /* while the final tables are in force */

INIT uint64_t page_tables_bytes(const struct memmap *map, const struct cpu_caps *caps,
                                uint64_t ram_below, uint32_t devices, uint32_t processors)
{
    const struct prange high = {ram_below, UINT64_MAX};
    uint64_t pages = paging_pages_for_ram(map, ram_below, caps->has_1gib_pages);

    pages += PAGING_PAGES_FOR_SMALL; /* the image */
    pages += PAGING_PAGES_FOR_SMALL; /* the screen */
    pages += (uint64_t)devices * PAGING_PAGES_FOR_1_GIB;
    pages += PAGING_PAGES_FOR_SMALL; /* the local APIC */
    pages += PAGING_PAGES_FOR_SMALL; /* the HPET */
    pages += PAGING_PAGES_FOR_SMALL; /* the page that is lent */
    pages += processors > 1 ? stacks_pages_for_areas(processors) : 0;
    if (memmap_touches_ram(map, high)) {
        pages += PAGING_PAGES_FOR_4_GIB; /* page_tables_add */
    }
    return pages * PAGE_BYTES;
}

static INIT struct page_mapping part(paddr_t image, const uint8_t *start, const uint8_t *end,
                                     uint64_t rights)
{
    return (struct page_mapping){
        .va = (uint64_t)start,
        .pa = image.pa + image_offset(start),
        .bytes = (uint64_t)(end - start),
        .rights = rights,
    };
}

/* The stacks come last, each of them apart: the guard pages between them are what is not mapped. */
static INIT bool image_map(paddr_t image)
{
    const struct page_mapping parts[] = {
        part(image, _start, __text_start, PTE_CONSTANTS),
        part(image, __text_start, __rodata_start, PTE_CODE),
        part(image, __rodata_start, __data_start, PTE_CONSTANTS),
        part(image, __data_start, __stacks_start, PTE_DATA),
    };
    bool fits = true;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        fits = fits && paging_map(&pool, parts[i]);
    }
    for (unsigned int number = 0; number < STACK_COUNT; number++) {
        const struct stack stack = first_processor.stacks[number];

        fits = fits && paging_map(&pool, part(image, (const uint8_t *)stack.start,
                                              (const uint8_t *)stack.top, PTE_DATA));
    }
    return fits;
}

/* The screen, which is device memory, unless the map says that it is RAM. */
static INIT bool screen_map(const struct memmap *map)
{
    const struct prange screen = {VGA_TEXT_PA, VGA_TEXT_PA + PAGE_BYTES};

    return memmap_touches_ram(map, screen) ||
           paging_map(&pool, (struct page_mapping){DIRECT_MAP_START + screen.start, screen.start,
                                                   prange_bytes(screen), PTE_DATA + PTE_UNCACHED});
}

static INIT bool devices_map(struct device_list list, bool combines_writes)
{
    bool fits = true;

    for (uint32_t i = 0; i < list.count; i++) {
        const struct prange bytes = list.devices[i].bytes;
        const uint64_t type =
            list.devices[i].combines && combines_writes ? PTE_WRITE_COMBINING : PTE_UNCACHED;

        fits = fits &&
               paging_map(&pool, (struct page_mapping){DIRECT_MAP_START + bytes.start, bytes.start,
                                                       prange_bytes(bytes), PTE_DATA + type});
    }
    return fits;
}

INIT bool page_tables_build(const struct memmap *map, const struct cpu_caps *caps,
                            uint64_t ram_below, paddr_t image, struct device_list devices,
                            struct prange room)
{
    pool = (struct page_pool){
        .tables = physmap_low((paddr_t){room.start}),
        .pa = room.start,
        .capacity_pages = (uint32_t)(prange_bytes(room) / PAGE_BYTES),
        .has_1gib_pages = caps->has_1gib_pages,
        .has_nx = caps->has_nx,
    };

    paging_start(&pool);
    if (!image_map(image) || !screen_map(map) || !devices_map(devices, caps->combines_writes) ||
        !paging_map_ram(&pool, map, ram_below, DIRECT_MAP_START, PTE_DATA)) {
        return false;
    }
    ram_mapped_below = ram_below;
    image_mapped = image;
    page_tables_use(room.start);
    return true;
}

bool page_tables_add(struct prange range)
{
    const uint64_t start =
        range.start < ram_mapped_below ? ram_mapped_below : align_down(range.start, PAGE_BYTES);
    const uint64_t end = align_up(range.end, PAGE_BYTES);

    return end <= start || paging_map(&pool, (struct page_mapping){DIRECT_MAP_START + start, start,
                                                                   end - start, PTE_DATA});
}

bool page_tables_add_device(paddr_t page)
{
    return page.pa < IDENTITY_MAP_BYTES &&
           paging_map(&pool, (struct page_mapping){DIRECT_MAP_START + page.pa, page.pa, PAGE_BYTES,
                                                   PTE_DATA + PTE_UNCACHED});
}

bool page_tables_add_areas(paddr_t areas, uint32_t count)
{
    return stacks_map_areas(&pool, PROCESSOR_AREAS_START, areas.pa, count);
}

/* Below 1 MiB nothing else is mapped at its own address: the page has the top table's first entry to itself. */
void page_tables_lend(paddr_t page)
{
    pages_before_lending = pool.used_pages;
    paging_map(&pool, (struct page_mapping){page.pa, page.pa, PAGE_BYTES, PTE_CODE - PTE_GLOBAL});
}

void page_tables_take_back(void)
{
    pool.tables[0] = 0;
    pool.used_pages = pages_before_lending;
    page_tables_use(page_tables_in_use());
}

bool page_tables_remove(const void *start, const void *end)
{
    const uint64_t va = (uint64_t)start;

    const bool was_mapped = paging_unmap(&pool, va, (uint64_t)end - va);

    translations_forget();
    return was_mapped;
}

paddr_t page_tables_retreat(void)
{
    if (image_mapped.pa != 0) {
        page_tables_use_boot(image_mapped);
    }
    return (paddr_t){page_tables_in_use() - image_offset(boot_page_table_l4)};
}

void page_tables_use_boot(paddr_t image)
{
    image_mapped.pa = 0;
    page_tables_use(image.pa + image_offset(boot_page_table_l4));
}
