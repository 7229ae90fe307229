/*
 * Where the processor comes in after an exception: one stub for each vector, then one frame for all.
 */
#include "asm-offsets.h"
#include "x86/vectors.h"

        .text
/*
 * IN       SDM volume 3A, section 6.14: on the stack rip, cs, rflags, rsp, ss, and above them an error code for the
 *          vectors of VECTORS_WITH_ERROR_CODE. The stubs push a 0 for the others, then the vector.
 * OUT      rdi = struct trap_frame; trap_report, which does not return
 * CLOBBERS nothing of the frame: every register is saved first
 */
        .balign VECTOR_COUNT * TRAP_STUB_BYTES
        .globl trap_stubs
trap_stubs:
        .set    vector, 0
        .rept   VECTOR_COUNT
        .balign TRAP_STUB_BYTES
        .if     ((VECTORS_WITH_ERROR_CODE >> vector) & 1) == 0
        push    $0
        .endif
        push    $vector
        jmp     trap_common
        .set    vector, vector + 1
        .endr

trap_common:
        sub     $TRAP_VECTOR, %rsp
        mov     %rax, TRAP_RAX(%rsp)
        mov     %rbx, TRAP_RBX(%rsp)
        mov     %rcx, TRAP_RCX(%rsp)
        mov     %rdx, TRAP_RDX(%rsp)
        mov     %rsi, TRAP_RSI(%rsp)
        mov     %rdi, TRAP_RDI(%rsp)
        mov     %rbp, TRAP_RBP(%rsp)
        mov     %r8, TRAP_R8(%rsp)
        mov     %r9, TRAP_R9(%rsp)
        mov     %r10, TRAP_R10(%rsp)
        mov     %r11, TRAP_R11(%rsp)
        mov     %r12, TRAP_R12(%rsp)
        mov     %r13, TRAP_R13(%rsp)
        mov     %r14, TRAP_R14(%rsp)
        mov     %r15, TRAP_R15(%rsp)
        mov     %cr2, %rax
        mov     %rax, TRAP_CR2(%rsp)
        cld
        mov     %rsp, %rdi
        xor     %ebp, %ebp

        /* Processors that are being started share this stack: one of them reports, below its frame. */
        lea     stack_mc_top - TRAP_BYTES(%rip), %rax
        cmp     %rax, %rsp
        jne     1f
        lock btsl $0, shared_stack_taken(%rip)
        jc      2f
1:
        and     $-16, %rsp
        call    trap_report
        ud2
2:      cli
        hlt
        jmp     2b

        .section .bss
        .balign 4
shared_stack_taken:
        .skip   4
        .text

/* VECTOR_WAKE: that the processor left its hlt is all; the APIC is told by cpu/processors.c. */
        .globl wake_stub
wake_stub:
        iretq
