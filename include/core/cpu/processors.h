/*
 * What each processor has of its own, the first one included; and the others: started together in a page below 1 MiB,
 * then waiting, each on stacks of its own, until they are called or put back to where they were.
 */
#ifndef CPU_PROCESSORS_H
#define CPU_PROCESSORS_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/task_state.h"
#include "addr.h"
#include "apic.h"
#include "bringup.h"
#include "clock.h"
#include "compiler.h"
#include "processor_state.h"
#include "stacks.h"
#include "times.h"
#include "x86/segments.h"

/* What boot/trampoline.S reads. Writer: processors_start. */
struct processors_start_info {
    const uint32_t *apic_ids;
    uint64_t apic_registers; /* where they can be read; used in xAPIC mode alone */
    uint32_t count;
    bool x2apic; /* the first processor's APIC is in x2APIC mode, and so the others' shall be */
    uint16_t idt_limit; /* lidt reads ten bytes from here: the IDT of who has no TSS yet */
    uint64_t idt;
};
extern struct processors_start_info processors_start_info;

typedef void processor_work_fn(void);

/*
 * The data of a processor: its GS base points here, from before it has a stack. Others than the first have it above
 * their stacks, in their area (x86/stacks.h). What is to be kept for each processor has its place here.
 */
struct processor {
    /* Writer: the first processor. */
    struct processor *self; /* comes first: this_processor() */
    uint32_t number;  /* 0 is the first, the others have the list's order; or PROCESSOR_STARTING */
    uint32_t apic_id; /* of the first one: known as soon as others are started */
    struct stack stacks[STACK_COUNT];
    bool given_up;           /* its answer came too late, or not at all */
    processor_work_fn *work; /* what it is asked to do; NULL when that is done */

    /* Writer: the processor itself. */
    bool answered;
    bool frozen;
    bool differs;          /* it did not take over all of the first one's state */
    struct spinlock *held; /* the lock that it took last; debug builds alone use it */
    struct processor_state state;
    struct task_state task; /* this and the next: the first one's are in cpu/tables.S */
    uint64_t gdt[SEL_TSS / 8 + 2];
};
extern struct processor first_processor;

/* Of one that has not come to its own data yet, and reports an exception. */
#define PROCESSOR_STARTING (UINT32_MAX - 1)
/* Of another one than the first that has become it to leave the machine. */
#define PROCESSOR_LEAVING (UINT32_MAX - 2)

/* The calling processor's. Not before the image runs where it was linked: the firmware's GS base is another. */
static inline struct processor *this_processor(void)
{
    struct processor *self;

    asm volatile("mov %%gs:0, %0" : "=r"(self));
    return self;
}

/* The same at any time: when there is no other processor, it is the first one, in the EFI stage, too. */
struct processor *processor_self(void);

/* Of the calling processor; 0 for the first one, and at any time when there is no other: in the EFI stage, too. */
uint32_t processor_number(void);

/*
 * The calling processor, for a report of a fault, when GS base may be anything: where it is no processor's, `frame`
 * tells by the area that it lies in, and in none its APIC's id does; GS base points to it then. Does not return to the
 * second one that is still being started.
 */
const struct processor *processor_that_reports(const void *frame);

struct processors_request {
    const struct bringup *who;     /* not empty; stays where it is */
    const struct local_apic *apic; /* in use */
    paddr_t start_page;            /* below 1 MiB; its bytes are the same afterwards */
    uint32_t init_delay_us;
    struct clock clock;
};

/*
 * Start them, once page_tables_add_areas() has mapped an area for each. Those that do not answer cost one wait for all
 * of them, of three seconds from the last answer on.
 *
 * @return  how many answered; processor_online() says who. The others are told to wait for a start-up message again
 */
uint32_t processors_start(const struct processors_request *request);

/* When its parts began and ended, the last time; NULL: it was not called. */
const uint64_t *processors_stamps(void);

/* The one of this place in the list; NULL: there is no such place, or it does not run. */
const struct processor *processor_online(uint32_t index);

/*
 * Let one of them do something, and wait for it, three seconds at most. One that takes longer costs a warning, and is
 * not used again.
 *
 * @return  false when it does not run, or was not done in time
 */
bool processor_call(uint32_t index, processor_work_fn *work);

/*
 * Let all of them and the caller do something at the same time, and wait for it, three seconds from the last one on
 * that is done.
 *
 * @return  false when one of them was not done in time
 */
bool processors_call(processor_work_fn *work);

/* Put all of them back: they wait for a start-up message, as they did. Their areas are free. Nothing if none runs. */
void processors_put_back(void);

/* How many there are places for, the first one and those that never answered included. */
uint32_t processors_listed(void);

/*
 * Let all of them wait for a start-up message again; but when one comes, to the page of processors_start_page(), each
 * does `work`, on its own stack and with its own data. The page stays as it is for that. Berth runs on nobody but the
 * caller from now on, until then.
 *
 * @work  does not return
 */
void processors_rest(processor_work_fn *work);

/* The same without a message: each runs a guest already, as processor_call() told it. */
void processors_lend(void);

/* The page below 1 MiB where processors start; empty: none has been started. */
struct prange processors_start_page(void);

/*
 * Stop all others where they are, for good: the calling one has something to report. Returns when they have stopped, or
 * after some milliseconds.
 */
void processors_freeze(void);
/* Has that been called? Those that run a guest are not reached by it: they look when they come to Berth. */
extern bool processors_stopping;
static inline bool processors_are_stopping(void)
{
    return __atomic_load_n(&processors_stopping, __ATOMIC_RELAXED);
}

/* This one has been stopped by that: said by itself, before it halts. */
void processor_frozen(void);

/*
 * Go on with a function as the first processor: on its ordinary stack from the top, and with its descriptor tables.
 * These are in the image, where the boot tables map them, too. The first one itself, if it is not the caller, has been
 * stopped.
 */
NORETURN void processor_become_first(processor_work_fn *function);

/* Called from boot/trampoline.S alone, on the processor's own stack. */
NORETURN void processor_main(struct processor *self);

#endif
