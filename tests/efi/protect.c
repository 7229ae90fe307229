/*
 * What firmware with strict memory protection does: data is not executable, an image's sections
 * are what their flags say. And checksums of the firmware's own code.
 */
#include "hostile.h"

/* Microsoft PE/COFF Specification, "COFF File Header", "Optional Header", "Section Table". */
#define PE_OFFSET_AT          0x3c
#define PE_SECTION_COUNT      6
#define PE_OPTIONAL_BYTES     20
#define PE_OPTIONAL           24
#define PE_HEADERS_BYTES      (PE_OPTIONAL + 60)
#define SECTION_BYTES         40
#define SECTION_VIRTUAL_BYTES 8
#define SECTION_VIRTUAL_AT    12
#define SECTION_FLAGS         36
#define SECTION_EXECUTABLE    0x20000000u
#define SECTION_WRITABLE      0x80000000u

#define SECTIONS_MAX  32
#define CHECKSUMS_MAX 512

struct section {
    struct range range;
    bool writable;
    bool executable;
};

static enum no_execute no_execute;
static bool images_protected;

static struct {
    struct range range;
    uint32_t crc32;
} checksums[CHECKSUMS_MAX];
static unsigned int checksum_count;

static const struct efi_guid loaded_image_guid = EFI_LOADED_IMAGE_GUID;

static uint32_t get(const uint8_t *at, unsigned int bytes)
{
    uint32_t value = 0;

    while (bytes-- > 0) {
        value = value << 8 | at[bytes];
    }
    return value;
}

/* The headers, which are read-only data, and all sections. Returns how many. */
static unsigned int read_sections(const struct efi_loaded_image *image, struct section *sections)
{
    const uint8_t *base = image->image_base;
    const uint8_t *pe = base + get(base + PE_OFFSET_AT, 4);
    const uint8_t *at = pe + PE_OPTIONAL + get(pe + PE_OPTIONAL_BYTES, 2);
    const unsigned int count = get(pe + PE_SECTION_COUNT, 2);

    if (base[0] != 'M' || base[1] != 'Z' || count >= SECTIONS_MAX) {
        return 0;
    }
    memset(sections, 0, (count + 1) * sizeof(*sections));
    sections[0].range.start = (uintptr_t)base;
    sections[0].range.end = (uintptr_t)base + get(pe + PE_HEADERS_BYTES, 4);
    for (unsigned int i = 1; i <= count; i++, at += SECTION_BYTES) {
        const uint32_t flags = get(at + SECTION_FLAGS, 4);

        sections[i].range.start = (uintptr_t)base + get(at + SECTION_VIRTUAL_AT, 4);
        sections[i].range.end = sections[i].range.start + get(at + SECTION_VIRTUAL_BYTES, 4);
        sections[i].writable = (flags & SECTION_WRITABLE) != 0;
        sections[i].executable = (flags & SECTION_EXECUTABLE) != 0;
    }
    return count + 1;
}

static struct efi_loaded_image *loaded_image(efi_handle handle)
{
    void *image = NULL;

    return efi_failed(firmware.handle_protocol(handle, &loaded_image_guid, &image)) ? NULL : image;
}

/* --- sections ------------------------------------------------------------------------------------ */
static struct range whole_pages(struct range range)
{
    range.end = (range.end + EFI_PAGE_BYTES - 1) & -EFI_PAGE_BYTES;
    return range;
}

static void protect_section(const struct section *section)
{
    const uint64_t set =
        (section->writable ? PAGE_WRITABLE : 0) | (section->executable ? 0 : PAGE_NO_EXECUTE);
    const uint64_t clear =
        (section->writable ? 0 : PAGE_WRITABLE) | (section->executable ? PAGE_NO_EXECUTE : 0);

    if (section->range.start & (EFI_PAGE_BYTES - 1)) {
        violation("a section begins at %x, inside a page", section->range.start);
    }
    if (section->writable && section->executable) {
        violation("the section at %x is writable and executable", section->range.start);
    }
    say("HOSTILE protect: %x-%x %s", section->range.start, section->range.end,
        section->executable ? "read, execute"
        : section->writable ? "read, write"
                            : "read");
    paging_change(whole_pages(section->range), set, clear);
}

static void protect_image(const struct efi_loaded_image *image)
{
    struct section sections[SECTIONS_MAX];
    const unsigned int count = read_sections(image, sections);

    for (unsigned int i = 0; i < count; i++) {
        protect_section(&sections[i]);
    }
}

void protect_images(void)
{
    images_protected = true;
}

/* --- no-execute ----------------------------------------------------------------------------------- */
static void no_execute_now(void)
{
    struct memory_map map = map_read();
    uint64_t pages = 0;

    for (efi_uint i = 0; i < map.count; i++) {
        const struct efi_memory_descriptor *entry = map_entry(&map, i);

        if (entry->type == EFI_LOADER_DATA) {
            paging_change(map_range(entry), PAGE_NO_EXECUTE, 0);
            pages += entry->pages;
        }
    }
    say("HOSTILE no-execute: %d pages of loader data", pages);
}

void protect_no_execute(enum no_execute what)
{
    no_execute = what;
    say("HOSTILE no-execute: %s", what == NX_ALL ? "all loader data" : "loader data from now on");
    if (what == NX_ALL) {
        no_execute_now();
    }
}

void protect_allocated(uint32_t type, struct range range)
{
    if (no_execute == NX_OFF) {
        return;
    }
    if (type == EFI_LOADER_DATA) {
        say("HOSTILE no-execute: %x-%x", range.start, range.end);
        paging_change(range, PAGE_NO_EXECUTE, 0);
    } else {
        paging_change(range, 0, PAGE_NO_EXECUTE);
    }
}

/* The firmware may give the pages to code next. */
void protect_freed(struct range range)
{
    if (no_execute != NX_OFF) {
        paging_change(range, 0, PAGE_NO_EXECUTE);
    }
}

void protect_started(efi_handle handle)
{
    const struct efi_loaded_image *image = loaded_image(handle);
    struct range range;

    if (image == NULL) {
        return;
    }
    range.start = (uintptr_t)image->image_base;
    range.end = range.start + image->image_bytes;
    say("HOSTILE starts %x-%x", range.start, range.end);
    if (no_execute != NX_OFF) {
        paging_change(whole_pages(range), 0, PAGE_NO_EXECUTE);
    }
    if (images_protected) {
        protect_image(image);
    }
}

/* --- the firmware's code --------------------------------------------------------------------------- */
static uint32_t crc32_of(struct range range)
{
    uint32_t crc32 = 0;

    firmware.calculate_crc32((void *)(uintptr_t)range.start, (efi_uint)(range.end - range.start),
                             &crc32);
    return crc32;
}

static void checksum_image(const struct efi_loaded_image *image)
{
    struct section sections[SECTIONS_MAX];
    const unsigned int count = read_sections(image, sections);

    for (unsigned int i = 0; i < count; i++) {
        if (!sections[i].executable || sections[i].writable) {
            continue;
        }
        if (checksum_count == CHECKSUMS_MAX) {
            give_up("too many images to checksum");
        }
        checksums[checksum_count].range = sections[i].range;
        checksums[checksum_count++].crc32 = crc32_of(sections[i].range);
    }
}

void checksum_begin(void)
{
    efi_uint count;
    efi_handle *handles;

    if (efi_failed(firmware.locate_handle_buffer(EFI_BY_PROTOCOL, &loaded_image_guid, NULL, &count,
                                                 &handles))) {
        give_up("no loaded images");
    }
    for (efi_uint i = 0; i < count; i++) {
        const struct efi_loaded_image *image = loaded_image(handles[i]);

        if (image != NULL && image->code_type != EFI_LOADER_CODE) {
            checksum_image(image);
        }
    }
    firmware.free_pool(handles);
    say("HOSTILE checksum: code of %d firmware images", (uint64_t)checksum_count);
}

void checksum_check(void)
{
    for (unsigned int i = 0; i < checksum_count; i++) {
        if (crc32_of(checksums[i].range) != checksums[i].crc32) {
            violation("the firmware's code in %x-%x is changed", checksums[i].range.start,
                      checksums[i].range.end);
        }
    }
}
