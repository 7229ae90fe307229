/*
 * UEFI's memory map: kept as it came, for the kernel, and turned into typed ranges.
 */
#include "abi/efi_memory.h"
#include "boot_info.h"
#include "decode.h"
#include "efi_handoff.h"

#define DESCRIPTOR_ALIGN 8 /* strides are multiples of this: the fields are read as they lie */

struct status efi_map_keep(struct boot_info *out, uint32_t descriptor_bytes,
                           uint32_t descriptor_version, const uint8_t *map, size_t map_bytes)
{

    if (descriptor_bytes < sizeof(struct efi_memory_descriptor) ||
        descriptor_bytes % DESCRIPTOR_ALIGN != 0) {
        return status_at(INFO_BAD_ENTRY_SIZE, 0);
    }
    if (map_bytes % descriptor_bytes != 0) {
        return status_at(INFO_BAD_TAG_SIZE, 0);
    }
    if (map_bytes > BOOT_EFI_MAP_BYTES) {
        return status_at(INFO_TOO_MANY_RANGES, 0);
    }
    out->efi.map = map;
    out->efi.map_bytes = (uint32_t)map_bytes;
    out->efi.map_descriptor_bytes = descriptor_bytes;
    out->efi.map_descriptor_version = descriptor_version;
    return status_ok();
}

struct status efi_map_copy(struct boot_info *out, uint32_t descriptor_bytes,
                           uint32_t descriptor_version, struct cursor *bytes)
{
    const size_t map_bytes = cursor_left(bytes);
    struct status status;

    if (!out->efi.map_room) {
        return status_ok();
    }
    status = efi_map_keep(out, descriptor_bytes, descriptor_version, out->efi.map_room, map_bytes);
    if (is_ok(status)) {
        cursor_copy(bytes, out->efi.map_room, map_bytes);
    }
    return status;
}

static enum memory_type memory_type_of(const struct efi_memory_descriptor *descriptor)
{
    const uint64_t attributes = descriptor->attributes;
    const bool plain = (attributes & EFI_MEMORY_WB) != 0 && (attributes & EFI_MEMORY_SP) == 0;

    if ((attributes & EFI_MEMORY_RUNTIME) != 0) {
        return MEMORY_RESERVED;
    }
    switch (descriptor->type) {
    case EFI_TYPE_LOADER_CODE:
    case EFI_TYPE_LOADER_DATA:
    case EFI_TYPE_CONVENTIONAL:
        return plain ? MEMORY_RAM : MEMORY_RESERVED;
    case EFI_TYPE_BOOT_SERVICES_CODE:
    case EFI_TYPE_BOOT_SERVICES_DATA:
        return plain ? MEMORY_BOOT_SERVICES : MEMORY_RESERVED;
    case EFI_TYPE_ACPI_RECLAIM:
        return MEMORY_ACPI_RECLAIM;
    case EFI_TYPE_ACPI_NVS:
        return MEMORY_ACPI_NVS;
    case EFI_TYPE_UNUSABLE:
        return MEMORY_UNUSABLE;
    case EFI_TYPE_PERSISTENT:
        return MEMORY_PERSISTENT;
    default:
        return MEMORY_RESERVED;
    }
}

/* More pages than the address space has are too many to count in bytes: as far as bytes go. */
static uint64_t length_of(const struct efi_memory_descriptor *descriptor)
{
    return descriptor->pages > UINT64_MAX / EFI_PAGE_BYTES ? UINT64_MAX
                                                           : descriptor->pages * EFI_PAGE_BYTES;
}

/* Firmware cuts one thing into many descriptors: what continues the last range makes it longer. */
static bool continues_last(const struct boot_info *info, const struct boot_range *range)
{
    const struct boot_range *last = info->ranges + info->range_count - 1;

    return last->type == range->type && last->base + last->length == range->base &&
           last->base < range->base && range->base + range->length > range->base;
}

struct status efi_map_decode(struct boot_info *info)
{
    struct cursor map = cursor_over(info->efi.map, info->efi.map_bytes);

    info->has_memory_map = true;
    info->range_count = 0;
    info->ranges_dropped = 0;
    while (cursor_left(&map) > 0) {
        size_t at = map.position;
        struct cursor bytes = cursor_take(&map, info->efi.map_descriptor_bytes);
        struct efi_memory_descriptor descriptor;
        struct status status;

        if (!cursor_copy(&bytes, &descriptor, sizeof(descriptor))) {
            return status_at(INFO_BAD_ENTRY_SIZE, at);
        }
        struct boot_range range = {descriptor.physical_start, length_of(&descriptor),
                                   memory_type_of(&descriptor)};

        if (info->range_count > 0 && continues_last(info, &range)) {
            info->ranges[info->range_count - 1].length += range.length;
            continue;
        }
        status = boot_info_add_range(info, range.base, range.length, range.type);
        if (!is_ok(status)) {
            return status_at(status.code, at);
        }
    }
    return status_ok();
}
