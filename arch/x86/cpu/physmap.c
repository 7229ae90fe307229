/*
 * Physical memory at its place in the direct map, which the boot tables and the final ones have. The EFI
 * stage runs before either, under the firmware's tables, where memory is at its own address.
 */
#include "physmap.h"

#include "mem.h"
#include "x86/address_map.h"

static uint64_t direct_map;

void physmap_start(void)
{
    direct_map = DIRECT_MAP_START;
}

struct physical_view physmap_view(void)
{
    /* The first page is real memory, too: address 0 is an address here. */
    return (struct physical_view){.bytes = (const uint8_t *)direct_map, .size = IDENTITY_MAP_BYTES};
}

void *physmap_low(paddr_t pa)
{
    return (void *)(direct_map + pa.pa);
}

volatile void *physmap_device(paddr_t pa)
{
    return (volatile void *)(direct_map + pa.pa);
}

void physmap_copy(paddr_t to, paddr_t from, uint64_t bytes)
{
    memmove((void *)(direct_map + to.pa), (const void *)(direct_map + from.pa), bytes);
}
