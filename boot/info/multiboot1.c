/*
 * The multiboot1 information structure. It says by flags which of its fields exist, and points to
 * everything else: each pointer is followed only through the view, and each list only to its end.
 */
#include "abi/multiboot1.h"
#include "boot_info.h"
#include "decode.h"
#include "mem.h"

#define ENTRY_ALIGN 4 /* sizes of memory-map entries are multiples of this */

#define FIELD_START(name) offsetof(struct multiboot1_info, name)
#define FIELD_END(name)   (FIELD_START(name) + sizeof(((struct multiboot1_info *)0)->name))

struct source {
    const struct physical_view *memory;
    struct multiboot1_info info;
    size_t bytes; /* of `info`, that lie inside the memory; the rest is zero */
};

static struct status beyond_memory_at(size_t field)
{
    return status_at(INFO_BAD_POINTER, field);
}

/*
 * The string at a physical address; none at address 0.
 *
 * @field  that holds the address, for the status
 */
static struct status read_string(const struct source *source, uint32_t pa, size_t field,
                                 const char **text)
{
    uint64_t left = pa < source->memory->size ? source->memory->size - pa : 0;
    bool cut = left > BOOT_STRINGS_BYTES;
    struct cursor bytes = view_cursor(source->memory, pa, cut ? BOOT_STRINGS_BYTES : left);

    *text = "";
    if (pa == 0) {
        return status_ok();
    }
    if (left == 0) {
        return beyond_memory_at(field);
    }
    *text = cursor_string(&bytes);
    if (!*text) {
        return status_at(cut ? INFO_STRINGS_FULL : INFO_BAD_STRING, field);
    }
    return status_ok();
}

/* Copy of a string at a physical address, without the image's name if that is asked for. */
static struct status decode_string(const struct source *source, uint32_t pa, size_t field,
                                   bool strip, struct boot_info *out, const char **copy)
{
    const char *text;
    struct status status = read_string(source, pa, field, &text);

    if (!is_ok(status)) {
        return status;
    }
    if (strip) {
        text = without_image_name(text, out->loader_name);
    }
    status = boot_info_add_text(out, text, copy);
    return is_ok(status) ? status : status_at(status.code, field);
}

static struct status decode_loader_name(const struct source *source, struct boot_info *out)
{
    if (!(source->info.flags & MB1_INFO_LOADER_NAME)) {
        return status_ok();
    }
    if (source->bytes < FIELD_END(loader_name_pa)) {
        return beyond_memory_at(FIELD_START(loader_name_pa));
    }
    return decode_string(source, source->info.loader_name_pa, FIELD_START(loader_name_pa), false,
                         out, &out->loader_name);
}

static struct status decode_cmdline(const struct source *source, struct boot_info *out)
{
    if (!(source->info.flags & MB1_INFO_CMDLINE)) {
        return status_ok();
    }
    if (source->bytes < FIELD_END(cmdline_pa)) {
        return beyond_memory_at(FIELD_START(cmdline_pa));
    }
    return decode_string(source, source->info.cmdline_pa, FIELD_START(cmdline_pa), true, out,
                         &out->cmdline);
}

static struct status decode_basic_memory(const struct source *source, struct boot_info *out)
{
    if (!(source->info.flags & MB1_INFO_MEMORY)) {
        return status_ok();
    }
    if (source->bytes < FIELD_END(upper_kib)) {
        return beyond_memory_at(FIELD_START(lower_kib));
    }
    out->has_basic_memory = true;
    out->memory_lower_kib = source->info.lower_kib;
    out->memory_upper_kib = source->info.upper_kib;
    return status_ok();
}

static struct status decode_modules(const struct source *source, struct boot_info *out)
{
    const size_t field = FIELD_START(modules_pa);
    struct cursor list;

    if (!(source->info.flags & MB1_INFO_MODULES)) {
        return status_ok();
    }
    if (source->bytes < FIELD_END(modules_pa)) {
        return beyond_memory_at(field);
    }
    list = view_cursor(source->memory, source->info.modules_pa,
                       source->info.module_count * sizeof(struct multiboot1_module));
    if (list.failed) {
        return beyond_memory_at(field);
    }
    while (cursor_left(&list) > 0) {
        struct multiboot1_module module;
        const char *text;
        struct status status;

        cursor_copy(&list, &module, sizeof(module));
        status = read_string(source, module.string_pa, field, &text);
        if (is_ok(status)) {
            status = boot_info_add_module(out, module.start, module.end, text);
        }
        if (!is_ok(status)) {
            return status_at(status.code, field);
        }
    }
    return status_ok();
}

static struct status decode_memory_map(const struct source *source, struct boot_info *out)
{
    const size_t field = FIELD_START(memory_map_pa);
    struct cursor map;

    if (!(source->info.flags & MB1_INFO_MEMORY_MAP)) {
        return status_ok();
    }
    if (source->bytes < FIELD_END(memory_map_pa)) {
        return beyond_memory_at(field);
    }
    map = view_cursor(source->memory, source->info.memory_map_pa, source->info.memory_map_bytes);
    if (map.failed) {
        return beyond_memory_at(field);
    }
    out->has_memory_map = true;
    while (cursor_left(&map) > 0) {
        struct multiboot1_memory_entry entry = {.bytes = cursor_u32(&map)};
        struct cursor body = cursor_take(&map, entry.bytes);
        struct status status;

        if (map.failed) {
            return status_at(INFO_TAG_OVERRUN, field);
        }
        entry.base = cursor_u64(&body);
        entry.length = cursor_u64(&body);
        entry.type = cursor_u32(&body);
        if (body.failed || entry.bytes % ENTRY_ALIGN != 0) {
            return status_at(INFO_BAD_ENTRY_SIZE, field);
        }
        status = add_loader_range(out, entry.base, entry.length, entry.type);
        if (!is_ok(status)) {
            return status_at(status.code, field);
        }
    }
    return status_ok();
}

static struct status decode_framebuffer_fields(const struct source *source, struct boot_info *out)
{
    struct cursor fields = cursor_over(&source->info, source->bytes);

    if (!(source->info.flags & MB1_INFO_FRAMEBUFFER)) {
        return status_ok();
    }
    cursor_seek(&fields, FIELD_START(framebuffer_pa));
    if (!decode_framebuffer(&fields, 0, &out->framebuffer)) {
        return beyond_memory_at(FIELD_START(framebuffer_pa));
    }
    return status_ok();
}

static struct status read_structure(uint64_t info_pa, struct source *source)
{
    uint64_t left = info_pa < source->memory->size ? source->memory->size - info_pa : 0;
    struct cursor bytes;

    source->bytes = left < sizeof(source->info) ? left : sizeof(source->info);
    if (source->bytes < FIELD_END(flags)) {
        return status_at(INFO_UNREACHABLE, info_pa);
    }
    memset(&source->info, 0, sizeof(source->info));
    bytes = view_cursor(source->memory, info_pa, source->bytes);
    cursor_copy(&bytes, &source->info, source->bytes);
    return status_ok();
}

struct status multiboot1_decode(const struct physical_view *memory, uint64_t info_pa,
                                struct boot_info *out)
{
    struct source source;
    struct status status;

    boot_info_clear(out);
    out->protocol = PROTOCOL_MULTIBOOT1;
    source.memory = memory;
    status = read_structure(info_pa, &source);
    /* First, because it says how to read the other strings. */
    if (is_ok(status)) {
        status = decode_loader_name(&source, out);
    }
    if (is_ok(status)) {
        status = decode_cmdline(&source, out);
    }
    if (is_ok(status)) {
        status = decode_basic_memory(&source, out);
    }
    if (is_ok(status)) {
        status = decode_modules(&source, out);
    }
    if (is_ok(status)) {
        status = decode_memory_map(&source, out);
    }
    if (is_ok(status)) {
        status = decode_framebuffer_fields(&source, out);
    }
    return status;
}
