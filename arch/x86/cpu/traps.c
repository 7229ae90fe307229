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

extern const uint8_t boot_stack[], boot_stack_top[];
extern const uint8_t stack_df_top[], stack_nmi_top[], stack_mc_top[];
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

/* The stacks of the processor that reports. */
struct stacks {
    const uint8_t *start; /* of the ordinary one */
    const uint8_t *top;
    const uint8_t *df_top;
    const uint8_t *nmi_top;
    const uint8_t *mc_top;
};

static struct stacks stacks_of(const struct processor *processor)
{
    const uint8_t *const data_end = (const uint8_t *)processor + PROCESSOR_DATA_BYTES;

    if (processor == NULL) {
        return (struct stacks){boot_stack, boot_stack_top, stack_df_top, stack_nmi_top,
                               stack_mc_top};
    }
    return (struct stacks){
        .start = data_end + 3 * PROCESSOR_FAULT_STACK_BYTES,
        .top = (const uint8_t *)processor + PROCESSOR_AREA_BYTES,
        .df_top = data_end + PROCESSOR_FAULT_STACK_BYTES,
        .nmi_top = data_end + 2 * PROCESSOR_FAULT_STACK_BYTES,
        .mc_top = data_end + 3 * PROCESSOR_FAULT_STACK_BYTES,
    };
}

/* Frame pointers lead upwards through the ordinary stack: {caller's rbp, return address}. */
static void backtrace_report(const struct trap_frame *frame, const struct stacks *stacks)
{
    uint64_t rbp = frame->rbp;

    log_line(LOG_ERROR, "backtrace:");
    place_report(frame->rip);
    for (unsigned int depth = 0; depth < BACKTRACE_MOST; depth++) {
        const uint64_t *link = (const uint64_t *)rbp;

        if (rbp % sizeof(uint64_t) != 0 || rbp < (uintptr_t)stacks->start ||
            rbp > (uintptr_t)stacks->top - 2 * sizeof(uint64_t)) {
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
static const char *stack_name(const struct trap_frame *frame, const struct stacks *stacks)
{
    const uint8_t *frame_end = (const uint8_t *)(frame + 1);

    if (frame_end == stacks->df_top) {
        return "#DF";
    }
    if (frame_end == stacks->nmi_top) {
        return "NMI";
    }
    if (frame_end == stacks->mc_top) {
        return "#MC";
    }
    return "interrupted";
}

static void registers_report(const struct trap_frame *frame, const struct stacks *stacks)
{
    uint64_t cr0;
    uint64_t cr3;
    uint64_t cr4;

    asm volatile("mov %%cr0, %0; mov %%cr3, %1; mov %%cr4, %2" : "=r"(cr0), "=r"(cr3), "=r"(cr4));
    log_line(LOG_ERROR, "rip=%016lx cs=%04lx rflags=%08lx, reported on the %s stack", frame->rip,
             frame->cs, frame->rflags, stack_name(frame, stacks));
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

/* A second exception while one is reported is told in one line. */
static void report_begin(const struct trap_frame *frame)
{
    static bool reporting;

    if (reporting) {
        log_error(
            "exception %lu at 0x%lx while reporting another one - report this with the lines above",
            frame->vector, frame->rip);
        machine_stop();
    }
    reporting = true;
}

NORETURN void trap_report(const struct trap_frame *frame)
{
    const struct processor *const processor = processor_of_stack(frame);
    const struct stacks stacks = stacks_of(processor);

    machine_stop_others();
    machine_leave_failed(frame->vector, frame->rip);
    report_begin(frame);
    console_emergency();
    log_error("exception %lu (%s) error-code=0x%lx at 0x%lx - report this with the lines below",
              frame->vector, vector_names[frame->vector % VECTOR_COUNT], frame->error_code,
              frame->rip);
    if (processor != NULL) {
        log_line(LOG_ERROR, "on processor %u, APIC id 0x%x", processor->number, processor->apic_id);
    }
    registers_report(frame, &stacks);
    backtrace_report(frame, &stacks);
    machine_stop();
}
