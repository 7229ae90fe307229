/* The calling processor's local APIC in whatever mode the guest has put it into: registers in a page, or MSRs. */
#ifndef HVM_APIC_REGISTERS_H
#define HVM_APIC_REGISTERS_H

#include <stddef.h>
#include <stdint.h>

#include "instructions.h"
#include "physmap.h"
#include "x86/apic.h"
#include "x86/paging.h"

/* The page; NULL: x2APIC mode. */
static inline volatile uint32_t *apic_page(void)
{
    const uint64_t base = msr_read(MSR_APIC_BASE);

    return (base & APIC_BASE_X2APIC) != 0 ? NULL : physmap_low((paddr_t){base & PTE_ADDRESS});
}

/* @page  apic_page() */
static inline uint32_t apic_read(volatile const uint32_t *page, uint32_t offset)
{
    return page == NULL ? (uint32_t)msr_read(MSR_X2APIC(offset)) : page[offset / sizeof(*page)];
}

static inline void apic_write(volatile uint32_t *page, uint32_t offset, uint32_t value)
{
    if (page == NULL) {
        msr_write(MSR_X2APIC(offset), value);
    } else {
        page[offset / sizeof(*page)] = value;
    }
}

/* Before the next message: until the one before has left, or seems never to. In x2APIC mode there is no need. */
static inline void apic_wait_sent(volatile const uint32_t *page)
{
    for (uint32_t i = 0;
         i < APIC_SEND_READS_MOST && (apic_read(page, APIC_COMMAND) & APIC_BUSY) != 0; i++) {
        processor_pause();
    }
}

#endif
