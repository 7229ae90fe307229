/* PCI configuration space of the first segment, through its two ports. There is no lock around them: boot only. */
#ifndef CPU_PCI_CONFIG_H
#define CPU_PCI_CONFIG_H

#include "pci.h"

/* 32 bits; `offset` is a multiple of 4. All ones where there is nothing. Source: PCI 3.0, section 3.2.2.3.2. */
uint32_t pci_config_read(struct pci_function function, uint8_t offset);
void pci_config_write(struct pci_function function, uint8_t offset, uint32_t value);

#endif
