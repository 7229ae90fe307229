/*
 * The tables of AMD's IOMMU. One walk over the tables that are needed both counts and writes them. Source: IOMMU 2.2
 * (include/abi/amd_iommu.h).
 */
#include "iommu_tables.h"

#include <stddef.h>

#include "abi/pci.h"
#include "mem.h"
#include "x86/paging.h"

#define RIGHTS (IOMMU_READS | IOMMU_WRITES)

/* Enough for most devices' own memory, and no more than two tables of 1 GiB pages. */
#define TOP_AT_LEAST (1ULL << 40)

/* A walk in progress. */
struct walk {
    const struct iommu_mapping *mapping;
    uint64_t *tables; /* NULL: only count */
    uint64_t pa;
    uint32_t capacity;
    uint32_t used;
    uint32_t next; /* the first of the kept ranges that ends behind what has been mapped */
};

static unsigned int entry_shift(unsigned int level)
{
    return PAGE_SHIFT + (level - 1) * IOMMU_LEVEL_BITS;
}

uint64_t iommu_map_top(const struct memmap *map, unsigned int physical_bits)
{
    const uint64_t addressable = 1ULL << physical_bits;
    uint64_t top = addressable < TOP_AT_LEAST ? addressable : TOP_AT_LEAST;

    for (uint32_t i = 0; i < map->count; i++) {
        const struct prange bytes = map->ranges[i].bytes;

        if (memmap_touches_ram(map, bytes) && bytes.end > top) {
            top = align_up(bytes.end, GIB(1));
        }
    }
    return top;
}

unsigned int iommu_map_levels(const struct iommu_mapping *mapping)
{
    unsigned int level = IOMMU_LEVEL_OF_LARGEST;

    while (level < IOMMU_LEVELS_MOST && mapping->top > 1ULL << entry_shift(level + 1)) {
        level++;
    }
    return level;
}

enum kept { KEPT_NOTHING, KEPT_PARTLY, KEPT_WHOLLY };

/* What of a range is kept. Ranges are asked for in their order. */
static enum kept kept_of(struct walk *walk, struct prange range)
{
    const struct busy_list kept = walk->mapping->kept;

    while (walk->next < kept.count && kept.ranges[walk->next].end <= range.start) {
        walk->next++;
    }
    if (walk->next == kept.count || kept.ranges[walk->next].start >= range.end) {
        return KEPT_NOTHING;
    }
    return kept.ranges[walk->next].start <= range.start && range.end <= kept.ranges[walk->next].end
               ? KEPT_WHOLLY
               : KEPT_PARTLY;
}

/* Where the next table can be written; NULL when it is only counted. */
static uint64_t *table_take(struct walk *walk, uint64_t *pa)
{
    const uint32_t page = walk->used++;

    *pa = walk->pa + page * PAGE_BYTES;
    if (walk->tables == NULL || page >= walk->capacity) {
        return NULL;
    }
    return memset(walk->tables + (size_t)page * PT_ENTRIES, 0, PAGE_BYTES);
}

/* Take a table, and fill it and those below it with what lies from `start` on. Returns where it is. */
static uint64_t table_fill(struct walk *walk, unsigned int level, uint64_t start)
{
    const uint64_t span = 1ULL << entry_shift(level);
    uint64_t pa;
    uint64_t *const table = table_take(walk, &pa);

    for (unsigned int slot = 0; slot < PT_ENTRIES; slot++) {
        const struct prange range = {start + slot * span, start + (slot + 1) * span};
        uint64_t entry = IOMMU_ENTRY_PRESENT | RIGHTS;
        enum kept kept;

        if (range.start >= walk->mapping->top) {
            break;
        }
        kept = kept_of(walk, range);
        if (kept == KEPT_WHOLLY || (kept == KEPT_PARTLY && level == 1)) {
            continue;
        }
        if (level == 1 || (kept == KEPT_NOTHING && level <= IOMMU_LEVEL_OF_LARGEST)) {
            entry |= range.start;
        } else {
            entry |= table_fill(walk, level - 1, range.start);
            entry |= (uint64_t)(level - 1) << IOMMU_ENTRY_LEVEL_SHIFT;
        }
        if (table != NULL) {
            table[slot] = entry;
        }
    }
    return pa;
}

uint32_t iommu_map_pages(const struct iommu_mapping *mapping)
{
    struct walk walk = {.mapping = mapping};

    table_fill(&walk, iommu_map_levels(mapping), 0);
    return walk.used;
}

bool iommu_map_build(const struct iommu_mapping *mapping, uint64_t *tables, uint64_t pa,
                     uint32_t capacity)
{
    struct walk walk = {.mapping = mapping, .tables = tables, .pa = pa, .capacity = capacity};

    table_fill(&walk, iommu_map_levels(mapping), 0);
    return walk.used <= capacity;
}

static void setting_apply(struct iommu_device *device, uint8_t setting)
{
    const uint64_t management =
        setting >> IOMMU_SETTING_MANAGEMENT_SHIFT & IOMMU_SETTING_MANAGEMENT;

    device->words[1] = IOMMU_DOMAIN | management << IOMMU_DEVICE_MANAGEMENT_SHIFT;
    device->words[2] = (uint64_t)(setting & IOMMU_SETTING_INTERRUPTS) << IOMMU_DEVICE_INIT_SHIFT |
                       (uint64_t)(setting >> IOMMU_SETTING_LINT_SHIFT) << IOMMU_DEVICE_LINT_SHIFT;
}

void iommu_devices_build(const struct iommu_device_request *request, struct iommu_device *table)
{
    const uint32_t count = request->count;

    table[0] = (struct iommu_device){
        .words = {IOMMU_DEVICE_VALID | IOMMU_DEVICE_TRANSLATES |
                      (uint64_t)request->levels << IOMMU_DEVICE_LEVEL_SHIFT | request->tables_pa |
                      RIGHTS,
                  IOMMU_DOMAIN},
    };
    /* Of 65,536 entries each instruction counts: what there is is copied behind itself. */
    for (uint32_t done = 1; done < count; done *= 2) {
        memcpy(table + done, table, (done < count - done ? done : count - done) * sizeof(*table));
    }
    for (uint32_t i = 0; i < request->setting_count; i++) {
        const struct acpi_iommu_setting *const setting = &request->settings[i];

        for (uint32_t device = setting->first; device <= setting->last && device < request->count;
             device++) {
            setting_apply(&table[device], setting->setting);
        }
    }
}

uint32_t iommu_buses(uint16_t highest_device)
{
    const uint32_t buses = highest_device / IOMMU_DEVICES_PER_BUS + 1 + IOMMU_BUSES_SPARE;

    return buses > PCI_BUSES ? PCI_BUSES : buses;
}
