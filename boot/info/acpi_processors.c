/*
 * ACPI's lists of processors and interrupt controllers (MADT), and of what is near to what (SRAT).
 */
#include "abi/acpi.h"
#include "acpi_tables.h"

uint32_t acpi_processor_find(const struct acpi_info *info, uint32_t apic_id, uint32_t hint)
{
    if (hint < info->processor_count && info->processors[hint].apic_id == apic_id) {
        return hint;
    }
    for (uint32_t i = 0; i < info->processor_count; i++) {
        if (info->processors[i].apic_id == apic_id) {
            return i;
        }
    }
    return info->processor_count;
}

static void processor_enable(struct acpi_info *out, struct acpi_processor *processor)
{
    if (!processor->enabled) {
        processor->enabled = true;
        out->processors_enabled++;
    }
}

/* A processor of the MADT; one that is neither there nor can come does not count, nor does the id that means all. */
static void processor_add(struct acpi_info *out, struct acpi_processor processor, uint32_t flags,
                          uint32_t *highest)
{
    uint32_t place = out->processor_count;

    if ((flags & (MADT_ENABLED | MADT_ONLINE_CAPABLE)) == 0) {
        return;
    }
    /* Ids nearly always ascend, and what is higher than all before is no duplicate. */
    if (place != 0 && processor.apic_id <= *highest) {
        place = acpi_processor_find(out, processor.apic_id, place);
    } else {
        *highest = processor.apic_id;
    }
    if (place < out->processor_count) {
        out->processors_duplicated++;
    } else if (place == ACPI_PROCESSORS_MAX) {
        out->processors_dropped++;
        return;
    } else {
        out->processors[place] = processor;
        out->processor_count++;
    }
    if ((flags & MADT_ENABLED) != 0) {
        processor_enable(out, &out->processors[place]);
    }
}

static void io_apic_add(struct acpi_info *out, struct cursor entry)
{
    if (out->io_apic_count == ACPI_IO_APICS_MAX) {
        out->entries_dropped++;
        return;
    }
    out->io_apics[out->io_apic_count++] = (struct acpi_io_apic){
        .base = {field32(entry, MADT_IO_APIC_PA)},
        .gsi_base = field32(entry, MADT_IO_APIC_GSI_BASE),
        .id = field8(entry, MADT_IO_APIC_ID),
    };
}

/* How long entries have to be, by their types; of other types any length will do. */
static const uint8_t madt_entry_bytes[] = {
    [MADT_LOCAL_APIC] = MADT_LOCAL_APIC_BYTES,
    [MADT_IO_APIC] = MADT_IO_APIC_BYTES,
    [MADT_OVERRIDE] = MADT_OVERRIDE_BYTES,
    [MADT_X2APIC] = MADT_X2APIC_BYTES,
};

static const uint8_t srat_entry_bytes[] = {
    [SRAT_LOCAL_APIC] = SRAT_LOCAL_APIC_BYTES,
    [SRAT_MEMORY] = SRAT_MEMORY_BYTES,
    [SRAT_X2APIC] = SRAT_X2APIC_BYTES,
};

static bool entry_is_whole(struct cursor entry, const uint8_t *needs, size_t types)
{
    const uint8_t type = field8(entry, ACPI_ENTRY_TYPE);

    return type >= types || entry.size >= needs[type];
}

static void madt_entry_read(struct cursor entry, uint32_t *highest, struct acpi_info *out)
{
    struct acpi_processor processor = {0};

    switch (field8(entry, ACPI_ENTRY_TYPE)) {
    case MADT_LOCAL_APIC:
        processor.apic_id = field8(entry, MADT_LOCAL_APIC_ID);
        processor.uid = field8(entry, MADT_LOCAL_APIC_UID);
        if (processor.apic_id != MADT_LOCAL_APIC_ALL) {
            processor_add(out, processor, field32(entry, MADT_LOCAL_APIC_FLAGS), highest);
        }
        break;
    case MADT_X2APIC:
        processor.apic_id = field32(entry, MADT_X2APIC_ID);
        processor.uid = field32(entry, MADT_X2APIC_UID);
        if (processor.apic_id != MADT_X2APIC_ALL) {
            processor_add(out, processor, field32(entry, MADT_X2APIC_FLAGS), highest);
        }
        break;
    case MADT_IO_APIC:
        io_apic_add(out, entry);
        break;
    case MADT_OVERRIDE:
        out->local_apic.pa = field64(entry, MADT_OVERRIDE_PA);
        break;
    default:
        break;
    }
}

size_t acpi_madt_read(struct cursor table, struct acpi_info *out)
{
    uint32_t highest = 0;
    size_t defect = 0;
    struct cursor entry;

    out->local_apic.pa = field32(table, MADT_LOCAL_APIC_PA);
    if (!cursor_seek(&table, MADT_ENTRIES)) {
        return table.size;
    }
    while (acpi_entry_next(&table, &entry)) {
        if (entry_is_whole(entry, madt_entry_bytes, sizeof(madt_entry_bytes))) {
            madt_entry_read(entry, &highest, out);
        } else if (defect == 0) {
            defect = table.position - entry.size;
        }
    }
    return defect == 0 && table.failed ? table.position : defect;
}

/* Returns false when the range runs over the end of the address space. */
static bool memory_range_add(struct acpi_info *out, struct cursor entry, bool wide)
{
    const uint64_t start = field64(entry, SRAT_MEMORY_BASE);
    const uint64_t bytes = field64(entry, SRAT_MEMORY_LENGTH);
    const uint32_t flags = field32(entry, SRAT_MEMORY_FLAGS);
    const uint32_t node = field32(entry, SRAT_MEMORY_DOMAIN);

    if ((flags & SRAT_ENABLED) == 0 || bytes == 0) {
        return true;
    }
    if (bytes > UINT64_MAX - start) {
        return false;
    }
    if (out->memory_range_count == ACPI_MEMORY_RANGES_MAX) {
        out->entries_dropped++;
        return true;
    }
    out->memory_ranges[out->memory_range_count++] = (struct acpi_memory_range){
        .bytes = {start, start + bytes},
        .node = wide ? node : node & SRAT_NARROW_DOMAIN,
        .hot_pluggable = (flags & SRAT_HOT_PLUGGABLE) != 0,
    };
    return true;
}

/* A processor of the MADT is in this node. `next` is where it is expected, and then where the next one is. */
static void processor_place(struct acpi_info *out, uint32_t apic_id, uint32_t node, uint32_t flags,
                            uint32_t *next)
{
    uint32_t place;

    if ((flags & SRAT_ENABLED) == 0) {
        return;
    }
    place = acpi_processor_find(out, apic_id, *next);
    if (place < out->processor_count) {
        out->processors[place].node = node;
        *next = place + 1;
    }
}

/* `wide`: of a revision in which a domain has 32 bits. Returns false when the entry makes no sense. */
static bool srat_entry_read(struct cursor entry, bool wide, uint32_t *next, struct acpi_info *out)
{
    uint32_t node;

    switch (field8(entry, ACPI_ENTRY_TYPE)) {
    case SRAT_LOCAL_APIC:
        node = field8(entry, SRAT_LOCAL_APIC_DOMAIN_LOW);
        if (wide) {
            node |= field32(entry, SRAT_LOCAL_APIC_DOMAIN_HIGH) & SRAT_LOCAL_APIC_DOMAIN_MASK;
        }
        processor_place(out, field8(entry, SRAT_LOCAL_APIC_ID), node,
                        field32(entry, SRAT_LOCAL_APIC_FLAGS), next);
        return true;
    case SRAT_X2APIC:
        processor_place(out, field32(entry, SRAT_X2APIC_ID), field32(entry, SRAT_X2APIC_DOMAIN),
                        field32(entry, SRAT_X2APIC_FLAGS), next);
        return true;
    case SRAT_MEMORY:
        return memory_range_add(out, entry, wide);
    default:
        return true;
    }
}

size_t acpi_srat_read(struct cursor table, struct acpi_info *out)
{
    const bool wide = field8(table, ACPI_HEADER_REVISION) >= SRAT_REVISION_WIDE_DOMAINS;
    uint32_t next = 0;
    size_t defect = 0;
    struct cursor entry;

    if (!cursor_seek(&table, SRAT_ENTRIES)) {
        return table.size;
    }
    while (acpi_entry_next(&table, &entry)) {
        const bool whole = entry_is_whole(entry, srat_entry_bytes, sizeof(srat_entry_bytes));

        if ((!whole || !srat_entry_read(entry, wide, &next, out)) && defect == 0) {
            defect = table.position - entry.size;
        }
    }
    return defect == 0 && table.failed ? table.position : defect;
}
