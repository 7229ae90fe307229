/*
 * Multiboot (version 1): the information structure. The header and magic numbers:
 * abi/multiboot_headers.h. Source: Multiboot specification 0.6.96; the section is named at each
 * part.
 */
#ifndef ABI_MULTIBOOT1_H
#define ABI_MULTIBOOT1_H

#include <stddef.h>
#include <stdint.h>

/* 3.3 Information flags. */
#define MB1_INFO_MEMORY      0x00000001
#define MB1_INFO_CMDLINE     0x00000004
#define MB1_INFO_MODULES     0x00000008
#define MB1_INFO_MEMORY_MAP  0x00000040
#define MB1_INFO_LOADER_NAME 0x00000200
#define MB1_INFO_FRAMEBUFFER 0x00001000

/*
 * 3.3 The information structure. How far it reaches depends on the loader: only the fields whose
 * flag is set may be looked at, and only they need exist.
 */
struct multiboot1_info {
    uint32_t flags;
    uint32_t lower_kib;
    uint32_t upper_kib;
    uint32_t boot_device;
    uint32_t cmdline_pa;
    uint32_t module_count;
    uint32_t modules_pa;
    uint32_t symbols[4];
    uint32_t memory_map_bytes;
    uint32_t memory_map_pa;
    uint32_t drives_bytes;
    uint32_t drives_pa;
    uint32_t config_table_pa;
    uint32_t loader_name_pa;
    uint32_t apm_table_pa;
    uint32_t vbe_control_info_pa;
    uint32_t vbe_mode_info_pa;
    uint16_t vbe_mode;
    uint16_t vbe_interface_segment;
    uint16_t vbe_interface_offset;
    uint16_t vbe_interface_bytes;
    uint64_t framebuffer_pa;
    uint32_t framebuffer_pitch_bytes;
    uint32_t framebuffer_width;
    uint32_t framebuffer_height;
    uint8_t framebuffer_bits_per_pixel;
    uint8_t framebuffer_type;
    uint8_t color_info[6]; /* for RGB: position and number of bits of red, green and blue */
} __attribute__((packed));
_Static_assert(offsetof(struct multiboot1_info, modules_pa) == 24, "multiboot 3.3");
_Static_assert(offsetof(struct multiboot1_info, memory_map_pa) == 48, "multiboot 3.3");
_Static_assert(offsetof(struct multiboot1_info, loader_name_pa) == 64, "multiboot 3.3");
_Static_assert(offsetof(struct multiboot1_info, framebuffer_pa) == 88, "multiboot 3.3");
_Static_assert(sizeof(struct multiboot1_info) == 116, "multiboot 3.3");

struct multiboot1_module {
    uint32_t start;
    uint32_t end;
    uint32_t string_pa;
    uint32_t reserved;
};
_Static_assert(sizeof(struct multiboot1_module) == 16, "multiboot 3.3");

/* 3.3 An entry of the memory map: `bytes` does not count itself, and is the way to the next entry.
 */
struct multiboot1_memory_entry {
    uint32_t bytes;
    uint64_t base;
    uint64_t length;
    uint32_t type;
} __attribute__((packed));
_Static_assert(sizeof(struct multiboot1_memory_entry) == 24, "multiboot 3.3");

#endif
