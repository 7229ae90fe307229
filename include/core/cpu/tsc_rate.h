/*
 * How fast the time-stamp counter runs: as the processor tells it, else by the counters beside it. Those are looked at
 * twice, early and late in the boot, so that the boot itself is the time that measuring takes.
 */
#ifndef CPU_TSC_RATE_H
#define CPU_TSC_RATE_H

#include <stdbool.h>

#include "acpi.h"
#include "memmap.h"
#include "tsc.h"

/* What CPUID says; hz 0 where it does not. */
struct tsc_rate tsc_rate_by_cpuid(void);

/* Whether it runs at that speed in every state of the processor. Source: Intel SDM volume 3B, section 18.17.1. */
bool tsc_is_invariant(void);

/*
 * Note where all counters are. An HPET that stands still runs from now on. Once, while the boot tables map all of the
 * low 4 GiB.
 *
 * @map  an HPET that the firmware says lies in RAM is none
 */
void tsc_rate_watch(const struct acpi_info *acpi, const struct memmap *map);

/*
 * The frequency. Where CPUID does not tell it, the HPET and ACPI's timer do, and the PIT where these two fail or do not
 * agree. Once, under the final page tables; an HPET that stood still does so again.
 *
 * @may_wait  where not enough time has passed since tsc_rate_watch(): a millisecond for the first two, two for the
 *            PIT, and for each that is dead as long as the fastest time-stamp counter would need for that. Otherwise
 *            such a counter says nothing.
 */
struct tsc_rate tsc_rate_find(bool may_wait);

#endif
