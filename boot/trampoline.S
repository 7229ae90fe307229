/*
 * Where the other processors come in: 16-bit code for one page below 1 MiB, to which C copies it, and the 64-bit code
 * at its link address that follows. The copy's only knowledge of where it is are the places listed in .trampoline_rel:
 * 32-bit words to which the page's address is added. Nobody writes to the page while it runs there.
 *
 *   trampoline_start (real mode, in the page) -> trampoline32 (protected mode) -> trampoline64 (long mode)
 *   -> processor_enter (at the link address) -> processor_main, in C
 */
#include "asm-offsets.h"
#include "x86/address_map.h"
#include "x86/apic.h"
#include "x86/paging.h"
#include "x86/registers.h"
#include "x86/segments.h"
#include "x86/stacks.h"
#include "x86/vectors.h"

#define offset_of(symbol) ((symbol) - trampoline_start)

/* The address of \target in the page, which C makes of its offset. */
.macro address_of target
        .pushsection .trampoline_rel, "a", @progbits
        .long offset_of(.Laddress\@)
        .popsection
.Laddress\@:
        .long offset_of(\target)
.endm

        .section .init.rodata, "a", @progbits
        .balign 16
        .globl trampoline_start, trampoline_end, trampoline_cr3, trampoline_efer, trampoline_park16, trampoline_park32
/*
 * IN       Intel SDM volume 3A, section 9.4.4 (after a start-up IPI): real mode, cs = the page's address / 16, ip = 0,
 *          interrupts off. Other segments, the stack, GDTR and IDTR are undefined.
 * LIVE     esi = the page's address, until processor_enter
 * OUT      processor_enter in 64-bit mode on the final page tables, with flat data segments and no stack
 * CLOBBERS all else; no memory
 * FAIL     after an exception, which nothing here should raise, the processor halts: it does not answer, and that costs
 *          it alone. (With nothing to handle one it would shut down, and that resets the machine.)
 */
        .code16
trampoline_start:
        cli
        cld
        lidtl   %cs:offset_of(idt_pointer_16)
        xor     %esi, %esi
        mov     %cs, %si
        mov     %si, %ds
        mov     %si, %ss
        mov     $TRAMPOLINE_STACK_TOP, %sp
        shl     $4, %esi
        lgdtl   offset_of(gdt_pointer)
        mov     $CR0_NE + CR0_ET + CR0_PE, %eax
        lidtl   offset_of(idt_pointer_32)
        mov     %eax, %cr0
        ljmpl   *offset_of(far_pointer_32)

trampoline_park16:
        cli
        hlt
        jmp     trampoline_park16

        .code32
trampoline_park32:
        cli
        hlt
        jmp     trampoline_park32

trampoline32:
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        lea     TRAMPOLINE_STACK_TOP(%esi), %esp
        xor     %eax, %eax
        mov     %eax, %fs
        mov     %eax, %gs

        /* Where the first processor has NX and this one seems to have none, it is switched off. */
        testl   $EFER_NXE, offset_of(trampoline_efer)(%esi)
        jz      1f
        mov     $CPUID_EXT_FEATURE, %eax
        cpuid
        bt      $CPUID_EXT_NX_BIT, %edx
        jc      1f
        mov     $MSR_MISC_ENABLE, %ecx
        rdmsr
        btr     $MISC_ENABLE_XD_OFF, %edx
        wrmsr
1:
        /* What the switch needs; processor_main makes it all equal to the first processor's. */
        mov     $CR4_PAE, %eax
        mov     %eax, %cr4
        mov     offset_of(trampoline_cr3)(%esi), %eax
        mov     %eax, %cr3
        mov     $MSR_EFER, %ecx
        mov     offset_of(trampoline_efer)(%esi), %eax
        xor     %edx, %edx
        wrmsr
        mov     $CR0_PG + CR0_WP + CR0_NE + CR0_ET + CR0_PE, %eax
        mov     %eax, %cr0
        ljmp    *offset_of(far_pointer_64)(%esi)

        .code64
trampoline64:
        movabs  $processor_enter, %rax
        jmp     *%rax

        .balign 4
trampoline_cr3:
        .long   0
trampoline_efer:
        .long   0
far_pointer_32:
        address_of trampoline32
        .word   SEL_CODE32
far_pointer_64:
        address_of trampoline64
        .word   SEL_CODE64
idt_pointer_16:
        .word   VECTOR_COUNT * VECTOR16_BYTES - 1
        address_of trampoline_start + TRAMPOLINE_VECTORS
idt_pointer_32:
        .word   VECTOR_COUNT * GATE32_BYTES - 1
        address_of trampoline_start + TRAMPOLINE_GATES
gdt_pointer:
        .word   gdt_end - gdt - 1
        address_of gdt

        /* With the selectors of boot_gdt, as far as they are needed; marked as accessed: the page is read-only. */
        .balign 8
gdt:    .quad   0
        .long   DESC_LIMIT_4GIB, DESC_CODE32
        .long   DESC_LIMIT_4GIB, DESC_CODE64
        .long   DESC_LIMIT_4GIB, DESC_DATA
gdt_end:
trampoline_end:

/*
 * Find out who this is by the APIC's id, and take the stack that is laid out for it. Until then an exception is
 * reported from the first processor's #MC stack, which all share: entry.S lets only one report from there.
 *
 * IN       64-bit mode, interrupts off, no stack, the trampoline's GDT
 * LIVE     ebx = how many ids there are, then the index of the own one
 * OUT      rdi = gs.base = struct processor: processor_main, on its own stack, with the first one's GDT and an IDT that
 *          needs no TSS
 * CLOBBERS everything
 * FAIL     a processor that is not in the list halts for good
 */
        .section .init.text, "ax", @progbits
        .globl processor_enter
processor_enter:
        lea     stack_mc_top(%rip), %rsp
        lgdt    gdt_pointer_va(%rip)
        lidt    processors_start_info + START_IDT(%rip)
        mov     $MSR_APIC_BASE, %ecx
        rdmsr
        cmpb    $0, processors_start_info + START_X2APIC(%rip)
        je      1f
        or      $APIC_BASE_ENABLED + APIC_BASE_X2APIC, %eax
        wrmsr
1:      test    $APIC_BASE_X2APIC, %eax
        jz      2f
        mov     $MSR_X2APIC(APIC_ID), %ecx
        rdmsr
        jmp     3f
2:      mov     processors_start_info + START_APIC(%rip), %rdx
        mov     APIC_ID(%rdx), %eax
        shr     $APIC_ID_SHIFT, %eax
3:      mov     processors_start_info + START_IDS(%rip), %rdi
        mov     processors_start_info + START_COUNT(%rip), %ecx
        mov     %ecx, %ebx
        test    %ecx, %ecx
        jz      4f
        repne scasl
        jne     4f
        sub     %ecx, %ebx
        dec     %ebx
        imul    $PROCESSOR_AREA_MAPPED_BYTES, %rbx, %rbx
        movabs  $PROCESSOR_AREAS_START + PROCESSOR_AREA_MAPPED_BYTES - PROCESSOR_DATA_BYTES, %rdi
        add     %rbx, %rdi
        mov     %rdi, %rsp              /* the data begin where the stack does */
        mov     $MSR_GS_BASE, %ecx
        mov     %edi, %eax
        mov     %rdi, %rdx
        shr     $32, %rdx
        wrmsr
        xor     %ebp, %ebp
        call    processor_main
        ud2
4:      cli
        hlt
        jmp     4b
