/*
 * Any bytes as an EFI memory map, behind one byte for the descriptor size; and what memmap and the
 * zero page then make of it.
 */
#include "sound.h"

#include "abi/efi_memory.h"
#include "abi/linux_boot.h"
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

/* Something to keep, at places that inputs have descriptors at. */
static const struct prange kept[] = {
    {0x9f000, 0xa0000}, {0x100000, 0x101000}, {0x200000, 0x300000}};
#define KEPT (sizeof(kept) / sizeof(kept[0]))

/* What is given away as memory is not kept. */
static void require_apart(uint32_t type, uint32_t reserved, uint64_t start, uint64_t end)
{
    for (size_t i = 0; i < KEPT; i++) {
        require(type == reserved || !prange_overlaps(kept[i], (struct prange){start, end}));
    }
}

static void require_kept(const uint8_t *block)
{
    const struct boot_params *params = (const struct boot_params *)block;
    const uint8_t *efi_map = block + params->efi_info.efi_memmap;

    for (unsigned int i = 0; i < params->e820_entries; i++) {
        const struct e820_entry *entry = &params->e820_table[i];

        require_apart(entry->type, E820_TYPE_RESERVED, entry->addr, entry->addr + entry->size);
    }
    for (uint32_t at = 0; at < params->efi_info.efi_memmap_size;
         at += params->efi_info.efi_memdesc_size) {
        struct efi_memory_descriptor descriptor;
        uint64_t most;

        memcpy(&descriptor, efi_map + at, sizeof(descriptor));
        most = (UINT64_MAX - descriptor.physical_start) / EFI_PAGE_BYTES;
        most = descriptor.pages < most ? descriptor.pages : most;
        require_apart(descriptor.type, EFI_TYPE_RESERVED, descriptor.physical_start,
                      descriptor.physical_start + most * EFI_PAGE_BYTES);
    }
}

static void require_zero_page(const struct memmap *map, struct busy_list list)
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
        .kept = list,
        .framebuffer = &info.framebuffer,
        .efi = &info.efi,
    };
    uint64_t bytes = zeropage_bytes(&request);
    uint8_t *block = malloc(bytes);

    require(block && zeropage_e820_entries(map, list) <= map->count + 2 * list.count);
    zeropage_build(&request, block, bytes);
    if (list.count != 0) {
        require_kept(block);
    }
    require(strcmp((const char *)block + bytes - sizeof("console=ttyS0"), "console=ttyS0") == 0);
    free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
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
    if (is_ok(memmap_build(&info, PHYSICAL_BITS, &map))) {
        require(map.repairs.unknown == 0);
        require_zero_page(&map, (struct busy_list){NULL, 0});
        require_zero_page(&map, (struct busy_list){kept, KEPT});
    }
    return 0;
}
