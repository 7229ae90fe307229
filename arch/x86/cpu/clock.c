/*
 * A clock for waits: one counter, read as often as it is asked for.
 */
#include "clock.h"

#include <stddef.h>

#include "abi/acpi.h"
#include "instructions.h"
#include "tsc_rate.h"

struct clock clock_choose(const struct acpi_info *acpi)
{
    const uint64_t told = tsc_rate_by_cpuid().hz;
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
