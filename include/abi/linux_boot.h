/*
 * The Linux/x86 boot protocol: the setup header of a kernel file and the zero page that a kernel is
 * given. Field names and offsets are those of Linux Documentation/arch/x86/boot.rst, "The Real-Mode
 * Kernel Header" and "Details of Header Fields", and of Documentation/arch/x86/zero-page.rst. All
 * values are little-endian.
 */
#ifndef ABI_LINUX_BOOT_H
#define ABI_LINUX_BOOT_H

#include <stddef.h>
#include <stdint.h>

/* --- the setup header: boot.rst, "The Real-Mode Kernel Header" ----------------------------- */

#define SETUP_HEADER_OFFSET 0x1f1 /* in the kernel file and in the zero page */
#define SETUP_HEADER_LENGTH_AT                                                                     \
    0x201 /* the jump's offset byte: the header ends at 0x202 + its value */
#define SETUP_HEADER_LENGTH_END 0x202
#define SETUP_HEADER_JUMP_MAX                                                                      \
    0x7f /* the byte is signed, and a header does not end before it begins */

#define SETUP_BOOT_FLAG       0xaa55
#define SETUP_MAGIC           0x53726448 /* "HdrS" */
#define SETUP_SECTOR_BYTES    512
#define SETUP_SECTS_DEFAULT   4     /* what a setup_sects of 0 means */
#define SETUP_PARAGRAPH_BYTES 16    /* the unit of syssize */
#define SETUP_VERSION_STRING  0x200 /* kernel_version counts from here */

#define BOOT_PROTOCOL_2_06 0x0206 /* cmdline_size */
#define BOOT_PROTOCOL_2_09 0x0209 /* setup_data */
#define BOOT_PROTOCOL_2_10 0x020a /* pref_address, init_size */
#define BOOT_PROTOCOL_2_11 0x020b /* handover_offset */
#define BOOT_PROTOCOL_2_12 0x020c /* xloadflags */
#define BOOT_PROTOCOL_2_15 0x020f /* kernel_info_offset */

/* type_of_loader: "If your boot loader has an assigned id [...]. Otherwise, enter 0xFF here." */
#define LOADER_TYPE_UNDEFINED 0xff

/* loadflags */
#define LOADED_HIGH   0x01
#define KASLR_FLAG    0x02
#define QUIET_FLAG    0x20
#define KEEP_SEGMENTS 0x40
#define CAN_USE_HEAP  0x80

/* xloadflags */
#define XLF_KERNEL_64              0x0001
#define XLF_CAN_BE_LOADED_ABOVE_4G 0x0002
#define XLF_EFI_HANDOVER_32        0x0004

/* vid_mode: boot.rst, "Special Command Line Options", vga= */
#define VID_MODE_NORMAL 0xffff

struct setup_header {
    uint8_t setup_sects;
    uint16_t root_flags;
    uint32_t syssize;
    uint16_t ram_size;
    uint16_t vid_mode;
    uint16_t root_dev;
    uint16_t boot_flag;
    uint8_t jump;
    uint8_t jump_offset;
    uint32_t header;
    uint16_t version;
    uint32_t realmode_swtch;
    uint16_t start_sys_seg;
    uint16_t kernel_version;
    uint8_t type_of_loader;
    uint8_t loadflags;
    uint16_t setup_move_size;
    uint32_t code32_start;
    uint32_t ramdisk_image;
    uint32_t ramdisk_size;
    uint32_t bootsect_kludge;
    uint16_t heap_end_ptr;
    uint8_t ext_loader_ver;
    uint8_t ext_loader_type;
    uint32_t cmd_line_ptr;
    uint32_t initrd_addr_max;
    uint32_t kernel_alignment;
    uint8_t relocatable_kernel;
    uint8_t min_alignment;
    uint16_t xloadflags;
    uint32_t cmdline_size;
    uint32_t hardware_subarch;
    uint64_t hardware_subarch_data;
    uint32_t payload_offset;
    uint32_t payload_length;
    uint64_t setup_data;
    uint64_t pref_address;
    uint32_t init_size;
    uint32_t handover_offset;
    uint32_t kernel_info_offset;
} __attribute__((packed));

/* Where a field of the setup header lies in the file. */
#define SETUP_FIELD_AT(field) (SETUP_HEADER_OFFSET + offsetof(struct setup_header, field))

_Static_assert(sizeof(struct setup_header) == 0x26c - SETUP_HEADER_OFFSET,
               "boot.rst: ends at 0x26c");
_Static_assert(SETUP_FIELD_AT(syssize) == 0x1f4, "boot.rst");
_Static_assert(SETUP_FIELD_AT(vid_mode) == 0x1fa, "boot.rst");
_Static_assert(SETUP_FIELD_AT(boot_flag) == 0x1fe, "boot.rst");
_Static_assert(SETUP_FIELD_AT(jump_offset) == SETUP_HEADER_LENGTH_AT, "boot.rst");
_Static_assert(SETUP_FIELD_AT(header) == SETUP_HEADER_LENGTH_END, "boot.rst");
_Static_assert(SETUP_FIELD_AT(version) == 0x206, "boot.rst");
_Static_assert(SETUP_FIELD_AT(kernel_version) == 0x20e, "boot.rst");
_Static_assert(SETUP_FIELD_AT(type_of_loader) == 0x210, "boot.rst");
_Static_assert(SETUP_FIELD_AT(loadflags) == 0x211, "boot.rst");
_Static_assert(SETUP_FIELD_AT(code32_start) == 0x214, "boot.rst");
_Static_assert(SETUP_FIELD_AT(ramdisk_image) == 0x218, "boot.rst");
_Static_assert(SETUP_FIELD_AT(heap_end_ptr) == 0x224, "boot.rst");
_Static_assert(SETUP_FIELD_AT(cmd_line_ptr) == 0x228, "boot.rst");
_Static_assert(SETUP_FIELD_AT(initrd_addr_max) == 0x22c, "boot.rst");
_Static_assert(SETUP_FIELD_AT(kernel_alignment) == 0x230, "boot.rst");
_Static_assert(SETUP_FIELD_AT(relocatable_kernel) == 0x234, "boot.rst");
_Static_assert(SETUP_FIELD_AT(xloadflags) == 0x236, "boot.rst");
_Static_assert(SETUP_FIELD_AT(cmdline_size) == 0x238, "boot.rst");
_Static_assert(SETUP_FIELD_AT(payload_offset) == 0x248, "boot.rst");
_Static_assert(SETUP_FIELD_AT(setup_data) == 0x250, "boot.rst");
_Static_assert(SETUP_FIELD_AT(pref_address) == 0x258, "boot.rst");
_Static_assert(SETUP_FIELD_AT(init_size) == 0x260, "boot.rst");
_Static_assert(SETUP_FIELD_AT(kernel_info_offset) == 0x268, "boot.rst");

/* --- set-up data: boot.rst, "setup_data" --------------------------------------------------- */

#define SETUP_DATA_E820_EXT 1 /* more memory map entries than the zero page holds */

struct setup_data {
    uint64_t next; /* physical address of the next node, or 0 */
    uint32_t type;
    uint32_t len; /* of the data behind this header */
} __attribute__((packed));
_Static_assert(sizeof(struct setup_data) == 16, "boot.rst, setup_data");

/* --- the zero page: zero-page.rst ---------------------------------------------------------- */

#define E820_ENTRIES_IN_ZERO_PAGE 128

/*
 * Memory types, which are those of the ACPI specification 6.5, table 15.4, as far as Linux knows
 * them.
 */
#define E820_TYPE_RAM        1
#define E820_TYPE_RESERVED   2
#define E820_TYPE_ACPI       3
#define E820_TYPE_NVS        4
#define E820_TYPE_UNUSABLE   5
#define E820_TYPE_PERSISTENT 7

struct e820_entry {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));
_Static_assert(sizeof(struct e820_entry) == 20, "zero-page.rst, e820_table");

/* orig_video_isVGA */
#define VIDEO_IS_VGA_TEXT 0x01
#define VIDEO_IS_LINEAR_FRAME                                                                      \
    0x23 /* VIDEO_TYPE_VLFB: a linear frame buffer, lfb_size in units of 64 KiB */
#define VIDEO_IS_EFI_FRAME 0x70 /* VIDEO_TYPE_EFI: the same of UEFI's, lfb_size in bytes */

#define VIDEO_LFB_SIZE_UNIT         0x10000
#define VIDEO_CAPABILITY_64BIT_BASE 0x2 /* ext_lfb_base holds the upper half of the base */

/* VGA text mode 3: 80 columns, 25 lines, glyphs 16 scan lines high. */
#define VIDEO_TEXT_MODE   3
#define VIDEO_TEXT_POINTS 16

struct screen_info {
    uint8_t orig_x;
    uint8_t orig_y;
    uint16_t ext_mem_k;
    uint16_t orig_video_page;
    uint8_t orig_video_mode;
    uint8_t orig_video_cols;
    uint8_t flags;
    uint8_t unused2;
    uint16_t orig_video_ega_bx;
    uint16_t unused3;
    uint8_t orig_video_lines;
    uint8_t orig_video_isVGA;
    uint16_t orig_video_points;
    uint16_t lfb_width;
    uint16_t lfb_height;
    uint16_t lfb_depth;
    uint32_t lfb_base;
    uint32_t lfb_size;
    uint16_t cl_magic;
    uint16_t cl_offset;
    uint16_t lfb_linelength;
    uint8_t red_size;
    uint8_t red_pos;
    uint8_t green_size;
    uint8_t green_pos;
    uint8_t blue_size;
    uint8_t blue_pos;
    uint8_t rsvd_size;
    uint8_t rsvd_pos;
    uint16_t vesapm_seg;
    uint16_t vesapm_off;
    uint16_t pages;
    uint16_t vesa_attributes;
    uint32_t capabilities;
    uint32_t ext_lfb_base;
    uint8_t reserved[2];
} __attribute__((packed));
_Static_assert(sizeof(struct screen_info) == 0x40, "zero-page.rst, screen_info");
_Static_assert(offsetof(struct screen_info, orig_video_isVGA) == 0x0f, "screen_info");
_Static_assert(offsetof(struct screen_info, lfb_base) == 0x18, "screen_info");
_Static_assert(offsetof(struct screen_info, lfb_linelength) == 0x24, "screen_info");
_Static_assert(offsetof(struct screen_info, capabilities) == 0x36, "screen_info");

/* efi_info: which firmware it is; the four letters as they lie in memory. */
#define EFI_SIGNATURE_64 0x34364c45 /* "EL64" */
#define EFI_SIGNATURE_32 0x32334c45 /* "EL32" */

struct efi_info {
    uint32_t efi_loader_signature;
    uint32_t efi_systab;
    uint32_t efi_memdesc_size;
    uint32_t efi_memdesc_version;
    uint32_t efi_memmap;
    uint32_t efi_memmap_size;
    uint32_t efi_systab_hi;
    uint32_t efi_memmap_hi;
} __attribute__((packed));
_Static_assert(sizeof(struct efi_info) == 0x20, "zero-page.rst, efi_info");

/* secure_boot: what the loader found out */
#define SECURE_BOOT_UNSET    0
#define SECURE_BOOT_DISABLED 2
#define SECURE_BOOT_ENABLED  3

#define ZERO_PAGE_BYTES 4096

struct boot_params {
    struct screen_info screen_info;
    uint8_t before_rsdp[0x070 - 0x040]; /* APM, tboot, SpeedStep: not provided */
    uint64_t acpi_rsdp_addr;
    uint8_t before_ext[0x0c0 - 0x078]; /* disk parameters, OLPC: not provided */
    uint32_t ext_ramdisk_image;
    uint32_t ext_ramdisk_size;
    uint32_t ext_cmd_line_ptr;
    uint8_t before_efi[0x1c0 - 0x0cc]; /* EDID: not provided */
    struct efi_info efi_info;
    uint8_t before_e820_count[0x1e8 - 0x1e0]; /* alternative memory size: not provided */
    uint8_t e820_entries;
    uint8_t before_secure_boot[0x1ec - 0x1e9]; /* EDD, keyboard: not provided */
    uint8_t secure_boot;
    uint8_t before_header[SETUP_HEADER_OFFSET - 0x1ed]; /* sentinel: 0 */
    struct setup_header hdr;
    uint8_t before_e820[0x2d0 - SETUP_HEADER_OFFSET - sizeof(struct setup_header)];
    struct e820_entry e820_table[E820_ENTRIES_IN_ZERO_PAGE];
    uint8_t rest[ZERO_PAGE_BYTES - 0xcd0]; /* EDD: not provided */
} __attribute__((packed));
_Static_assert(sizeof(struct boot_params) == ZERO_PAGE_BYTES, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, acpi_rsdp_addr) == 0x070, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, ext_ramdisk_image) == 0x0c0, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, ext_cmd_line_ptr) == 0x0c8, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, efi_info) == 0x1c0, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, e820_entries) == 0x1e8, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, secure_boot) == 0x1ec, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, hdr) == SETUP_HEADER_OFFSET, "zero-page.rst");
_Static_assert(offsetof(struct boot_params, e820_table) == 0x2d0, "zero-page.rst");

#endif
