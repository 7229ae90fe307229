/*
 * Calls that a compiler does not make.
 *
 * IN      UEFI's x64 calling convention (specification 2.10, section 2.3.4.2): rcx = a service, rdx and r8 = what
 *         it is called with
 * OUT     rax = its status, or rcx as the service left it. CLOBBERS what the convention allows
 */
    .macro begin
    mov %rcx, %rax
    mov %rdx, %rcx
    mov %r8, %rdx
    .endm

    .text
    .globl call_misaligned, call_backwards, call_for_rcx
call_misaligned:
    begin
    sub $32, %rsp               /* eight more would align it */
    call *%rax
    add $32, %rsp
    ret

call_backwards:
    begin
    sub $40, %rsp
    std
    call *%rax
    cld
    add $40, %rsp
    ret

call_for_rcx:
    begin
    sub $40, %rsp
    call *%rax
    mov %rcx, %rax
    add $40, %rsp
    ret
