/*
 * Any bytes as an EFI memory map, behind one byte for the descriptor size; and what memmap and the
 * zero page then make of it.
 */
#include "sound.h"

#include "efi_handoff.h"
#include "memmap.h"
#include "zeropage.h"

#define PHYSICAL_BITS 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct efi_handoff handoff;
static struct boot_info info;

static void require_ranges(void)
{
    for (uint32_t i = 0; i < info.range_count; i++) {
        switch (info.ranges[i].type) {
        case MEMORY_RAM:
        case MEMORY_BOOT_SERVICES:
        case MEMORY_RESERVED:
        case MEMORY_ACPI_RECLAIM:
        case MEMORY_ACPI_NVS:
        case MEMORY_UNUSABLE:
        case MEMORY_PERSISTENT:
            break;
        default:
            abort();
        }
    }
}

static void require_zero_page(const struct memmap *map)
{
    const char kernel_file[4096] = {0};
    const struct bzimage kernel = {
        .protocol = 0x20f, .header_bytes = 0x7b, .cmdline_bytes = 2047, .efi_32 = true};
    const struct zeropage_request request = {
        .kernel_file = kernel_file,
        .kernel_file_bytes = sizeof(kernel_file),
        .kernel = &kernel,
        .cmdline = "console=ttyS0",
        .map = map,
        .framebuffer = &info.framebuffer,
        .efi = &info.efi,
    };
    uint64_t bytes = zeropage_bytes(&request);
    uint8_t *block = malloc(bytes);

    require(block && zeropage_e820_entries(map) <= map->count);
    zeropage_build(&request, block, bytes);
    require(strcmp((const char *)block + bytes - sizeof("console=ttyS0"), "console=ttyS0") == 0);
    free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct memmap_scratch scratch;
    static struct memmap map;

    if (size == 0) {
        return 0;
    }
    handoff.map_descriptor_bytes = data[0];
    handoff.map_bytes = (uint32_t)(size - 1);
    handoff.strings_used = 1;
    handoff.system_table_pa = 0x1000;
    memcpy(handoff.map, data + 1, size - 1 < sizeof(handoff.map) ? size - 1 : sizeof(handoff.map));
    memset(&info, 0xa5, sizeof(info));
    struct status status = efi_handoff_decode(&handoff, &info);

    if (!is_ok(status)) {
        require(status.code == INFO_BAD_ENTRY_SIZE || status.code == INFO_BAD_TAG_SIZE ||
                status.code == INFO_TOO_MANY_RANGES);
        return 0;
    }
    require_sound(&info);
    require_ranges();
    require(info.range_count <= info.efi.map_bytes / info.efi.map_descriptor_bytes);
    if (is_ok(memmap_build(&info, PHYSICAL_BITS, &scratch, &map))) {
        require(map.repairs.unknown == 0);
        require_zero_page(&map);
    }
    return 0;
}
