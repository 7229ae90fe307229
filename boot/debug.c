/*
 * Faults raised on purpose, to see and to test their reports.
 */
#include "debug.h"

#include "log.h"
#include "processors.h"
#include "stop.h"
#include "x86/address_map.h"
#include "x86/paging.h"
#include "x86/segments.h"
#include "x86/vectors.h"

#define NOT_CANONICAL 0x8000000000000000ULL
#define NOT_MAPPED    (XEN_VIRT_START + L3_PAGE_BYTES)

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

static void ud_raise(void)
{
    asm volatile("ud2");
}

/* A fault whose frame cannot be pushed becomes a double fault, on its own stack. */
static void df_raise(void)
{
    asm volatile("mov %0, %%rsp; push $0" : : "r"(NOT_CANONICAL));
}

void debug_fault_raise(const struct options *options)
{
    switch (options->debug_fault) {
    case DEBUG_NONE:
        return;
    case DEBUG_VECTOR:
        vector_enter(options->debug_vector);
        break;
    case DEBUG_UD:
        ud_raise();
        break;
    case DEBUG_DF:
        df_raise();
        break;
    case DEBUG_GP:
        asm volatile("mov (%0), %%al" : : "r"(NOT_CANONICAL) : "al");
        break;
    case DEBUG_PF:
        asm volatile("mov (%0), %%al" : : "r"(NOT_MAPPED) : "al");
        break;
    case DEBUG_AP_UD:
        processor_call(0, ud_raise);
        break;
    case DEBUG_AP_DF:
        processor_call(0, df_raise);
        break;
    case DEBUG_RESET:
        machine_leave(EXIT_RESTART);
    case DEBUG_POWER_OFF:
        machine_leave(EXIT_POWER_OFF);
    }
    log_warning("debug: the fault that was asked for did not come");
}
