/*
 * How much time has passed, for waits with an end. Nothing is calibrated: the time-stamp counter where the processor
 * tells its frequency, else ACPI's timer, else the time-stamp counter as if it were as fast as any.
 */
#ifndef CPU_CLOCK_H
#define CPU_CLOCK_H

#include <stdint.h>

#include "acpi.h"
#include "tsc.h"

struct clock {
    struct time_counter counter;
    uint16_t port;   /* of ACPI's timer; 0: the time-stamp counter */
    uint64_t last;   /* what the counter was */
    uint64_t passed; /* its ticks since the start */
};

/* Choose a counter. @acpi  NULL: not read yet */
struct clock clock_choose(const struct acpi_info *acpi);

/* The time is 0 now. */
void clock_start(struct clock *clock);

/* Microseconds since the start. To be called again within four seconds: ACPI's timer wraps then. */
uint64_t clock_us(struct clock *clock);

#endif
