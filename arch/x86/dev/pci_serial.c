/*
 * PCI configuration space through its two ports, and the one card that is looked for there.
 */
#include "pci_serial.h"

#include "abi/pci.h"
#include "instructions.h"
#include "pci.h"

#define FUNCTION_SHIFT 8

static void select(struct pci_function function, uint8_t offset)
{
    port_write32(PCI_CONFIG_ADDRESS,
                 PCI_CONFIG_ENABLE | (uint32_t)function.number << FUNCTION_SHIFT | offset);
}

static uint32_t config_read(struct pci_function function, uint8_t offset)
{
    select(function, offset);
    return port_read32(PCI_CONFIG_DATA);
}

/* The upper half is written as 0, which changes nothing there. */
static void command_set(struct pci_function function, uint32_t bits)
{
    const uint32_t command = config_read(function, PCI_COMMAND) & PCI_COMMAND_BITS;

    select(function, PCI_COMMAND);
    port_write32(PCI_CONFIG_DATA, command | bits);
}

bool pci_serial_find(struct serial_place *place)
{
    struct pci_function function;
    struct pci_bar bar;

    if (!pci_find(config_read, PCI_CLASS_SERIAL, PCI_CLASS_SERIAL_MASK, &function) ||
        !pci_bar_read(config_read, function, 0, &bar) ||
        (bar.is_ports && bar.address > UINT16_MAX)) {
        return false;
    }
    command_set(function, bar.is_ports ? PCI_COMMAND_PORTS : PCI_COMMAND_MEMORY);
    *place = (struct serial_place){
        .space = bar.is_ports ? SERIAL_IN_PORTS : SERIAL_IN_MEMORY,
        .address = bar.address,
        .stride_bytes = 1,
        .access_bytes = 1,
    };
    return true;
}

bool pci_serial_wake(struct pci_function function, uint32_t id, enum serial_space space)
{
    if (config_read(function, PCI_ID) != id) {
        return false;
    }
    command_set(function, space == SERIAL_IN_PORTS ? PCI_COMMAND_PORTS : PCI_COMMAND_MEMORY);
    return true;
}
