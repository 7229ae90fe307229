/*
 * AMD's IOMMUs: found by ACPI's table, all of them given the same device table, started, and left alone. Source: AMD
 * I/O Virtualization Technology (IOMMU) Specification (include/abi/amd_iommu.h).
 *
 * What is taken for them:  device table | page tables | for each: commands, events | a page that they write to
 */
#include "iommu.h"

#include <stddef.h>

#include "abi/acpi.h"
#include "abi/pci.h"
#include "clock.h"
#include "instructions.h"
#include "iommu_tables.h"
#include "log.h"
#include "page_tables.h"
#include "pages.h"
#include "paging.h"
#include "pci_config.h"
#include "physmap.h"
#include "x86/address_map.h"
#include "x86/paging.h"

/* Far longer than any of them takes for anything that it is asked to do here. */
#define WAIT_US 200000

/* What is kept beside what is known when memory is taken: that memory itself, and registers. */
#define LATER_RANGES(units) (1 + (units))

#define UNIT_PAGES   2                        /* commands, events */
#define COMMAND_MOST (IOMMU_RING_ENTRIES - 2) /* before a wait: a ring is never full */

/* One of them, while it is started. */
struct unit {
    volatile uint64_t *registers;
    struct iommu_command *commands;
    uint32_t next;    /* in that ring */
    uint32_t waiting; /* commands behind the last wait */
    struct clock *clock;
};

static const struct acpi_info *acpi;
static struct prange block; /* empty: nothing was taken */
static struct iommu_mapping mapping;
static uint32_t map_pages;
static uint32_t device_count;
static uint32_t usable; /* bit n: acpi->iommus[n] */
static volatile uint64_t *completed;

static bool is_usable(uint32_t unit)
{
    return (usable >> unit & 1) != 0;
}

static struct prange registers_of(const struct acpi_iommu *iommu)
{
    return (struct prange){iommu->registers.pa, iommu->registers.pa + IOMMU_REGISTERS_BYTES};
}

void iommu_hide(const struct acpi_info *firmware)
{
    if (firmware->iommu_count > 0) {
        acpi_table_hide(physmap_low(firmware->ivrs));
    }
}

uint32_t iommu_table_pages(const struct acpi_info *firmware)
{
    return firmware->iommu_count * PAGING_PAGES_FOR_SMALL;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

/* NULL, or why they cannot be used. The registers that are used lie in two pages of the four. */
static const char *registers_map(const struct acpi_iommu *iommu, const struct memmap *map)
{
    const struct prange registers = registers_of(iommu);

    if (registers.start == 0 || registers.start % IOMMU_REGISTERS_BYTES != 0) {
        return "no registers can be there";
    }
    if (registers.end > IDENTITY_MAP_BYTES) {
        return "it is above 4 GiB";
    }
    if (memmap_touches_ram(map, registers)) {
        return "there is RAM";
    }
    if (!page_tables_add_device((paddr_t){registers.start}) ||
        !page_tables_add_device((paddr_t){registers.start + IOMMU_COMMAND_HEAD})) {
        return "something else is there";
    }
    return NULL;
}

/* How many there are that can be used. */
static uint32_t units_find(const struct memmap *map)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < acpi->iommu_count; i++) {
        const char *const bar = registers_map(&acpi->iommus[i], map);

        if (bar != NULL) {
            log_warning("iommu: the one at 0x%lx is not used: %s", acpi->iommus[i].registers.pa,
                        bar);
        } else {
            usable |= 1U << i;
            count++;
        }
    }
    return count;
}

/* The number of a device on the last bus. All buses are asked only where that saves memory that counts. */
static uint16_t highest_device(const struct memmap *map)
{
    struct pci_function last;

    if (memmap_ram_bytes(map) >= IOMMU_ALL_BUSES_FROM) {
        return UINT16_MAX;
    }
    /* Those of other segments cannot be asked. */
    for (uint32_t i = 0; i < acpi->iommu_count; i++) {
        if (acpi->iommus[i].segment != 0) {
            return UINT16_MAX;
        }
    }
    last = pci_function_at(pci_highest_bus(pci_config_read), UINT8_MAX, UINT8_MAX);
    return last.number > acpi->iommu_highest_device ? last.number : acpi->iommu_highest_device;
}

static uint64_t device_table_bytes(void)
{
    return device_count * sizeof(struct iommu_device);
}

/* Pages for so many of them, so many devices, and so many pages of page tables. */
static uint64_t pages_for(uint32_t units, uint32_t devices, uint32_t tables)
{
    return devices * sizeof(struct iommu_device) / PAGE_BYTES + tables +
           (uint64_t)units * UNIT_PAGES + 1;
}

uint64_t iommu_bytes_most(const struct acpi_info *firmware, const struct memmap *map,
                          const struct cpu_caps *caps, uint32_t ranges)
{
    const uint32_t units = firmware->iommu_count;
    const struct iommu_mapping nothing_kept = {.top = iommu_map_top(map, caps->physical_bits)};
    const uint32_t ranges_most = ranges + LATER_RANGES(units);

    if (units == 0) {
        return 0;
    }
    return pages_for(units, IOMMU_DEVICES_PER_BUS * PCI_BUSES,
                     iommu_map_pages(&nothing_kept) + ranges_most * IOMMU_PAGES_FOR_RANGE) *
           PAGE_BYTES;
}

uint32_t iommu_registers_told(const struct acpi_info *firmware, struct prange *ranges)
{
    for (uint32_t i = 0; i < firmware->iommu_count; i++) {
        ranges[i] = registers_of(&firmware->iommus[i]);
    }
    return firmware->iommu_count;
}

static uint64_t unit_pa(uint32_t unit)
{
    return block.start + device_table_bytes() + (map_pages + unit * UNIT_PAGES) * PAGE_BYTES;
}

void iommu_take_memory(const struct acpi_info *firmware, const struct memmap *map,
                       const struct cpu_caps *caps, struct busy_list kept)
{
    uint32_t units;
    uint64_t pages;

    acpi = firmware;
    units = units_find(map);
    if (units == 0) {
        return;
    }
    mapping = (struct iommu_mapping){iommu_map_top(map, caps->physical_bits), kept};
    map_pages = iommu_map_pages(&mapping) + LATER_RANGES(units) * IOMMU_PAGES_FOR_RANGE;
    device_count = IOMMU_DEVICES_PER_BUS * iommu_buses(highest_device(map));
    pages = pages_for(acpi->iommu_count, device_count, map_pages);
    if (!is_ok(pages_take(pages, &block))) {
        log_warning("iommu: there is no room for its tables, %lu pages", pages);
        block = (struct prange){0, 0};
    }
}

uint64_t iommu_bytes(void)
{
    return prange_bytes(block);
}

uint32_t iommu_registers(struct prange *ranges)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < acpi->iommu_count; i++) {
        if (is_usable(i)) {
            ranges[count++] = registers_of(&acpi->iommus[i]);
        }
    }
    return count;
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

static void register_write(const struct unit *unit, uint32_t offset, uint64_t value)
{
    unit->registers[offset / sizeof(uint64_t)] = value;
}

static uint64_t register_read(const struct unit *unit, uint32_t offset)
{
    return unit->registers[offset / sizeof(uint64_t)];
}

static void command_put(struct unit *unit, uint64_t first, uint64_t second)
{
    unit->commands[unit->next].words[0] = first;
    unit->commands[unit->next].words[1] = second;
    unit->next = (unit->next + 1) % IOMMU_RING_ENTRIES;
    unit->waiting++;
}

/* Have all commands done. False: it does not answer. */
static bool commands_finish(struct unit *unit)
{
    const uint64_t pa = block.end - PAGE_BYTES;

    *completed = 0;
    command_put(unit, IOMMU_COMPLETION_WAIT | IOMMU_COMPLETION_STORE | pa, 1);
    writes_finish();
    register_write(unit, IOMMU_COMMAND_TAIL, unit->next * sizeof(struct iommu_command));
    unit->waiting = 0;
    clock_start(unit->clock);
    while (*completed == 0 && clock_us(unit->clock) < WAIT_US) {
        processor_pause();
    }
    return *completed != 0;
}

/* A command, and a wait where the ring would be full. */
static bool command_send(struct unit *unit, uint64_t first, uint64_t second)
{
    command_put(unit, first, second);
    return unit->waiting < COMMAND_MOST || commands_finish(unit);
}

/* What firmware may have made it remember. */
static bool everything_forget(struct unit *unit)
{
    bool answers = true;

    if ((register_read(unit, IOMMU_FEATURES) & IOMMU_FEATURES_INVALIDATE_ALL) != 0) {
        return command_send(unit, IOMMU_INVALIDATE_ALL, 0) && commands_finish(unit);
    }
    for (uint32_t device = 0; answers && device < device_count; device++) {
        answers = command_send(unit, IOMMU_INVALIDATE_DEVICE | device, 0) &&
                  command_send(unit, IOMMU_INVALIDATE_INTERRUPTS | device, 0);
    }
    return answers &&
           command_send(
               unit, IOMMU_INVALIDATE_PAGES | (uint64_t)IOMMU_DOMAIN << IOMMU_INVALIDATE_DOMAIN_AT,
               IOMMU_INVALIDATE_ALL_PAGES) &&
           commands_finish(unit);
}

/* --- start -------------------------------------------------------------------------------------------------------- */

static uint64_t control_bits(uint8_t flags)
{
    uint64_t control = IOMMU_CONTROL_ON | IOMMU_CONTROL_COMMANDS | IOMMU_CONTROL_EVENTS;

    control |= (flags & IVHD_TUNNEL) != 0 ? IOMMU_CONTROL_TUNNEL : 0;
    control |= (flags & IVHD_PASS_PW) != 0 ? IOMMU_CONTROL_PASS_PW : 0;
    control |= (flags & IVHD_RESULT_PW) != 0 ? IOMMU_CONTROL_RESULT_PW : 0;
    control |= (flags & IVHD_ISOCHRONOUS) != 0 ? IOMMU_CONTROL_ISOCHRONOUS : 0;
    control |= (flags & IVHD_COHERENT) != 0 ? IOMMU_CONTROL_COHERENT : 0;
    return control;
}

/* It may be on: firmware can use it, too. Until it is on again devices reach everything, as before. */
static bool unit_stop(const struct unit *unit)
{
    const uint64_t busy = IOMMU_STATUS_COMMANDS | IOMMU_STATUS_EVENTS;

    register_write(unit, IOMMU_CONTROL, 0);
    clock_start(unit->clock);
    while ((register_read(unit, IOMMU_STATUS) & busy) != 0 && clock_us(unit->clock) < WAIT_US) {
        processor_pause();
    }
    return (register_read(unit, IOMMU_STATUS) & busy) == 0;
}

/* The registers stay where they are until the machine is reset, whatever the guest writes. */
static void registers_lock(const struct acpi_iommu *iommu)
{
    const struct pci_function function = iommu->function;
    const uint8_t at = (uint8_t)iommu->capability;

    if (iommu->segment != 0 || iommu->capability > UINT8_MAX || at % sizeof(uint32_t) != 0 ||
        (pci_config_read(function, at) & UINT8_MAX) != IOMMU_CAPABILITY_ID) {
        return;
    }
    if ((pci_config_read(function, at + IOMMU_CAPABILITY_LOW) & IOMMU_CAPABILITY_ON) == 0) {
        pci_config_write(function, at + IOMMU_CAPABILITY_LOW,
                         (uint32_t)iommu->registers.pa | IOMMU_CAPABILITY_ON);
    }
}

static bool unit_start(const struct acpi_iommu *iommu, uint64_t pa, struct clock *clock)
{
    struct unit unit = {
        .registers = physmap_device(iommu->registers),
        .commands = physmap_low((paddr_t){pa}),
        .clock = clock,
    };

    registers_lock(iommu);
    if (!unit_stop(&unit)) {
        return false;
    }
    register_write(&unit, IOMMU_DEVICE_TABLE,
                   block.start | (device_table_bytes() / PAGE_BYTES - 1));
    register_write(&unit, IOMMU_COMMANDS, pa | IOMMU_RING_256);
    register_write(&unit, IOMMU_EVENTS, (pa + IOMMU_RING_BYTES) | IOMMU_RING_256);
    for (uint32_t offset = IOMMU_COMMAND_HEAD; offset <= IOMMU_EVENT_TAIL;
         offset += sizeof(uint64_t)) {
        register_write(&unit, offset, 0);
    }
    register_write(&unit, IOMMU_EXCLUSION_BASE, 0);
    register_write(&unit, IOMMU_EXCLUSION_LIMIT, 0);
    register_write(&unit, IOMMU_CONTROL, control_bits(iommu->flags));
    if (!everything_forget(&unit)) {
        register_write(&unit, IOMMU_CONTROL, 0);
        return false;
    }
    return true;
}

/* Whether there was room for them. */
static bool tables_build(struct busy_list kept)
{
    const uint64_t tables = block.start + device_table_bytes();
    bool fits;

    mapping.kept = kept;
    fits = iommu_map_build(&mapping, physmap_low((paddr_t){tables}), tables, map_pages);
    iommu_devices_build(
        &(struct iommu_device_request){
            .count = device_count,
            .tables_pa = tables,
            .levels = iommu_map_levels(&mapping),
            .settings = acpi->iommu_settings,
            .setting_count = acpi->iommu_setting_count,
        },
        physmap_low((paddr_t){block.start}));
    caches_write_back();
    return fits;
}

/* Memory that the firmware wants devices to have is mapped like all other. */
static void report_conflicts(struct busy_list kept)
{
    for (uint32_t i = 0; i < acpi->iommu_range_count; i++) {
        for (uint32_t k = 0; k < kept.count; k++) {
            if (prange_overlaps(acpi->iommu_ranges[i], kept.ranges[k])) {
                log_warning("iommu: the firmware wants devices to reach 0x%lx-0x%lx, a part of "
                            "which Berth keeps",
                            acpi->iommu_ranges[i].start, acpi->iommu_ranges[i].end - 1);
            }
        }
    }
}

/* Returns whether all of them run. */
static bool units_start(struct busy_list kept)
{
    struct clock clock = clock_choose(acpi);
    bool all = acpi->iommus_complete;

    if (block.start == block.end) {
        return false;
    }
    completed = physmap_low((paddr_t){block.end - PAGE_BYTES});
    if (!tables_build(kept)) {
        log_warning(
            "iommu: its tables do not fit the memory counted for them - report this defect");
        return false;
    }
    report_conflicts(kept);
    for (uint32_t i = 0; i < acpi->iommu_count; i++) {
        if (!is_usable(i)) {
            all = false;
        } else if (!unit_start(&acpi->iommus[i], unit_pa(i), &clock)) {
            log_warning("iommu: the one at 0x%lx does not answer: it is not used",
                        acpi->iommus[i].registers.pa);
            all = false;
        }
    }
    return all;
}

void iommu_start(struct busy_list kept)
{
    const char *without = acpi->has_vtd ? "Intel's VT-d is not used" : "none";

    if (acpi->iommu_count > 0) {
        if (units_start(kept)) {
            log_info("iommu: AMD-Vi: the guest's devices cannot reach Berth's memory");
            return;
        }
        without = "AMD-Vi cannot be used, or not all of it";
    }
    log_warning("iommu: %s: the guest's devices can reach Berth's memory by DMA", without);
}
