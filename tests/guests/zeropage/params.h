/*
 * Offsets in the zero page, written down from the documents.
 * Source: Linux Documentation/arch/x86/zero-page.rst and boot.rst; struct screen_info
 * (include/uapi/linux/screen_info.h).
 */
#ifndef PARAMS_H
#define PARAMS_H

#define ZP_ACPI_RSDP         0x070
#define ZP_EXT_RAMDISK_IMAGE 0x0c0
#define ZP_EXT_RAMDISK_SIZE  0x0c4
#define ZP_EXT_CMD_LINE_PTR  0x0c8
#define ZP_EFI_SIGNATURE     0x1c0 /* efi_info, 32 bytes */
#define ZP_EFI_SYSTEM        0x1c4
#define ZP_EFI_STRIDE        0x1c8
#define ZP_EFI_VERSION       0x1cc
#define ZP_EFI_MAP           0x1d0
#define ZP_EFI_MAP_BYTES     0x1d4
#define ZP_EFI_SYSTEM_HIGH   0x1d8
#define ZP_EFI_MAP_HIGH      0x1dc
#define ZP_E820_ENTRIES      0x1e8
#define ZP_SECURE_BOOT       0x1ec
#define ZP_E820_TABLE        0x2d0

#define ZP_VID_MODE         0x1fa
#define ZP_TYPE_OF_LOADER   0x210
#define ZP_LOADFLAGS        0x211
#define ZP_CODE32_START     0x214
#define ZP_RAMDISK_IMAGE    0x218
#define ZP_RAMDISK_SIZE     0x21c
#define ZP_HEAP_END_PTR     0x224 /* and ext_loader_ver, ext_loader_type */
#define ZP_CMD_LINE_PTR     0x228
#define ZP_KERNEL_ALIGNMENT 0x230
#define ZP_SETUP_DATA       0x250

#define E820_ENTRY_BYTES 20
#define E820_IN_PAGE_MAX 128
#define E820_TYPE_MAX    7 /* ACPI specification 6.5, table 15.4 */

#define SETUP_E820_EXT   1
#define SETUP_NODE_TYPE  8
#define SETUP_NODE_LEN   12
#define SETUP_NODE_BYTES 16
#define SETUP_NODES_MAX  64

#define SI_CURSOR_X          0x00
#define SI_CURSOR_Y          0x01
#define SI_VIDEO_MODE        0x06
#define SI_COLS              0x07
#define SI_LINES             0x0e
#define SI_IS_VGA            0x0f
#define SI_POINTS            0x10
#define SI_LFB_WIDTH         0x12
#define SI_LFB_HEIGHT        0x14
#define SI_LFB_DEPTH         0x16
#define SI_LFB_BASE          0x18
#define SI_LFB_SIZE          0x1c
#define SI_LFB_PITCH         0x24
#define SI_RED_SIZE          0x26
#define SI_RED_POSITION      0x27
#define SI_GREEN_SIZE        0x28
#define SI_GREEN_POSITION    0x29
#define SI_BLUE_SIZE         0x2a
#define SI_BLUE_POSITION     0x2b
#define SI_RESERVED_SIZE     0x2c
#define SI_RESERVED_POSITION 0x2d
#define SI_CAPABILITIES      0x36
#define SI_EXT_LFB_BASE      0x3a
#define SI_CAP_64BIT_BASE    0x2 /* VIDEO_CAPABILITY_64BIT_BASE */

#define SCREEN_NONE   0x00
#define SCREEN_TEXT   0x01
#define SCREEN_LINEAR 0x23 /* VIDEO_TYPE_VLFB */
#define SCREEN_EFI    0x70 /* VIDEO_TYPE_EFI */

#define EFI_SIGNATURE_64         0x34364c45u /* "EL64" */
#define EFI_SIGNATURE_32         0x32334c45u /* "EL32" */
#define EFI_DESCRIPTOR_BYTES     40
#define EFI_DESCRIPTOR_START     8
#define EFI_DESCRIPTOR_PAGES     24
#define EFI_DESCRIPTOR_ATTRIBUTE 32
#define EFI_ATTRIBUTE_RUNTIME    0x8000000000000000ull

/* ACPI specification 6.5, table 5.3 */
#define RSDP_BYTES_10 20
#define RSDP_REVISION 15
#define RSDP_BYTES_20 36

#endif
