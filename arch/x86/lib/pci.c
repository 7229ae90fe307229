/*
 * Walks over PCI buses that end whatever the bridges say: each bus is looked at once, in the order of the numbers.
 */
#include "pci.h"

#include <stddef.h>

#include "abi/pci.h"

#define LOW_BYTE 0xff

/* One bit for each bus that a bridge leads to. */
struct bus_set {
    uint8_t bits[PCI_BUSES / 8];
};

static void bus_add(struct bus_set *set, unsigned int bus)
{
    set->bits[bus / 8] |= (uint8_t)(1U << bus % 8);
}

static bool bus_is_known(const struct bus_set *set, unsigned int bus)
{
    return (set->bits[bus / 8] >> bus % 8 & 1) != 0;
}

struct pci_function pci_function_at(unsigned int bus, unsigned int device, unsigned int function)
{
    return (struct pci_function){
        (uint16_t)((bus * PCI_DEVICES_PER_BUS + device % PCI_DEVICES_PER_BUS) *
                       PCI_FUNCTIONS_PER_DEVICE +
                   function % PCI_FUNCTIONS_PER_DEVICE)};
}

/* A walk in progress. */
struct pci_walk {
    pci_read_fn *read;
    uint32_t class_code;
    uint32_t mask;
    struct bus_set buses;
};

/* Is this the one? A bridge's bus is noted on the way. */
static bool function_visit(struct pci_walk *walk, struct pci_function function)
{
    const uint32_t header = walk->read(function, PCI_HEADER) >> PCI_HEADER_SHIFT;

    if ((header & PCI_HEADER_LAYOUT) == PCI_HEADER_BRIDGE) {
        bus_add(&walk->buses,
                walk->read(function, PCI_BRIDGE_BUSES) >> PCI_BUS_SECONDARY & LOW_BYTE);
    }
    return ((walk->read(function, PCI_CLASS) >> PCI_CLASS_SHIFT) & walk->mask) == walk->class_code;
}

/* 0: there is no such device. */
static unsigned int functions_of(pci_read_fn *read, unsigned int bus, unsigned int device)
{
    const struct pci_function first = pci_function_at(bus, device, 0);

    if (read(first, PCI_ID) == PCI_NOTHING_THERE) {
        return 0;
    }
    return (read(first, PCI_HEADER) >> PCI_HEADER_SHIFT & PCI_HEADER_MANY) != 0
               ? PCI_FUNCTIONS_PER_DEVICE
               : 1;
}

/* The last bus behind a function, if that is a bridge; else its own. */
static uint8_t last_bus(pci_read_fn *read, struct pci_function function)
{
    const uint32_t header = read(function, PCI_HEADER) >> PCI_HEADER_SHIFT;
    const unsigned int own = function.number / (PCI_DEVICES_PER_BUS * PCI_FUNCTIONS_PER_DEVICE);

    return (header & PCI_HEADER_LAYOUT) == PCI_HEADER_BRIDGE &&
                   read(function, PCI_ID) != PCI_NOTHING_THERE
               ? (uint8_t)(read(function, PCI_BRIDGE_BUSES) >> PCI_BUS_LAST)
               : (uint8_t)own;
}

uint8_t pci_highest_bus(pci_read_fn *read)
{
    uint8_t highest = 0;

    for (unsigned int at = 0; at < PCI_BUSES * PCI_DEVICES_PER_BUS; at++) {
        const unsigned int bus = at / PCI_DEVICES_PER_BUS;
        const unsigned int functions = functions_of(read, bus, at);

        for (unsigned int i = 0; i < functions; i++) {
            const uint8_t last = last_bus(read, pci_function_at(bus, at, i));

            highest = last > highest ? last : highest;
        }
    }
    return highest;
}

static bool device_visit(struct pci_walk *walk, unsigned int bus, unsigned int device,
                         struct pci_function *found)
{
    const uint32_t header =
        walk->read(pci_function_at(bus, device, 0), PCI_HEADER) >> PCI_HEADER_SHIFT;
    const unsigned int functions = (header & PCI_HEADER_MANY) != 0 ? PCI_FUNCTIONS_PER_DEVICE : 1;

    for (unsigned int i = 0; i < functions; i++) {
        *found = pci_function_at(bus, device, i);
        if (walk->read(*found, PCI_ID) != PCI_NOTHING_THERE && function_visit(walk, *found)) {
            return true;
        }
    }
    return false;
}

bool pci_find(pci_read_fn *read, uint32_t class_code, uint32_t mask, struct pci_function *found)
{
    struct pci_walk walk = {.read = read, .class_code = class_code, .mask = mask};

    bus_add(&walk.buses, 0);
    /* What is behind a bridge has a higher number than the bus before it. */
    for (unsigned int bus = 0; bus < PCI_BUSES; bus++) {
        for (unsigned int i = 0; bus_is_known(&walk.buses, bus) && i < PCI_DEVICES_PER_BUS; i++) {
            if (device_visit(&walk, bus, i, found)) {
                return true;
            }
        }
    }
    return false;
}

bool pci_bar_read(pci_read_fn *read, struct pci_function function, unsigned int index,
                  struct pci_bar *bar)
{
    const uint8_t offset = (uint8_t)(PCI_BAR_0 + sizeof(uint32_t) * index);
    const uint32_t low = read(function, offset);

    bar->is_ports = (low & PCI_BAR_IS_PORTS) != 0;
    if (low == PCI_NOTHING_THERE) {
        return false;
    }
    if (bar->is_ports) {
        bar->address = low & PCI_BAR_PORTS_MASK;
        return bar->address != 0;
    }
    bar->address = low & PCI_BAR_MEMORY_MASK;
    if ((low & PCI_BAR_MEMORY_TYPE) == PCI_BAR_MEMORY_64BIT) {
        bar->address |= (uint64_t)read(function, (uint8_t)(offset + sizeof(uint32_t))) << 32;
    }
    return bar->address != 0;
}
