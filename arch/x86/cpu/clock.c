/*
 * A clock for waits: one counter, read as often as it is asked for.
 */
#include "clock.h"

#include <stddef.h>

#include "abi/acpi.h"
#include "instructions.h"
#include "x86/registers.h"

#define US_PER_SECOND 1000000ULL

static uint64_t tsc_hz(void)
{
    struct tsc_cpuid told = {0};
    const uint32_t leaves = cpuid(CPUID_VENDOR).eax;

    if (leaves >= CPUID_TSC) {
        const struct cpuid_leaf leaf = cpuid(CPUID_TSC);

        told.denominator = leaf.eax;
        told.numerator = leaf.ebx;
        told.crystal_hz = leaf.ecx;
    }
    if (leaves >= CPUID_FREQUENCY) {
        told.base_mhz = cpuid(CPUID_FREQUENCY).eax & 0xffff;
    }
    return tsc_hz_told(&told);
}

struct clock clock_choose(const struct acpi_info *acpi)
{
    const uint64_t told = tsc_hz();
    const struct acpi_register *timer = acpi != NULL ? &acpi->pm_timer : NULL;
    struct clock clock = {.counter = {.hz = UINT32_MAX, .bits = 64}};

    if (told != 0 && told <= UINT32_MAX) {
        clock.counter.hz = (uint32_t)told;
    } else if (timer != NULL && timer->address != 0 && timer->space == ACPI_SPACE_IO) {
        clock.counter = time_counter_pm(acpi->pm_timer_is_32bit);
        clock.port = (uint16_t)timer->address;
    }
    return clock;
}

static uint64_t counter_read(const struct clock *clock)
{
    return clock->port != 0 ? port_read32(clock->port) : tsc_read();
}

void clock_start(struct clock *clock)
{
    clock->last = counter_read(clock);
    clock->passed = 0;
}

uint64_t clock_us(struct clock *clock)
{
    const uint64_t now = counter_read(clock);

    clock->passed += time_counter_elapsed(clock->counter, clock->last, now);
    clock->last = now;
    /* Good for an hour of the fastest counter. */
    return clock->passed * US_PER_SECOND / clock->counter.hz;
}
