/*
 * Reading and writing the local APIC, in its page or, in x2APIC mode, by MSRs.
 */
#include "apic.h"

#include "instructions.h"
#include "physmap.h"
#include "x86/apic.h"
#include "x86/paging.h"
#include "x86/registers.h"

static bool x2apic;
static volatile uint32_t *page;
static bool used;

struct local_apic local_apic_detect(void)
{
    struct local_apic apic = {.on = false};
    uint64_t base;

    if ((cpuid(CPUID_FEATURE).edx >> CPUID_APIC_BIT & 1) == 0) {
        return apic;
    }
    base = msr_read(MSR_APIC_BASE);
    apic.on = (base & APIC_BASE_ENABLED) != 0;
    apic.x2apic = (base & APIC_BASE_X2APIC) != 0;
    apic.registers.pa = base & PTE_ADDRESS;
    return apic;
}

void local_apic_use(const struct local_apic *apic)
{
    x2apic = apic->x2apic;
    page = x2apic ? 0 : physmap_low(apic->registers);
    used = true;
}

bool local_apic_is_used(void)
{
    return used;
}

bool local_apic_in_x2apic_mode(void)
{
    return x2apic;
}

static uint32_t register_read(uint32_t offset)
{
    return x2apic ? (uint32_t)msr_read(MSR_X2APIC(offset)) : page[offset / sizeof(*page)];
}

static void register_write(uint32_t offset, uint32_t value)
{
    if (x2apic) {
        msr_write(MSR_X2APIC(offset), value);
    } else {
        page[offset / sizeof(*page)] = value;
    }
}

uint32_t local_apic_id(void)
{
    const uint32_t id = register_read(APIC_ID);

    return x2apic ? id : id >> APIC_ID_SHIFT;
}

void local_apic_open(uint8_t vector)
{
    register_write(APIC_SPURIOUS, APIC_SOFTWARE_ENABLED | vector);
}

void local_apic_end(void)
{
    register_write(APIC_EOI, 0);
}

static void wait_sent(void)
{
    for (uint32_t i = 0; i < APIC_SEND_READS_MOST && (register_read(APIC_COMMAND) & APIC_BUSY) != 0;
         i++) {
        processor_pause();
    }
}

void local_apic_send(uint32_t apic_id, uint32_t command)
{
    if (x2apic) {
        /* What was stored before has to be there when the message arrives: SDM volume 3A, section 11.12.3. */
        asm volatile("mfence; lfence" : : : "memory");
        msr_write(MSR_X2APIC(APIC_COMMAND), (uint64_t)apic_id << X2APIC_ID_SHIFT | command);
        return;
    }
    register_write(APIC_COMMAND_HIGH, apic_id << APIC_ID_SHIFT);
    register_write(APIC_COMMAND, command);
    wait_sent();
}
