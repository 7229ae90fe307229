/*
 * Orders about devices: PCI configuration space, and a device that reads and writes memory wherever it is told to:
 * QEMU's `-device edu,dma_mask=0xffffffff`. Source: QEMU docs/specs/edu.txt; PCI Local Bus Specification 3.0, 6.1.
 */
#include "guest_io.h"
#include "probe.h"

#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc
#define PCI_ENABLE  0x80000000u
#define PCI_SLOTS   256u /* of bus 0: device and function */
#define PCI_COMMAND 0x04
#define PCI_BAR_0   0x10
#define PCI_DECODES 0x6u /* memory, and may master the bus */

#define EDU_ID        0x11e81234u
#define EDU_SOURCE    0x80
#define EDU_TARGET    0x88
#define EDU_BYTES     0x90
#define EDU_COMMAND   0x98
#define EDU_BUFFER    0x40000
#define EDU_START     0x1u
#define EDU_TO_MEMORY 0x2u

/* A transfer takes a tenth of a second. */
#define READS_MOST 200000000u

static uint32_t config_read(uint32_t slot, uint32_t offset)
{
    outl(PCI_ADDRESS, PCI_ENABLE | slot << 8 | offset);
    return inl(PCI_DATA);
}

static void config_write(uint32_t slot, uint32_t offset, uint32_t value)
{
    outl(PCI_ADDRESS, PCI_ENABLE | slot << 8 | offset);
    outl(PCI_DATA, value);
}

/* Where the device's registers are; NULL: there is no such device. */
static volatile uint8_t *edu_find(void)
{
    for (uint32_t slot = 0; slot < PCI_SLOTS; slot++) {
        if (config_read(slot, 0) == EDU_ID) {
            config_write(slot, PCI_COMMAND, PCI_DECODES);
            return (volatile uint8_t *)(uintptr_t)(config_read(slot, PCI_BAR_0) & ~0xfu);
        }
    }
    return NULL;
}

static void put64(volatile uint8_t *registers, uint32_t offset, uint64_t value)
{
    *(volatile uint64_t *)(volatile void *)(registers + offset) = value;
}

/* 8 bytes to memory, from it. Returns whether it came to an end. */
static bool transfer(volatile uint8_t *edu, uint64_t memory, bool to_memory)
{
    put64(edu, EDU_SOURCE, to_memory ? EDU_BUFFER : memory);
    put64(edu, EDU_TARGET, to_memory ? memory : EDU_BUFFER);
    put64(edu, EDU_BYTES, sizeof(uint64_t));
    put64(edu, EDU_COMMAND, to_memory ? EDU_START | EDU_TO_MEMORY : EDU_START);
    for (uint32_t i = 0; i < READS_MOST; i++) {
        if ((*(volatile uint32_t *)(volatile void *)(edu + EDU_COMMAND) & EDU_START) == 0) {
            return true;
        }
        __asm__ volatile("pause");
    }
    return false;
}

/* Let the device hold this, by way of ordinary memory. */
static bool device_put(volatile uint8_t *edu, uint64_t value)
{
    *(volatile uint64_t *)buffer = value;
    return transfer(edu, (uintptr_t)buffer, false);
}

static void dma_write(volatile uint8_t *edu, uint64_t address, uint64_t value)
{
    const bool done = device_put(edu, value) && transfer(edu, address, true);

    say(done ? "dma-write done" : "dma-write timeout");
    end();
}

/* What the device gets from there, or what it had before when it gets nothing. */
static void dma_read(volatile uint8_t *edu, uint64_t address, uint64_t before)
{
    const bool done = device_put(edu, before) && transfer(edu, address, false) &&
                      transfer(edu, (uintptr_t)buffer, true);

    say(done ? "dma-read done" : "dma-read timeout");
    say_number("value", *(volatile uint64_t *)buffer);
    end();
}

bool device_order(const char *line)
{
    const bool reads = word(&line, "dma-read");
    volatile uint8_t *edu;
    uint64_t address;

    if (word(&line, "pci-read")) {
        const uint32_t slot = (uint32_t)number(&line);

        say("pci-read");
        say_number("value", config_read(slot, (uint32_t)number(&line)));
        end();
        return true;
    }
    if (word(&line, "pci-write")) {
        const uint32_t slot = (uint32_t)number(&line);
        const uint32_t offset = (uint32_t)number(&line);

        config_write(slot, offset, (uint32_t)number(&line));
        return true;
    }
    if (!reads && !word(&line, "dma-write")) {
        return false;
    }
    edu = edu_find();
    if (edu == NULL) {
        say("no device for that\n");
        return true;
    }
    address = number(&line);
    if (reads) {
        dma_read(edu, address, number(&line));
    } else {
        dma_write(edu, address, number(&line));
    }
    return true;
}
