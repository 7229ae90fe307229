/*
 * What locks promise, shown on demand in builds with DEBUG=1: all processors at once, and every misuse.
 */
#include "debug.h"

#include <stddef.h>

#include "instructions.h"
#include "log.h"
#include "mem.h"
#include "pages.h"
#include "physmap.h"
#include "processors.h"
#include "report.h"
#include "spinlock.h"
#include "x86/paging.h"

#define ROUNDS          200
#define ROUNDS_FOR_LINE 10
#define LONG_LINE_BYTES MIB(16)
#define NOT_CANONICAL   0x8000000000000000ULL

static struct spinlock outer = SPINLOCK("test-outer", LOCK_TEST);
static struct spinlock inner = SPINLOCK("test-inner", LOCK_PAGES);
static volatile uint32_t counter; /* `outer` protects it */
static uint32_t workers;
static const char *long_line;

/* --- all at once ----------------------------------------------------------------------------- */

static void hammer(void)
{
    const uint32_t self = processor_number();
    struct prange pages;

    __atomic_add_fetch(&workers, 1, __ATOMIC_RELAXED);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        spin_lock(&outer);
        const uint32_t before = counter;

        processor_pause();
        counter = before + 1;
        spin_unlock(&outer);
        if (round % ROUNDS_FOR_LINE == 0) {
            require(pages_take(1 + round / ROUNDS_FOR_LINE, &pages));
            memset(physmap_low((paddr_t){pages.start}), (int)self, prange_bytes(pages));
            log_info("locks: processor=%u round=%u abcdefghijklmnopqrstuvwxyz", self, round);
            require(pages_free(pages));
        }
    }
}

static void all_at_once(void)
{
    uint64_t before[PAGE_STATES];
    uint64_t after[PAGE_STATES];

    pages_count(before);
    if (!processors_call(hammer)) {
        fatal("the test of locks did not end in time", "report this defect");
    }
    pages_count(after);
    log_info("locks: processors=%u counter=%u expected=%u pages-before=%lu pages-after=%lu",
             workers, counter, workers * ROUNDS, before[PAGE_ALLOCATED], after[PAGE_ALLOCATED]);
}

/* --- misuse, on another processor -------------------------------------------------------------- */

static void take_again(void)
{
    spin_lock(&outer);
    spin_lock(&outer);
}

static void give_what_is_not_held(void)
{
    spin_unlock(&outer);
}

static void take_in_wrong_order(void)
{
    spin_lock(&inner);
    spin_lock(&outer);
}

static void take_and_sleep(void)
{
    spin_lock(&outer);
}

static void die_with_the_log(void)
{
    log_info("%s", (const char *)NOT_CANONICAL);
}

/* The first one keeps it. */
static void take_what_is_kept(void)
{
    while (processor_number() == 0) {
        processor_pause();
    }
    spin_lock(&outer);
}

static void print_for_long(void)
{
    log_info("%s", long_line);
}

/* The first one has something to report while another one prints, and does not come to an end. */
static void die_while_another_prints(void)
{
    struct prange pages;
    uint8_t *text;

    require(pages_take(LONG_LINE_BYTES / PAGE_BYTES, &pages));
    text = physmap_low((paddr_t){pages.start});
    memset(text, 'x', LONG_LINE_BYTES - 1);
    text[LONG_LINE_BYTES - 1] = '\0';
    long_line = (const char *)text;
    processor_call(0, print_for_long);
    asm volatile("ud2");
}

void debug_locks(enum debug_fault test)
{
    switch (test) {
    case DEBUG_LOCKS:
        all_at_once();
        break;
    case DEBUG_LOCK_AGAIN:
        processor_call(0, take_again);
        break;
    case DEBUG_LOCK_FOREIGN:
        processor_call(0, give_what_is_not_held);
        break;
    case DEBUG_LOCK_ORDER:
        processor_call(0, take_in_wrong_order);
        break;
    case DEBUG_LOCK_SLEEP:
        processor_call(0, take_and_sleep);
        break;
    case DEBUG_LOCK_WAIT:
        spin_lock(&outer);
        processors_call(take_what_is_kept);
        break;
    case DEBUG_LOCK_DEAD:
        processor_call(0, die_with_the_log);
        break;
    default:
        die_while_another_prints();
        break;
    }
}
