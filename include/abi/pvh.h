/*
 * PVH: the start information, as it lies in memory. Its magic: abi/pvh_entry.h.
 * Source: Xen, public/arch-x86/hvm/start_info.h; an address of 0 means that there is nothing.
 */
#ifndef ABI_PVH_H
#define ABI_PVH_H

#include <stddef.h>
#include <stdint.h>

#define PVH_VERSION_MEMORY_MAP 1 /* the first version with the fields from memory_map_pa on */

struct pvh_start_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t module_count;
    uint64_t modules_pa;
    uint64_t cmdline_pa;
    uint64_t rsdp_pa;
    uint64_t memory_map_pa;
    uint32_t memory_map_entries;
    uint32_t reserved;
};
_Static_assert(offsetof(struct pvh_start_info, modules_pa) == 16, "start_info.h");
_Static_assert(offsetof(struct pvh_start_info, rsdp_pa) == 32, "start_info.h");
_Static_assert(offsetof(struct pvh_start_info, memory_map_entries) == 48, "start_info.h");
_Static_assert(sizeof(struct pvh_start_info) == 56, "start_info.h");

struct pvh_module {
    uint64_t pa;
    uint64_t bytes;
    uint64_t cmdline_pa;
    uint64_t reserved;
};
_Static_assert(sizeof(struct pvh_module) == 32, "start_info.h");

struct pvh_memory_entry {
    uint64_t base;
    uint64_t length;
    uint32_t type; /* as in ACPI's address range types */
    uint32_t reserved;
};
_Static_assert(sizeof(struct pvh_memory_entry) == 24, "start_info.h");

#endif
