/*
 * Locks for what several processors share: those who wait are served in the order in which they came. They are held for
 * short, with interrupts off, as they always are but in sleep.
 *
 * Nobody waits for ever: where a lock does not change hands for seconds the machine stops with an error that names the
 * lock and who holds it. A build with DEBUG=1 stops as well when a processor takes what it holds, gives free what it
 * does not hold, takes locks in another order than that of their ranks, or goes to sleep with one.
 */
#ifndef CPU_SPINLOCK_H
#define CPU_SPINLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Who holds one takes none of the same or a lower rank. */
enum lock_rank {
    LOCK_TEST, /* debug builds' own */
    LOCK_PAGES,
    LOCK_LOG, /* a line may be printed whatever is held */
};

/* Begins as SPINLOCK(). Writer: the functions below. */
struct spinlock {
    uint32_t next;    /* the ticket of whoever comes next */
    uint32_t serving; /* the ticket of whoever holds it */
    uint32_t holder;  /* 1 and the processor's number; 0: nobody */
    uint32_t rank;    /* enum lock_rank */
    const char *name;
    struct spinlock *outer; /* what its holder took before it: debug builds */
};

#define SPINLOCK(its_name, its_rank)                                                               \
    {                                                                                              \
        .rank = (its_rank), .name = (its_name)                                                     \
    }

void spin_lock(struct spinlock *lock);
void spin_unlock(struct spinlock *lock);

/*
 * Wait for a lock, but not for ever.
 *
 * @return  false when it has not changed hands for so many ticks of the time-stamp counter; it is never free then
 */
bool spin_lock_within(struct spinlock *lock, uint64_t ticks);

/* The calling processor is about to sleep: debug builds stop when it holds a lock. */
void spin_check_sleep(void);

#endif
