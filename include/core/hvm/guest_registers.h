/*
 * For the assembly of both world switches: a guest's general registers, from and to struct guest_state. rax and rsp are
 * not among them: where those are each switch knows by itself.
 */
#ifndef HVM_GUEST_REGISTERS_H
#define HVM_GUEST_REGISTERS_H

#ifdef __ASSEMBLY__
#include "asm-offsets.h"

/* clang-format off */

/*
 * IN       rdi = struct guest_state
 * OUT      the guest's rcx, rdx, rbx, rbp, rsi, rdi, r8 to r15
 * CLOBBERS nothing else
 */
.macro guest_registers_load
        mov     GUEST_RCX(%rdi), %rcx
        mov     GUEST_RDX(%rdi), %rdx
        mov     GUEST_RBX(%rdi), %rbx
        mov     GUEST_RBP(%rdi), %rbp
        mov     GUEST_RSI(%rdi), %rsi
        mov     GUEST_R8(%rdi), %r8
        mov     GUEST_R9(%rdi), %r9
        mov     GUEST_R10(%rdi), %r10
        mov     GUEST_R11(%rdi), %r11
        mov     GUEST_R12(%rdi), %r12
        mov     GUEST_R13(%rdi), %r13
        mov     GUEST_R14(%rdi), %r14
        mov     GUEST_R15(%rdi), %r15
        mov     GUEST_RDI(%rdi), %rdi
.endm

/*
 * IN       rdi = struct guest_state; on the stack the guest's rdi; rcx, rdx, rbx, rbp, rsi, r8 to r15 are the guest's
 * OUT      all of these in struct guest_state; the stack without the guest's rdi
 * CLOBBERS rax
 */
.macro guest_registers_save
        mov     %rcx, GUEST_RCX(%rdi)
        mov     %rdx, GUEST_RDX(%rdi)
        mov     %rbx, GUEST_RBX(%rdi)
        mov     %rbp, GUEST_RBP(%rdi)
        mov     %rsi, GUEST_RSI(%rdi)
        mov     %r8, GUEST_R8(%rdi)
        mov     %r9, GUEST_R9(%rdi)
        mov     %r10, GUEST_R10(%rdi)
        mov     %r11, GUEST_R11(%rdi)
        mov     %r12, GUEST_R12(%rdi)
        mov     %r13, GUEST_R13(%rdi)
        mov     %r14, GUEST_R14(%rdi)
        mov     %r15, GUEST_R15(%rdi)
        pop     %rax
        mov     %rax, GUEST_RDI(%rdi)
.endm
/* clang-format on */
#endif

#endif
