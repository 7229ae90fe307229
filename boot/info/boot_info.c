/*
 * The parts of decoding that know no protocol: choosing the decoder, and adding to a boot_info
 * within its limits.
 */
#include "boot_info.h"
#include "abi/multiboot2.h"
#include "abi/multiboot_headers.h"
#include "abi/pvh_entry.h"
#include "decode.h"
#include "mem.h"

struct status boot_info_decode(const struct entry_regs *regs, const struct physical_view *memory,
                               struct boot_info *out)
{
    switch (regs->magic) {
    case MB1_BOOT_MAGIC:
        return multiboot1_decode(memory, regs->info_pa, out);
    case MB2_BOOT_MAGIC:
        return multiboot2_decode(memory, regs->info_pa, out);
    case PVH_START_MAGIC:
        return pvh_decode(memory, regs->info_pa, out);
    default:
        return status_at(INFO_BAD_MAGIC, regs->magic);
    }
}

/* The large arrays stay as they are: their counts say that nothing in them is valid. */
void boot_info_clear(struct boot_info *out)
{
    out->protocol = PROTOCOL_MULTIBOOT1;
    out->firmware = FIRMWARE_BIOS;
    out->loader_name = "";
    out->cmdline = "";
    out->loader_moves = false;
    out->has_basic_memory = false;
    out->memory_lower_kib = 0;
    out->memory_upper_kib = 0;
    out->has_memory_map = false;
    out->range_count = 0;
    out->ranges_dropped = 0;
    out->module_count = 0;
    out->rsdp_pa.pa = 0;
    out->rsdp_bytes = 0;
    out->smbios_pa.pa = 0;
    out->smbios_major = 0;
    out->smbios_minor = 0;
    out->smbios_bytes = 0;
    out->framebuffer = (struct boot_framebuffer){.kind = FRAMEBUFFER_NONE};
    out->efi.system_table_pa = 0;
    out->efi.image_handle = 0;
    out->efi.is_64bit = false;
    out->efi.boot_services_live = false;
    out->efi.secure_boot_told = false;
    out->efi.secure_boot = false;
    out->efi.map_descriptor_bytes = 0;
    out->efi.map_descriptor_version = 0;
    out->efi.map_bytes = 0;
    out->efi.map = NULL;
    out->strings_used = 0;
}

/* `text` is `bytes` bytes without a NUL among them. */
static struct status add_string(struct boot_info *out, const char *text, size_t bytes,
                                const char **copy)
{
    char *to = out->strings + out->strings_used;

    if (bytes == 0) {
        *copy = "";
        return status_ok();
    }
    if (bytes >= BOOT_STRINGS_BYTES - out->strings_used) {
        return status_at(INFO_STRINGS_FULL, 0);
    }
    memcpy(to, text, bytes);
    to[bytes] = '\0';
    out->strings_used += (uint32_t)bytes + 1;
    *copy = to;
    return status_ok();
}

struct status boot_info_add_text(struct boot_info *out, const char *text, const char **copy)
{
    return add_string(out, text, strlen(text), copy);
}

struct status add_loader_range(struct boot_info *out, uint64_t base, uint64_t length, uint32_t type)
{
    return boot_info_add_range(out, base, length,
                               type == MEMORY_BOOT_SERVICES ? MEMORY_RESERVED : type);
}

static bool is_ram(uint32_t type)
{
    return type == MEMORY_RAM || type == MEMORY_BOOT_SERVICES;
}

/* The entry of RAM that is missed least, or NULL when there is no RAM. */
static struct boot_range *smallest_ram(struct boot_info *info)
{
    struct boot_range *smallest = NULL;

    for (uint32_t i = 0; i < info->range_count; i++) {
        struct boot_range *range = &info->ranges[i];

        if (is_ram(range->type) && (!smallest || range->length < smallest->length)) {
            smallest = range;
        }
    }
    return smallest;
}

struct status boot_info_add_range(struct boot_info *out, uint64_t base, uint64_t length,
                                  uint32_t type)
{
    struct boot_range added = {.base = base, .length = length, .type = type};
    struct boot_range *place;

    if (out->range_count < BOOT_RANGES_MAX) {
        out->ranges[out->range_count++] = added;
        return status_ok();
    }
    place = smallest_ram(out);
    if (!place && !is_ram(type)) {
        return status_at(INFO_TOO_MANY_RANGES, 0);
    }
    out->ranges_dropped++;
    if (place && (!is_ram(type) || place->length < length)) {
        *place = added;
    }
    return status_ok();
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The length of the first word. */
static size_t word_bytes(const char *text)
{
    size_t bytes = 0;

    while (text[bytes] != '\0' && !is_blank(text[bytes])) {
        bytes++;
    }
    return bytes;
}

static const char *skip_blanks(const char *text)
{
    while (is_blank(*text)) {
        text++;
    }
    return text;
}

static const char *skip_word(const char *text)
{
    return skip_blanks(text + word_bytes(text));
}

const char *without_image_name(const char *text, const char *loader_name)
{
    return loader_omits_names(loader_name) ? text : skip_word(skip_blanks(text));
}

struct status boot_info_add_module(struct boot_info *out, uint64_t start, uint64_t end,
                                   const char *text)
{
    struct boot_module module = {.bytes = {start, end}, .name = "", .args = ""};
    struct status status = status_ok();

    if (end < start) {
        return status_at(INFO_BAD_MODULE, 0);
    }
    if (out->module_count == BOOT_MODULES_MAX) {
        return status_at(INFO_TOO_MANY_MODULES, 0);
    }
    if (out->protocol != PROTOCOL_PVH && !loader_omits_names(out->loader_name)) {
        const char *path = skip_blanks(text);
        size_t path_bytes = word_bytes(path);
        size_t name_at = path_bytes;

        while (name_at > 0 && path[name_at - 1] != '/') {
            name_at--;
        }
        status = add_string(out, path + name_at, path_bytes - name_at, &module.name);
        text = skip_word(path);
    }
    if (is_ok(status)) {
        status = boot_info_add_text(out, text, &module.args);
    }
    if (is_ok(status)) {
        out->modules[out->module_count++] = module;
    }
    return status;
}

/* "GRUB 2.06-13": GRUB 2. GRUB legacy calls itself "GNU GRUB 0.97". */
bool loader_omits_names(const char *loader_name)
{
    static const char grub2[] = "GRUB 2";

    return strncmp(loader_name, grub2, sizeof(grub2) - 1) == 0;
}

static enum framebuffer_kind framebuffer_kind(uint8_t type)
{
    switch (type) {
    case MB2_FRAMEBUFFER_INDEXED:
        return FRAMEBUFFER_INDEXED;
    case MB2_FRAMEBUFFER_RGB:
        return FRAMEBUFFER_RGB;
    case MB2_FRAMEBUFFER_TEXT:
        return FRAMEBUFFER_TEXT;
    default:
        return FRAMEBUFFER_NONE;
    }
}

bool decode_framebuffer(struct cursor *fields, size_t reserved_bytes, struct boot_framebuffer *out)
{
    struct boot_framebuffer framebuffer = {.kind = FRAMEBUFFER_NONE};

    framebuffer.base.pa = cursor_u64(fields);
    framebuffer.pitch_bytes = cursor_u32(fields);
    framebuffer.width = cursor_u32(fields);
    framebuffer.height = cursor_u32(fields);
    framebuffer.bits_per_pixel = cursor_u8(fields);
    framebuffer.kind = framebuffer_kind(cursor_u8(fields));
    cursor_skip(fields, reserved_bytes);
    if (framebuffer.kind == FRAMEBUFFER_RGB) {
        framebuffer.red.position = cursor_u8(fields);
        framebuffer.red.size_bits = cursor_u8(fields);
        framebuffer.green.position = cursor_u8(fields);
        framebuffer.green.size_bits = cursor_u8(fields);
        framebuffer.blue.position = cursor_u8(fields);
        framebuffer.blue.size_bits = cursor_u8(fields);
    }
    if (fields->failed) {
        return false;
    }
    if (framebuffer.kind == FRAMEBUFFER_NONE) {
        framebuffer = (struct boot_framebuffer){.kind = FRAMEBUFFER_NONE};
    }
    *out = framebuffer;
    return true;
}
