/*
 * The shim's multiboot1 header and entry, and its last instructions.
 *
 * IN      Multiboot specification 0.6.96, section 3.2: eax = 0x2badb002, ebx = information, flat 32-bit segments
 * OUT     run_commands(information)
 */
#include "shim.h"

#define MB1_HEADER_MAGIC 0x1badb002
#define MB1_FLAGS        0x00000003     /* modules page-aligned, memory information */
#define CR0_PG           0x80000000
#define CR4_PAE          0x20
#define MSR_EFER         0xc0000080
#define EFER_LME         0x100

        .section .multiboot, "a"
        .balign 4
        .long   MB1_HEADER_MAGIC, MB1_FLAGS, -(MB1_HEADER_MAGIC + MB1_FLAGS)

        .text
        .code32
        .globl  start
start:
        cli
        cld
        mov     $stack_top, %esp
        push    %ebx
        push    $0
        jmp     run_commands

/*
 * launch(how): selectors, long mode where asked for, GDTR, flags, registers, jump. IN  4(%esp) = the structure
 */
        .globl  launch
launch:
        mov     4(%esp), %esi
        mov     $values, %edi
        mov     $LAUNCH_BYTES, %ecx
        rep movsb
        lgdt    values + LAUNCH_GDT
        mov     values + LAUNCH_DS, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     %eax, %fs
        mov     %eax, %gs
        mov     values + LAUNCH_CR3, %eax
        test    %eax, %eax
        jnz     1f
        push    values + LAUNCH_CS
        push    $last_32
        lret
1:      mov     %eax, %cr3
        mov     %cr4, %eax
        or      $CR4_PAE, %eax
        mov     %eax, %cr4
        mov     $MSR_EFER, %ecx
        rdmsr
        or      $EFER_LME, %eax
        wrmsr
        mov     %cr0, %eax
        or      $CR0_PG, %eax
        mov     %eax, %cr0
        push    values + LAUNCH_CS
        push    $last_64
        lret

/* Absolute addressing in 32-bit code, relative to the instruction in 64-bit code: an ELF32 file allows no other. */
.macro LOAD_REGISTERS base
        mov     values + LAUNCH_EAX\base, %eax
        mov     values + LAUNCH_EBX\base, %ebx
        mov     values + LAUNCH_ECX\base, %ecx
        mov     values + LAUNCH_EDX\base, %edx
        mov     values + LAUNCH_ESI\base, %esi
        mov     values + LAUNCH_EDI\base, %edi
        mov     values + LAUNCH_EBP\base, %ebp
        mov     values + LAUNCH_ESP\base, %esp
.endm

last_32:
        lgdt    values + LAUNCH_GDT_AFTER
        push    values + LAUNCH_EFLAGS
        popf
        LOAD_REGISTERS
        jmp     *values + LAUNCH_TARGET

        .code64
last_64:
        lgdt    values + LAUNCH_GDT_AFTER(%rip)
        mov     values + LAUNCH_EFLAGS(%rip), %eax
        mov     $stack_top, %esp
        push    %rax
        popfq
        LOAD_REGISTERS (%rip)
        jmp     *values + LAUNCH_TARGET(%rip)

        .bss
        .balign 16
values: .skip   LAUNCH_BYTES
        .balign 16
        .skip   4096
stack_top:
        .section .note.GNU-stack, "", @progbits
