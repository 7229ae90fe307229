/*
 * Ticket locks, and what is wrong with their use.
 */
#include "spinlock.h"

#include <stddef.h>

#include "compiler.h"
#include "format.h"
#include "instructions.h"
#include "log.h"
#include "log_lock.h"
#include "processors.h"
#include "stop.h"
#include "version.h"

/* Four seconds on the quickest processors, more on others: an overloaded host can stop a holder for that long. */
#define WAIT_TICKS (1ULL << 34)

#define WORDS_BYTES 80

static NORETURN void misused(const struct spinlock *lock, const char *words)
{
    log_lock_seize();
    log_error("lock \"%s\": processor %u %s - report this defect", lock->name, processor_number(),
              words);
    machine_stop();
}

/* --- debug builds ---------------------------------------------------------------------------- */

static void check_lock(const struct spinlock *lock, struct processor *self)
{
    char words[WORDS_BYTES];

    for (const struct spinlock *other = self->held; other != NULL; other = other->outer) {
        if (other == lock) {
            misused(lock, "takes it, and holds it already");
        }
        if (other->rank >= lock->rank) {
            format_text(words, sizeof(words), "takes it out of order, and holds \"%s\"",
                        other->name);
            misused(lock, words);
        }
    }
}

static void note_lock(struct spinlock *lock, struct processor *self)
{
    lock->outer = self->held;
    self->held = lock;
}

static void note_unlock(struct spinlock *lock, struct processor *self)
{
    struct spinlock **link = &self->held;

    while (*link != NULL && *link != lock) {
        link = &(*link)->outer;
    }
    if (*link == NULL) {
        misused(lock, "gives it free, and does not hold it");
    }
    *link = lock->outer;
}

void spin_check_sleep(void)
{
    if (BERTH_DEBUG && this_processor()->held != NULL) {
        misused(this_processor()->held, "goes to sleep, and holds it");
    }
}

/* --- all builds ------------------------------------------------------------------------------ */

/* False when for so many ticks nobody was served. */
static bool wait_for_turn(const struct spinlock *lock, uint32_t ticket, uint64_t ticks)
{
    uint32_t seen = ticket;
    uint64_t since = 0;

    for (;;) {
        const uint32_t serving = __atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE);

        if (serving == ticket) {
            return true;
        }
        if (serving != seen) {
            seen = serving;
            since = tsc_read();
        } else if (tsc_read() - since > ticks) {
            return false;
        }
        processor_pause();
    }
}

bool spin_lock_within(struct spinlock *lock, uint64_t ticks)
{
    struct processor *const self = this_processor();

    if (BERTH_DEBUG) {
        check_lock(lock, self);
    }
    if (!wait_for_turn(lock, __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED), ticks)) {
        return false;
    }
    __atomic_store_n(&lock->holder, 1 + self->number, __ATOMIC_RELAXED);
    if (BERTH_DEBUG) {
        note_lock(lock, self);
    }
    return true;
}

void spin_lock(struct spinlock *lock)
{
    char words[WORDS_BYTES];

    if (!spin_lock_within(lock, WAIT_TICKS)) {
        format_text(words, sizeof(words), "waits too long for it, processor %u holds it",
                    __atomic_load_n(&lock->holder, __ATOMIC_RELAXED) - 1);
        misused(lock, words);
    }
}

void spin_unlock(struct spinlock *lock)
{
    if (BERTH_DEBUG) {
        note_unlock(lock, this_processor());
    }
    __atomic_store_n(&lock->holder, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&lock->serving, lock->serving + 1, __ATOMIC_RELEASE);
}
