/*
 * The report of an exception: what happened, all registers, and who called whom, with names.
 */
#include "trap.h"

#include <stdbool.h>
#include <stddef.h>

#include "console.h"
#include "image.h"
#include "instructions.h"
#include "log.h"
#include "processors.h"
#include "stop.h"
#include "x86/stacks.h"
#include "x86/vectors.h"

#define BACKTRACE_MOST 32

extern const uint8_t _start[], __text_end[];

static const char vector_names[VECTOR_COUNT][24] = {
    "#DE divide error",
    "#DB debug",
    "NMI",
    "#BP breakpoint",
    "#OF overflow",
    "#BR bound range",
    "#UD invalid opcode",
    "#NM no FPU",
    "#DF double fault",
    "coprocessor overrun",
    "#TS invalid TSS",
    "#NP segment not present",
    "#SS stack fault",
    "#GP general protection",
    "#PF page fault",
    "reserved",
    "#MF x87 error",
    "#AC alignment check",
    "#MC machine check",
    "#XM SIMD error",
    "#VE virtualization",
    "#CP control protection",
    "reserved",
    "reserved",
    "reserved",
    "reserved",
    "reserved",
    "reserved",
    "#HV hypervisor",
    "#VC VMM communication",
    "#SX security",
    "reserved",
};

static const char stack_names[STACK_COUNT][12] = {
    [STACK_ORDINARY] = "ordinary",
    [IST_DF] = "#DF",
    [IST_NMI] = "NMI",
    [IST_MC] = "#MC",
};

/* One line of the backtrace. */
static void place_report(uint64_t va)
{
    uint32_t within = 0;
    const char *name = NULL;

    if (va >= (uintptr_t)_start && va < (uintptr_t)__text_end) {
        name = symbol_at(&image_symbols, image_offset((const void *)va), &within);
    }
    if (name != NULL) {
        log_line(LOG_ERROR, "  0x%016lx %s+0x%x", va, name, within);
    } else {
        log_line(LOG_ERROR, "  0x%016lx", va);
    }
}

/* Frame pointers lead upwards through the ordinary stack: {caller's rbp, return address}. */
static void backtrace_report(const struct trap_frame *frame, const struct stack *ordinary)
{
    uint64_t rbp = frame->rbp;

    log_line(LOG_ERROR, "backtrace:");
    place_report(frame->rip);
    for (unsigned int depth = 0; depth < BACKTRACE_MOST; depth++) {
        const uint64_t *link = (const uint64_t *)rbp;

        if (rbp % sizeof(uint64_t) != 0 || rbp < ordinary->start ||
            rbp > ordinary->top - 2 * sizeof(uint64_t)) {
            return;
        }
        place_report(link[1]);
        if (link[0] <= rbp) {
            return;
        }
        rbp = link[0];
    }
}

/* The stack that the processor switched to for this exception: by its top, where the frame was
 * pushed. */
static const char *stack_reported_on(const struct trap_frame *frame, const struct stack *stacks)
{
    for (unsigned int ist = 1; ist < STACK_COUNT; ist++) {
        if ((uint64_t)(frame + 1) == stacks[ist].top) {
            return stack_names[ist];
        }
    }
    return "interrupted";
}

static void registers_report(const struct trap_frame *frame, const struct stack *stacks)
{
    uint64_t cr0;
    uint64_t cr3;
    uint64_t cr4;

    asm volatile("mov %%cr0, %0; mov %%cr3, %1; mov %%cr4, %2" : "=r"(cr0), "=r"(cr3), "=r"(cr4));
    log_line(LOG_ERROR, "rip=%016lx cs=%04lx rflags=%08lx, reported on the %s stack", frame->rip,
             frame->cs, frame->rflags, stack_reported_on(frame, stacks));
    log_line(LOG_ERROR, "rsp=%016lx ss=%04lx rbp=%016lx", frame->rsp, frame->ss, frame->rbp);
    log_line(LOG_ERROR, "rax=%016lx rbx=%016lx rcx=%016lx rdx=%016lx", frame->rax, frame->rbx,
             frame->rcx, frame->rdx);
    log_line(LOG_ERROR, "rsi=%016lx rdi=%016lx r8 =%016lx r9 =%016lx", frame->rsi, frame->rdi,
             frame->r8, frame->r9);
    log_line(LOG_ERROR, "r10=%016lx r11=%016lx r12=%016lx r13=%016lx", frame->r10, frame->r11,
             frame->r12, frame->r13);
    log_line(LOG_ERROR, "r14=%016lx r15=%016lx cr2=%016lx", frame->r14, frame->r15, frame->cr2);
    log_line(LOG_ERROR, "cr0=%016lx cr3=%016lx cr4=%016lx", cr0, cr3, cr4);
}

/* In words, when that is what happened: the page fault finds no room for its frame, so a double fault is what comes. */
static void overflow_report(const struct trap_frame *frame, const struct stack *stacks)
{
    const int number = stacks_find_overflow(stacks, frame->cr2, frame->rsp);

    if ((frame->vector == VECTOR_DF || frame->vector == VECTOR_PF) && number >= 0) {
        log_line(LOG_ERROR, "the %s stack has overflowed: 0x%lx is in the guard page below it",
                 stack_names[number], frame->cr2);
    }
}

/*
 * One processor reports, once: what another one has to say then (that it was stopped, as a rule) is not heard, and a
 * second exception of the same one is told in one line.
 */
static void reporter_become(const struct trap_frame *frame, const struct processor *processor)
{
    static uint32_t reporter; /* 1 and the processor's number; 0: nobody */
    const uint32_t self = 1 + processor->number;
    uint32_t before = 0;

    if (__atomic_compare_exchange_n(&reporter, &before, self, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) {
        return;
    }
    if (before == self) {
        log_error(
            "exception %lu at 0x%lx while reporting another one - report this with the lines above",
            frame->vector, frame->rip);
        machine_stop();
    }
    processor_halt();
}

NORETURN void trap_report(const struct trap_frame *frame)
{
    const struct processor *const processor = processor_that_reports(frame);

    reporter_become(frame, processor);
    processors_freeze();
    console_emergency();
    log_error("exception %lu (%s) error-code=0x%lx at 0x%lx - report this with the lines below",
              frame->vector, vector_names[frame->vector % VECTOR_COUNT], frame->error_code,
              frame->rip);
    if (processor->number > 0) {
        log_line(LOG_ERROR, "on processor %u, APIC id 0x%x", processor->number, processor->apic_id);
    }
    registers_report(frame, processor->stacks);
    overflow_report(frame, processor->stacks);
    backtrace_report(frame, &processor->stacks[STACK_ORDINARY]);
    machine_stop();
}
