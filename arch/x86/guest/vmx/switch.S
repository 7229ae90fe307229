/*
 * The world switch of VMX: into the guest, and back where it exits.
 */
#include "asm-offsets.h"
#include "guest_registers.h"

        .text
/*
 * IN       System V AMD64: rdi = struct vcpu (its struct guest_state comes first), rsi = the stack, a multiple of 16,
 *          with 16 bytes above it; the VMCS is current, clear and complete, and its host state names vmx_exit_entry and
 *          rsi
 * LIVE     the stack alone: at rsp, now and after every exit, struct vcpu
 * OUT      the guest
 * FAIL     vmx_refused, when the processor does not take the VMCS
 * Source   Intel SDM volume 3C, sections 26 (entries) and 30.3 (VMLAUNCH)
 */
        .globl vmx_launch
vmx_launch:
        mov     %rsi, %rsp
        mov     %rdi, (%rsp)
        mov     GUEST_RAX(%rdi), %rax
        guest_registers_load
        vmlaunch
        jmp     refused

/*
 * IN       SDM volume 3C, section 27.5: rsp, cr0, cr3, cr4, segments, gs and tables from the host state, interrupts
 *          off, flags clear; all general registers but rsp are the guest's
 * LIVE     at rsp: struct vcpu
 * OUT      the guest again, when vmx_exit has answered
 * FAIL     vmx_refused, as above; an entry that fails later on is an exit, too
 */
        .globl vmx_exit_entry
vmx_exit_entry:
        push    %rdi
        mov     8(%rsp), %rdi
        mov     %rax, GUEST_RAX(%rdi)
        guest_registers_save
        xor     %ebp, %ebp
        call    vmx_exit
        mov     (%rsp), %rdi
        mov     GUEST_RAX(%rdi), %rax
        guest_registers_load
        vmresume
refused:
        pushfq
        pop     %rsi
        mov     (%rsp), %rdi
        xor     %ebp, %ebp
        call    vmx_refused
        ud2

/*
 * An NMI while Berth runs is the guest's. It is sent once more, and this returns without iretq: so NMIs stay blocked,
 * and the second one waits until the processor is in a guest that takes it. (An entry loads the guest's own blocking.)
 *
 * IN       the processor's stack for NMIs, and on it rip, cs, rflags, rsp, ss of what was interrupted, in ring 0
 * OUT      there again, NMIs blocked
 * CLOBBERS 32 bytes below the interrupted rsp: there is no red zone
 */
        .globl vmx_nmi_entry
vmx_nmi_entry:
        .irp    register, rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
        push    %\register
        .endr
        mov     %rbp, %rcx
        mov     %rsp, %rbp
        and     $-16, %rsp
        push    %rcx
        push    %rcx
        cld
        call    vmx_nmi
        mov     (%rsp), %rcx
        mov     %rbp, %rsp
        mov     %rcx, %rbp
        .irp    register, r11, r10, r9, r8, rdi, rsi, rdx
        pop     %\register
        .endr
        /* On the stack: rcx, rax, rip, cs, rflags, rsp. */
        mov     40(%rsp), %rcx
        mov     16(%rsp), %rax
        mov     %rax, -8(%rcx)
        mov     32(%rsp), %rax
        mov     %rax, -16(%rcx)
        mov     8(%rsp), %rax
        mov     %rax, -24(%rcx)
        mov     (%rsp), %rax
        mov     %rax, -32(%rcx)
        lea     -32(%rcx), %rsp
        pop     %rcx
        pop     %rax
        popfq
        ret
