/*
 * Assembly of the probe guest: entries, exceptions as results, ring 3, and what another processor runs in real mode.
 *
 * IN      boot.rst, "64-bit Boot Protocol": rsi = struct boot_params, paging and interrupts off; all else undefined
 * OUT     probe_main(boot_params) on the guest's own stack
 */
#include "places.h"
#include "variant.h"

        .set    DEBUG_EXIT_PORT, 0xf4
        .set    VERDICT_FAIL, 0x11
        .set    FLAGS_NONE, 2

        .section .text.entry, "ax"
        .code32
        .globl  startup_32
startup_32:                             /* nobody is meant to */
        mov     $DEBUG_EXIT_PORT, %edx
        mov     $VERDICT_FAIL, %eax
        out     %eax, %dx
        hlt

        .org    ENTRY_64_AT
        .code64
        .globl  startup_64
startup_64:
        cli
        cld
        lea     stack_top(%rip), %rsp
        mov     %rsi, %rdi
        xor     %ebp, %ebp
        call    probe_main
        hlt

        .text
/*
 * bool attempt(action what, void *argument)
 * IN      rdi, rsi.    OUT  eax = 1; 0 after an exception, which comes back to the same place.
 */
        .globl  attempt
attempt:
        push    %rbp
        push    %rbx
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        sub     $8, %rsp
        mov     %rsp, recovery(%rip)
        mov     %rdi, %rax
        mov     %rsi, %rdi
        call    *%rax
        mov     $1, %eax
attempt_end:
        movq    $0, recovery(%rip)
        add     $8, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbx
        pop     %rbp
        ret

/*
 * bool attempt_in_ring3(action what, void *argument)
 * OUT     eax = 1 when it came to its end, which is an exception of its own
 */
        .globl  attempt_in_ring3
attempt_in_ring3:
        push    %rdi
        push    %rsi
        mov     %rsp, %rsi
        lea     to_ring3(%rip), %rdi
        sub     $8, %rsp
        call    attempt
        add     $24, %rsp
        xor     %eax, %eax
        cmpq    $VECTOR_FINISHED, last_fault(%rip)
        sete    %al
        ret

/* IN rdi = { argument, what }. Leaves by iretq. */
to_ring3:
        mov     (%rdi), %rax
        mov     8(%rdi), %rdx
        push    $USER_DATA_SELECTOR
        lea     user_stack_top(%rip), %rcx
        push    %rcx
        push    $FLAGS_NONE
        push    $USER_CODE_SELECTOR
        lea     1f(%rip), %rcx
        push    %rcx
        iretq
1:      mov     %rax, %rdi
        call    *%rdx
        int     $VECTOR_FINISHED

/*
 * An exception, on a stack of its own. IN vector, error code, rip on the stack.
 * OUT last_fault, and back into attempt() with 0; unexpected() where no attempt is under way.
 */
exception:
        cld
        pop     last_fault(%rip)
        pop     last_fault + 8(%rip)
        pop     last_fault + 16(%rip)
        mov     %cr2, %rax
        mov     %rax, last_fault + 24(%rip)
        mov     $DATA_SELECTOR, %eax
        mov     %eax, %ss
        mov     recovery(%rip), %rsp
        xor     %eax, %eax
        test    %rsp, %rsp
        jnz     attempt_end
        lea     stack_top(%rip), %rsp
        call    unexpected

        .set    WITH_ERROR, 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17 | 1 << 21
        .globl  stubs
        .balign STUB_BYTES
stubs:
        .set    vector, 0
        .rept   32
        .balign STUB_BYTES
        .if     !(WITH_ERROR >> vector & 1)
        push    $0
        .endif
        push    $vector
        jmp     exception
        .set    vector, vector + 1
        .endr
        .balign STUB_BYTES
        push    $0
        push    $VECTOR_FINISHED
        jmp     exception

/*
 * What another processor runs, copied to the start of the page that its SIPI names.
 * IN      real mode, cs = that page, ip = 0; all other registers as INIT leaves them
 * OUT     the page's mailbox: what it found; then asleep, or turning round as long as it is told to
 */
        .code16
        .globl  processor_code
processor_code:
        cli
        movl    %edx, %cs:MAIL_EDX
        movw    %cs, %ax
        movw    %ax, %cs:MAIL_CS
        movw    %ds, %ax
        movw    %ax, %cs:MAIL_DS
        movl    %cr0, %eax
        movl    %eax, %cs:MAIL_CR0
        movw    %cs:MAIL_TOUCH, %ax
        testw   %ax, %ax
        jz      1f
        movw    %ax, %es
        movl    %es:0, %eax
        movl    %eax, %cs:MAIL_READ
        movl    $MAIL_WRITTEN, %es:0
        movl    %es:0, %eax
        movl    %eax, %cs:MAIL_READ_AGAIN
1:      lock incl %cs:MAIL_COUNT
2:      cmpw    $0, %cs:MAIL_TURN
        je      3f
        pause
        jmp     2b
3:      hlt
        jmp     2b
        .globl  processor_code_end
processor_code_end:
        .code64

        .section .data, "aw"
        .balign 8
recovery:
        .quad   0

        .section .stack, "aw"
        .balign 16
        .fill   4096, 1, 0
        .globl  user_stack_top
user_stack_top:
        .fill   4096, 1, 0
        .globl  exception_stack_top
exception_stack_top:
        .section .note.GNU-stack, "", @progbits
