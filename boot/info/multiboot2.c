/*
 * The multiboot2 information block. One function steps from tag to tag and proves each to lie
 * inside the block; one function per tag then reads its contents through a cursor that ends where
 * the tag ends.
 *
 * The tags are walked twice: the strings can only be read when the loader is known, and its name
 * may come last.
 */
#include "abi/multiboot2.h"
#include "abi/acpi.h"
#include "boot_info.h"
#include "decode.h"
#include "efi_handoff.h"
#include "mem.h"

#define ENTRY_ALIGN 8 /* strides of memory maps are multiples of this */

struct tag {
    uint32_t type;
    size_t offset;       /* in the block */
    struct cursor bytes; /* the whole tag, from its header on */
};

/* Step to the tag that begins at or behind the block's position. */
static struct status next_tag(struct cursor *block, struct tag *tag)
{
    struct multiboot2_tag header;

    tag->offset = align_up(block->position, MB2_TAG_ALIGN);
    if (!cursor_seek(block, tag->offset) || !cursor_copy(block, &header, sizeof(header))) {
        return status_at(INFO_NO_END_TAG, tag->offset);
    }
    if (header.bytes < sizeof(header)) {
        return status_at(INFO_BAD_TAG_SIZE, tag->offset);
    }
    cursor_seek(block, tag->offset);
    tag->type = header.type;
    tag->bytes = cursor_take(block, header.bytes);
    if (tag->bytes.failed) {
        return status_at(INFO_TAG_OVERRUN, tag->offset);
    }
    if (header.type == MB2_TAG_END && header.bytes != sizeof(header)) {
        return status_at(INFO_BAD_TAG_SIZE, tag->offset);
    }
    return status_ok();
}

/* The string behind the tag's header, or NULL. */
static const char *string_tag(struct cursor *tag)
{
    cursor_skip(tag, sizeof(struct multiboot2_tag));
    return cursor_string(tag);
}

/*
 * Keep the loader's name, which may be in any tag. What else is wrong with the tags is left to the
 * second walk to say.
 */
static struct status decode_loader_name(struct cursor block, struct boot_info *out)
{
    const char *name = "";
    size_t name_offset = 0;
    struct tag tag;
    struct status status;

    while (is_ok(next_tag(&block, &tag)) && tag.type != MB2_TAG_END) {
        if (tag.type == MB2_TAG_LOADER_NAME) {
            const char *text = string_tag(&tag.bytes);

            name = text ? text : name;
            name_offset = tag.offset;
        }
    }
    status = boot_info_add_text(out, name, &out->loader_name);
    return is_ok(status) ? status : status_at(status.code, name_offset);
}

/* --- one function per tag; the offset in their status is counted from the start of the tag --- */

static struct status bad_size(void)
{
    return status_at(INFO_BAD_TAG_SIZE, 0);
}

/* The name was read in the first walk. */
static struct status check_loader_name(struct cursor *tag)
{
    return string_tag(tag) ? status_ok() : status_at(INFO_BAD_STRING, 0);
}

static struct status decode_cmdline(struct cursor *tag, struct boot_info *out)
{
    const char *text = string_tag(tag);

    if (!text) {
        return status_at(INFO_BAD_STRING, 0);
    }
    return boot_info_add_text(out, without_image_name(text, out->loader_name), &out->cmdline);
}

static struct status decode_module(struct cursor *tag, struct boot_info *out)
{
    struct multiboot2_module module;
    const char *text;

    if (!cursor_copy(tag, &module, sizeof(module))) {
        return bad_size();
    }
    text = cursor_string(tag);
    if (!text) {
        return status_at(INFO_BAD_STRING, 0);
    }
    return boot_info_add_module(out, module.start, module.end, text);
}

static struct status decode_basic_memory(struct cursor *tag, struct boot_info *out)
{
    struct multiboot2_basic_memory memory;

    if (!cursor_copy(tag, &memory, sizeof(memory))) {
        return bad_size();
    }
    out->has_basic_memory = true;
    out->memory_lower_kib = memory.lower_kib;
    out->memory_upper_kib = memory.upper_kib;
    return status_ok();
}

static struct status decode_memory_map(struct cursor *tag, struct boot_info *out)
{
    struct multiboot2_memory_map map;

    if (!cursor_copy(tag, &map, sizeof(map))) {
        return bad_size();
    }
    if (map.entry_bytes < sizeof(struct multiboot2_memory_entry) ||
        map.entry_bytes % ENTRY_ALIGN != 0) {
        return status_at(INFO_BAD_ENTRY_SIZE, 0);
    }
    out->has_memory_map = true;
    out->range_count = 0;
    out->ranges_dropped = 0;
    while (cursor_left(tag) > 0) {
        size_t entry_at = tag->position;
        struct cursor bytes = cursor_take(tag, map.entry_bytes);
        struct multiboot2_memory_entry entry;
        struct status status;

        if (!cursor_copy(&bytes, &entry, sizeof(entry))) {
            return status_at(INFO_BAD_TAG_SIZE, entry_at);
        }
        status = add_loader_range(out, entry.base, entry.length, entry.type);
        if (!is_ok(status)) {
            return status_at(status.code, entry_at);
        }
    }
    return status_ok();
}

static struct status decode_framebuffer_tag(struct cursor *tag, struct boot_info *out)
{
    cursor_skip(tag, sizeof(struct multiboot2_tag));
    return decode_framebuffer(tag, MB2_FRAMEBUFFER_RESERVED_BYTES, &out->framebuffer) ? status_ok()
                                                                                      : bad_size();
}

static struct status decode_smbios(struct cursor *tag, struct boot_info *out)
{
    struct multiboot2_smbios smbios;
    size_t bytes;

    if (!cursor_copy(tag, &smbios, sizeof(smbios))) {
        return bad_size();
    }
    bytes = cursor_left(tag);
    bytes = bytes < BOOT_SMBIOS_BYTES ? bytes : BOOT_SMBIOS_BYTES;
    cursor_copy(tag, out->smbios, bytes);
    out->smbios_major = smbios.major;
    out->smbios_minor = smbios.minor;
    out->smbios_bytes = (uint32_t)bytes;
    return status_ok();
}

/* An old RSDP never replaces a new one. */
static struct status decode_rsdp(struct cursor *tag, uint32_t bytes, struct boot_info *out)
{
    cursor_skip(tag, sizeof(struct multiboot2_tag));
    if (cursor_left(tag) < bytes) {
        return bad_size();
    }
    if (bytes >= out->rsdp_bytes) {
        cursor_copy(tag, out->rsdp, bytes);
        out->rsdp_bytes = bytes;
    }
    return status_ok();
}

static struct status decode_efi_map(struct cursor *tag, struct boot_info *out)
{
    struct multiboot2_efi_map map;

    if (!cursor_copy(tag, &map, sizeof(map))) {
        return bad_size();
    }
    return efi_map_copy(out, map.descriptor_bytes, map.descriptor_version, tag);
}

/* The firmware is of one kind: where tags for both are there, only those for 64 bits count,
 * whatever the order. */
static bool note_firmware(struct boot_info *out, enum boot_firmware kind)
{
    if (out->firmware == FIRMWARE_UEFI64 && kind == FIRMWARE_UEFI32) {
        return false;
    }
    if (out->firmware != kind) {
        out->firmware = kind;
        out->efi.is_64bit = kind == FIRMWARE_UEFI64;
        out->efi.system_table_pa = 0;
        out->efi.image_handle = 0;
    }
    return true;
}

/* A tag with one value of the firmware's width: the system table's address, or the image handle. */
static struct status decode_efi_value(struct cursor *tag, enum boot_firmware kind, uint64_t *to,
                                      struct boot_info *out)
{
    uint64_t value;

    cursor_skip(tag, sizeof(struct multiboot2_tag));
    value = kind == FIRMWARE_UEFI64 ? cursor_u64(tag) : cursor_u32(tag);
    if (tag->failed) {
        return bad_size();
    }
    if (note_firmware(out, kind)) {
        *to = value;
    }
    return status_ok();
}

/* That the tag is there says that the loader knows how to move images. Its value is wrong with some
 * loaders. */
static struct status decode_load_base(struct cursor *tag, struct boot_info *out)
{
    if (!cursor_skip(tag, sizeof(struct multiboot2_load_base))) {
        return bad_size();
    }
    out->loader_moves = true;
    return status_ok();
}

static struct status decode_tag(struct tag *tag, struct boot_info *out)
{
    struct cursor *bytes = &tag->bytes;

    switch (tag->type) {
    case MB2_TAG_CMDLINE:
        return decode_cmdline(bytes, out);
    case MB2_TAG_LOADER_NAME:
        return check_loader_name(bytes);
    case MB2_TAG_MODULE:
        return decode_module(bytes, out);
    case MB2_TAG_BASIC_MEMORY:
        return decode_basic_memory(bytes, out);
    case MB2_TAG_MEMORY_MAP:
        return decode_memory_map(bytes, out);
    case MB2_TAG_FRAMEBUFFER:
        return decode_framebuffer_tag(bytes, out);
    case MB2_TAG_EFI32:
        return decode_efi_value(bytes, FIRMWARE_UEFI32, &out->efi.system_table_pa, out);
    case MB2_TAG_EFI64:
        return decode_efi_value(bytes, FIRMWARE_UEFI64, &out->efi.system_table_pa, out);
    case MB2_TAG_SMBIOS:
        return decode_smbios(bytes, out);
    case MB2_TAG_ACPI_OLD:
        return decode_rsdp(bytes, RSDP_V1_BYTES, out);
    case MB2_TAG_ACPI_NEW:
        return decode_rsdp(bytes, BOOT_RSDP_BYTES, out);
    case MB2_TAG_EFI_MAP:
        return decode_efi_map(bytes, out);
    case MB2_TAG_EFI_BS:
        out->efi.boot_services_live = true;
        return status_ok();
    case MB2_TAG_EFI32_IMAGE:
        return decode_efi_value(bytes, FIRMWARE_UEFI32, &out->efi.image_handle, out);
    case MB2_TAG_EFI64_IMAGE:
        return decode_efi_value(bytes, FIRMWARE_UEFI64, &out->efi.image_handle, out);
    case MB2_TAG_LOAD_BASE:
        return decode_load_base(bytes, out);
    default:
        return status_ok(); /* of no use here, or not known */
    }
}

/* The block, with its position at the first tag. */
static struct status open_block(const struct physical_view *memory, uint64_t info_pa,
                                struct cursor *block)
{
    struct cursor start = view_cursor(memory, info_pa, sizeof(struct multiboot2_info));
    struct multiboot2_info header;

    if (!cursor_copy(&start, &header, sizeof(header))) {
        return status_at(INFO_UNREACHABLE, info_pa);
    }
    *block = view_cursor(memory, info_pa, header.total_bytes);
    if (!cursor_skip(block, sizeof(header))) {
        return status_at(INFO_BAD_TOTAL_SIZE, header.total_bytes);
    }
    return status_ok();
}

/*
 * Where the loader has ended the firmware's boot services, the firmware's own map of that moment is
 * more exact than what the loader made of it. (While they are alive there is a newer one to come.)
 * `map_offset` is that of the map's tag.
 */
static struct status prefer_efi_map(struct boot_info *out, size_t map_offset)
{
    struct status status;

    if (out->efi.boot_services_live || out->efi.map_bytes == 0) {
        return status_ok();
    }
    status = efi_map_decode(out);
    return is_ok(status) ? status
                         : status_at(status.code, map_offset + sizeof(struct multiboot2_efi_map) +
                                                      status.offset);
}

/*
 * kexec (kexec-tools 2.0.25) writes no end tag, or half of one, misaligned. Of a loader known to do so that is an end;
 * of any other it is a block that was cut.
 */
static bool ends_without_tag(const struct cursor *block, const struct boot_info *out)
{
    static const char kexec[] = "kexec ";

    return align_up(block->position, MB2_TAG_ALIGN) + sizeof(struct multiboot2_tag) > block->size &&
           strncmp(out->loader_name, kexec, sizeof(kexec) - 1) == 0;
}

struct status multiboot2_decode(const struct physical_view *memory, uint64_t info_pa,
                                struct boot_info *out)
{
    struct cursor block;
    struct tag tag;
    struct status status;
    size_t efi_map_offset = 0;

    boot_info_clear(out);
    out->protocol = PROTOCOL_MULTIBOOT2;
    status = open_block(memory, info_pa, &block);
    if (!is_ok(status)) {
        return status;
    }
    status = decode_loader_name(block, out);
    if (!is_ok(status)) {
        return status;
    }
    while (!ends_without_tag(&block, out)) {
        status = next_tag(&block, &tag);
        if (!is_ok(status)) {
            return status;
        }
        if (tag.type == MB2_TAG_END) {
            break;
        }
        status = decode_tag(&tag, out);
        if (!is_ok(status)) {
            return status_at(status.code, tag.offset + status.offset);
        }
        if (tag.type == MB2_TAG_EFI_MAP) {
            efi_map_offset = tag.offset;
        }
    }
    return prefer_efi_map(out, efi_map_offset);
}

bool multiboot2_find_efi(const struct physical_view *memory, uint64_t info_pa,
                         uint64_t *system_table_pa, uint64_t *image_handle)
{
    struct cursor block;
    struct tag tag;

    *system_table_pa = 0;
    *image_handle = 0;
    if (!is_ok(open_block(memory, info_pa, &block))) {
        return false;
    }
    while (is_ok(next_tag(&block, &tag)) && tag.type != MB2_TAG_END) {
        cursor_skip(&tag.bytes, sizeof(struct multiboot2_tag));
        if (tag.type == MB2_TAG_EFI64) {
            *system_table_pa = cursor_u64(&tag.bytes);
        } else if (tag.type == MB2_TAG_EFI64_IMAGE) {
            *image_handle = cursor_u64(&tag.bytes);
        }
    }
    return *system_table_pa != 0;
}
