/*
 * The one normalised description of what the loader said, whatever protocol it spoke. Nothing
 * downstream knows the protocol. It owns copies: once it is filled the loader's own memory is dead,
 * except for the modules' bytes.
 *
 * Writer: boot/info/. Const afterwards.
 */
#ifndef INFO_BOOT_INFO_H
#define INFO_BOOT_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "cursor.h"
#include "glyph.h"
#include "status.h"

#define BOOT_MODULES_MAX   64
#define BOOT_RANGES_MAX    4096
#define BOOT_STRINGS_BYTES 65536
#define BOOT_EFI_MAP_BYTES 208896 /* 4,352 descriptors of the usual 48 bytes */
#define BOOT_RSDP_BYTES    36
#define BOOT_SMBIOS_BYTES  32

/* How the image was entered. */
enum entry_path {
    ENTRY_PATH_MULTIBOOT = 0,      /* boot/head.S, 32-bit; PVH, too */
    ENTRY_PATH_MULTIBOOT2_EFI = 1, /* efi/entry.S, multiboot2 with boot services alive */
    ENTRY_PATH_EFI = 2,            /* efi/entry.S, started by the firmware */
};

/* The image's registers at entry: all that assembly tells C. Writer: head.S, or the EFI stage. */
struct entry_regs {
    uint32_t magic;     /* eax at entry; of PVH the structure's */
    uint32_t info_pa;   /* ebx at entry */
    uint64_t load_base; /* physical address of the image's first byte, found from the instruction
                           pointer */
    uint32_t path;      /* enum entry_path */
    bool moved;         /* the EFI stage has moved the image */
    uint64_t entry_tsc; /* time-stamp counter at the first instruction */
};

enum boot_protocol {
    PROTOCOL_MULTIBOOT1,
    PROTOCOL_MULTIBOOT2,
    PROTOCOL_MULTIBOOT2_EFI, /* boot services were alive; the EFI stage ended them */
    PROTOCOL_EFI,            /* started by the firmware itself */
    PROTOCOL_PVH,
};

enum boot_firmware {
    FIRMWARE_BIOS,
    FIRMWARE_UEFI64,
    FIRMWARE_UEFI32,
    FIRMWARE_NONE,
};

/* Memory types as the ACPI specification 6.5, table 15.4 numbers them, which is also what multiboot
 * passes on. */
enum memory_type {
    MEMORY_RAM = 1,
    MEMORY_RESERVED = 2,
    MEMORY_ACPI_RECLAIM = 3,
    MEMORY_ACPI_NVS = 4,
    MEMORY_UNUSABLE = 5,
    MEMORY_DISABLED = 6,
    MEMORY_PERSISTENT = 7,
    /* Berth's own: RAM that UEFI's boot services used. RAM for a kernel, but nothing is placed there. */
    MEMORY_BOOT_SERVICES = 0xb0075e41,
};

/* One entry of the loader's memory map, as it came: unsorted, unchecked, `type` any number at all.
 */
struct boot_range {
    uint64_t base;
    uint64_t length;
    uint32_t type;
};

struct boot_module {
    struct prange bytes; /* start <= end; start == end for an empty file */
    const char
        *name; /* the file's name without its folders; "" where the loader does not tell it */
    const char *args; /* the module's own command line, without the name */
};

enum framebuffer_kind {
    FRAMEBUFFER_NONE,
    FRAMEBUFFER_TEXT,    /* EGA text; width and height in characters */
    FRAMEBUFFER_INDEXED, /* a palette; width and height in pixels */
    FRAMEBUFFER_RGB,
};

/* Writer: the decoders. What the console may make of it: screen.h. */
struct boot_framebuffer {
    enum framebuffer_kind kind;
    paddr_t base;
    uint32_t pitch_bytes;
    uint32_t width;
    uint32_t height;
    uint8_t bits_per_pixel;
    struct pixel_field red, green, blue;
};

struct boot_efi {
    uint64_t system_table_pa; /* 0 when there is none */
    uint64_t image_handle;    /* 0 when there is none */
    bool is_64bit;            /* which of the two kinds of system table it is */
    bool boot_services_live;  /* the loader has not called ExitBootServices */
    bool secure_boot_told;    /* whether the firmware was asked about the next one */
    bool secure_boot;         /* the firmware checks signatures */
    uint32_t map_descriptor_bytes;
    uint32_t map_descriptor_version;
    uint32_t map_bytes; /* of `map`, a whole number of descriptors; 0 when there is none */
    const uint8_t *map; /* in `map_room`, or in the handoff */
    uint8_t *map_room; /* BOOT_EFI_MAP_BYTES for a loader's map, lent by the decoder's caller; NULL:
                           the firmware itself is asked, what the loader says is skipped */
};

struct boot_info {
    enum boot_protocol protocol;
    enum boot_firmware firmware;
    const char *loader_name; /* "" when not told */
    const char *cmdline;     /* Berth's own, without the image's name */

    bool loader_moves; /* the loader honours the relocatable tag: it says where it put the image
                          (tag 21 is there) */

    bool has_basic_memory;
    uint32_t memory_lower_kib;
    uint32_t memory_upper_kib;

    bool has_memory_map;
    uint32_t range_count;
    uint32_t
        ranges_dropped; /* the smallest RAM entries, where there were more than BOOT_RANGES_MAX */
    struct boot_range ranges[BOOT_RANGES_MAX];

    uint32_t module_count;
    struct boot_module modules[BOOT_MODULES_MAX];

    paddr_t rsdp_pa;     /* the firmware's own, where it is told; 0: not told */
    uint32_t rsdp_bytes; /* 0, 20 (ACPI 1.0) or 36 (ACPI 2.0 and later) */
    uint8_t rsdp[BOOT_RSDP_BYTES];

    paddr_t smbios_pa;    /* of the entry point structure, where it is told; 0: not told */
    uint8_t smbios_major; /* 0 when not told */
    uint8_t smbios_minor;
    uint32_t smbios_bytes;
    uint8_t smbios[BOOT_SMBIOS_BYTES]; /* the entry point structure */

    struct boot_framebuffer framebuffer;
    struct boot_efi efi;

    uint32_t strings_used;
    char strings[BOOT_STRINGS_BYTES]; /* all `const char *` above point here, or to a constant "" */
};

/*
 * Decode what the loader handed over into `out`, by the protocol that `regs->magic` names.
 *
 * @memory  physical memory; nothing in it is trusted
 * @out     need not be cleared, but for efi.map_room; complete only on success
 * @return  STATUS_OK, or INFO_*: the first defect, with the byte offset in the information block
 * where it is
 */
struct status boot_info_decode(const struct entry_regs *regs, const struct physical_view *memory,
                               struct boot_info *out);

/* Does any byte of [range) lie in what the loader calls RAM? For who cannot wait for the memory map to be mended. */
bool boot_info_touches_ram(const struct boot_info *info, struct prange range);

/*
 * Decode a multiboot2 information block. Unknown tags are skipped; of a tag that comes twice the
 * last one counts, but modules add up.
 *
 * @info_pa  of the block, any alignment
 * @return   offset: of the tag with the defect, or of the memory map's entry
 * Source:   Multiboot2 specification 2.0, section 3.6
 */
struct status multiboot2_decode(const struct physical_view *memory, uint64_t info_pa,
                                struct boot_info *out);

/*
 * Find only what the EFI stage needs before it may write anything: the 64-bit system table and the loader's image
 * handle (0 when it is not told).
 *
 * @return  false when there is no system table, or no block
 */
bool multiboot2_find_efi(const struct physical_view *memory, uint64_t info_pa,
                         uint64_t *system_table_pa, uint64_t *image_handle);

/*
 * Decode a multiboot1 information structure with everything it points to.
 *
 * @return  offset: of the field that holds the defect or points to it
 * Source:  Multiboot specification 0.6.96, section 3.3
 */
struct status multiboot1_decode(const struct physical_view *memory, uint64_t info_pa,
                                struct boot_info *out);

/*
 * Decode PVH's start information. Without a memory map (version 0) memmap_build has the error.
 *
 * @return  offset: of the field that holds the defect or points to it; INFO_BAD_MAGIC: the number found
 * Source:  Xen, public/arch-x86/hvm/start_info.h
 */
struct status pvh_decode(const struct physical_view *memory, uint64_t info_pa,
                         struct boot_info *out);

/* For the decoders, and nobody else: boot_info as it is before anything is known, and additions to
 * it. */
void boot_info_clear(struct boot_info *out);
/*
 * Beyond the limit the smallest pieces of RAM are dropped and counted, whatever the order; when
 * there is no RAM left to drop, it is INFO_TOO_MANY_RANGES.
 */
struct status boot_info_add_range(struct boot_info *out, uint64_t base, uint64_t length,
                                  uint32_t type);
/*
 * `text` is the loader's string for the module. GRUB 2 and PVH pass the arguments alone; every other
 * loader known (GRUB legacy, syslinux, iPXE, QEMU) puts the file's name first. So this is called
 * once protocol and loader's name are known. INFO_BAD_MODULE when end < start.
 */
struct status boot_info_add_module(struct boot_info *out, uint64_t start, uint64_t end,
                                   const char *text);
/* True where the loader passes arguments without a leading file name. */
bool loader_omits_names(const char *loader_name);

#endif
