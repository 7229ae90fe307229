/*
 * From 64-bit C to a service of 32-bit firmware that needs nothing but flat memory, and back.
 */
#include "asm-offsets.h"
#include "x86/image.h"
#include "x86/registers.h"
#include "x86/segments.h"

#define call(member) CALL32_##member(%ebp)

        .text
        .code64
/*
 * IN       System V AMD64: edi = pa of struct call32. Running at the load address, which the page tables in use map at
 *          itself as they do the low 4 GiB; interrupts off; any stack
 * LIVE     ebx = load base; ebp = pa of struct call32: the firmware keeps both (UEFI 2.10 s2.3.2)
 * OUT      as it came, should the service return; but for fs and gs, whose bases are 0: the caller keeps them
 * CLOBBERS what a call may; an NMI on the way is the machine's end, because no IDT is loaded for 32-bit code: it is on
 *          its way to a reset
 * FAIL     none
 */
        .globl firmware_call32
firmware_call32:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        lea     _start(%rip), %rbx
        mov     %edi, %ebp
        mov     %rsp, CALL32_OWN_STACK(%rbp)
        sgdt    CALL32_OWN_GDT(%rbp)
        lea     boot_gdt(%rip), %rax
        mov     %eax, gdt_pointer_pa + 2(%rip)
        movl    $0, gdt_pointer_pa + 6(%rip)
        lgdt    gdt_pointer_pa(%rip)
        push    $SEL_CODE32
        lea     1f(%rip), %rax
        push    %rax
        lretq

        .code32
1:      mov     $CR0_NE + CR0_ET + CR0_PE, %eax
        mov     %eax, %cr0
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %fs
        mov     %eax, %gs
        mov     %eax, %ss
        mov     call(STACK), %esp
        push    CALL32_ARGUMENTS + 12(%ebp)
        push    CALL32_ARGUMENTS + 8(%ebp)
        push    CALL32_ARGUMENTS + 4(%ebp)
        push    call(ARGUMENTS)
        call    *call(FUNCTION)
        cli
        cld
        mov     $CR0_PG + CR0_WP + CR0_NE + CR0_ET + CR0_PE, %eax
        mov     %eax, %cr0              /* cr3, cr4 and EFER are as they were */
        push    $SEL_CODE64
        lea     sym_offs(2f)(%ebx), %eax
        push    %eax
        lret

        .code64
2:      mov     %ebp, %ebp              /* its upper half is undefined now */
        lgdt    CALL32_OWN_GDT(%rbp)
        mov     CALL32_OWN_STACK(%rbp), %rsp
        xor     %eax, %eax
        mov     %eax, %fs
        mov     %eax, %gs
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret
