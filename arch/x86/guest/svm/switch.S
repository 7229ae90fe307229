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
#include "guest_registers.h"

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
        guest_registers_load
        vmload  %rax
        vmrun   %rax
        vmsave  %rax                    /* rax and rsp are Berth's again */

        push    %rdi
        mov     16(%rsp), %rdi
        guest_registers_save
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
