/*
 * ACPI's tables. After a first byte of even value the input is physical memory from a low address on, where the root
 * pointer is; after an odd one it is a row of tables, which get a root pointer, an XSDT and good checksums, so that
 * what they say is read.
 */
#include "abi/acpi.h"
#include "acpi.h"
#include "sound.h"
#include "ways_out.h"

#define RSDP_PA    16
#define XSDT_PA    64
#define TABLES_MAX 32
#define TABLES_PA  (XSDT_PA + ACPI_HEADER_BYTES + 8 * TABLES_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct acpi_info info;

static void put(uint8_t *at, uint64_t value, size_t bytes)
{
    memcpy(at, &value, bytes);
}

static void mend_sum(uint8_t *bytes, size_t count, size_t at)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    bytes[at] = (uint8_t)(bytes[at] - sum);
}

/* Cut the bytes from TABLES_PA on into tables by their own lengths; mend them, and list them. */
static void list_tables(uint8_t *memory, size_t size)
{
    uint8_t *const xsdt = memory + XSDT_PA;
    size_t count = 0;
    size_t fadt = 0;
    size_t dsdt = 0;

    for (size_t at = TABLES_PA; count < TABLES_MAX && size - at >= ACPI_HEADER_BYTES; count++) {
        uint32_t length;

        memcpy(&length, memory + at + 4, sizeof(length));
        if (length < ACPI_HEADER_BYTES || length > size - at) {
            length = (uint32_t)(size - at);
            put(memory + at + 4, length, 4);
        }
        put(xsdt + ACPI_HEADER_BYTES + 8 * count, at, 8);
        fadt = memcmp(memory + at, "FACP", 4) == 0 && length >= FADT_V1_BYTES ? at : fadt;
        dsdt = memcmp(memory + at, "DSDT", 4) == 0 ? at : dsdt;
        mend_sum(memory + at, length, 9);
        at += length;
    }
    if (fadt != 0) {
        uint32_t length;

        memcpy(&length, memory + fadt + 4, sizeof(length));
        put(memory + fadt + FADT_DSDT, dsdt, 4);
        mend_sum(memory + fadt, length, 9);
    }
    memcpy(xsdt, "XSDT", 4);
    put(xsdt + 4, ACPI_HEADER_BYTES + 8 * count, 4);
    mend_sum(xsdt, ACPI_HEADER_BYTES + 8 * count, 9);
    memcpy(memory + RSDP_PA, RSDP_SIGNATURE, RSDP_SIGNATURE_BYTES);
    put(memory + RSDP_PA + RSDP_REVISION, 2, 1);
    put(memory + RSDP_PA + RSDP_LENGTH, RSDP_V2_BYTES, 4);
    put(memory + RSDP_PA + RSDP_XSDT, XSDT_PA, 8);
    mend_sum(memory + RSDP_PA, RSDP_V1_BYTES, 8);
    mend_sum(memory + RSDP_PA, RSDP_V2_BYTES, 32);
}

static void require_register(struct acpi_register found)
{
    require(found.space <= ACPI_SPACE_PCI && found.access_bytes <= 8);
    require(found.space != ACPI_SPACE_IO || found.address < ACPI_IO_PORTS);
}

static void require_sound_console(void)
{
    const struct acpi_serial *const port = acpi_console(&info);
    struct serial_line line;
    uint64_t end;

    if (port == NULL || acpi_serial_line(port, &line) != NULL) {
        return;
    }
    end = line.place.address + (uint64_t)line.place.stride_bytes * SERIAL_REGISTERS;
    require(port->is_named && line.baud > 0);
    require(line.place.space != SERIAL_ON_PCI);
    require(line.place.access_bytes >= 1 && line.place.access_bytes <= line.place.stride_bytes);
    require(line.place.space != SERIAL_IN_PORTS ||
            (end <= ACPI_IO_PORTS && line.place.access_bytes == 1));
    require(line.place.space != SERIAL_IN_MEMORY || line.place.address >= MIB(1));
    require(end < 1ULL << 52);
}

static void require_sound_processors(void)
{
    uint32_t enabled = 0;

    require(info.processor_count <= ACPI_PROCESSORS_MAX);
    require(info.processors_dropped == 0 || info.processor_count == ACPI_PROCESSORS_MAX);
    for (uint32_t i = 0; i < info.processor_count; i++) {
        enabled += info.processors[i].enabled;
        require(acpi_processor_find(&info, info.processors[i].apic_id, 0) == i);
    }
    require(enabled == info.processors_enabled);
}

static void require_sound_iommus(void)
{
    require(info.iommu_count <= ACPI_IOMMUS_MAX);
    require(info.iommu_setting_count <= ACPI_IOMMU_SETTINGS);
    require(info.iommu_range_count <= ACPI_IOMMU_RANGES_MAX);
    require(info.ivrs.pa != 0 || (info.iommu_count == 0 && !info.iommus_complete));
    for (uint32_t i = 0; i < info.iommu_count; i++) {
        require(info.iommus[i].function.number <= info.iommu_highest_device);
    }
    for (uint32_t i = 0; i < info.iommu_setting_count; i++) {
        require(info.iommu_settings[i].first <= info.iommu_settings[i].last);
        require(info.iommu_settings[i].setting != 0);
    }
    for (uint32_t i = 0; i < info.iommu_range_count; i++) {
        require(info.iommu_ranges[i].start < info.iommu_ranges[i].end);
    }
}

static void require_sound_acpi(void)
{
    const uint32_t problems =
        info.problem_count < ACPI_PROBLEMS_MAX ? info.problem_count : ACPI_PROBLEMS_MAX;

    for (uint32_t i = 0; i < problems; i++) {
        require(info.problems[i].defect <= ACPI_MALFORMED);
        require(strlen(info.problems[i].signature) == ACPI_SIGNATURE_BYTES);
    }
    require(info.kinds >> ACPI_TABLE_KINDS == 0 && info.table_count <= ACPI_TABLES_MAX);
    require(strnlen(info.used, sizeof(info.used)) ==
            (info.kinds == 0 ? 0U : 5U * (unsigned int)__builtin_popcount(info.kinds) - 1));
    require_sound_processors();
    require(info.io_apic_count <= ACPI_IO_APICS_MAX);
    require(info.pci_segment_count <= ACPI_PCI_SEGMENTS_MAX);
    require(info.memory_range_count <= ACPI_MEMORY_RANGES_MAX);
    for (uint32_t i = 0; i < info.memory_range_count; i++) {
        require(info.memory_ranges[i].bytes.start < info.memory_ranges[i].bytes.end);
    }
    require_register(info.power.reset);
    require_register(info.power.pm1a_control);
    require_register(info.power.pm1b_control);
    require_register(info.power.sleep_control);
    require_register(info.pm_timer);
    require_register(info.spcr.base);
    require_register(info.dbg2.base);
    require_sound_console();
    require_sound_iommus();
    require(!info.power.sleep_types_known || (info.power.sleep_type_a <= SLEEP_TYPE_MAX &&
                                              info.power.sleep_type_b <= SLEEP_TYPE_MAX));
}

/* What is open has a register, and one that ports or the low 4 GiB reach. */
static void require_sound_ways(const struct physical_view *view)
{
    const struct exit_known known = {NULL, &info};
    const struct way_check restart = way_out_check(WAY_ACPI, EXIT_RESTART, &known, view);
    const struct way_check off = way_out_check(WAY_ACPI, EXIT_POWER_OFF, &known, view);

    require(!restart.exists || info.power.reset.address != 0);
    require(!restart.exists || restart.bar != NULL || info.power.reset.space != ACPI_SPACE_MEMORY ||
            info.power.reset.address <= UINT32_MAX);
    require(!off.exists || off.bar != NULL || info.power.sleep_types_known);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const bool tables = size > 0 && bytes[0] % 2 != 0;
    const size_t start = tables ? TABLES_PA : RSDP_PA;
    const size_t count = size > 0 ? size - 1 : 0;
    uint8_t *memory = malloc(start + count);
    struct physical_view view = {.bytes = memory, .size = start + count};

    memset(memory, 0, start);
    if (count > 0) {
        memcpy(memory + start, bytes + 1, count);
    }
    if (tables) {
        list_tables(memory, view.size);
    }
    memset(&info, 0xa5, sizeof(info));
    acpi_read(&view, (paddr_t){RSDP_PA}, &info);
    require_sound_ways(&view);
    free(memory);
    require_sound_acpi();
    return 0;
}
