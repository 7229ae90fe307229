/*
 * Multiboot2: the information block, as it lies in memory. The headers and magic numbers:
 * abi/multiboot_headers.h. Source: Multiboot2 specification 2.0; the section is named at each part.
 */
#ifndef ABI_MULTIBOOT2_H
#define ABI_MULTIBOOT2_H

#include <stdint.h>

/* 3.6 Information tags: each begins at a multiple of 8 bytes from the start of the block. */
#define MB2_TAG_ALIGN 8

#define MB2_TAG_END          0
#define MB2_TAG_CMDLINE      1
#define MB2_TAG_LOADER_NAME  2
#define MB2_TAG_MODULE       3
#define MB2_TAG_BASIC_MEMORY 4
#define MB2_TAG_BIOS_DEVICE  5
#define MB2_TAG_MEMORY_MAP   6
#define MB2_TAG_VBE          7
#define MB2_TAG_FRAMEBUFFER  8
#define MB2_TAG_ELF_SECTIONS 9
#define MB2_TAG_APM          10
#define MB2_TAG_EFI32        11
#define MB2_TAG_EFI64        12
#define MB2_TAG_SMBIOS       13
#define MB2_TAG_ACPI_OLD     14
#define MB2_TAG_ACPI_NEW     15
#define MB2_TAG_NETWORK      16
#define MB2_TAG_EFI_MAP      17
#define MB2_TAG_EFI_BS       18
#define MB2_TAG_EFI32_IMAGE  19
#define MB2_TAG_EFI64_IMAGE  20
#define MB2_TAG_LOAD_BASE    21

/*
 * 3.6.12 Framebuffer: behind the tag's header base (8 bytes), pitch, width, height (4 each), bits
 * per pixel, type (1 each) and two reserved bytes (the specification's table draws one; its
 * multiboot2.h and every loader have two). The colour information follows: for RGB position and
 * number of bits of red, green and blue, one byte each.
 */
#define MB2_FRAMEBUFFER_RESERVED_BYTES 2

/* Framebuffer types, the same in multiboot1. */
#define MB2_FRAMEBUFFER_INDEXED 0
#define MB2_FRAMEBUFFER_RGB     1
#define MB2_FRAMEBUFFER_TEXT    2

/* 3.6.1 The block begins so; total_bytes counts these eight bytes too. */
struct multiboot2_info {
    uint32_t total_bytes;
    uint32_t reserved;
};
_Static_assert(sizeof(struct multiboot2_info) == 8, "multiboot2 3.6.1");

/* 3.6.2 Every tag begins so; `bytes` counts these eight bytes too, but not the padding behind the
 * tag. */
struct multiboot2_tag {
    uint32_t type;
    uint32_t bytes;
};
_Static_assert(sizeof(struct multiboot2_tag) == 8, "multiboot2 3.6.2");

/* 3.6.3 */
struct multiboot2_basic_memory {
    struct multiboot2_tag tag;
    uint32_t lower_kib;
    uint32_t upper_kib;
};
_Static_assert(sizeof(struct multiboot2_basic_memory) == 16, "multiboot2 3.6.3");

/* 3.6.6 The module's string follows. */
struct multiboot2_module {
    struct multiboot2_tag tag;
    uint32_t start;
    uint32_t end;
};
_Static_assert(sizeof(struct multiboot2_module) == 16, "multiboot2 3.6.6");

/* 3.6.8 Entries follow, entry_bytes apart. */
struct multiboot2_memory_map {
    struct multiboot2_tag tag;
    uint32_t entry_bytes;
    uint32_t entry_version;
};
_Static_assert(sizeof(struct multiboot2_memory_map) == 16, "multiboot2 3.6.8");

struct multiboot2_memory_entry {
    uint64_t base;
    uint64_t length;
    uint32_t type;
    uint32_t reserved;
};
_Static_assert(sizeof(struct multiboot2_memory_entry) == 24, "multiboot2 3.6.8");

/* 3.6.15 The entry point structure follows. */
struct multiboot2_smbios {
    struct multiboot2_tag tag;
    uint8_t major;
    uint8_t minor;
    uint8_t reserved[6];
};
_Static_assert(sizeof(struct multiboot2_smbios) == 16, "multiboot2 3.6.15");

/* 3.6.19 Descriptors follow, descriptor_bytes apart. */
struct multiboot2_efi_map {
    struct multiboot2_tag tag;
    uint32_t descriptor_bytes;
    uint32_t descriptor_version;
};
_Static_assert(sizeof(struct multiboot2_efi_map) == 16, "multiboot2 3.6.19");

/* 3.6.23 */
struct multiboot2_load_base {
    struct multiboot2_tag tag;
    uint32_t base_pa;
};
_Static_assert(sizeof(struct multiboot2_load_base) == 12, "multiboot2 3.6.23");

#endif
