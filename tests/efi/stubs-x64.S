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

/*
 * From four levels of page tables to five: only without paging, so by way of 32-bit code.
 *
 * IN      rcx = the new top table, which maps what the old one did; code and stack below 4 GiB; interrupts off
 * OUT     CR4.LA57 is on; segments as they were. CLOBBERS rax
 */
#define CODE32  8
#define CODE64  16
#define CR0_PG  0x80000000
#define CR4_LA57 0x1000

    .globl five_levels_enter
five_levels_enter:
    push %rbx
    sgdt old_gdt(%rip)
    mov %cs, old_cs(%rip)
    lea own_gdt(%rip), %rax
    mov %rax, own_gdt_pointer + 2(%rip)
    lgdt own_gdt_pointer(%rip)
    lea 2f(%rip), %rax
    mov %eax, way_back(%rip)
    lea way_back(%rip), %rbx
    push $CODE32
    lea 1f(%rip), %rax
    push %rax
    lretq
    .code32
1:  mov %cr0, %eax
    and $~CR0_PG, %eax
    mov %eax, %cr0
    mov %cr4, %eax
    or $CR4_LA57, %eax
    mov %eax, %cr4
    mov %ecx, %cr3
    mov %cr0, %eax
    or $CR0_PG, %eax
    mov %eax, %cr0
    ljmp *(%ebx)
    .code64
2:  lgdt old_gdt(%rip)
    movzwl old_cs(%rip), %eax
    push %rax
    lea 3f(%rip), %rax
    push %rax
    lretq
3:  pop %rbx
    ret

    .data
    .balign 8
own_gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00af9b000000ffff
own_gdt_pointer:
    .word 23
    .quad 0
old_gdt:
    .word 0
    .quad 0
old_cs:
    .word 0
way_back:
    .long 0
    .word CODE64
