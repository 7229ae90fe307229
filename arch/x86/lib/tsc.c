/*
 * How fast the time-stamp counter runs, from CPUID's numbers or from two counters side by side.
 */
#include "tsc.h"

#define HZ_PER_MHZ          1000000U
#define FEMTOSECONDS        1000000000000000ULL /* in a second */
#define HPET_PERIOD_FS_MOST 100000000U
#define PM_TIMER_HZ         3579545U
#define PIT_HZ              1193182U
#define MS_PER_SECOND       1000U
#define TICKS_LEAST         2000U
#define AGREE_PARTS         100U /* two frequencies agree that differ by less than this part */

uint64_t tsc_hz_told(const struct tsc_cpuid *told)
{
    if (told->denominator == 0 || told->numerator == 0) {
        return 0;
    }
    if (told->crystal_hz == 0) {
        return (uint64_t)told->base_mhz * HZ_PER_MHZ;
    }
    return (uint64_t)told->crystal_hz * told->numerator / told->denominator;
}

static bool hz_is_possible(uint64_t hz)
{
    return hz >= TSC_HZ_LEAST && hz <= TSC_HZ_MOST;
}

struct tsc_rate tsc_rate_told(const struct tsc_cpuid *told)
{
    const uint64_t hypervisor_hz = (uint64_t)told->hypervisor_khz * HZ_PER_KHZ;
    const uint64_t hz = tsc_hz_told(told);

    if (hz_is_possible(hypervisor_hz)) {
        return (struct tsc_rate){hypervisor_hz, TSC_BY_HYPERVISOR, 0};
    }
    if (hz_is_possible(hz)) {
        return (struct tsc_rate){hz, TSC_BY_CPUID, 0};
    }
    return (struct tsc_rate){0, TSC_BY_NOBODY, 0};
}

struct time_counter time_counter_hpet(uint32_t period_fs, bool is_64bit)
{
    const bool possible = period_fs != 0 && period_fs <= HPET_PERIOD_FS_MOST;
    const uint64_t hz = possible ? FEMTOSECONDS / period_fs : 0;

    return (struct time_counter){
        .hz = hz <= UINT32_MAX ? (uint32_t)hz : 0,
        .bits = is_64bit ? 64 : 32,
    };
}

struct time_counter time_counter_pm(bool is_32bit)
{
    return (struct time_counter){.hz = PM_TIMER_HZ, .bits = is_32bit ? 32 : 24};
}

struct time_counter time_counter_pit(void)
{
    return (struct time_counter){.hz = PIT_HZ, .bits = 16, .down = true};
}

uint64_t time_counter_elapsed(struct time_counter counter, uint64_t first, uint64_t last)
{
    const uint64_t ticks = counter.down ? first - last : last - first;

    return ticks & UINT64_MAX >> (64 - counter.bits);
}

uint64_t tsc_hz_measured(struct time_counter counter, uint64_t tsc_ticks, uint64_t counter_ticks)
{
    uint64_t whole;

    if (counter_ticks == 0 || counter_ticks > UINT32_MAX) {
        return 0;
    }
    whole = tsc_ticks / counter_ticks;
    if (whole > UINT32_MAX) {
        return 0;
    }
    /* Both products of two 32-bit numbers; the second quotient is less than hz, so that the sum fits, too. */
    return whole * counter.hz + tsc_ticks % counter_ticks * counter.hz / counter_ticks;
}

uint64_t time_counter_ticks_needed(struct time_counter counter)
{
    const uint64_t millisecond = counter.hz / MS_PER_SECOND;

    return millisecond > TICKS_LEAST ? millisecond : TICKS_LEAST;
}

uint64_t tsc_ticks_most(struct time_counter counter, uint64_t counter_ticks)
{
    return (TSC_HZ_MOST / counter.hz + 1) * counter_ticks;
}

bool time_counter_is_unambiguous(struct time_counter counter, uint64_t tsc_ticks)
{
    const uint64_t wrap = UINT64_MAX >> (64 - counter.bits);

    return tsc_ticks < wrap * TSC_HZ_LEAST / counter.hz ||
           tsc_ticks <= tsc_ticks_most(counter, time_counter_ticks_needed(counter));
}

static bool hz_agree(uint64_t a, uint64_t b)
{
    return (a > b ? a - b : b - a) < a / AGREE_PARTS;
}

/* How many others say the same as this one. */
static unsigned int confirmations(const struct tsc_measured measured[TSC_COUNTERS], unsigned int of)
{
    unsigned int count = 0;

    for (unsigned int i = 0; i < TSC_COUNTERS; i++) {
        count += i != of && hz_agree(measured[of].hz, measured[i].hz);
    }
    return count;
}

struct tsc_rate tsc_rate_agreed(const struct tsc_measured measured[TSC_COUNTERS])
{
    struct tsc_rate rate = {0, TSC_BY_NOBODY, 0};
    unsigned int possible = 0;
    unsigned int only = 0;

    for (unsigned int i = 0; i < TSC_COUNTERS; i++) {
        if (hz_is_possible(measured[i].hz)) {
            possible++;
            only = i;
        }
    }
    for (unsigned int i = 0; i < TSC_COUNTERS && rate.hz == 0; i++) {
        if (hz_is_possible(measured[i].hz) &&
            (confirmations(measured, i) > 0 || (possible == 1 && only == i))) {
            rate.hz = measured[i].hz;
            rate.source = i;
        }
    }
    for (unsigned int i = 0; i < TSC_COUNTERS; i++) {
        rate.skipped |= (uint32_t)(measured[i].tried && !hz_agree(measured[i].hz, rate.hz)) << i;
    }
    return rate;
}

uint64_t tsc_us(uint64_t ticks, uint64_t hz)
{
    return ticks / hz * US_PER_SECOND + ticks % hz * US_PER_SECOND / hz;
}
