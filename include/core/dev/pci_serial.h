/*
 * A serial card on the PCI buses.
 */
#ifndef DEV_PCI_SERIAL_H
#define DEV_PCI_SERIAL_H

#include <stdbool.h>

#include "pci.h"
#include "serial.h"

/*
 * Find the first one, and let it decode the address that the firmware gave it. Nothing else of it is touched.
 *
 * @place   receives the address in its first base address register
 * @return  false when there is none
 */
bool pci_serial_find(struct serial_place *place);

/*
 * Let a function of segment 0 decode the addresses that the firmware gave it.
 *
 * @id      device << 16 | vendor: it has to be this one
 * @space   ports or memory
 * @return  false when it is not there
 */
bool pci_serial_wake(struct pci_function function, uint32_t id, enum serial_space space);

#endif
