/*
 * How fast the time-stamp counter runs, from CPUID's numbers or from two counters side by side.
 */
#include "tsc.h"

#define HZ_PER_MHZ          1000000U
#define FEMTOSECONDS        1000000000000000ULL /* in a second */
#define HPET_PERIOD_FS_MOST 100000000U
#define PM_TIMER_HZ         3579545U
#define PIT_HZ              1193182U

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
