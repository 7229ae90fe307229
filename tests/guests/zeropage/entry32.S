/*
 * Entry of the variants without a 64-bit entry: the start of the loaded part.
 *
 * IN      boot.rst, "32-bit Boot Protocol": protected mode, paging off, esi = struct boot_params, ebp = edi = ebx = 0,
 *         cs = 0x10, ds = es = ss = 0x18, interrupts off. esp, eax, ecx, edx are undefined
 * OUT     guest_main(&entry_state) on the guest's own stack
 *
 * Finding out where one is takes a call, and a call takes a stack. There is none, so boot_params.scratch ("scratch
 * field for the kernel setup code", zero-page.rst) is it; what it held goes to ecx first, and esp to cr2.
 */
#include "variant.h"

#define SCRATCH 0x1e4

        .section .text.entry, "ax"
        .code32
        .globl  startup_32
startup_32:
        rdtsc
        mov     %esp, %cr2
        mov     SCRATCH(%esi), %ecx
        lea     SCRATCH + 4(%esi), %esp
        call    1f
1:      pop     %esp                    /* esp = address of 1b, the base of what follows */
#define SAVED(x) (entry_state + (x) - 1b)(%esp)
        mov     %eax, SAVED(ENTRY_TSC)
        mov     %edx, SAVED(ENTRY_TSC + 4)
        mov     %ebx, SAVED(ENTRY_BX)
        mov     %esi, SAVED(ENTRY_SI)
        mov     %edi, SAVED(ENTRY_DI)
        mov     %ebp, SAVED(ENTRY_BP)
        mov     %ecx, SAVED(ENTRY_SCRATCH)
        mov     %ecx, SCRATCH(%esi)
        mov     %cr2, %eax
        mov     %eax, SAVED(ENTRY_SP)
        mov     %esp, %ebx
        lea     (stack_top - 1b)(%ebx), %esp
#undef SAVED
#define SAVED(x) (entry_state + (x) - 1b)(%ebx)
        pushf
        popl    SAVED(ENTRY_FLAGS)
        cld
        mov     %cs, SAVED(ENTRY_CS)
        mov     %ds, SAVED(ENTRY_DS)
        mov     %es, SAVED(ENTRY_ES)
        mov     %ss, SAVED(ENTRY_SS)
        mov     %cr0, %eax
        mov     %eax, SAVED(ENTRY_CR0)
        mov     %cr3, %eax
        mov     %eax, SAVED(ENTRY_CR3)
        mov     %cr4, %eax
        mov     %eax, SAVED(ENTRY_CR4)
        sgdt    SAVED(ENTRY_GDTR)
        lea     (entry_state - 1b)(%ebx), %eax
        xor     %ebp, %ebp
        push    %ebp
        push    %ebp
        push    %ebp
        push    %eax
        call    guest_main
        hlt

/* As in entry64.S; the arguments go on the stack. */
        .text
        .balign STUB_BYTES
        .globl  exception_stubs
exception_stubs:
        .set    vector, 0
        .rept   32
        .balign STUB_BYTES
        mov     %esp, %eax
        push    %eax
        push    $vector
        push    $0
        jmp     guest_exception
        .set    vector, vector + 1
        .endr

        .section .note.GNU-stack, "", @progbits
