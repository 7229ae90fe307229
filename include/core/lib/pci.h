/*
 * PCI configuration space: finding a function by what it is. Source: PCI Local Bus Specification 3.0, section 6;
 * PCI-to-PCI Bridge Architecture Specification 1.2, section 3.2.
 */
#ifndef LIB_PCI_H
#define LIB_PCI_H

#include <stdbool.h>
#include <stdint.h>

/* A function's number: bus << 8 | device << 3 | function. */
struct pci_function {
    uint16_t number;
};

/* The function with this address; of `device` and `function` the lowest 5 and 3 bits count, as on the bus. */
struct pci_function pci_function_at(unsigned int bus, unsigned int device, unsigned int function);

/* Reads 32 bits; `offset` is a multiple of 4. All ones where there is nothing. */
typedef uint32_t pci_read_fn(struct pci_function function, uint8_t offset);

/*
 * The first function with a class code, in the order of the numbers, on bus 0 and the buses behind bridges. Looks at
 * each bus at most once, whatever the bridges say.
 *
 * @class_code  base class << 16 | subclass << 8 | interface, as far as
 * @mask        says which of its bits count
 */
bool pci_find(pci_read_fn *read, uint32_t class_code, uint32_t mask, struct pci_function *found);

/*
 * The highest bus that has a device, or that a bridge keeps for what is behind it. All buses are looked at: not every
 * one is behind a bridge.
 */
uint8_t pci_highest_bus(pci_read_fn *read);

/* What a base address register names. */
struct pci_bar {
    bool is_ports; /* I/O ports, not memory */
    uint64_t address;
};

/*
 * @index   of the register, 0 to 5
 * @return  false when it names nothing: the firmware has not set it
 */
bool pci_bar_read(pci_read_fn *read, struct pci_function function, unsigned int index,
                  struct pci_bar *bar);

#endif
