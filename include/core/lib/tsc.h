/*
 * How fast the time-stamp counter runs: arithmetic on what others have read.
 */
#ifndef LIB_TSC_H
#define LIB_TSC_H

#include <stdbool.h>
#include <stdint.h>

#define US_PER_SECOND 1000000ULL
#define HZ_PER_KHZ    1000U

/* What CPUID says of it, as far as it counts; 0 for what the processor does not have. */
struct tsc_cpuid {
    uint32_t denominator;    /* 0x15 EAX */
    uint32_t numerator;      /* 0x15 EBX: of the counter's ratio to the crystal */
    uint32_t crystal_hz;     /* 0x15 ECX */
    uint32_t base_mhz;       /* 0x16 EAX, bits 0 to 15 */
    uint32_t hypervisor_khz; /* 0x40000010 EAX */
};

/* Who says how fast it runs. The counters come in the order in which they are believed. */
enum tsc_source {
    TSC_BY_HPET,
    TSC_BY_PM_TIMER,
    TSC_BY_PIT,
    TSC_COUNTERS,
    TSC_BY_CPUID = TSC_COUNTERS,
    TSC_BY_HYPERVISOR,
    TSC_BY_NOBODY,
};

struct tsc_rate {
    uint64_t hz; /* 0: not known */
    enum tsc_source source;
    uint32_t skipped; /* bit n: counter n is there, and dead or contradicted */
};

/* Slower or faster ones were not built: a number beyond is damage. */
#define TSC_HZ_LEAST 100000000ULL
#define TSC_HZ_MOST  20000000000ULL

/*
 * The frequency as the processor tells it. Where it tells the ratio but not the crystal's frequency, the counter runs
 * at the base frequency.
 *
 * @return  ticks in a second; 0: not told
 * Source:  Intel SDM volume 2A, CPUID; volume 3B, section 19.7.3 (nominal core crystal clock)
 */
uint64_t tsc_hz_told(const struct tsc_cpuid *told);

/* The same as far as it can be true. A hypervisor knows better than the processor that it shows. */
struct tsc_rate tsc_rate_told(const struct tsc_cpuid *told);

/* A counter that others can be measured by. */
struct time_counter {
    uint32_t hz;       /* 0: it cannot be used */
    unsigned int bits; /* 1 to 64; it wraps there */
    bool down;
};

/* IA-PC HPET 1.0a, section 2.3.4: a period in femtoseconds that is 0, or longer than 100 ns, is damage. */
struct time_counter time_counter_hpet(uint32_t period_fs, bool is_64bit);
/* ACPI 6.5, section 4.8.3.3 */
struct time_counter time_counter_pm(bool is_32bit);
/* 8254, mode 2 or 0: 16 bits, downwards */
struct time_counter time_counter_pit(void);

/* Ticks between two readings that are less than one wrap apart. */
uint64_t time_counter_elapsed(struct time_counter counter, uint64_t first, uint64_t last);

/*
 * The frequency by measurement.
 *
 * @tsc_ticks      how far the time-stamp counter came
 * @counter_ticks  how far the counter came in the same time: 1 to 2^32 - 1
 * @return         ticks in a second, rounded down; 0: that cannot be told from these numbers
 */
uint64_t tsc_hz_measured(struct time_counter counter, uint64_t tsc_ticks, uint64_t counter_ticks);

/* How far a counter has to come until its own steps are less than 0.1 % of that: a millisecond, or 2,000 ticks. */
uint64_t time_counter_ticks_needed(struct time_counter counter);
/* How far the fastest time-stamp counter comes in so many ticks: a counter that has not done them then is dead. */
uint64_t tsc_ticks_most(struct time_counter counter, uint64_t counter_ticks);
/*
 * Whether a counter of at most 32 bits cannot have wrapped meanwhile: not even if the time-stamp counter is the slowest
 * that there can be; or because it was waited for, which takes no longer than that.
 */
bool time_counter_is_unambiguous(struct time_counter counter, uint64_t tsc_ticks);

/* What one counter says. */
struct tsc_measured {
    bool tried;  /* the counter is there */
    uint64_t hz; /* 0: it is dead */
};

/*
 * The frequency by several counters: that of the first one which another one confirms to 1 %; or of the only one that
 * says something possible.
 *
 * @return  hz 0: nobody says anything possible, or they contradict each other
 */
struct tsc_rate tsc_rate_agreed(const struct tsc_measured measured[TSC_COUNTERS]);

/* Ticks as microseconds, rounded down. hz is not 0, and TSC_HZ_MOST at most. */
uint64_t tsc_us(uint64_t ticks, uint64_t hz);

#endif
