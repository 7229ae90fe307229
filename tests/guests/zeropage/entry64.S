/*
 * Entries of the variants with a 64-bit entry (XLF_KERNEL_64): it is 0x200 after the start of the loaded part.
 *
 * IN      boot.rst, "64-bit Boot Protocol": 64-bit mode, paging on, rsi = struct boot_params, cs = 0x10, ds = es = ss =
 *         0x18, interrupts off. rsp and all other registers are undefined
 * OUT     guest_main(&entry_state) on the guest's own stack
 * FAIL    the 32-bit entry, at the start, says so: a loader in 64-bit mode has no reason to use it
 */
#include "variant.h"

        .section .text.entry, "ax"
        .code32
        .globl  startup_32
startup_32:
        mov     $ENTRY_PORT_COM1, %edx
        lea     0x1e8(%esi), %esp       /* boot_params.scratch holds the return address */
        call    1f
1:      pop     %ebx
        add     $wrong_entry - 1b, %ebx
2:      mov     (%ebx), %al
        test    %al, %al
        jz      3f
        out     %al, %dx
        inc     %ebx
        jmp     2b
3:      mov     $0xf4, %edx
        mov     $0x11, %eax
        out     %eax, %dx
        hlt
        .set    ENTRY_PORT_COM1, 0x3f8
wrong_entry:
        .asciz  "FAIL entry: started at the 32-bit entry although there is a 64-bit one\r\nGUEST-FAIL 1\r\n"

        .org    ENTRY_64_AT
        .code64
        .globl  startup_64
startup_64:
        rdtsc
        mov     %eax, entry_state + ENTRY_TSC(%rip)
        mov     %edx, entry_state + ENTRY_TSC + 4(%rip)
        mov     %rbx, entry_state + ENTRY_BX(%rip)
        mov     %rsi, entry_state + ENTRY_SI(%rip)
        mov     %rdi, entry_state + ENTRY_DI(%rip)
        mov     %rbp, entry_state + ENTRY_BP(%rip)
        mov     %rsp, entry_state + ENTRY_SP(%rip)
        lea     stack_top(%rip), %rsp
        pushfq
        popq    entry_state + ENTRY_FLAGS(%rip)
        cld
        mov     %cs, entry_state + ENTRY_CS(%rip)
        mov     %ds, entry_state + ENTRY_DS(%rip)
        mov     %es, entry_state + ENTRY_ES(%rip)
        mov     %ss, entry_state + ENTRY_SS(%rip)
        mov     %cr0, %rax
        mov     %rax, entry_state + ENTRY_CR0(%rip)
        mov     %cr3, %rax
        mov     %rax, entry_state + ENTRY_CR3(%rip)
        mov     %cr4, %rax
        mov     %rax, entry_state + ENTRY_CR4(%rip)
        sgdt    entry_state + ENTRY_GDTR(%rip)
        lea     entry_state(%rip), %rdi
        xor     %ebp, %ebp
        call    guest_main
        hlt

/*
 * Thirty-two stubs, STUB_BYTES apart. IN an exception frame, with or without an error code.
 * OUT guest_exception(vector, stack pointer at the stub), which does not return.
 */
        .text
        .balign STUB_BYTES
        .globl  exception_stubs
exception_stubs:
        .set    vector, 0
        .rept   32
        .balign STUB_BYTES
        mov     $vector, %edi
        mov     %rsp, %rsi
        and     $-16, %rsp
        jmp     guest_exception
        .set    vector, vector + 1
        .endr

        .section .note.GNU-stack, "", @progbits
