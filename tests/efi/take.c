/* Memory taken from the firmware, with a pattern in each page by which a write is found. */
#include "hostile.h"

#define RECORDS_MAX 4096
#define KEPT_MAX    256
#define CANARY_SEED 0xbe27ull
/* An odd factor: different pages have different words. */
#define CANARY_FACTOR 0x9e3779b97f4a7c15ull
#define PAGE_WORDS    (EFI_PAGE_BYTES / sizeof(uint64_t))

/* Pages at start, start + step, ... below end. */
struct record {
    uint32_t type;
    struct range range;
    uint64_t step;
};

static struct record records[RECORDS_MAX];
static unsigned int record_count;

static uint64_t *page_at(uint64_t address)
{
    return (uint64_t *)(uintptr_t)address;
}

static uint64_t canary_word(uint64_t page)
{
    return (page ^ CANARY_SEED) * CANARY_FACTOR;
}

static void fill(struct range range)
{
    for (uint64_t page = range.start; page < range.end; page += EFI_PAGE_BYTES) {
        uint64_t *words = page_at(page);
        const uint64_t canary = canary_word(page);

        for (unsigned int i = 0; i < PAGE_WORDS; i++) {
            words[i] = canary;
        }
    }
}

static bool is_intact(uint64_t page)
{
    const uint64_t *words = page_at(page);

    for (unsigned int i = 0; i < PAGE_WORDS; i++) {
        if (words[i] != canary_word(page)) {
            return false;
        }
    }
    return true;
}

/* A row of single pages at equal distances is one record, and so is a range. */
static void record(uint32_t type, struct range range, uint64_t step)
{
    struct record *last = record_count == 0 ? NULL : &records[record_count - 1];

    if (last != NULL && last->type == type && last->step == step &&
        last->range.end + step == range.start + EFI_PAGE_BYTES) {
        last->range.end = range.end;
        return;
    }
    if (record_count == RECORDS_MAX) {
        give_up("too many ranges taken");
    }
    records[record_count].type = type;
    records[record_count].range = range;
    records[record_count++].step = step;
}

/* Returns the number of pages taken. */
static uint64_t take_free(const struct taking *taking, struct range range)
{
    uint64_t pages = (range.end - range.start) / EFI_PAGE_BYTES;
    uint64_t address = range.start;

    if (range.start >= range.end) {
        return 0;
    }
    if (efi_failed(firmware.allocate_pages(EFI_ALLOCATE_ADDRESS, taking->type, (efi_uint)pages,
                                           &address))) {
        say("HOSTILE take: %x-%x is free in the map, but not given", range.start, range.end);
        return 0;
    }
    fill(range);
    record(taking->type, range, taking->step);
    if (taking->shown_differently) {
        map_show(range, taking->shown_type, taking->shown_attribute);
    }
    return pages;
}

static uint64_t higher(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What lies below, between and above the holes, which are sorted. */
static uint64_t take_around_holes(const struct taking *taking, struct range range)
{
    uint64_t pages = 0;

    for (unsigned int i = 0; i < taking->hole_count; i++) {
        const struct range hole = taking->holes[i];

        pages += take_free(taking, (struct range){range.start, lower(range.end, hole.start)});
        range.start = higher(range.start, lower(hole.end, range.end));
    }
    return pages + take_free(taking, range);
}

static uint64_t take_steps(const struct taking *taking, struct range range)
{
    uint64_t distance = range.start - taking->range.start;
    uint64_t page = taking->range.start + ((distance + taking->step - 1) & -taking->step);
    uint64_t pages = 0;

    for (; page < range.end; page += taking->step) {
        pages += take_around_holes(taking, (struct range){page, page + EFI_PAGE_BYTES});
    }
    return pages;
}

static void report(const struct taking *taking, unsigned int first, uint64_t pages)
{
    for (unsigned int i = first; i < record_count; i++) {
        say("CANARY %d %x-%x step=%x seed=%x", (uint64_t)records[i].type, records[i].range.start,
            records[i].range.end, records[i].step, CANARY_SEED);
    }
    say("HOSTILE take: type %x in %x-%x, %d pages, %d pages are left free", (uint64_t)taking->type,
        taking->range.start, taking->range.end, pages, map_free_pages());
}

void take(const struct taking *taking)
{
    struct memory_map map = map_read();
    unsigned int first = record_count;
    uint64_t pages = 0;

    for (efi_uint i = 0; i < map.count; i++) {
        const struct efi_memory_descriptor *entry = map_entry(&map, i);
        const struct range range = range_common(map_range(entry), taking->range);

        if (entry->type != EFI_CONVENTIONAL || range.start >= range.end) {
            continue;
        }
        pages += taking->step == EFI_PAGE_BYTES ? take_around_holes(taking, range)
                                                : take_steps(taking, range);
    }
    report(taking, first, pages);
}

void take_check(const char *when)
{
    for (unsigned int i = 0; i < record_count; i++) {
        for (uint64_t page = records[i].range.start; page < records[i].range.end;
             page += records[i].step) {
            if (!is_intact(page)) {
                violation("canary in the page at %x, type %x, is changed %s", page,
                          (uint64_t)records[i].type, when);
            }
        }
    }
}

/* --- the firmware's own memory ----------------------------------------------------------------- */
static struct {
    uint32_t type;
    struct range range;
    bool is_checked;
} kept[KEPT_MAX];
static unsigned int kept_count;

static void keep_range(uint32_t type, struct range range, bool is_checked)
{
    if (kept_count != 0 && kept[kept_count - 1].range.end == range.start &&
        kept[kept_count - 1].type == type) {
        kept[kept_count - 1].range.end = range.end;
        return;
    }
    if (kept_count == KEPT_MAX) {
        give_up("too many ranges kept");
    }
    kept[kept_count].type = type;
    kept[kept_count].is_checked = is_checked;
    kept[kept_count++].range = range;
}

void keep(uint32_t type, struct range range, uint64_t attribute, bool is_checked)
{
    struct memory_map map = map_read();
    const unsigned int first = kept_count;
    uint64_t pages = 0;

    for (efi_uint i = 0; i < map.count; i++) {
        const struct efi_memory_descriptor *entry = map_entry(&map, i);
        const struct range part = range_common(map_range(entry), range);

        if (part.start < part.end &&
            (entry->type == EFI_BOOT_SERVICES_CODE || entry->type == EFI_BOOT_SERVICES_DATA)) {
            keep_range(type, part, is_checked);
            pages += (part.end - part.start) / EFI_PAGE_BYTES;
        }
    }
    for (unsigned int i = first; i < kept_count; i++) {
        map_show(kept[i].range, type, attribute);
    }
    say("HOSTILE keep: %d pages of the firmware's in %x-%x are shown as type %x", pages,
        range.start, range.end, (uint64_t)type);
}

/* The polynomial of IEEE 802.3, reflected. The firmware's own function is gone by now. */
static uint32_t crc32_of(struct range range)
{
    const uint8_t *at = (const uint8_t *)(uintptr_t)range.start;
    uint32_t table[256];
    uint32_t crc = ~0u;

    for (uint32_t byte = 0; byte < COUNT_OF(table); byte++) {
        table[byte] = byte;
        for (unsigned int bit = 0; bit < 8; bit++) {
            table[byte] = table[byte] >> 1 ^ (table[byte] & 1 ? 0xedb88320u : 0);
        }
    }
    for (; at < (const uint8_t *)(uintptr_t)range.end; at++) {
        crc = crc >> 8 ^ table[(crc ^ *at) & 0xff];
    }
    return ~crc;
}

void keep_report(void)
{
    for (unsigned int i = 0; i < kept_count; i++) {
        const struct range range = kept[i].range;

        if (kept[i].is_checked) {
            say("KEPT %d %x-%x crc32=%x", (uint64_t)kept[i].type, range.start, range.end,
                (uint64_t)crc32_of(range));
        } else {
            say("KEPT %d %x-%x unchecked", (uint64_t)kept[i].type, range.start, range.end);
        }
    }
}
