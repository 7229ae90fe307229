/*
 * What the loader called RAM, for who asks before there is a memory map, or at the end.
 */
#include "addr.h"
#include "boot_info.h"

/* A range of RAM that runs over the end of the address space reaches to its end. */
static bool ram_touches(uint64_t base, uint64_t length, struct prange range)
{
    const uint64_t end = length > UINT64_MAX - base ? UINT64_MAX : base + length;

    return prange_overlaps((struct prange){base, end}, range);
}

bool boot_info_touches_ram(const struct boot_info *info, struct prange range)
{
    for (uint32_t i = 0; i < info->range_count; i++) {
        const struct boot_range *ram = &info->ranges[i];

        if ((ram->type == MEMORY_RAM || ram->type == MEMORY_BOOT_SERVICES) &&
            ram_touches(ram->base, ram->length, range)) {
            return true;
        }
    }
    return !info->has_memory_map && info->has_basic_memory &&
           (ram_touches(0, KIB(info->memory_lower_kib), range) ||
            ram_touches(MIB(1), KIB(info->memory_upper_kib), range));
}
