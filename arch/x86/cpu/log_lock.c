/*
 * The lock around each line of the log, and how it is broken.
 */
#include "log_lock.h"

#include <stdint.h>

#include "instructions.h"
#include "log.h"
#include "processors.h"
#include "spinlock.h"
#include "stop.h"

/* A second on the quickest processors, a few on others: enough for any line, even of a slow console. */
#define SEIZE_TICKS (1ULL << 32)

/* Far more than a message between processors takes: until then the one that is frozen may go on with its line. */
#define FREEZE_TICKS (1ULL << 24)

static struct spinlock lock = SPINLOCK("log", LOCK_LOG);
static unsigned int inner_lines; /* its holder's */
static uint32_t seized_by;       /* 1 and the processor's number; 0: nobody */

static uint32_t self(void)
{
    return 1 + processor_number();
}

static bool is_held_here(void)
{
    return __atomic_load_n(&lock.holder, __ATOMIC_RELAXED) == self();
}

static bool is_seized_here(void)
{
    return __atomic_load_n(&seized_by, __ATOMIC_RELAXED) == self();
}

/* A console that gives up while it is given a line has a line of its own to say: in between, by who holds the lock. */
static void line_begin(void)
{
    if (is_seized_here()) {
        return;
    }
    if (is_held_here()) {
        inner_lines++;
    } else {
        spin_lock(&lock);
    }
}

static void line_end(void)
{
    if (is_seized_here()) {
        return;
    }
    if (inner_lines > 0) {
        inner_lines--;
    } else {
        spin_unlock(&lock);
    }
}

void log_lock_start(void)
{
    log_set_guard(line_begin, line_end);
}

static void wait(uint64_t ticks)
{
    const uint64_t since = tsc_read();

    while (tsc_read() - since < ticks) {
        processor_pause();
    }
}

void log_lock_keep(void)
{
    seized_by = self();
}

void log_lock_seize(void)
{
    uint32_t before = 0;

    if (!__atomic_compare_exchange_n(&seized_by, &before, self(), false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        if (before != self()) {
            processor_frozen();
            processor_halt();
        }
        return;
    }
    /* It is kept: nobody else prints any more. */
    if (is_held_here() || spin_lock_within(&lock, SEIZE_TICKS)) {
        processors_freeze();
    } else {
        processors_freeze();
        wait(FREEZE_TICKS);
    }
    log_end_line();
}
