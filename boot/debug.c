/*
 * Faults raised on purpose, to see and to test their reports.
 */
#include "debug.h"

#include <stddef.h>

#include "apic.h"
#include "instructions.h"
#include "log.h"
#include "processors.h"
#include "stop.h"
#include "version.h"
#include "x86/address_map.h"
#include "x86/apic.h"
#include "x86/paging.h"
#include "x86/segments.h"
#include "x86/vectors.h"

#define NOT_CANONICAL      0x8000000000000000ULL
#define NOT_MAPPED         (XEN_VIRT_START + L3_PAGE_BYTES)
#define INSTRUCTION_RETURN 0xc3
#define NMI_POLLS          1000 /* far longer than one takes */

/* A gate of the IDT, and where its handler is. Source: Intel SDM volume 3A, section 6.14.1. */
struct gate {
    uint16_t offset_0_15;
    uint16_t selector;
    uint16_t attributes;
    uint16_t offset_16_31;
    uint32_t offset_32_63;
    uint32_t reserved;
};
_Static_assert(sizeof(struct gate) == 16, "an IDT gate has 16 bytes");

extern const struct gate boot_idt[VECTOR_COUNT];

/*
 * Enter a vector's handler through its gate with the frame that the processor would push: `int n`
 * cannot stand in, because it pushes no error code.
 */
static void vector_enter(unsigned int vector)
{
    const struct gate *gate = &boot_idt[vector];
    const uint64_t handler =
        (uint64_t)gate->offset_32_63 << 32 | (uint32_t)gate->offset_16_31 << 16 | gate->offset_0_15;
    const uint64_t has_error_code = (VECTORS_WITH_ERROR_CODE >> vector) & 1;

    asm volatile("mov %%rsp, %%rax\n\t"
                 "and $-16, %%rsp\n\t"
                 "push %[data]\n\t"
                 "push %%rax\n\t"
                 "pushfq\n\t"
                 "push %[code]\n\t"
                 "lea 1f(%%rip), %%rax\n\t"
                 "push %%rax\n\t"
                 "test %[with], %[with]\n\t"
                 "jz 2f\n\t"
                 "push $0\n"
                 "2:\tjmp *%[handler]\n"
                 "1:"
                 :
                 : [data] "i"(SEL_DATA), [code] "i"(SEL_CODE64), [with] "r"(has_error_code),
                   [handler] "r"(handler)
                 : "rax", "memory", "cc");
}

/* --- the faults; whoever raises one has its name in the backtrace ------------------------------ */

static uint8_t vector_wanted;

static void vector_raise(void)
{
    vector_enter(vector_wanted);
}

static void ud_raise(void)
{
    asm volatile("ud2");
}

/* A fault whose frame cannot be pushed becomes a double fault, on its own stack. */
static void df_raise(void)
{
    asm volatile("mov %0, %%rsp; push $0" : : "r"(NOT_CANONICAL));
}

/* Each call needs a word of the stack for the next one, and no compiler can know that there is no end. */
static void recurse(volatile uint64_t *depth)
{
    volatile uint64_t deeper = *depth + 1;

    if (deeper != 0) {
        recurse(&deeper);
    }
    *depth = deeper;
}

static void stack_overflow(void)
{
    volatile uint64_t depth = 0;

    recurse(&depth);
}

static void gp_raise(void)
{
    asm volatile("mov (%0), %%al" : : "r"(NOT_CANONICAL) : "al");
}

static void pf_raise(void)
{
    asm volatile("mov (%0), %%al" : : "r"(NOT_MAPPED) : "al");
}

static void pf_null_raise(void)
{
    asm volatile("mov (%0), %%al" : : "r"(NULL) : "al");
}

/* A real one where the APIC is in use, which it is where there are other processors. */
static void nmi_raise(void)
{
    if (processor_online(0) == NULL) {
        asm volatile("int %0" : : "i"(VECTOR_NMI));
    } else {
        local_apic_send(local_apic_id(), APIC_NMI | APIC_ASSERT);
        for (unsigned int i = 0; i < NMI_POLLS; i++) {
            processor_pause();
        }
    }
}

/* The byte that is there already: harmless, should it be allowed. */
static void write_to_text_raise(void)
{
    uint8_t *const code = (uint8_t *)(uintptr_t)write_to_text_raise;

    asm volatile("mov (%0), %%al; mov %%al, (%0)" : : "r"(code) : "al", "memory");
}

static void execute_data_raise(void)
{
    static uint8_t data = INSTRUCTION_RETURN;

    ((processor_work_fn *)(uintptr_t)&data)();
}

static void dead_raise(void)
{
    processor_halt();
}

static processor_work_fn *const raisers[DEBUG_FAULTS] = {
    [DEBUG_VECTOR] = vector_raise,
    [DEBUG_UD] = ud_raise,
    [DEBUG_DF] = df_raise,
    [DEBUG_GP] = gp_raise,
    [DEBUG_PF] = pf_raise,
    [DEBUG_PF_NULL] = pf_null_raise,
    [DEBUG_NMI] = nmi_raise,
    [DEBUG_WRITE_TO_TEXT] = write_to_text_raise,
    [DEBUG_EXECUTE_DATA] = execute_data_raise,
    [DEBUG_STACK_OVERFLOW] = stack_overflow,
    [DEBUG_DEAD] = dead_raise,
};

/* On the first of the others that runs; false: there is none. */
static bool raise_on_other(processor_work_fn *raise)
{
    for (uint32_t index = 0; index < ACPI_PROCESSORS_MAX; index++) {
        const struct processor *const processor = processor_online(index);

        if (processor != NULL) {
            if (!processor_call(index, raise)) {
                log_warning("processor %u, APIC id 0x%x, has stopped answering: it is not used",
                            processor->number, processor->apic_id);
            }
            return true;
        }
    }
    return false;
}

void debug_fault_raise(const struct options *options)
{
    processor_work_fn *const raise =
        options->debug_fault < DEBUG_FAULTS ? raisers[options->debug_fault] : NULL;

    if (options->debug_fault == DEBUG_RESET) {
        machine_leave(EXIT_RESTART);
    }
    if (options->debug_fault == DEBUG_POWER_OFF) {
        machine_leave(EXIT_POWER_OFF);
    }
    if (options->debug_fault >= DEBUG_LOCKS) {
        if (BERTH_DEBUG) {
            debug_locks(options->debug_fault);
        } else {
            log_warning("debug: only builds with DEBUG=1 have this test");
        }
    }
    if (raise == NULL) {
        return;
    }
    vector_wanted = options->debug_vector;
    if (options->debug_on_other && !raise_on_other(raise)) {
        log_warning("debug: there is no other processor to raise the fault on");
        return;
    }
    if (!options->debug_on_other) {
        raise();
    }
    if (options->debug_fault != DEBUG_DEAD) {
        log_warning("debug: the fault that was asked for did not come");
    }
}
