/*
 * The one card that is looked for on the PCI buses.
 */
#include "pci_serial.h"

#include "abi/pci.h"
#include "pci.h"
#include "pci_config.h"

/* The upper half is written as 0, which changes nothing there. */
static void command_set(struct pci_function function, uint32_t bits)
{
    const uint32_t command = pci_config_read(function, PCI_COMMAND) & PCI_COMMAND_BITS;

    pci_config_write(function, PCI_COMMAND, command | bits);
}

bool pci_serial_find(struct serial_place *place)
{
    struct pci_function function;
    struct pci_bar bar;

    if (!pci_find(pci_config_read, PCI_CLASS_SERIAL, PCI_CLASS_SERIAL_MASK, &function) ||
        !pci_bar_read(pci_config_read, function, 0, &bar) ||
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
    if (pci_config_read(function, PCI_ID) != id) {
        return false;
    }
    command_set(function, space == SERIAL_IN_PORTS ? PCI_COMMAND_PORTS : PCI_COMMAND_MEMORY);
    return true;
}
