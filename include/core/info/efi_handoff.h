/*
 * What the EFI stage leaves for __start_xen: plain bytes and physical addresses, no pointers, because it is written at
 * the image's load address and read at its link address.
 *
 * Writer: efi/. Const afterwards; boot/info/efi.c turns it into boot_info.
 */
#ifndef INFO_EFI_HANDOFF_H
#define INFO_EFI_HANDOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "boot_info.h"

#define EFI_HANDOFF_STRINGS_BYTES 16384
#define EFI_HANDOFF_MODULES_MAX   2 /* kernel and initrd */

struct efi_handoff_module {
    struct prange bytes;
    uint32_t name; /* offset of a NUL-terminated string in `strings`; 0 is the empty string */
    uint32_t args;
};

struct efi_handoff {
    bool is_64bit;         /* the firmware's width */
    bool secure_boot_told; /* whether the firmware was asked about the next one */
    bool secure_boot;
    uint64_t system_table_pa;
    uint64_t rsdp_pa;   /* 0: none */
    uint64_t smbios_pa; /* 0: none */
    struct boot_framebuffer framebuffer;

    uint32_t
        cmdline; /* offset in `strings`; only when the image was started by the firmware itself */
    uint32_t module_count;
    struct efi_handoff_module modules[EFI_HANDOFF_MODULES_MAX];

    uint32_t map_descriptor_bytes;
    uint32_t map_descriptor_version;
    uint32_t map_bytes;
    uint8_t map[BOOT_EFI_MAP_BYTES];

    uint32_t strings_used; /* at least 1: the first byte is the empty string */
    char strings[EFI_HANDOFF_STRINGS_BYTES];
};

/*
 * Replace the memory map in `info` by an EFI memory map (efi.map in `info`, as the decoder of tag 17 or of the handoff
 * has put it there), each descriptor classified by its type and attributes:
 *   RAM            loader code and data, conventional; attribute WB, not RUNTIME, not SP
 *   boot services  the same attributes, boot services code and data: RAM for the kernel, but nothing of ours goes
 *                  there, because firmware may still need it until the kernel has mapped its runtime services
 *   ACPI reclaim, ACPI NVS, unusable, persistent: as they are called, unless RUNTIME
 *   reserved       all others: unknown types, unaccepted memory, RUNTIME, special purpose (SP)
 * A descriptor of 0 pages is passed on with length 0; one that wraps around is passed on as it is (memmap mends both).
 * One that continues the range before it makes that range longer.
 *
 * @return  STATUS_OK; INFO_TOO_MANY_RANGES; INFO_BAD_ENTRY_SIZE for descriptors too short to be one. offset: in the map
 * Source:  UEFI specification 2.10, section 7.2.3 (EFI_BOOT_SERVICES.GetMemoryMap)
 */
struct status efi_map_decode(struct boot_info *info);

/*
 * boot_info for an image that the firmware itself started (protocol efi). The memory map stays in the handoff.
 *
 * @return  STATUS_OK, or what is wrong with the firmware's map, a module or a string
 */
struct status efi_handoff_decode(const struct efi_handoff *handoff, struct boot_info *out);

/*
 * Add to a boot_info that a loader's block was decoded into what only the firmware knew: memory map, framebuffer where
 * the loader told none, RSDP, SMBIOS, system table. (protocol multiboot2-efi)
 */
struct status efi_handoff_merge(const struct efi_handoff *handoff, struct boot_info *info);

#endif
