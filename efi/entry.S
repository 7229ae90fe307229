/*
 * The two entries in 64-bit mode with boot services alive, and the way from there to 32-bit code without paging, where
 * boot/head.S goes on. Nothing here uses the link address.
 */
#include "asm-offsets.h"
#include "x86/image.h"
#include "x86/registers.h"
#include "x86/segments.h"

        .section .init.text, "ax", @progbits
        .code64
/*
 * Started by the firmware.
 *
 * IN       UEFI 2.10 s2.3.4: rcx = image handle, rdx = system table, rsp = 16n + 8, identity mapping of all memory,
 *          interrupts on; rbx, rbp, rdi, rsi, r12 to r15 (and xmm6 to 15, which are not touched) belong to the caller
 * LIVE     r15 = load base, to the call of C
 * OUT      rax = status, to the firmware, when there is no going on; else never: efi_leave
 * CLOBBERS what the calling convention allows
 * FAIL     efi_stage reports and returns
 */
        .globl efi_program
efi_program:
        push    %rbx
        push    %rbp
        push    %rdi
        push    %rsi
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        sub     $8, %rsp
        cld
        lea     _start(%rip), %r15
        mov     %r15, %rdi
        mov     %rcx, %rsi
        mov     %rdx, %r14
        rdtsc
        shl     $32, %rdx
        lea     (%rax,%rdx), %rcx
        mov     %r14, %rdx
        call    efi_start_program
        add     $8, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rsi
        pop     %rdi
        pop     %rbp
        pop     %rbx
        ret

/*
 * Started by a multiboot2 loader that left boot services alive.
 *
 * IN       Multiboot2 2.0 s3.5 (EFI amd64): eax = magic, ebx = info pa, identity mapping of all memory; rsp = 16n
 *          without a return address (GRUB 2.06), interrupts on
 * LIVE     r15 = load base, to the call of C
 * OUT      never: efi_leave
 * CLOBBERS everything
 * FAIL     efi_start_multiboot2 reports, and leaves through the firmware's Exit
 */
        .globl efi_multiboot2
efi_multiboot2:
        cld
        and     $-16, %rsp
        lea     _start(%rip), %r15
        mov     %r15, %rdi
        mov     %eax, %esi
        rdtsc
        shl     $32, %rdx
        lea     (%rax,%rdx), %rcx
        mov     %ebx, %edx
        xor     %ebp, %ebp
        call    efi_start_multiboot2
        ud2

/*
 * Call a function at another copy of the image, which lies `distance` bytes further (0: in this one), with a way back
 * from wherever it gets to.
 *
 * IN       System V AMD64: rdi = its argument, rsi = the function here, rdx = distance, rcx = where to put the way back
 * OUT      rax = what it returns, or what efi_call_leave was given.   CLOBBERS as any call
 */
        .globl efi_call_in_copy
efi_call_in_copy:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        sub     $8, %rsp
        mov     %rsp, (%rcx)
        add     %rdx, %rsi
        call    *%rsi
1:      add     $8, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret

/*
 * Leave the function that efi_call_in_copy has called: everything it called is forgotten.
 *
 * IN       System V AMD64: rdi = the way back, rsi = status
 * OUT      rax = status, to the caller of efi_call_in_copy, in that one's image
 */
        .globl efi_call_leave
efi_call_leave:
        mov     %rdi, %rsp
        mov     %rsi, %rax
        jmp     1b

/*
 * Boot services are gone: to 32-bit code without paging, at the load base.
 *
 * IN       running at the load base, below 4 GiB; identity mapping
 * LIVE     r15 = esi = load base
 * OUT      esi = load base, esp = boot stack, paging off, flat segments: start_paging
 * CLOBBERS everything.   FAIL never
 */
        .globl efi_leave
efi_leave:
        cli
        cld
        xor     %eax, %eax
        mov     %rax, %dr7
        mov     %cr4, %rax              /* what forbids to switch paging off or write protection off: PCIDE, CET */
        and     $CR4_PAE + CR4_LA57, %eax
        mov     %rax, %cr4
        lea     _start(%rip), %r15      /* C may have kept something else in it */
        mov     %r15d, %esi
        lea     boot_stack_top(%rip), %rsp
        push    $EFLAGS_MBS
        popf
        lea     boot_gdt(%rip), %rax
        push    %rax
        sub     $2, %rsp
        movw    $SEL_TSS - 1, (%rsp)
        lgdt    (%rsp)
        lea     boot_stack_top(%rip), %rsp
        push    $SEL_CODE32
        lea     1f(%rip), %rax
        push    %rax
        lretq
        .code32
1:      mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $CR0_NE + CR0_ET + CR0_PE, %eax
        mov     %eax, %cr0
        call    own_tables              /* the firmware's IDT is of no use in this mode */
        mov     $MSR_EFER, %ecx
        xor     %eax, %eax
        xor     %edx, %edx
        wrmsr
        jmp     start_paging
        .code64
