/*
 * The boot page tables identity-map the low 4 GiB. What lies above is reached through a window of 1
 * GiB at the start of the direct map, whose one page directory is filled here on demand.
 */
#include "physmap.h"

#include "instructions.h"
#include "mem.h"
#include "x86/address_map.h"
#include "x86/paging.h"

extern uint64_t l2_window[PT_ENTRIES];

struct physical_view physmap_view(void)
{
    /* The first page is real memory, too: address 0 is an address here. */
    return (struct physical_view){.bytes = (const uint8_t *)0, .size = IDENTITY_MAP_BYTES};
}

void *physmap_low(paddr_t pa)
{
    return (void *)pa.pa;
}

/* Bring the gigabyte that holds `pa` into the window; returns where `pa` appears. */
static void *window_open(uint64_t pa)
{
    const uint64_t gigabyte = align_down(pa, L3_PAGE_BYTES);

    for (uint64_t slot = 0; slot < PT_ENTRIES; slot++) {
        l2_window[slot] = (gigabyte + slot * L2_PAGE_BYTES) | PTE_RWX | PTE_LARGE;
        page_invalidate((const void *)(DIRECT_MAP_START + slot * L2_PAGE_BYTES));
    }
    return (void *)(DIRECT_MAP_START + (pa - gigabyte));
}

void physmap_copy(paddr_t to, paddr_t from, uint64_t bytes)
{
    if (to.pa + bytes <= IDENTITY_MAP_BYTES && from.pa + bytes <= IDENTITY_MAP_BYTES) {
        memmove(physmap_low(to), physmap_low(from), bytes);
        return;
    }
    /* A part for each gigabyte of the target. */
    while (bytes > 0) {
        uint64_t part = L3_PAGE_BYTES - (to.pa & (L3_PAGE_BYTES - 1));

        part = part < bytes ? part : bytes;
        memmove(to.pa < IDENTITY_MAP_BYTES ? physmap_low(to) : window_open(to.pa),
                physmap_low(from), part);
        to.pa += part;
        from.pa += part;
        bytes -= part;
    }
}
