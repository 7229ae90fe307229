/*
 * The world switch of SVM: into the guest, and back when it exits.
 *
 * IN       System V AMD64: rdi = struct vcpu (its struct guest_state comes first), rsi = pa of the VMCB, whose rax,
 *          rsp, rip and rflags are in place, rdx = pa of the page with Berth's own fs, gs, tr and ldtr; GIF is clear
 * LIVE     the stack: rdx, rdi, then what the ABI wants kept; in the guest nothing else of Berth's is
 * OUT      the guest's general registers in struct vcpu, but for rax and rsp, which are in the VMCB; GIF is clear,
 *          fs, gs, tr and ldtr are Berth's
 * CLOBBERS all that the ABI lets a function clobber. x87, vector registers, XCR0, CR2 and DR0 to DR3 are the guest's at
 *          any time: nothing of Berth's uses them
 * FAIL     never: a VMCB that the processor refuses is an exit, too
 * Source   AMD APM volume 2, sections 15.5 (VMRUN), 15.6 (#VMEXIT), 15.14 (GIF)
 */
#include "asm-offsets.h"

        .text
        .globl svm_switch
svm_switch:
        push    %rbp
        push    %rbx
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        push    %rdi
        push    %rdx

        mov     %rsi, %rax
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
        vmload  %rax
        vmrun   %rax
        vmsave  %rax                    /* rax and rsp are Berth's again */

        push    %rdi
        mov     16(%rsp), %rdi
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
        pop     %rax
        vmload  %rax
        add     $8, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbx
        pop     %rbp
        ret

/*
 * Begin the exit loop on a stack of its own.
 *
 * IN       rdi = struct vcpu, rsi = the stack's top
 * LIVE     rdi
 * OUT      svm_loop(vcpu), which does not return
 * CLOBBERS rsp, rbp
 * FAIL     never
 */
        .globl svm_loop_on
svm_loop_on:
        mov     %rsi, %rsp
        xor     %ebp, %ebp
        call    svm_loop
        ud2
