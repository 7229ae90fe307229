/*
 * The serial ports that ACPI names: the firmware's console (SPCR) and the debug ports (DBG2). And which of them is a
 * serial line that can be used.
 */
#include <stddef.h>

#include "abi/acpi.h"
#include "acpi_tables.h"
#include "x86/address_map.h"
#include "x86/paging.h"
#include "x86/ports.h"

#define PORT_LEAST     0x100 /* below are the mainboard's own: IBM PC AT technical reference */
#define PORT_ABOVE     0x10000
#define ADDRESS_ABOVE  (PHYSICAL_END - PAGE_BYTES) /* what page tables can name */
#define BITS_PER_BYTE  8
#define STRIDE_MAX     8
#define ACCESS_MAX     4
#define ERROR_FRACTION 32 /* a line works at a speed that is 1/32 wrong */

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

static void spcr_pci(struct cursor table, struct acpi_serial *port)
{
    const uint16_t device = field16(table, SPCR_PCI_DEVICE);
    const uint16_t vendor = field16(table, SPCR_PCI_VENDOR);

    /* Firmware that does not care leaves zeros there. */
    if (device == SPCR_PCI_NONE || vendor == SPCR_PCI_NONE || vendor == 0) {
        return;
    }
    port->is_on_pci = true;
    port->pci_segment = field8(table, SPCR_PCI_SEGMENT);
    port->pci_function =
        pci_function_at(field8(table, SPCR_PCI_BUS), field8(table, SPCR_PCI_DEVICE_SLOT),
                        field8(table, SPCR_PCI_FUNCTION));
    port->pci_id = (uint32_t)device << 16 | vendor;
}

size_t acpi_spcr_read(struct cursor table, struct acpi_info *out)
{
    if (table.size < SPCR_BYTES) {
        return table.size;
    }
    if (field64(table, SPCR_ADDRESS + GAS_ADDRESS) == 0) {
        return 0;
    }
    out->spcr = (struct acpi_serial){
        .is_named = true,
        .base = acpi_register_at(table, SPCR_ADDRESS),
        .interface = field8(table, SPCR_INTERFACE),
        .baud = spcr_baud(table),
    };
    if (field8(table, ACPI_HEADER_REVISION) >= SPCR_REVISION_CLOCK) {
        out->spcr.clock_hz = field32(table, SPCR_CLOCK);
    }
    spcr_pci(table, &out->spcr);
    return 0;
}

static bool is_16550(uint16_t interface)
{
    return interface == SERIAL_16550 || interface == SERIAL_16550_SUBSET ||
           interface == SERIAL_16550_GAS;
}

/* A debug port; one that is no 16550, or out of reach, is passed over: there may be more of them. */
static void dbg2_device_read(struct cursor device, struct acpi_serial *port)
{
    const uint16_t interface = field16(device, DBG2_DEVICE_SUBTYPE);
    const struct acpi_register base =
        acpi_register_at(device, field16(device, DBG2_DEVICE_ADDRESS));

    if (field16(device, DBG2_DEVICE_TYPE) == DBG2_TYPE_SERIAL && is_16550(interface) &&
        field8(device, DBG2_DEVICE_ADDRESSES) != 0 && base.address != 0 &&
        base.space != ACPI_SPACE_PCI) {
        *port = (struct acpi_serial){.is_named = true, .base = base, .interface = interface};
    }
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
    for (uint32_t i = 0; i < count && !out->dbg2.is_named; i++) {
        const size_t at = table.position;
        const uint16_t bytes = field16(table, at + DBG2_DEVICE_LENGTH);
        const struct cursor device = cursor_take(&table, bytes);

        if (table.failed || bytes < DBG2_DEVICE_BYTES) {
            return at;
        }
        dbg2_device_read(device, &out->dbg2);
    }
    return 0;
}

const struct acpi_serial *acpi_console(const struct acpi_info *info)
{
    if (info->spcr.is_named) {
        return &info->spcr;
    }
    return info->dbg2.is_named ? &info->dbg2 : NULL;
}

/* The divisor of the UART's clock for a speed; 0 where none comes near it. */
static uint16_t divisor_for(uint32_t clock_hz, uint32_t baud)
{
    const uint64_t clock = clock_hz == 0 ? UART_CLOCK_HZ : clock_hz;
    const uint64_t clocks_wanted = (uint64_t)UART_CLOCKS * baud;
    const uint64_t divisor = baud == 0 ? 0 : (clock + clocks_wanted / 2) / clocks_wanted;
    const uint64_t made = divisor * clocks_wanted;
    const uint64_t error = made > clock ? made - clock : clock - made;

    return divisor > UART_DIVISOR_MAX || error * ERROR_FRACTION > clock ? 0 : (uint16_t)divisor;
}

static const char *ports_defect(const struct serial_place *place)
{
    const uint64_t bytes = (uint64_t)place->stride_bytes * SERIAL_REGISTERS;

    return place->address >= PORT_LEAST && place->address + bytes <= PORT_ABOVE
               ? NULL
               : "its ports are none that a 16550 can have";
}

static const char *memory_defect(const struct serial_place *place)
{
    if (place->access_bytes > place->stride_bytes || place->access_bytes > ACCESS_MAX) {
        return "its registers are wider than they are apart";
    }
    return place->address >= LOW_MEMORY_BYTES && place->address < ADDRESS_ABOVE &&
                   place->address % place->access_bytes == 0
               ? NULL
               : "its address is none that a 16550 can have";
}

/* How far registers are apart; 0 when that is nothing known. Not told: side by side. */
static uint8_t stride_of(const struct acpi_serial *port)
{
    const uint8_t bytes = port->base.bits / BITS_PER_BYTE;

    /* The plain types name the PC's ports, whatever width stands beside them. */
    if (port->base.bits == 0 ||
        (port->base.space == ACPI_SPACE_IO && port->interface != SERIAL_16550_GAS)) {
        return 1;
    }
    return port->base.bits % BITS_PER_BYTE == 0 && bytes <= STRIDE_MAX && (bytes & (bytes - 1)) == 0
               ? bytes
               : 0;
}

/* How wide a register is; not told: as wide as they are apart. */
static uint8_t access_of(const struct acpi_serial *port, uint8_t stride_bytes)
{
    if (port->base.space == ACPI_SPACE_IO) {
        return 1;
    }
    if (port->base.access_bytes != 0) {
        return port->base.access_bytes;
    }
    return stride_bytes < ACCESS_MAX ? stride_bytes : ACCESS_MAX;
}

const char *acpi_serial_line(const struct acpi_serial *port, struct serial_line *line)
{
    const bool in_ports = port->base.space == ACPI_SPACE_IO;
    const uint16_t divisor = divisor_for(port->clock_hz, port->baud);
    struct serial_place place = {
        .space = in_ports ? SERIAL_IN_PORTS : SERIAL_IN_MEMORY,
        .address = port->base.address,
        .stride_bytes = stride_of(port),
    };
    const char *defect;

    place.access_bytes = access_of(port, place.stride_bytes);
    if (!is_16550(port->interface)) {
        return "it is no 16550";
    }
    if (port->base.space == ACPI_SPACE_PCI || port->pci_segment != 0) {
        return "it is in a PCI configuration space, or segment, that is not looked at";
    }
    if (place.stride_bytes == 0) {
        return "its registers are apart by what is no power of 2";
    }
    defect = in_ports ? ports_defect(&place) : memory_defect(&place);
    if (defect == NULL) {
        *line = (struct serial_line){
            .baud = divisor == 0 ? SERIAL_BAUD_SLOW : port->baud,
            .divisor = divisor,
            .line_control = UART_8N1,
            .place = place,
        };
    }
    return defect;
}
