/*
 * The first processor's tables, as data: GDT, TSS, IDT (which is everybody's), and its stacks. Nothing is filled in at
 * run time but the base of fs (head.S) and the busy bit of the TSS (ltr). Pieces of addresses come from xen.lds.S.
 * Source: Intel SDM volume 3A, sections 3.4.5, 6.14.1 (64-bit IDT gates), 7.7 (64-bit TSS).
 */
#include "x86/paging.h"
#include "x86/segments.h"
#include "x86/stacks.h"
#include "x86/vectors.h"

        .section .data, "aw", @progbits
        .balign 16
        .globl boot_gdt
boot_gdt:
        .quad   0
        .long   DESC_LIMIT_4GIB, DESC_CODE32                    /* SEL_CODE32 */
        .long   DESC_LIMIT_4GIB, DESC_CODE64                    /* SEL_CODE64 */
        .long   DESC_LIMIT_4GIB, DESC_DATA                      /* SEL_DATA */
        .long   image_limit_pages, DESC_IMAGE                   /* SEL_BOOT_FS */
        .word   boot_tss_end - boot_tss - 1, tss_0_15           /* SEL_TSS */
        .byte   tss_16_23, DESC_TSS64 >> 8, 0, tss_24_31
        .long   tss_32_63, 0
boot_gdt_end:

        .balign 2
        .globl gdt_pointer_pa
gdt_pointer_pa:                         /* for code at its load address, which fills in the address */
        .word   boot_gdt_end - boot_gdt - 1
        .quad   0

        .balign 16
        .globl boot_tss
boot_tss:
        .long   0
        .quad   0, 0, 0                                         /* stacks of rings 0 to 2: no ring is left */
        .quad   0
        .quad   stack_df_top, stack_nmi_top, stack_mc_top       /* IST_DF, IST_NMI, IST_MC */
        .quad   0, 0, 0, 0
        .quad   0
        .word   0, boot_tss_end - boot_tss                      /* no I/O permission map */
boot_tss_end:
        .if     boot_tss_end - boot_tss - 104
        .error  "a 64-bit TSS has 104 bytes"
        .endif

        .section .rodata, "a", @progbits
        .balign 16
        .globl boot_idt
boot_idt:
        .set    vector, 0
        .rept   VECTOR_COUNT
        .set    stack, 0
        .if     vector == VECTOR_DF
        .set    stack, IST_DF
        .elseif vector == VECTOR_NMI
        .set    stack, IST_NMI
        .elseif vector == VECTOR_MC
        .set    stack, IST_MC
        .endif
        .word   trap_stubs_0_15 + vector * TRAP_STUB_BYTES, SEL_CODE64
        .byte   stack, GATE_INTERRUPT
        .word   trap_stubs_16_31
        .long   trap_stubs_32_63, 0
        .set    vector, vector + 1
        .endr
        .if     vector - VECTOR_WAKE
        .error  "the gate of VECTOR_WAKE comes behind those of the exceptions"
        .endif
        .word   wake_stub_0_15, SEL_CODE64
        .byte   0, GATE_INTERRUPT
        .word   wake_stub_16_31
        .long   wake_stub_32_63, 0
boot_idt_end:

        .balign 2
        .globl gdt_pointer_va, idt_pointer_va
gdt_pointer_va:
        .word   boot_gdt_end - boot_gdt - 1
        .quad   boot_gdt
idt_pointer_va:
        .word   boot_idt_end - boot_idt - 1
        .quad   boot_idt

/* The first processor's stacks, each above a guard page: xen.lds.S checks that, cpu/page_tables.c leaves them out. */
.macro stack name, bytes
        .skip   STACK_GUARD_BYTES
        .globl \name, \name\()_top
\name:
        .skip   \bytes
\name\()_top:
.endm
        .section .bss..stacks, "aw", @nobits
        .balign PAGE_BYTES
        stack   stack_df, FAULT_STACK_BYTES
        stack   stack_nmi, FAULT_STACK_BYTES
        stack   stack_mc, FAULT_STACK_BYTES
        stack   boot_stack, BOOT_STACK_BYTES
