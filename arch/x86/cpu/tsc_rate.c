/*
 * Reading the time-stamp counter and the others at the same moment. What follows from the numbers is decided in
 * arch/x86/lib/tsc.c.
 */
#include "tsc_rate.h"

#include <stddef.h>

#include "abi/acpi.h"
#include "compiler.h"
#include "instructions.h"
#include "page_tables.h"
#include "physmap.h"
#include "x86/address_map.h"
#include "x86/paging.h"
#include "x86/registers.h"
#include "x86/timers.h"

/* Of so many readings in a row the quickest counts: something else may have had the processor during the others. */
#define READINGS 3
/* Until the PIT counts from where it was told to: it takes up to two of its ticks, a port as long as one or more. */
#define PIT_SETTLING_READINGS 4

/* A counter that has not moved at all when it should have done so many ticks is dead. */
#define TICKS_TO_MOVE 64

/* Both counters at one moment. */
struct reading {
    uint64_t tsc;
    uint64_t counter;
};

/* A counter beside the time-stamp counter. Writer: the functions below. */
struct beside {
    struct time_counter counter; /* hz 0: there is none */
    struct reading first;
};

static struct beside counters[TSC_COUNTERS];
static paddr_t hpet_pa;
static volatile uint32_t *hpet;
static bool hpet_stood_still;
static uint16_t pm_timer_port;

struct tsc_rate tsc_rate_by_cpuid(void)
{
    const uint32_t leaves = cpuid(CPUID_VENDOR).eax;
    struct tsc_cpuid told = {0};

    if (leaves >= CPUID_TSC) {
        const struct cpuid_leaf leaf = cpuid(CPUID_TSC);

        told.denominator = leaf.eax;
        told.numerator = leaf.ebx;
        told.crystal_hz = leaf.ecx;
    }
    if (leaves >= CPUID_FREQUENCY) {
        told.base_mhz = cpuid(CPUID_FREQUENCY).eax & CPUID_FREQUENCY_MHZ;
    }
    if ((cpuid(CPUID_FEATURE).ecx >> CPUID_HYPERVISOR_BIT & 1) != 0 &&
        cpuid(CPUID_HYPERVISOR).eax >= CPUID_HYPERVISOR_TIMING) {
        told.hypervisor_khz = cpuid(CPUID_HYPERVISOR_TIMING).eax;
    }
    return tsc_rate_told(&told);
}

INIT bool tsc_is_invariant(void)
{
    return cpuid(CPUID_EXT_MAX).eax >= CPUID_EXT_POWER &&
           (cpuid(CPUID_EXT_POWER).edx >> CPUID_EXT_INVARIANT_BIT & 1) != 0;
}

static INIT uint32_t hpet_read(size_t offset)
{
    return hpet[offset / sizeof(*hpet)];
}

static INIT void hpet_configure(uint32_t value)
{
    hpet[HPET_CONFIGURATION / sizeof(*hpet)] = value;
}

static INIT uint32_t pit_read(void)
{
    uint32_t low;

    port_write8(PIT_COMMAND, PIT_LATCH);
    low = port_read8(PIT_CHANNEL_2);
    return low | (uint32_t)port_read8(PIT_CHANNEL_2) << 8;
}

static INIT uint32_t counter_read(enum tsc_source which)
{
    switch (which) {
    case TSC_BY_HPET:
        return hpet_read(HPET_COUNTER);
    case TSC_BY_PM_TIMER:
        return port_read32(pm_timer_port);
    default:
        return pit_read();
    }
}

/* The time-stamp counter is taken in the middle of the other's reading. */
static INIT struct reading reading_take(enum tsc_source which)
{
    struct reading best = {0};
    uint64_t shortest = UINT64_MAX;

    for (unsigned int i = 0; i < READINGS; i++) {
        const uint64_t before = tsc_read();
        const uint32_t counter = counter_read(which);
        const uint64_t took = tsc_read() - before;

        if (took < shortest) {
            shortest = took;
            best = (struct reading){before + took / 2, counter};
        }
    }
    return best;
}

static INIT void watch(enum tsc_source which, struct time_counter counter)
{
    counters[which].counter = counter;
    if (counter.hz != 0) {
        counters[which].first = reading_take(which);
    }
}

/* Whether registers may be at this place. */
static INIT bool hpet_is_possible(paddr_t at, const struct memmap *map)
{
    const uint64_t page = align_down(at.pa, PAGE_BYTES);

    return at.pa != 0 && at.pa < IDENTITY_MAP_BYTES && at.pa % HPET_ALIGNMENT == 0 &&
           at.pa - page <= PAGE_BYTES - HPET_REGISTER_BYTES &&
           !memmap_touches_ram(map, (struct prange){page, page + PAGE_BYTES});
}

static INIT void hpet_watch(paddr_t at)
{
    struct time_counter counter;

    hpet_pa = at;
    hpet = physmap_device(at);
    if ((hpet_read(HPET_REVISION) & HPET_REVISION_MASK) == 0) {
        return;
    }
    counter = time_counter_hpet(hpet_read(HPET_PERIOD), false);
    if (counter.hz != 0 && (hpet_read(HPET_CONFIGURATION) & HPET_RUNS) == 0) {
        hpet_stood_still = true;
        hpet_configure(hpet_read(HPET_CONFIGURATION) | HPET_RUNS);
    }
    watch(TSC_BY_HPET, counter);
}

INIT void tsc_rate_watch(const struct acpi_info *acpi, const struct memmap *map)
{
    if (tsc_rate_by_cpuid().hz != 0) {
        return;
    }
    if (hpet_is_possible(acpi->hpet, map)) {
        hpet_watch(acpi->hpet);
    }
    if (acpi->pm_timer.address != 0 && acpi->pm_timer.space == ACPI_SPACE_IO) {
        pm_timer_port = (uint16_t)acpi->pm_timer.address;
        watch(TSC_BY_PM_TIMER, time_counter_pm(acpi->pm_timer_is_32bit));
    }
}

/* Since the first reading, if that is no longer ago than the counter takes to wrap. */
static INIT struct tsc_measured measure(enum tsc_source which, bool may_wait)
{
    struct beside *const beside = &counters[which];
    const struct time_counter counter = beside->counter;
    struct tsc_measured measured = {.tried = counter.hz != 0};
    uint64_t needed;
    uint64_t tsc_ticks;
    uint64_t ticks;

    if (!measured.tried) {
        return measured;
    }
    if (may_wait && !time_counter_is_unambiguous(counter, tsc_read() - beside->first.tsc)) {
        beside->first = reading_take(which);
    }
    needed = time_counter_ticks_needed(counter);
    do {
        const struct reading now = reading_take(which);

        tsc_ticks = now.tsc - beside->first.tsc;
        ticks = time_counter_elapsed(counter, beside->first.counter, now.counter);
    } while (may_wait && ticks < needed &&
             tsc_ticks < tsc_ticks_most(counter, ticks != 0 ? needed : TICKS_TO_MOVE));
    if (ticks >= needed && time_counter_is_unambiguous(counter, tsc_ticks)) {
        measured.hz = tsc_hz_measured(counter, tsc_ticks, ticks);
    }
    return measured;
}

/* By the channel that drives the speaker, which stays silent. */
static INIT struct tsc_measured pit_measure(void)
{
    const uint8_t gate = port_read8(PIT_GATE_PORT);
    struct tsc_measured measured;

    port_write8(PIT_GATE_PORT, (uint8_t)((gate & ~PIT_SPEAKER) | PIT_GATE));
    port_write8(PIT_COMMAND, PIT_COUNT_DOWN_ONCE);
    port_write8(PIT_CHANNEL_2, 0xff);
    port_write8(PIT_CHANNEL_2, 0xff);
    for (unsigned int i = 0; i < PIT_SETTLING_READINGS; i++) {
        pit_read();
    }
    watch(TSC_BY_PIT, time_counter_pit());
    measured = measure(TSC_BY_PIT, true);
    port_write8(PIT_GATE_PORT, gate);
    return measured;
}

INIT struct tsc_rate tsc_rate_find(bool may_wait)
{
    const struct tsc_rate told = tsc_rate_by_cpuid();
    struct tsc_measured measured[TSC_COUNTERS] = {0};
    struct tsc_rate rate;

    if (told.hz != 0) {
        return told;
    }
    if (counters[TSC_BY_HPET].counter.hz != 0 &&
        page_tables_add_device((paddr_t){align_down(hpet_pa.pa, PAGE_BYTES)})) {
        measured[TSC_BY_HPET] = measure(TSC_BY_HPET, may_wait);
        if (hpet_stood_still) {
            hpet_configure(hpet_read(HPET_CONFIGURATION) & ~(uint32_t)HPET_RUNS);
        }
    }
    measured[TSC_BY_PM_TIMER] = measure(TSC_BY_PM_TIMER, may_wait);
    rate = tsc_rate_agreed(measured);
    if (rate.hz == 0 && may_wait) {
        measured[TSC_BY_PIT] = pit_measure();
        rate = tsc_rate_agreed(measured);
    }
    return rate;
}
