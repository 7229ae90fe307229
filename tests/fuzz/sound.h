/*
 * What the decoders promise of every boot_info they call complete. Any breach aborts, which the
 * fuzzer reports.
 */
#ifndef FUZZ_SOUND_H
#define FUZZ_SOUND_H

#include <stdlib.h>
#include <string.h>

#include "boot_info.h"

static inline void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* A constant "", or a string that ends inside the part of the pool that is in use. */
static inline void require_string(const struct boot_info *info, const char *text)
{
    const char *end = info->strings + info->strings_used;

    if (text < info->strings || text >= info->strings + sizeof(info->strings)) {
        require(text[0] == '\0');
    } else {
        require(text < end && memchr(text, '\0', (size_t)(end - text)));
    }
}

static inline void require_sound(const struct boot_info *info)
{
    require(info->strings_used <= BOOT_STRINGS_BYTES);
    require_string(info, info->loader_name);
    require_string(info, info->cmdline);
    require(info->range_count <= BOOT_RANGES_MAX);
    require(info->ranges_dropped == 0 || info->range_count == BOOT_RANGES_MAX);
    require(info->has_memory_map || info->range_count == 0);
    require(info->module_count <= BOOT_MODULES_MAX);
    for (uint32_t i = 0; i < info->module_count; i++) {
        require(info->modules[i].bytes.start <= info->modules[i].bytes.end);
        require_string(info, info->modules[i].name);
        require(!strpbrk(info->modules[i].name, "/ \t"));
        require_string(info, info->modules[i].args);
    }
    require(info->rsdp_bytes == 0 || info->rsdp_bytes == 20 || info->rsdp_bytes == 36);
    require(info->smbios_bytes <= BOOT_SMBIOS_BYTES);
    require(info->framebuffer.kind <= FRAMEBUFFER_RGB);
    require(info->efi.map_bytes <= BOOT_EFI_MAP_BYTES);
    require(info->efi.map_bytes == 0 || info->efi.map_bytes % info->efi.map_descriptor_bytes == 0);
    require(info->efi.is_64bit == (info->firmware == FIRMWARE_UEFI64));
}

#endif
