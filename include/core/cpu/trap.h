/* What an exception leaves on the stack, and the report of it. */
#ifndef CPU_TRAP_H
#define CPU_TRAP_H

#include <stdint.h>

#include "compiler.h"

/* Filled by entry.S (up to `error_code`) and the processor. */
struct trap_frame {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t cr2;
    uint64_t vector;
    uint64_t error_code; /* 0 for a vector that has none */
    uint64_t rip, cs, rflags, rsp, ss;
};

/*
 * Print what happened, the registers and a backtrace with names, then stop the machine. On the stack that the frame is
 * on; an exception of the report itself comes here, too. Called from entry.S alone.
 */
NORETURN void trap_report(const struct trap_frame *frame);

#endif
