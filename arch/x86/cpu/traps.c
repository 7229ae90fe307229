/*
 * The report of an exception: what happened, all registers, and who called whom, with names. Its parts fit a screen of
 * 80 by 25 characters together. Each of them may fault itself: the report then goes on without it, or without the
 * console that did.
 */
#include "trap.h"

#include <stdbool.h>
#include <stddef.h>

#include "console.h"
#include "format.h"
#include "image.h"
#include "instructions.h"
#include "log.h"
#include "log_lock.h"
#include "physmap.h"
#include "processors.h"
#include "stop.h"
#include "translate.h"
#include "x86/address_map.h"
#include "x86/paging.h"
#include "x86/registers.h"
#include "x86/stacks.h"
#include "x86/vectors.h"

#define BACKTRACE_MOST   7
#define CODE_BYTES_SHOWN 16
/* What a function with a frame begins with: push %rbp; mov %rsp, %rbp. */
#define INSTRUCTION_PUSH_RBP 0x55
#define FRAME_MADE_BYTES     4
#define DIRECT_MAP_BYTES     PHYSMAP_END
/* Each console may fault once, and each part of the report. */
#define REPORT_FAULTS_MOST 9

extern const uint8_t _start[], __text_start[], __text_end[], __rodata_start[], __data_start[],
    _end[];

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

/* What is reported. */
struct report {
    struct trap_frame frame;
    const struct processor *processor;
    const char *stack; /* the one that the processor switched to for this exception */
};

/* Where an address of the running page tables leads to; false: nowhere. */
static bool translate(uint64_t va, uint64_t *pa)
{
    const struct physical_view memory = physmap_view();

    return page_translate(&memory, page_tables_in_use(), va, pa);
}

/* The link address of a place in the code, which is run at its load address, too, early and late. */
static uint64_t link_address(uint64_t va)
{
    uint64_t load_base;

    if (va >= IDENTITY_MAP_BYTES || !translate((uint64_t)_start, &load_base) || va < load_base) {
        return va;
    }
    return (uint64_t)_start + (va - load_base);
}

static bool is_code(uint64_t va)
{
    return va >= (uint64_t)__text_start && va < (uint64_t)__text_end;
}

/* The function at a link address, and how far inside; NULL: none is known. */
static const char *function_at(uint64_t va, uint32_t *within)
{
    return is_code(va) ? symbol_at(&image_symbols, image_offset((const void *)va), within) : NULL;
}

/* One line of the backtrace. */
static void place_report(uint64_t va)
{
    const uint64_t linked = link_address(va);
    uint32_t within;
    const char *const name = function_at(linked, &within);

    if (name != NULL) {
        log_line(LOG_ERROR, "  0x%016lx %s+0x%x", va, name, within);
    } else {
        log_line(LOG_ERROR, "  0x%016lx", va);
    }
}

/* By its top, where the frame was pushed. */
static const char *stack_name(const struct trap_frame *frame, const struct processor *processor)
{
    for (unsigned int ist = 1; ist < STACK_COUNT; ist++) {
        if ((uint64_t)(frame + 1) == processor->stacks[ist].top) {
            return stack_names[ist];
        }
    }
    return "interrupted";
}

/* --- the parts of the report ----------------------------------------------------------------- */

static void head_report(const struct report *report)
{
    const struct trap_frame *const frame = &report->frame;

    log_error("exception %lu (%s) error-code=0x%lx at 0x%lx - report this with the lines below",
              frame->vector, vector_names[frame->vector % VECTOR_COUNT], frame->error_code,
              frame->rip);
    if (report->processor->number == PROCESSOR_STARTING) {
        log_line(LOG_ERROR, "on a processor that is being started, APIC id 0x%x",
                 report->processor->apic_id);
    } else if (report->processor->number != 0) {
        log_line(LOG_ERROR, "on processor %u, APIC id 0x%x", report->processor->number,
                 report->processor->apic_id);
    }
}

/* What lies, or should lie, at an address. */
static const char *place_name(uint64_t va)
{
    const struct {
        const uint8_t *end;
        const char *name;
    } parts[] = {
        {__text_start, "the image's headers"},
        {__text_end, "the image's code"},
        {__data_start, "the image's constants"},
        {_end, "the image's data"},
    };

    if (va < PAGE_BYTES) {
        return "a null pointer";
    }
    for (size_t i = 0; va >= (uint64_t)_start && i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (va < (uint64_t)parts[i].end) {
            return parts[i].name;
        }
    }
    return va - DIRECT_MAP_START < DIRECT_MAP_BYTES ? "physical memory" : "nothing of Berth's";
}

static void cause_report(const struct report *report)
{
    const struct trap_frame *const frame = &report->frame;

    const struct stack *const stacks = report->processor->stacks;
    const int overflown = stacks_find_overflow(stacks, frame->cr2, frame->rsp);

    /* The page fault finds no room for its frame, so a double fault is what comes. */
    if ((frame->vector == VECTOR_DF || frame->vector == VECTOR_PF) && overflown >= 0) {
        log_line(LOG_ERROR, "cause: the %s stack has overflowed into its guard page",
                 stack_names[overflown]);
    } else if (frame->vector == VECTOR_PF) {
        log_line(LOG_ERROR, "cause: %s 0x%016lx (%s): %s", page_fault_access(frame->error_code),
                 frame->cr2, place_name(frame->cr2), page_fault_cause(frame->error_code));
    }
}

static void registers_report(const struct report *report)
{
    const struct trap_frame *const frame = &report->frame;
    uint64_t cr0;
    uint64_t cr3;
    uint64_t cr4;

    asm volatile("mov %%cr0, %0; mov %%cr3, %1; mov %%cr4, %2" : "=r"(cr0), "=r"(cr3), "=r"(cr4));
    log_line(LOG_ERROR, "rip=%016lx cs=%04lx ss=%04lx rflags=%08lx", frame->rip, frame->cs,
             frame->ss, frame->rflags);
    log_line(LOG_ERROR, "rsp=%016lx reported on the %s stack", frame->rsp, report->stack);
    log_line(LOG_ERROR, "rax=%016lx rbx=%016lx rcx=%016lx", frame->rax, frame->rbx, frame->rcx);
    log_line(LOG_ERROR, "rdx=%016lx rsi=%016lx rdi=%016lx", frame->rdx, frame->rsi, frame->rdi);
    log_line(LOG_ERROR, "rbp=%016lx r8 =%016lx r9 =%016lx", frame->rbp, frame->r8, frame->r9);
    log_line(LOG_ERROR, "r10=%016lx r11=%016lx r12=%016lx", frame->r10, frame->r11, frame->r12);
    log_line(LOG_ERROR, "r13=%016lx r14=%016lx r15=%016lx", frame->r13, frame->r14, frame->r15);
    log_line(LOG_ERROR, "cr2=%016lx cr3=%016lx cr0=%08lx", frame->cr2, cr3, cr0);
    log_line(LOG_ERROR, "cr4=%08lx efer=%04lx", cr4, msr_read(MSR_EFER));
}

static void code_report(const struct report *report)
{
    char text[CODE_BYTES_SHOWN * sizeof(" 00") + 1];
    size_t used = 0;
    uint64_t pa;

    for (uint64_t at = report->frame.rip; at < report->frame.rip + CODE_BYTES_SHOWN; at++) {
        if (!translate(at, &pa)) {
            break;
        }
        used += format_text(text + used, sizeof(text) - used, " %02x", *(const uint8_t *)at);
    }
    log_line(LOG_ERROR, "code:%s", used > 0 ? text : " not mapped");
}

static bool is_on_stack(const struct stack *stack, uint64_t place, uint64_t bytes)
{
    return place % sizeof(uint64_t) == 0 && place >= stack->start && place < stack->top &&
           stack->top - place >= bytes;
}

/*
 * Has the function that was interrupted made its frame? One that calls nobody may do without, one that has just begun
 * has none yet, and where there is no code at all there is none either: then its return address is on top of the stack.
 */
static bool has_frame(uint64_t rip)
{
    const uint64_t linked = link_address(rip);
    uint32_t within;
    uint64_t pa;

    return function_at(linked, &within) != NULL && within >= FRAME_MADE_BYTES &&
           translate(linked - within, &pa) &&
           *(const uint8_t *)(linked - within) == INSTRUCTION_PUSH_RBP;
}

/* Frame pointers lead upwards through the ordinary stack: {caller's rbp, return address}. */
static void backtrace_report(const struct report *report)
{
    const struct trap_frame *const frame = &report->frame;
    const struct stack *const stack = &report->processor->stacks[STACK_ORDINARY];
    uint64_t rbp = frame->rbp;
    unsigned int shown = 1;

    log_line(LOG_ERROR, "backtrace:");
    place_report(frame->rip);
    if (!has_frame(frame->rip) && is_on_stack(stack, frame->rsp, sizeof(uint64_t)) &&
        is_code(*(const uint64_t *)frame->rsp)) {
        place_report(*(const uint64_t *)frame->rsp);
        shown++;
    }
    while (is_on_stack(stack, rbp, 2 * sizeof(uint64_t))) {
        const uint64_t *const link = (const uint64_t *)rbp;

        if (shown++ == BACKTRACE_MOST) {
            log_line(LOG_ERROR, "  ...");
            return;
        }
        place_report(link[1]);
        if (link[0] <= rbp) {
            return;
        }
        rbp = link[0];
    }
}

static void (*const parts[])(const struct report *report) = {
    head_report, cause_report, registers_report, code_report, backtrace_report,
};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

/*
 * An exception of the report: on with what it has not come to, or, if a console is to blame, again from the beginning
 * on the others, which may have missed a line.
 */
static void report_resume(const struct trap_frame *frame, size_t *part)
{
    static unsigned int faults;
    const bool console = console_blame();

    if (++faults > REPORT_FAULTS_MOST) {
        processor_halt();
    }
    *part = console ? 0 : *part + 1;
    log_error("exception %lu (%s) at 0x%lx while reporting another one: %s - report this, too",
              frame->vector, vector_names[frame->vector % VECTOR_COUNT], frame->rip,
              console ? "a console is left out" : "the report goes on");
}

NORETURN void trap_report(const struct trap_frame *frame)
{
    static struct report report;
    static size_t part;
    static bool reporting;
    const struct processor *const processor = processor_that_reports(frame);

    /* One processor reports: what another one has to say then (that it was stopped, as a rule) is not heard. */
    log_lock_seize();
    machine_leave_failed(frame->vector, frame->rip);
    if (!reporting) {
        reporting = true;
        report.frame = *frame;
        report.processor = processor;
        report.stack = stack_name(frame, processor);
        console_emergency();
    } else {
        report_resume(frame, &part);
    }
    for (; part < PARTS; part++) {
        parts[part](&report);
    }
    machine_stop();
}
