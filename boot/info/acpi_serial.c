/*
 * The serial ports that ACPI names: the firmware's console (SPCR) and the debug ports (DBG2).
 */
#include "abi/acpi.h"
#include "acpi_tables.h"

static uint32_t spcr_baud(struct cursor table)
{
    const uint32_t precise = field32(table, SPCR_PRECISE_BAUD);

    if (precise != 0 && field8(table, ACPI_HEADER_REVISION) >= SPCR_REVISION_PRECISE) {
        return precise;
    }
    switch (field8(table, SPCR_BAUD)) {
    case SPCR_BAUD_9600:
        return 9600;
    case SPCR_BAUD_19200:
        return 19200;
    case SPCR_BAUD_57600:
        return 57600;
    case SPCR_BAUD_115200:
        return 115200;
    default:
        return 0;
    }
}

/* A port that is no 16550, or lies where a processor cannot reach it at once, is none. */
static struct acpi_serial serial_port(uint16_t interface, struct acpi_register base, uint32_t baud)
{
    const bool is_16550 = interface == SERIAL_16550 || interface == SERIAL_16550_SUBSET ||
                          interface == SERIAL_16550_GAS;

    if (!is_16550 || base.address == 0 || base.space == ACPI_SPACE_PCI) {
        return (struct acpi_serial){.interface = 0};
    }
    return (struct acpi_serial){.base = base, .interface = interface, .baud = baud};
}

size_t acpi_spcr_read(struct cursor table, struct acpi_info *out)
{
    if (table.size < SPCR_BYTES) {
        return table.size;
    }
    out->spcr = serial_port(field8(table, SPCR_INTERFACE), acpi_register_at(table, SPCR_ADDRESS),
                            spcr_baud(table));
    return 0;
}

size_t acpi_dbg2_read(struct cursor table, struct acpi_info *out)
{
    const uint32_t count = field32(table, DBG2_DEVICE_COUNT);

    if (table.size < DBG2_BYTES) {
        return table.size;
    }
    if (count != 0 && !cursor_seek(&table, field32(table, DBG2_DEVICES_AT))) {
        return DBG2_DEVICES_AT;
    }
    for (uint32_t i = 0; i < count && out->dbg2.base.address == 0; i++) {
        const size_t at = table.position;
        const uint16_t bytes = field16(table, at + DBG2_DEVICE_LENGTH);
        const struct cursor device = cursor_take(&table, bytes);

        if (table.failed || bytes < DBG2_DEVICE_BYTES) {
            return at;
        }
        if (field16(device, DBG2_DEVICE_TYPE) == DBG2_TYPE_SERIAL &&
            field8(device, DBG2_DEVICE_ADDRESSES) != 0) {
            out->dbg2 =
                serial_port(field16(device, DBG2_DEVICE_SUBTYPE),
                            acpi_register_at(device, field16(device, DBG2_DEVICE_ADDRESS)), 0);
        }
    }
    return 0;
}
