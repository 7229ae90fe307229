/*
 * PCI configuration space through its two ports.
 */
#include "pci_config.h"

#include "abi/pci.h"
#include "instructions.h"

#define FUNCTION_SHIFT 8

static void select(struct pci_function function, uint8_t offset)
{
    port_write32(PCI_CONFIG_ADDRESS,
                 PCI_CONFIG_ENABLE | (uint32_t)function.number << FUNCTION_SHIFT | offset);
}

uint32_t pci_config_read(struct pci_function function, uint8_t offset)
{
    select(function, offset);
    return port_read32(PCI_CONFIG_DATA);
}

void pci_config_write(struct pci_function function, uint8_t offset, uint32_t value)
{
    select(function, offset);
    port_write32(PCI_CONFIG_DATA, value);
}
