/*
 * The other processors: started together in a page below 1 MiB, then waiting, each on stacks of its own, until they are
 * called or put back to where they were.
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
#include "x86/segments.h"

/* What boot/trampoline.S reads. Writer: processors_start. */
struct processors_start_info {
    const uint32_t *apic_ids;
    uint64_t apic_registers; /* where they can be read; used in xAPIC mode alone */
    uint64_t areas;          /* PROCESSOR_AREA_BYTES for each id, in the ids' order */
    uint32_t count;
    bool x2apic; /* the first processor's APIC is in x2APIC mode, and so the others' shall be */
};
extern struct processors_start_info processors_start_info;

typedef void processor_work_fn(void);

/* At the start of a processor's area, below its stacks. Writer: the processor itself, but for `given_up` and
 * `work`. */
struct processor {
    uint32_t
        number; /* from 1 on, in the list's order; the first processor is 0, and has none of this */
    uint32_t apic_id;
    bool answered;
    bool differs;            /* it did not take over all of the first one's state */
    bool given_up;           /* its answer came too late, or not at all */
    processor_work_fn *work; /* what it is asked to do; NULL when that is done */
    struct processor_state state;
    struct task_state task;
    uint64_t gdt[SEL_TSS / 8 + 2];
};

struct processors_request {
    const struct bringup *who;     /* not empty; stays where it is */
    const struct local_apic *apic; /* in use */
    paddr_t start_page;            /* below 1 MiB; its bytes are the same afterwards */
    paddr_t areas;                 /* for who->count areas: RAM below 4 GiB that nobody else uses */
    uint32_t init_delay_us;
    struct clock clock;
};

/*
 * Start them. Those that do not answer cost one wait for all of them, of three seconds from the last answer on.
 *
 * @return  how many answered; processor_online() says who. The others are told to wait for a start-up message again
 */
uint32_t processors_start(const struct processors_request *request);

/* The one of this place in the list; NULL: it does not run. */
const struct processor *processor_online(uint32_t index);

/*
 * Let one of them do something, and wait for it, three seconds at most.
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

/* Stop all others where they are, for good: the calling one has something to report. */
void processors_freeze(void);

/* The number of the calling processor: 0 for the first one. */
uint32_t processor_number(void);

/* The processor on one of whose stacks `place` lies; NULL: the first one. */
const struct processor *processor_of_stack(const void *place);

/* Called from boot/trampoline.S alone, on the processor's own stack. */
NORETURN void processor_main(struct processor *self, uint32_t index);

#endif
