/* The word by which a processor learns where a guest's start-up message wants it. */
#include "start_word.h"

/* 0: it waits; else one of these, and with WAITING the vector in the lower bits. */
#define WAITING 0x100u
#define STARTED 0x200u

static bool replace(struct start_word *word, uint32_t from, uint32_t to)
{
    return __atomic_compare_exchange_n(&word->value, &from, to, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

void start_word_init(struct start_word *word)
{
    __atomic_store_n(&word->value, 0, __ATOMIC_RELEASE);
}

void start_word_send(struct start_word *word, uint8_t vector)
{
    replace(word, 0, WAITING | vector);
}

bool start_word_take(struct start_word *word, uint8_t *vector)
{
    const uint32_t value = __atomic_load_n(&word->value, __ATOMIC_ACQUIRE);

    *vector = (uint8_t)value;
    return (value & WAITING) != 0 && replace(word, value, STARTED);
}

void start_word_stopped(struct start_word *word)
{
    replace(word, STARTED, 0);
}
