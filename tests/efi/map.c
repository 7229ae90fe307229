/* The firmware's memory map, and the map that NEXT.EFI is told instead. */
#include "hostile.h"

#define MAP_ROOM  (1 << 20)
#define SHOWN_MAX 512

/* Far from any RAM, as on machines with HyperTransport space below 1 TiB. */
#define FAR_START 0xfd00000000ull
#define FAR_PAGES 0x3000ull
/* The last page of 64 bits: start + bytes is zero. */
#define LAST_PAGE 0xfffffffffffff000ull

static _Alignas(8) uint8_t true_map[MAP_ROOM];
static unsigned int lies;
static struct {
    struct range range;
    uint32_t type;
    uint64_t attribute;
} shown[SHOWN_MAX];
static unsigned int shown_count;

static struct memory_map read_map(efi_uint *key, uint32_t *version)
{
    struct memory_map map = {.bytes = true_map};
    efi_uint bytes = MAP_ROOM;
    efi_status status =
        firmware.get_memory_map(&bytes, true_map, key, &map.descriptor_bytes, version);

    if (efi_failed(status)) {
        give_up("GetMemoryMap: %x", (uint64_t)status);
    }
    map.count = bytes / map.descriptor_bytes;
    return map;
}

struct memory_map map_read(void)
{
    efi_uint key;
    uint32_t version;

    return read_map(&key, &version);
}

const struct efi_memory_descriptor *map_entry(const struct memory_map *map, efi_uint index)
{
    return (const void *)(map->bytes + index * map->descriptor_bytes);
}

uint64_t map_free_pages(void)
{
    struct memory_map map = map_read();
    uint64_t pages = 0;

    for (efi_uint i = 0; i < map.count; i++) {
        const struct efi_memory_descriptor *entry = map_entry(&map, i);

        pages += entry->type == EFI_CONVENTIONAL ? entry->pages : 0;
    }
    return pages;
}

void map_tell_lies(unsigned int more)
{
    lies |= more;
}

/* They stay sorted: tell_cut goes through them once. */
void map_show(struct range range, uint32_t type, uint64_t attribute)
{
    unsigned int at = shown_count++;

    if (at == SHOWN_MAX) {
        give_up("too many ranges shown as something else");
    }
    for (; at > 0 && shown[at - 1].range.start > range.start; at--) {
        shown[at] = shown[at - 1];
    }
    shown[at].range = range;
    shown[at].type = type;
    shown[at].attribute = attribute;
}

/* --- what NEXT.EFI is told ---------------------------------------------------------------------- */
struct told {
    uint8_t *at;
    efi_uint room;  /* descriptors; none are written behind it */
    efi_uint count; /* all of them, whether there is room or not */
    efi_uint descriptor_bytes;
};

static void tell(struct told *told, struct efi_memory_descriptor entry)
{
    if (told->count++ < told->room) {
        memset(told->at, 0, told->descriptor_bytes);
        memcpy(told->at, &entry, sizeof(entry));
        told->at += told->descriptor_bytes;
    }
    if (lies & MAP_ZERO && entry.pages != 0) {
        entry.physical_start += entry.pages * EFI_PAGE_BYTES;
        entry.pages = 0;
        tell(told, entry);
    }
}

static void tell_part(struct told *told, struct efi_memory_descriptor entry, struct range part)
{
    if (part.start < part.end) {
        entry.physical_start = part.start;
        entry.pages = (part.end - part.start) / EFI_PAGE_BYTES;
        tell(told, entry);
    }
}

/* One true descriptor, cut where a part of it is shown as something else. */
static void tell_cut(struct told *told, const struct efi_memory_descriptor *entry)
{
    struct range rest = map_range(entry);

    for (unsigned int i = 0; i < shown_count; i++) {
        const struct range part = range_common(shown[i].range, rest);
        struct efi_memory_descriptor changed = *entry;

        if (part.start >= part.end) {
            continue;
        }
        tell_part(told, *entry, (struct range){rest.start, part.start});
        changed.type = shown[i].type;
        changed.attribute |= shown[i].attribute;
        tell_part(told, changed, part);
        rest.start = part.end;
    }
    tell_part(told, *entry, rest);
}

static void tell_far(struct told *told)
{
    struct efi_memory_descriptor entry = {
        .type = EFI_RESERVED, .physical_start = FAR_START, .pages = FAR_PAGES};

    tell(told, entry);
    entry.physical_start = LAST_PAGE;
    entry.pages = 1;
    tell(told, entry);
}

efi_status map_hook(efi_uint *bytes, void *map, efi_uint *key, efi_uint *descriptor_bytes,
                    uint32_t *version)
{
    efi_uint true_key;
    uint32_t true_version;
    struct memory_map truth = read_map(&true_key, &true_version);
    struct told told = {.at = map, .descriptor_bytes = truth.descriptor_bytes};
    efi_uint needed;

    if (bytes == NULL) {
        return EFI_INVALID_PARAMETER;
    }
    told.room = map == NULL ? 0 : *bytes / truth.descriptor_bytes;
    for (efi_uint i = 0; i < truth.count; i++) {
        tell_cut(&told, map_entry(&truth, lies & MAP_REVERSED ? truth.count - 1 - i : i));
    }
    if (lies & MAP_FAR) {
        tell_far(&told);
    }
    needed = told.count * told.descriptor_bytes;
    if (descriptor_bytes != NULL) {
        *descriptor_bytes = told.descriptor_bytes;
    }
    if (version != NULL) {
        *version = true_version;
    }
    if (map == NULL || *bytes < needed) {
        *bytes = needed;
        return EFI_BUFFER_TOO_SMALL;
    }
    *bytes = needed;
    if (key != NULL) {
        *key = true_key;
    }
    return EFI_SUCCESS;
}
