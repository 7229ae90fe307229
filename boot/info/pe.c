/*
 * Sections of a PE image in memory. This code also runs before the image is at its link address: it
 * keeps no address of anything.
 */
#include "abi/pe.h"
#include "abi/pe_layout.h"
#include "config.h"
#include "cursor.h"
#include "mem.h"

/* The cursor to the section table, and how many sections it has; the cursor fails when this is no PE image. */
static uint16_t open_section_table(struct cursor *image)
{
    struct pe_file_header header = {0};
    uint16_t dos_magic = cursor_u16(image);
    uint32_t signature;

    cursor_seek(image, PE_OFFSET_AT);
    cursor_seek(image, cursor_u32(image));
    signature = cursor_u32(image);
    cursor_copy(image, &header, sizeof(header));
    cursor_skip(image, header.optional_header_bytes);
    if (dos_magic != PE_DOS_MAGIC || signature != PE_SIGNATURE) {
        image->failed = true;
    }
    return header.section_count;
}

enum pe_result pe_section_find(const void *image, size_t image_bytes, const char *name,
                               struct pe_section *out)
{
    struct cursor cursor = cursor_over(image, image_bytes);
    const uint16_t count = open_section_table(&cursor);
    const size_t name_bytes = strlen(name);
    enum pe_result result = PE_SECTION_ABSENT;
    char padded[PE_SECTION_NAME_BYTES] = {0};
    struct pe_section_header section;

    if (name_bytes > sizeof(padded)) {
        return PE_SECTION_ABSENT;
    }
    memcpy(padded, name, name_bytes);
    for (uint16_t i = 0; i < count && cursor_copy(&cursor, &section, sizeof(section)); i++) {
        if (memcmp(section.name, padded, sizeof(padded)) != 0) {
            continue;
        }
        if (result == PE_SECTION_FOUND || section.virtual_address > image_bytes ||
            section.virtual_bytes > image_bytes - section.virtual_address) {
            return PE_SECTION_BAD;
        }
        *out = (struct pe_section){section.virtual_address, section.virtual_bytes};
        result = PE_SECTION_FOUND;
    }
    return cursor.failed ? PE_SECTION_BAD : result;
}
