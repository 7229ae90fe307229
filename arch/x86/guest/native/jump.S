/*
 * The last jump into a native kernel, at the load address.
 *
 * IN       System V AMD64: rdi = entry pa, rsi = zero page pa, rdx = pa of the GDT below for this entry,
 *          rcx = pa of the top of the stack;
 *          interrupts off, low 4 GiB identity-mapped, running there
 * OUT      boot.rst, "64-bit Boot Protocol": rsi = zero page; cs = __BOOT_CS, ds, es, ss = __BOOT_DS, interrupts off,
 *          identity mapping in force
 *          boot.rst, "32-bit Boot Protocol": esi = zero page; ebp, edi, ebx = 0; cs = __BOOT_CS, ds, es,
 *          ss = __BOOT_DS; paging off, interrupts off
 * CLOBBERS everything: all general registers that carry nothing are zero
 * FAIL     never
 */
#include "abi/linux_entry.h"
#include "x86/image.h"
#include "x86/registers.h"
#include "x86/segments.h"

/* Our descriptor table by its physical address, flat data segments, the stack by its physical address. */
.macro enter_flat
        mov     %rcx, %rsp
        push    %rdx                    /* the base of a 10-byte pointer ... */
        sub     $2, %rsp
        movw    $GDT_BYTES - 1, (%rsp)
        lgdt    (%rsp)
        mov     %rcx, %rsp
        mov     $LINUX_BOOT_DS, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     %eax, %fs
        mov     %eax, %gs
.endm

        .text
        .globl native_jump_64
native_jump_64:
        enter_flat
        mov     %rdi, %rax
        xor     %ebx, %ebx
        xor     %ecx, %ecx
        xor     %edx, %edx
        xor     %edi, %edi
        xor     %ebp, %ebp
        .irp    number, 8, 9, 10, 11, 12, 13, 14, 15
        xor     %r\number\()d, %r\number\()d
        .endr
        cld
        jmp     *%rax

        .globl native_jump_32
native_jump_32:
        enter_flat
        push    $LINUX_BOOT_CS
        lea     1f(%rip), %rax
        push    %rax
        lretq
        .code32
1:      mov     $CR0_NE + CR0_ET + CR0_PE, %eax
        mov     %eax, %cr0
        mov     %esi, %ebx
        mov     %edi, %ebp
        call    2f
2:      pop     %esi
        sub     $sym_offs(2b), %esi
        call    early_idt_load          /* for what is left of our own way */
        mov     %ebx, %esi
        mov     %ebp, %edi
        mov     $MSR_EFER, %ecx
        xor     %eax, %eax
        xor     %edx, %edx
        wrmsr
        mov     %eax, %cr4
        mov     %edi, %eax
        xor     %ebx, %ebx
        xor     %ecx, %ecx
        xor     %edi, %edi
        xor     %ebp, %ebp
        cld
        jmp     *%eax
        .code64

/* What __BOOT_CS and __BOOT_DS select: flat 4 GiB segments. */
        .section .rodata, "a", @progbits
        .balign 8
        .globl native_gdt_64, native_gdt_32
native_gdt_64:
        .quad   0, 0
        .long   DESC_LIMIT_4GIB, DESC_CODE64
        .long   DESC_LIMIT_4GIB, DESC_DATA
        .set    GDT_BYTES, . - native_gdt_64
native_gdt_32:
        .quad   0
        .long   DESC_LIMIT_4GIB, DESC_CODE32                    /* SEL_CODE32, for our own IDT */
        .long   DESC_LIMIT_4GIB, DESC_CODE32
        .long   DESC_LIMIT_4GIB, DESC_DATA
