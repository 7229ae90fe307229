/*
 * Any bytes as the loader's memory map: entries of base, length and type, 20 bytes each, behind one
 * byte for the limit and one for the CPU's physical bits.
 */
#include <stdlib.h>
#include <string.h>

#include "memmap.h"

#define ENTRY_BYTES 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Is there an entry of this type, or of one that counts as it, which covers the address? */
static bool is_covered(const struct boot_info *info, uint64_t address, enum memory_type type)
{
    for (uint32_t i = 0; i < info->range_count; i++) {
        const struct boot_range *range = &info->ranges[i];
        bool unknown = range->type == 0 ||
                       (range->type > MEMORY_PERSISTENT && range->type != MEMORY_BOOT_SERVICES);

        if ((range->type == type || (unknown && type == MEMORY_RESERVED)) &&
            address >= range->base && address - range->base < range->length) {
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct boot_info info;
    static struct memmap map;

    if (size < 2) {
        return 0;
    }
    unsigned int physical_bits = 32 + data[1] % 21;
    uint32_t limit = data[0] == 0 ? MEMMAP_RANGES_MAX : data[0];

    info.has_memory_map = true;
    info.range_count = 0;
    for (size_t at = 2; size - at >= ENTRY_BYTES && info.range_count < BOOT_RANGES_MAX;
         at += ENTRY_BYTES) {
        struct boot_range *range = &info.ranges[info.range_count++];

        memcpy(&range->base, data + at, 8);
        memcpy(&range->length, data + at + 8, 8);
        memcpy(&range->type, data + at + 16, 4);
    }
    struct status status = memmap_build_limited(&info, physical_bits, limit, &map);

    require(map.count <= limit);
    if (status.code == MEMMAP_FULL) {
        return 0;
    }
    require((memmap_ram_bytes(&map) != 0) == is_ok(status));
    for (uint32_t i = 0; i < map.count; i++) {
        const struct memory_range *range = &map.ranges[i];

        require(range->bytes.start < range->bytes.end);
        require((range->type != MEMORY_RAM && range->type != MEMORY_BOOT_SERVICES) ||
                range->bytes.end <= 1ULL << physical_bits);
        require(is_covered(&info, range->bytes.start, range->type));
        require(is_covered(&info, range->bytes.end - 1, range->type));
        require(i == 0 || range->bytes.start > range[-1].bytes.end ||
                (range->bytes.start == range[-1].bytes.end && range->type != range[-1].type));
    }
    return 0;
}
