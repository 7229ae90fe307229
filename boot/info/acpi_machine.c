/*
 * What ACPI says about power, timers and PCI: FADT, the sleep type in the DSDT, HPET, MCFG.
 */
#include "abi/acpi.h"
#include "acpi_tables.h"
#include "mem.h"

#define BYTE_ONES 0x0101010101010101ULL /* times a byte: the byte in each place of a word */
#define BYTE_TOPS 0x8080808080808080ULL

#define SLEEP_NAME "_S5_"
#define FIVE_AT    2 /* in that */

/*
 * A register block: by its generic address, or by the port number of ACPI 1.0 where that is not there or cannot be
 * used. Control blocks have 16 bits that count, the timer 32.
 */
static struct acpi_register block_at(struct cursor fadt, size_t extended_at, size_t port_at)
{
    struct acpi_register block = acpi_register_at(fadt, extended_at);
    const uint32_t port = field32(fadt, port_at);

    if (block.address == 0 || block.space == ACPI_SPACE_PCI) {
        block = (struct acpi_register){.space = ACPI_SPACE_IO};
        block.address = port < ACPI_IO_PORTS ? port : 0;
    }
    return block;
}

paddr_t acpi_fadt_dsdt(struct cursor fadt)
{
    const uint64_t extended = field64(fadt, FADT_X_DSDT);

    return (paddr_t){extended != 0 ? extended : field32(fadt, FADT_DSDT)};
}

size_t acpi_fadt_read(struct cursor table, struct acpi_info *out)
{
    struct acpi_power *const power = &out->power;
    const uint32_t flags = field32(table, FADT_FLAGS);

    if (table.size < FADT_V1_BYTES) {
        return table.size;
    }
    out->boot_flags = field16(table, FADT_BOOT_FLAGS);
    if ((flags & FADT_RESET_SUPPORTED) != 0) {
        power->reset = acpi_register_at(table, FADT_RESET_REGISTER);
        power->reset_value = field8(table, FADT_RESET_VALUE);
    }
    if ((flags & FADT_HARDWARE_REDUCED) != 0) {
        power->sleep_control = acpi_register_at(table, FADT_SLEEP_CONTROL);
        return 0;
    }
    power->pm1a_control = block_at(table, FADT_X_PM1A_CONTROL, FADT_PM1A_CONTROL);
    power->pm1b_control = block_at(table, FADT_X_PM1B_CONTROL, FADT_PM1B_CONTROL);
    power->smi_command = field32(table, FADT_SMI_COMMAND);
    power->acpi_enable = field8(table, FADT_ACPI_ENABLE);
    if (field8(table, FADT_PM_TIMER_BYTES) == PM_TIMER_BYTES) {
        out->pm_timer = block_at(table, FADT_X_PM_TIMER, FADT_PM_TIMER);
        out->pm_timer_is_32bit = (flags & FADT_TIMER_32BIT) != 0;
    }
    return 0;
}

/* An integer constant from 0 to 7; false: something else. */
static bool aml_sleep_type(struct cursor *aml, uint8_t *type)
{
    uint64_t value;

    switch (cursor_u8(aml)) {
    case AML_ZERO:
        value = 0;
        break;
    case AML_ONE:
        value = 1;
        break;
    case AML_BYTE:
        value = cursor_u8(aml);
        break;
    case AML_WORD:
        value = cursor_u16(aml);
        break;
    case AML_DWORD:
        value = cursor_u32(aml);
        break;
    case AML_QWORD:
        value = cursor_u64(aml);
        break;
    default:
        return false;
    }
    *type = (uint8_t)value;
    return !aml->failed && value <= SLEEP_TYPE_MAX;
}

/* The bytes of a package behind its length, which counts itself; failed when they run over the end. */
static struct cursor aml_package(struct cursor *aml)
{
    const size_t at = aml->position;
    const uint8_t lead = cursor_u8(aml);
    const uint8_t following = lead >> AML_LENGTH_BYTES;
    size_t bytes = following == 0 ? lead & AML_LENGTH_SHORT : lead & AML_LENGTH_LONG;

    for (uint8_t i = 0; i < following; i++) {
        bytes |= (size_t)cursor_u8(aml) << (AML_LENGTH_BITS + 8 * i);
    }
    if (bytes < aml->position - at) {
        return (struct cursor){.failed = true};
    }
    return cursor_take(aml, bytes - (aml->position - at));
}

/* Package () {a, b, ...}, with at least those two. */
static bool sleep_package_read(struct cursor aml, struct acpi_power *power)
{
    struct cursor package;

    if (cursor_u8(&aml) != AML_PACKAGE) {
        return false;
    }
    package = aml_package(&aml);
    return cursor_u8(&package) >= 2 && aml_sleep_type(&package, &power->sleep_type_a) &&
           aml_sleep_type(&package, &power->sleep_type_b);
}

/* Whether the name at this offset is what a Name operator defines, there or, by `\`, at the root. */
static bool name_is_defined(struct cursor aml, size_t at)
{
    const uint8_t before = field8(aml, at - 1);

    return before == AML_NAME || (before == AML_ROOT && field8(aml, at - 2) == AML_NAME);
}

/* The first `5` at or behind `at`, eight bytes at a time; at or behind the table's end when there is none. */
static size_t five_find(struct cursor aml, size_t at)
{
#pragma GCC unroll 8
    for (; at + sizeof(uint64_t) <= aml.size; at += sizeof(uint64_t)) {
        uint64_t word;
        uint64_t zeroes;

        __builtin_memcpy(&word, aml.bytes + at, sizeof(word));
        word ^= BYTE_ONES * '5';
        zeroes =
            (word - BYTE_ONES) & ~word & BYTE_TOPS; /* the lowest bit is the first zero byte's */
        if (zeroes != 0) {
            return at + (size_t)__builtin_ctzll(zeroes) / 8;
        }
    }
    while (at < aml.size && aml.bytes[at] != '5') {
        at++;
    }
    return at;
}

/* The first `_S5_` at or behind `at`, by its rarest letter; the table's size when there is none. */
static size_t sleep_name_find(struct cursor aml, size_t at)
{
    for (at = five_find(aml, at + FIVE_AT); at < aml.size; at = five_find(aml, at + 1)) {
        const size_t name = at - FIVE_AT;

        if (aml.size - name >= AML_NAME_BYTES &&
            memcmp(aml.bytes + name, SLEEP_NAME, AML_NAME_BYTES) == 0) {
            return name;
        }
    }
    return aml.size;
}

size_t acpi_dsdt_read(struct cursor table, struct acpi_info *out)
{
    size_t at = ACPI_HEADER_BYTES;

    while (!out->power.sleep_types_known && (at = sleep_name_find(table, at)) < table.size) {
        struct cursor value = table;

        cursor_seek(&value, at + AML_NAME_BYTES);
        out->power.sleep_types_known =
            name_is_defined(table, at) && sleep_package_read(value, &out->power);
        at += AML_NAME_BYTES - 1; /* its last letter may be the next one's first */
    }
    return 0;
}

size_t acpi_hpet_read(struct cursor table, struct acpi_info *out)
{
    if (table.size < HPET_BYTES) {
        return table.size;
    }
    if (field8(table, HPET_ADDRESS + GAS_SPACE) != ACPI_SPACE_MEMORY) {
        return HPET_ADDRESS;
    }
    out->hpet.pa = field64(table, HPET_ADDRESS + GAS_ADDRESS);
    return 0;
}

size_t acpi_mcfg_read(struct cursor table, struct acpi_info *out)
{
    size_t defect = 0;

    if (!cursor_seek(&table, MCFG_ENTRIES)) {
        return table.size;
    }
    while (cursor_left(&table) > 0) {
        const struct cursor entry = cursor_take(&table, MCFG_ENTRY_BYTES);
        const struct acpi_pci_segment segment = {
            .base = {field64(entry, MCFG_ENTRY_PA)},
            .segment = field16(entry, MCFG_ENTRY_SEGMENT),
            .first_bus = field8(entry, MCFG_ENTRY_FIRST_BUS),
            .last_bus = field8(entry, MCFG_ENTRY_LAST_BUS),
        };

        if (entry.failed || segment.first_bus > segment.last_bus) {
            defect = defect != 0 ? defect : table.position - (entry.failed ? 0 : entry.size);
        } else if (out->pci_segment_count == ACPI_PCI_SEGMENTS_MAX) {
            out->entries_dropped++;
        } else {
            out->pci_segments[out->pci_segment_count++] = segment;
        }
    }
    return defect;
}
