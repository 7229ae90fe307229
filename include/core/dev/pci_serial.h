/*
 * A serial card on the PCI buses.
 */
#ifndef DEV_PCI_SERIAL_H
#define DEV_PCI_SERIAL_H

#include <stdbool.h>

#include "serial.h"

/*
 * Find the first one, and let it decode the address that the firmware gave it. Nothing else of it is touched.
 *
 * @place   receives the address in its first base address register
 * @return  false when there is none
 */
bool pci_serial_find(struct serial_place *place);

#endif
