/*
 * What ACPI says about AMD's IOMMUs: IVRS. Source: IOMMU 5.2 (include/abi/acpi.h).
 */
#include "abi/acpi.h"
#include "acpi_tables.h"

#define SETTING_RESERVED 0x08

/* The entries of one IOMMU, in progress. */
struct entries {
    struct acpi_info *out;
    bool in_range; /* between the start and the end of one */
    uint16_t first;
    uint8_t setting;
};

static void setting_add(struct acpi_info *out, uint16_t first, uint16_t last, uint8_t setting)
{
    const struct acpi_iommu_setting added = {first, last, setting & (uint8_t)~SETTING_RESERVED};

    if (added.setting == 0) {
        return;
    }
    /* Blocks of several types say the same of one IOMMU. */
    for (uint32_t i = 0; i < out->iommu_setting_count; i++) {
        const struct acpi_iommu_setting *const known = &out->iommu_settings[i];

        if (known->first == first && known->last == last && known->setting == added.setting) {
            return;
        }
    }
    if (out->iommu_setting_count == ACPI_IOMMU_SETTINGS) {
        out->entries_dropped++;
        return;
    }
    out->iommu_settings[out->iommu_setting_count++] = added;
}

static void device_add(struct acpi_info *out, uint16_t device)
{
    if (device > out->iommu_highest_device) {
        out->iommu_highest_device = device;
    }
}

/* Returns false when the entry makes no sense where it is. */
static bool device_entry_read(struct entries *entries, struct cursor entry)
{
    const uint8_t type = field8(entry, IVHD_ENTRY_TYPE);
    const uint16_t device = field16(entry, IVHD_ENTRY_DEVICE);
    const uint16_t source = field16(entry, IVHD_ENTRY_SOURCE);
    const uint8_t setting = field8(entry, IVHD_ENTRY_SETTING);
    struct acpi_info *const out = entries->out;

    switch (type) {
    case IVHD_ALL:
        setting_add(out, 0, UINT16_MAX, setting);
        return true;
    case IVHD_SPECIAL:
        device_add(out, source);
        setting_add(out, source, source, setting);
        return true;
    case IVHD_SELECT:
    case IVHD_ALIAS:
    case IVHD_EXTENDED:
    case IVHD_ACPI_DEVICE:
        device_add(out, device);
        device_add(out, type == IVHD_ALIAS ? source : device);
        setting_add(out, device, device, setting);
        return true;
    case IVHD_RANGE_START:
    case IVHD_ALIAS_START:
    case IVHD_EXTENDED_START:
        device_add(out, type == IVHD_ALIAS_START ? source : 0);
        entries->in_range = true;
        entries->first = device;
        entries->setting = setting;
        return true;
    case IVHD_RANGE_END:
        if (!entries->in_range || device < entries->first) {
            return false;
        }
        entries->in_range = false;
        setting_add(out, entries->first, device, entries->setting);
        return true;
    default:
        return true; /* padding, and what is not known yet */
    }
}

static size_t device_entry_bytes(struct cursor entries)
{
    const uint8_t type = field8(entries, entries.position + IVHD_ENTRY_TYPE);

    if (type == IVHD_ACPI_DEVICE) {
        return (size_t)IVHD_ACPI_BYTES + field8(entries, entries.position + IVHD_ACPI_UID_BYTES);
    }
    return (size_t)IVHD_ENTRY_SHORTEST << (type >> IVHD_ENTRY_CLASS_SHIFT);
}

/* Returns 0, or the offset in the block of the first entry that makes no sense. */
static size_t device_entries_read(struct cursor block, size_t at, struct acpi_info *out)
{
    struct entries entries = {.out = out};
    size_t defect = 0;

    cursor_seek(&block, at);
    while (cursor_left(&block) > 0) {
        const size_t here = block.position;
        const struct cursor entry = cursor_take(&block, device_entry_bytes(block));

        if (entry.failed) {
            return defect != 0 ? defect : here;
        }
        if (!device_entry_read(&entries, entry) && defect == 0) {
            defect = here;
        }
    }
    return defect;
}

/* An IOMMU that is not there yet, or is by a block that says less. */
static void iommu_add(struct acpi_info *out, const struct acpi_iommu *iommu)
{
    uint32_t place = 0;

    while (place < out->iommu_count &&
           (out->iommus[place].segment != iommu->segment ||
            out->iommus[place].function.number != iommu->function.number)) {
        place++;
    }
    if (place == ACPI_IOMMUS_MAX) {
        out->iommus_complete = false;
    } else if (place == out->iommu_count || out->iommus[place].type < iommu->type) {
        out->iommus[place] = *iommu;
        out->iommu_count += place == out->iommu_count;
    }
}

static size_t iommu_read(struct cursor block, uint8_t type, struct acpi_info *out)
{
    const size_t entries = type == IVHD_10 ? IVHD_ENTRIES_OF_10 : IVHD_ENTRIES_OF_LATER;
    const struct acpi_iommu iommu = {
        .registers = {field64(block, IVHD_REGISTERS)},
        .segment = field16(block, IVHD_SEGMENT),
        .function = {field16(block, IVRS_BLOCK_DEVICE)},
        .capability = field16(block, IVHD_CAPABILITY),
        .flags = field8(block, IVRS_BLOCK_FLAGS),
        .type = type,
    };

    if (block.size < entries) {
        return block.size;
    }
    device_add(out, iommu.function.number);
    iommu_add(out, &iommu);
    return device_entries_read(block, entries, out);
}

static size_t memory_read(struct cursor block, struct acpi_info *out)
{
    const uint64_t start = field64(block, IVMD_START);
    const uint64_t bytes = field64(block, IVMD_LENGTH);

    if (block.size < IVMD_BYTES) {
        return block.size;
    }
    if (bytes > UINT64_MAX - start) {
        return IVMD_LENGTH;
    }
    if (out->iommu_range_count == ACPI_IOMMU_RANGES_MAX) {
        out->entries_dropped++;
    } else if (bytes != 0) {
        out->iommu_ranges[out->iommu_range_count++] = (struct prange){start, start + bytes};
    }
    return 0;
}

/* Returns 0, or the offset in the block of the first thing that makes no sense. */
static size_t block_read(struct cursor block, struct acpi_info *out)
{
    const uint8_t type = field8(block, IVRS_BLOCK_TYPE);

    switch (type) {
    case IVHD_10:
    case IVHD_11:
    case IVHD_40:
        return iommu_read(block, type, out);
    case IVMD_ALL:
    case IVMD_SELECT:
    case IVMD_RANGE:
        return memory_read(block, out);
    default:
        return 0;
    }
}

static size_t blocks_read(struct cursor table, struct acpi_info *out)
{
    size_t first_defect = 0;

    if (!cursor_seek(&table, IVRS_BLOCKS)) {
        return table.size;
    }
    while (cursor_left(&table) > 0) {
        const size_t at = table.position;
        const uint16_t bytes = field16(table, at + IVRS_BLOCK_LENGTH);
        const struct cursor block = cursor_take(&table, bytes);
        size_t defect;

        if (bytes < IVRS_BLOCK_BYTES || block.failed) {
            return first_defect != 0 ? first_defect : at;
        }
        defect = block_read(block, out);
        if (defect != 0 && first_defect == 0) {
            first_defect = at + defect;
        }
    }
    return first_defect;
}

size_t acpi_ivrs_read(struct cursor table, struct acpi_info *out)
{
    size_t defect;

    out->iommus_complete = true;
    defect = blocks_read(table, out);
    out->iommus_complete = out->iommus_complete && defect == 0;
    return defect;
}
