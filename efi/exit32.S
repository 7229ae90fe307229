/*
 * From 64-bit C back to the 32-bit firmware, with paging and IDT as the loader left them, to end its boot services, and
 * to 64-bit C again.
 */
#include "asm-offsets.h"
#include "x86/image.h"
#include "x86/registers.h"
#include "x86/segments.h"

/* To the stack given, our own descriptors and the 32-bit code that follows. Clobbers eax. */
.macro own_segments
        lgdt    sym_offs(gdt_pointer_pa)(%ebx)
        push    $SEL_CODE32
        lea     sym_offs(.Lown\@)(%ebx), %eax
        push    %eax
        lret
.Lown\@:
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     %eax, %fs
        mov     %eax, %gs
.endm

#define loader(member) sym_offs(loader_state) + LOADER_##member(%ebx)
#define call(member)   CALL_##member(%ebp)

        .section .init.text, "ax", @progbits
        .code64
/*
 * IN       System V AMD64: edi = pa of struct efi32_call; running at the load address, stack at the link address,
 *          interrupts off
 * LIVE     ebx = load base; ebp = pa of struct efi32_call: the firmware keeps both (UEFI 2.10 s2.3.2)
 * OUT      as it came, the struct's answers filled, boot services ended if its status is 0
 * CLOBBERS what a call may; the descriptor tables' registers and control registers are as before
 * FAIL     status is the firmware's
 */
        .globl efi32_thunk
efi32_thunk:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, %rax
        lea     _start(%rip), %rbx
        mov     %edi, %ebp
        movabs  $IMAGE_LINK_VA, %rcx
        sub     %rcx, %rsp
        add     %rbx, %rsp              /* the same stack at its load address */
        push    %rax
        mov     %esp, efi32_stack(%rip)
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
        mov     %ebx, %esi
        call    early_idt_reload
        mov     $MSR_EFER, %ecx
        mov     loader(EFER), %eax
        xor     %edx, %edx
        wrmsr
        mov     loader(CR4), %eax
        mov     %eax, %cr4
        mov     loader(CR3), %eax
        mov     %eax, %cr3
        lgdt    call(GDT)
        lidt    loader(IDT)
        mov     call(STACK), %esp
        mov     call(DATA), %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %fs
        mov     %eax, %gs
        mov     %eax, %ss
        push    call(CODE)
        lea     sym_offs(2f)(%ebx), %eax
        push    %eax
        lret
2:      mov     loader(CR0), %eax
        mov     %eax, %cr0

        /* GetMemoryMap, ExitBootServices, and nothing else. The stack is aligned to 16 bytes at each call. */
3:      mov     call(MAP_CAPACITY), %eax
        mov     %eax, call(MAP_BYTES)
        sub     $12, %esp
        lea     call(DESCRIPTOR_VERSION), %eax
        push    %eax
        lea     call(DESCRIPTOR_BYTES), %eax
        push    %eax
        lea     call(KEY), %eax
        push    %eax
        push    call(MAP_PA)
        lea     call(MAP_BYTES), %eax
        push    %eax
        call    *call(GET_MEMORY_MAP)
        add     $32, %esp
        mov     %eax, call(STATUS)
        test    %eax, %eax
        jnz     4f
        sub     $8, %esp
        push    call(KEY)
        push    call(IMAGE)
        call    *call(EXIT_BOOT_SERVICES)
        add     $16, %esp
        mov     %eax, call(STATUS)
        test    %eax, %eax
        jz      4f
        decl    call(ATTEMPTS)
        jnz     3b

4:      cli
        cld
        mov     $CR0_NE + CR0_ET + CR0_PE, %eax
        mov     %eax, %cr0
        own_segments
        mov     sym_offs(efi32_stack)(%ebx), %esp
        mov     %ebx, %esi
        call    early_idt_reload
        mov     $CR4_PAE + CR4_MCE, %eax
        mov     %eax, %cr4
        lea     sym_offs(boot_page_table_l4)(%ebx), %eax
        mov     %eax, %cr3
        mov     $MSR_EFER, %ecx
        mov     sym_offs(boot_efer)(%ebx), %eax
        xor     %edx, %edx
        wrmsr
        mov     $CR0_PG + CR0_WP + CR0_NE + CR0_ET + CR0_PE, %eax
        mov     %eax, %cr0
        push    $SEL_CODE64
        lea     sym_offs(5f)(%ebx), %eax
        push    %eax
        lret

        .code64
5:      lgdt    gdt_pointer_va(%rip)
        lidt    idt_pointer_va(%rip)
        xor     %eax, %eax
        mov     %eax, %fs
        mov     %eax, %gs
        mov     $MSR_GS_BASE, %ecx
        movabs  $first_processor, %rax
        mov     %rax, %rdx
        shr     $32, %rdx
        wrmsr
        pop     %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret

        .section .data, "aw", @progbits
        .balign 4
efi32_stack:                            /* our own stack meanwhile, at its load address */
        .long   0
