/*
 * UEFI's memory map: what GetMemoryMap fills in. Source: UEFI specification 2.10, section 7.2.3
 * (descriptor and attributes) and section 7.2.1 (types).
 */
#ifndef ABI_EFI_MEMORY_H
#define ABI_EFI_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define EFI_PAGE_BYTES 4096 /* the unit of `pages`, whatever the processor's page size */

#define EFI_TYPE_RESERVED              0
#define EFI_TYPE_LOADER_CODE           1
#define EFI_TYPE_LOADER_DATA           2
#define EFI_TYPE_BOOT_SERVICES_CODE    3
#define EFI_TYPE_BOOT_SERVICES_DATA    4
#define EFI_TYPE_RUNTIME_SERVICES_CODE 5
#define EFI_TYPE_RUNTIME_SERVICES_DATA 6
#define EFI_TYPE_CONVENTIONAL          7
#define EFI_TYPE_UNUSABLE              8
#define EFI_TYPE_ACPI_RECLAIM          9
#define EFI_TYPE_ACPI_NVS              10
#define EFI_TYPE_MEMORY_MAPPED_IO      11
#define EFI_TYPE_IO_PORT_SPACE         12
#define EFI_TYPE_PAL_CODE              13
#define EFI_TYPE_PERSISTENT            14
#define EFI_TYPE_UNACCEPTED            15

#define EFI_MEMORY_WB      0x0000000000000008ULL /* can be cached with write-back */
#define EFI_MEMORY_SP      0x0000000000040000ULL /* special purpose: not for general use */
#define EFI_MEMORY_RUNTIME 0x8000000000000000ULL /* firmware needs it when the kernel runs */

/* Descriptors are as far apart as the map's descriptor size says, which may grow. */
struct efi_memory_descriptor {
    uint32_t type;
    uint32_t pad;
    uint64_t physical_start;
    uint64_t virtual_start;
    uint64_t pages;
    uint64_t attributes;
};
_Static_assert(sizeof(struct efi_memory_descriptor) == 40, "UEFI 7.2.3");
_Static_assert(offsetof(struct efi_memory_descriptor, physical_start) == 8, "UEFI 7.2.3");
_Static_assert(offsetof(struct efi_memory_descriptor, pages) == 24, "UEFI 7.2.3");
_Static_assert(offsetof(struct efi_memory_descriptor, attributes) == 32, "UEFI 7.2.3");

#endif
