/*
 * Run an instruction's bytes on the processor that the test runs on. The operand in memory is at (%rdi), that of a copy
 * also at (%rsi), both below 4 GiB. Whatever the bytes say must not change rsp, rbp, or r12 to r15.
 */
#ifndef TESTS_NATIVE_INSN_H
#define TESTS_NATIVE_INSN_H

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "guest_state.h"
#include "x86/registers.h"

#define NATIVE_BYTES 4096
#define NATIVE_RET   0xc3

#define FLAGS_ARITHMETIC (EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF)

static uint8_t *native_page(int protection)
{
    return mmap(NULL, NATIVE_BYTES, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
}

/* @code  a page that may be written to and executed */
static void native_run(uint8_t *code, const uint8_t *bytes, size_t count, struct guest_state *state)
{
    uint64_t *gpr = state->gpr;
    uint64_t flags = (state->rflags & (FLAGS_ARITHMETIC | EFLAGS_DF)) | EFLAGS_MBS | EFLAGS_IF;
    uint64_t extra[2] = {gpr[8], gpr[9]};

    memcpy(code, bytes, count);
    code[count] = NATIVE_RET;
    __asm__ volatile("mov (%[extra]), %%r8\n\t"
                     "mov 8(%[extra]), %%r9\n\t"
                     "lea -128(%%rsp), %%rsp\n\t" /* the red zone */
                     "push %[flags]\n\t"
                     "popfq\n\t"
                     "call *%[code]\n\t"
                     "pushfq\n\t"
                     "pop %[flags]\n\t"
                     "cld\n\t"
                     "lea 128(%%rsp), %%rsp\n\t"
                     "mov %%r8, (%[extra])\n\t"
                     "mov %%r9, 8(%[extra])"
                     : [flags] "+r"(flags), "+a"(gpr[GPR_AX]), "+c"(gpr[GPR_CX]), "+d"(gpr[GPR_DX]),
                       "+b"(gpr[GPR_BX]), "+S"(gpr[GPR_SI]), "+D"(gpr[GPR_DI])
                     : [code] "r"(code), [extra] "r"(extra)
                     : "memory", "cc", "r8", "r9");
    gpr[8] = extra[0];
    gpr[9] = extra[1];
    state->rflags = flags;
}

#endif
