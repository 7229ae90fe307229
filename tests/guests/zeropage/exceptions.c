/*
 * The guest's own exception handlers: each leads to guest_exception().
 * Source: Intel SDM volume 3A, sections 6.11 and 6.14 (interrupt descriptor table).
 */
#include "guest.h"

#define GATE_INTERRUPT 0x8e00u /* present, ring 0, interrupt gate */
#define VECTORS        32

struct gate {
    uint16_t offset_0;
    uint16_t selector;
    uint16_t attributes;
    uint16_t offset_16;
#ifdef __x86_64__
    uint32_t offset_32;
    uint32_t reserved;
#endif
};

static struct gate gates[VECTORS];

void install_exception_handlers(void)
{
    struct {
        uint16_t limit;
        unsigned long base;
    } __attribute__((packed)) idtr;

    for (unsigned int vector = 0; vector < VECTORS; vector++) {
        uint64_t stub = (uintptr_t)exception_stubs + vector * STUB_BYTES;

        gates[vector].offset_0 = (uint16_t)stub;
        gates[vector].selector = BOOT_CS;
        gates[vector].attributes = GATE_INTERRUPT;
        gates[vector].offset_16 = (uint16_t)(stub >> 16);
#ifdef __x86_64__
        gates[vector].offset_32 = (uint32_t)(stub >> 32);
#endif
    }
    /* Assigned, not initialised: a constant structure would hold the link-time address. */
    idtr.limit = sizeof(gates) - 1;
    idtr.base = (unsigned long)gates;
    __asm__ volatile("lidt %0" : : "m"(idtr));
}
