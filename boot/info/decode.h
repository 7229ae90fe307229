/*
 * Private to boot/info: what the decoders share.
 */
#ifndef INFO_DECODE_H
#define INFO_DECODE_H

#include <stdbool.h>
#include <stddef.h>

#include "boot_info.h"

/*
 * What remains of the loader's string for the image when the image's own name, which all loaders
 * but GRUB 2 put first, is taken away.
 */
const char *without_image_name(const char *text, const char *loader_name);

/* Keep a copy of a string. INFO_STRINGS_FULL when it does not fit. */
struct status boot_info_add_text(struct boot_info *out, const char *text, const char **copy);

/*
 * The framebuffer fields, which both protocols lay out alike but for the reserved bytes. An unknown
 * kind is none.
 *
 * @return  false, and nothing is written, when the fields are cut off
 */
bool decode_framebuffer(struct cursor *fields, size_t reserved_bytes, struct boot_framebuffer *out);

/* As boot_info_add_range, of a loader's entry: a type that means something to us alone is reserved. */
struct status add_loader_range(struct boot_info *out, uint64_t base, uint64_t length,
                               uint32_t type);

/*
 * Keep an EFI memory map as it came: by its address, or (efi_map_copy) in efi.map_room all bytes that
 * are left.
 *
 * @return  INFO_BAD_ENTRY_SIZE; INFO_BAD_TAG_SIZE when the descriptors do not come out even;
 *          INFO_TOO_MANY_RANGES
 */
struct status efi_map_keep(struct boot_info *out, uint32_t descriptor_bytes,
                           uint32_t descriptor_version, const uint8_t *map, size_t map_bytes);
struct status efi_map_copy(struct boot_info *out, uint32_t descriptor_bytes,
                           uint32_t descriptor_version, struct cursor *bytes);

#endif
