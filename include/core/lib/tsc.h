/*
 * How fast the time-stamp counter runs: arithmetic on what others have read.
 */
#ifndef LIB_TSC_H
#define LIB_TSC_H

#include <stdbool.h>
#include <stdint.h>

/* CPUID leaves 0x15 and 0x16, as far as they count; 0 for what the processor does not have. */
struct tsc_cpuid {
    uint32_t denominator; /* 0x15 EAX */
    uint32_t numerator;   /* 0x15 EBX: of the counter's ratio to the crystal */
    uint32_t crystal_hz;  /* 0x15 ECX */
    uint32_t base_mhz;    /* 0x16 EAX, bits 0 to 15 */
};

/*
 * The frequency as the processor tells it. Where it tells the ratio but not the crystal's frequency, the counter runs
 * at the base frequency.
 *
 * @return  ticks in a second; 0: not told
 * Source:  Intel SDM volume 2A, CPUID; volume 3B, section 19.7.3 (nominal core crystal clock)
 */
uint64_t tsc_hz_told(const struct tsc_cpuid *told);

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

#endif
