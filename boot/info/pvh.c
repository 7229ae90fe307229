/*
 * PVH's start information. Every address in it has 64 bits, and 0 where there is nothing; each is
 * followed only through the view. Command lines hold arguments alone, no loader tells its name.
 */
#include "abi/pvh.h"
#include "abi/pvh_entry.h"
#include "boot_info.h"
#include "decode.h"
#include "mem.h"

#define FIELD(name) offsetof(struct pvh_start_info, name)

/* Version 0 ends where later versions hold the memory map. */
#define VERSION0_BYTES FIELD(memory_map_pa)

/* The string at a physical address; "" at address 0. */
static struct status read_string(const struct physical_view *memory, uint64_t pa, size_t field,
                                 const char **text)
{
    uint64_t left = pa < memory->size ? memory->size - pa : 0;
    bool cut = left > BOOT_STRINGS_BYTES;
    struct cursor bytes = view_cursor(memory, pa, cut ? BOOT_STRINGS_BYTES : left);

    *text = "";
    if (pa == 0) {
        return status_ok();
    }
    if (left == 0) {
        return status_at(INFO_BAD_POINTER, field);
    }
    *text = cursor_string(&bytes);
    if (!*text) {
        return status_at(cut ? INFO_STRINGS_FULL : INFO_BAD_STRING, field);
    }
    return status_ok();
}

static struct status decode_cmdline(const struct physical_view *memory,
                                    const struct pvh_start_info *start, struct boot_info *out)
{
    const char *text;
    struct status status = read_string(memory, start->cmdline_pa, FIELD(cmdline_pa), &text);

    if (is_ok(status)) {
        status = boot_info_add_text(out, text, &out->cmdline);
    }
    return is_ok(status) ? status : status_at(status.code, FIELD(cmdline_pa));
}

static struct status decode_module(const struct physical_view *memory,
                                   const struct pvh_module *module, struct boot_info *out)
{
    const char *text;
    struct status status = read_string(memory, module->cmdline_pa, FIELD(modules_pa), &text);

    if (!is_ok(status)) {
        return status;
    }
    if (module->pa > memory->size || module->bytes > memory->size - module->pa) {
        return status_at(INFO_BAD_POINTER, FIELD(modules_pa));
    }
    return boot_info_add_module(out, module->pa, module->pa + module->bytes, text);
}

static struct status decode_modules(const struct physical_view *memory,
                                    const struct pvh_start_info *start, struct boot_info *out)
{
    struct cursor list =
        view_cursor(memory, start->modules_pa, start->module_count * sizeof(struct pvh_module));

    if (start->module_count == 0) {
        return status_ok();
    }
    if (list.failed) {
        return status_at(INFO_BAD_POINTER, FIELD(modules_pa));
    }
    while (cursor_left(&list) > 0) {
        struct pvh_module module;
        struct status status;

        cursor_copy(&list, &module, sizeof(module));
        status = decode_module(memory, &module, out);
        if (!is_ok(status)) {
            return status_at(status.code, FIELD(modules_pa));
        }
    }
    return status_ok();
}

/* The fields that version 0 does not have are 0 here. */
static struct status decode_memory_map(const struct physical_view *memory,
                                       const struct pvh_start_info *start, struct boot_info *out)
{
    struct cursor map = view_cursor(memory, start->memory_map_pa,
                                    start->memory_map_entries * sizeof(struct pvh_memory_entry));

    if (start->memory_map_pa == 0 || start->memory_map_entries == 0) {
        return status_ok();
    }
    if (map.failed) {
        return status_at(INFO_BAD_POINTER, FIELD(memory_map_pa));
    }
    out->has_memory_map = true;
    while (cursor_left(&map) > 0) {
        struct pvh_memory_entry entry;
        struct status status;

        cursor_copy(&map, &entry, sizeof(entry));
        status = add_loader_range(out, entry.base, entry.length, entry.type);
        if (!is_ok(status)) {
            return status_at(status.code, FIELD(memory_map_pa));
        }
    }
    return status_ok();
}

static struct status read_structure(const struct physical_view *memory, uint64_t info_pa,
                                    struct pvh_start_info *start)
{
    struct cursor bytes = view_cursor(memory, info_pa, VERSION0_BYTES);

    memset(start, 0, sizeof(*start));
    if (!cursor_copy(&bytes, start, VERSION0_BYTES)) {
        return status_at(INFO_UNREACHABLE, info_pa);
    }
    if (start->magic != PVH_START_MAGIC) {
        return status_at(INFO_BAD_MAGIC, start->magic);
    }
    if (start->version >= PVH_VERSION_MEMORY_MAP) {
        bytes = view_cursor(memory, info_pa, sizeof(*start));
        if (!cursor_copy(&bytes, start, sizeof(*start))) {
            return status_at(INFO_UNREACHABLE, info_pa);
        }
    }
    return status_ok();
}

struct status pvh_decode(const struct physical_view *memory, uint64_t info_pa,
                         struct boot_info *out)
{
    struct pvh_start_info start;
    struct status status = read_structure(memory, info_pa, &start);

    boot_info_clear(out);
    out->protocol = PROTOCOL_PVH;
    out->firmware = FIRMWARE_NONE;
    if (!is_ok(status)) {
        return status;
    }
    out->rsdp_pa.pa = start.rsdp_pa;
    status = decode_cmdline(memory, &start, out);
    if (is_ok(status)) {
        status = decode_modules(memory, &start, out);
    }
    if (is_ok(status)) {
        status = decode_memory_map(memory, &start, out);
    }
    return status;
}
