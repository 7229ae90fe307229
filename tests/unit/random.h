/* Random numbers that are the same in every run: a property test that fails must fail again. */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state; /* not 0 */
};

/* xorshift64* (Marsaglia 2003, Vigna 2016) */
static inline uint64_t random_u64(struct random *random)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * 0x2545f4914f6cdd1dULL;
}

/* 0 to count - 1 */
static inline uint32_t random_below(struct random *random, uint32_t count)
{
    return (uint32_t)((random_u64(random) >> 32) * count >> 32);
}

#endif
