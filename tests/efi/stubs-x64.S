/*
 * The stubs in front of the services, x64: one of 16 bytes for each, in the order of services.c.
 *
 * IN      a call by the UEFI calling convention (specification 2.10, section 2.3.4.2); nothing of
 *         it is trusted, neither the stack's alignment nor DF
 * LIVE    rcx, rdx, r8, r9 and the caller's stack: the arguments, handed on unchanged
 * OUT     a jump to what service_enter returns. CLOBBERS rax, r10, r11, flags
 */
#define SERVICES 59

    .text
    .balign 16
    .globl service_stubs
service_stubs:
    .set index, 0
    .rept SERVICES
    .balign 16, 0xcc
    push $index
    jmp service_common
    .set index, index + 1
    .endr

    .balign 16, 0xcc
service_common:
    pushfq
    cld
    push %rcx
    push %rdx
    push %r8
    push %r9
    mov %rsp, %rcx              /* struct service_frame */
    push %rbp
    mov %rsp, %rbp
    and $-16, %rsp
    sub $32, %rsp               /* the callee's room for its four register arguments */
    call service_enter
    mov %rbp, %rsp
    pop %rbp
    pop %r9
    pop %r8
    pop %rdx
    pop %rcx
    popfq
    lea 8(%rsp), %rsp           /* the index; flags are the caller's */
    jmp *%rax

/*
 * IN      a service has returned here: rax is its result, rsp is behind the slot of the return address
 * OUT     a return to the caller. CLOBBERS, with poison, every register that the convention lets a
 *         callee change
 */
    .globl service_return
service_return:
    sub $8, %rsp                /* the slot again: an interrupt must not use it */
    push %rax
    lea 8(%rsp), %rcx
    sub $32, %rsp
    call service_leave
    add $32, %rsp
    mov %rax, 8(%rsp)
    movabs $0xdeadbeefdeadbeef, %rcx
    mov %rcx, %rdx
    mov %rcx, %r8
    mov %rcx, %r9
    mov %rcx, %r10
    mov %rcx, %r11
    movq %rcx, %xmm0
    movq %rcx, %xmm1
    movq %rcx, %xmm2
    movq %rcx, %xmm3
    movq %rcx, %xmm4
    movq %rcx, %xmm5
    cmp %rsp, %rcx              /* arithmetic flags */
    pop %rax
    ret

/*
 * In front of SetVirtualAddressMap when boot services have ended: runs where tables.c has copied it to.
 *
 * IN      a call by the UEFI calling convention
 * OUT     a jump to the service, with its arguments. CLOBBERS rax
 */
#define VIRTUAL_MAP_CALLED 0xb007
    .globl virtual_map_stub, virtual_map_stub_end
virtual_map_stub:
    mov 1f(%rip), %rax
    movl $VIRTUAL_MAP_CALLED, (%rax)
    jmp *2f(%rip)
1:  .quad 0                     /* struct virtual_map_slots: written */
2:  .quad 0                     /* original */
virtual_map_stub_end:
