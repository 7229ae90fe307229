/*
 * A Linux kernel file in the bzImage format, protocol 2.06 to 2.15 (and later ones, which are
 * compatible). Source: Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".
 */
#ifndef IMAGE_BZIMAGE_H
#define IMAGE_BZIMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

#define BZIMAGE_VERSION_BYTES 128

struct bzimage {
    uint16_t protocol;     /* major << 8 | minor */
    uint32_t header_bytes; /* of the setup header, from offset 0x1f1 of the file, all that the
                              kernel gave */
    size_t payload_offset; /* of the protected-mode part in the file */
    size_t payload_bytes;  /* syssize; a signature or padding behind it is not counted */
    uint64_t preferred;    /* pref_address; 1 MiB before protocol 2.10 */
    uint64_t alignment;    /* kernel_alignment, a power of two; a page when not relocatable */
    uint64_t init_bytes; /* room needed from the load address on (init_size, or before protocol 2.10
                            four times the payload); never less than payload_bytes */
    bool relocatable;
    bool entry_64;          /* XLF_KERNEL_64: a 64-bit entry at load address + 0x200 */
    bool above_4g;          /* XLF_CAN_BE_LOADED_ABOVE_4G: also initrd and command line */
    bool efi_32;            /* XLF_EFI_HANDOVER_32: works on 32-bit UEFI, whatever its own width */
    uint64_t initrd_below;  /* exclusive end for the initrd: initrd_addr_max + 1, or 1 << 52 when
                               above_4g */
    uint32_t cmdline_bytes; /* longest command line, without its NUL */
    char version[BZIMAGE_VERSION_BYTES]; /* "6.1.0-50-amd64 (...) ..."; "" when the file has none */
};

/*
 * Read the header of a kernel file. Nothing in it is trusted.
 *
 * @return  STATUS_OK, or KERNEL_*
 */
struct status bzimage_parse(const void *file, size_t file_bytes, struct bzimage *out);

#endif
