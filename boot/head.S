/*
 * The headers that loaders look for, and the 32-bit entry: from whatever a loader leaves behind to 64-bit C
 * at the link address. No tag is read here; the info pointer is only stored (and its first word borrowed and put back).
 *
 * Which way of naming memory is legal where:
 *   from `start` to the load of %fs     sym_esi(symbol): %esi holds the load base
 *   from there to paging                sym_fs(symbol): %fs is based on the load base, its limit is the image's
 *   once paging is on                   symbol(%rip)
 * Errors before paging go to early_error, which uses %esi alone and so is legal everywhere in 32-bit code.
 */
#include "abi/multiboot_headers.h"
#include "abi/pvh_entry.h"
#include "asm-offsets.h"
#include "x86/image.h"
#include "x86/paging.h"
#include "x86/ports.h"
#include "x86/registers.h"
#include "x86/segments.h"
#include "x86/vectors.h"

#define sym_pa(symbol) (sym_offs(symbol) + IMAGE_LINK_PA)

        .section .head, "a", @progbits

/* --- Multiboot specification 0.6.96, section 3.1 ---------------------------------------------------------------- */
        .balign 4
multiboot1_header:
        .set MB1_FLAGS, MB1_PAGE_ALIGN + MB1_MEMORY_INFO + MB1_ADDRESS_FIELDS
        .long MB1_HEADER_MAGIC
        .long MB1_FLAGS
        .long -(MB1_HEADER_MAGIC + MB1_FLAGS)
        .long sym_pa(multiboot1_header)
        .long sym_pa(_start)            /* load_addr */
        .long sym_pa(__file_end)        /* load_end_addr */
        .long sym_pa(_end)              /* bss_end_addr */
        .long sym_pa(start)             /* entry_addr */
        .globl multiboot1_header, multiboot1_header_end
multiboot1_header_end:

/* --- Multiboot2 specification 2.0, section 3.1 ------------------------------------------------------------------ */
        .balign MB2_HEADER_TAG_ALIGN
        .globl multiboot2_header, multiboot2_header_end
multiboot2_header:
        .set MB2_LENGTH, multiboot2_header_end - multiboot2_header
        .long MB2_HEADER_MAGIC
        .long MB2_ARCHITECTURE_I386
        .long MB2_LENGTH
        .long -(MB2_HEADER_MAGIC + MB2_ARCHITECTURE_I386 + MB2_LENGTH)

        /*
         * Console: EGA text is understood, none is required. There is no framebuffer tag: with one, GRUB shows
         * graphics wherever it can, and errors would be invisible on a machine without a serial line.
         */
        .balign MB2_HEADER_TAG_ALIGN
        .word MB2_HEADER_CONSOLE, MB2_OPTIONAL
        .long 12
        .long MB2_CONSOLE_EGA_TEXT

        .balign MB2_HEADER_TAG_ALIGN
        .word MB2_HEADER_MODULE_ALIGN, 0
        .long 8

        /* Any slot below 4 GiB, the highest for choice: a suggestion, `start` finds out what came of it. */
        .balign MB2_HEADER_TAG_ALIGN
        .globl multiboot2_relocatable
multiboot2_relocatable:
        .word MB2_HEADER_RELOCATABLE, MB2_OPTIONAL
        .long 24
        .long IMAGE_SLOT_BYTES                  /* lowest address */
        .long 0xffffffff                        /* highest address */
        .long IMAGE_SLOT_BYTES                  /* alignment */
        .long MB2_PREFER_HIGH

        /* How to load a file that is no ELF file: this header makes the PE container good for multiboot2, too. */
        .balign MB2_HEADER_TAG_ALIGN
        .word MB2_HEADER_ADDRESS, 0
        .long 24
        .long sym_pa(multiboot2_header)
        .long sym_pa(_start)
        .long sym_pa(__file_end)
        .long sym_pa(_end)

        .balign MB2_HEADER_TAG_ALIGN
        .word MB2_HEADER_ENTRY, 0
        .long 12
        .long sym_pa(start)

        /* Under UEFI: boot services stay alive, and there is an entry in 64-bit mode. */
        .balign MB2_HEADER_TAG_ALIGN
        .word MB2_HEADER_EFI_BOOT_SERVICES, MB2_OPTIONAL
        .long 8

        .balign MB2_HEADER_TAG_ALIGN
        .word MB2_HEADER_ENTRY_EFI64, MB2_OPTIONAL
        .long 12
        .long sym_pa(efi_multiboot2)

        .balign MB2_HEADER_TAG_ALIGN
        .word MB2_HEADER_END, 0
        .long 8
multiboot2_header_end:

/* --- PVH: Xen, docs/misc/pvh.pandoc; the form of a note: System V ABI, chapter 5 --------------------------------- */
        .section .note.Xen, "a", @note
        .balign PVH_NOTE_ALIGN
        .long 2f - 1f, 4f - 3f, PVH_NOTE_PHYS32_ENTRY
1:      .asciz "Xen"
2:      .balign PVH_NOTE_ALIGN
3:      .quad sym_pa(pvh_start)         /* of the width of an address, which is how QEMU reads it */
4:

/*
 * The PVH entry. No register holds a magic number: the one that the structure must begin with stands for it.
 *
 * IN       Xen, docs/misc/pvh.pandoc: ebx = pa of the start information; cs, ds, es, ss flat 4 GiB, cr0.PE alone,
 *          cr4 = 0, interrupts off. esp, fs, gs, GDTR, IDTR and all else are undefined.
 * LIVE     nothing
 * OUT      eax = PVH_START_MAGIC, all else as it came: start
 * CLOBBERS eax.   FAIL never
 */
        .section .init.text.entry, "ax", @progbits
        .code32
pvh_start:
        mov     $PVH_START_MAGIC, %eax

/*
 * The 32-bit entry of both multiboot protocols.
 *
 * IN       Multiboot 0.6.96 s3.2, Multiboot2 2.0 s3.3: eax = magic, ebx = info pa; cs, ds, es, fs, gs, ss flat 4 GiB,
 *          paging off, interrupts off. esp, GDTR, IDTR and all else are undefined.
 * LIVE     ebp = magic and ebx = info pa, until they are in entry_regs and the magic is known; esi = load base, from
 *          `found` until long mode;
 *          fs.base = load base, from own_tables until long mode
 * OUT      rdi = &entry_regs, rsp = top of the boot stack, rbp = 0, interrupts off, own GDT, TSS and IDT,
 *          gs.base = &first_processor, bss cleared, low 4 GiB identity-mapped: __start_xen
 * CLOBBERS everything else; of memory outside the image nothing
 * FAIL     early_error; an exception before own_tables is the loader's affair, from there on it is early_fault's
 */
        .globl start
start:
        cli
        cld
        mov     %eax, %ebp
        xor     %eax, %eax
        mov     %eax, %dr7              /* whatever is watched there: until there is an IDT, #DB is a reset */

        /*
         * Where are we? Only `call` tells, and it needs a word of memory before any stack is known. The word is
         * borrowed and put back: of the info block where the magic vouches for one, else, or where that is not
         * memory after all, of the BIOS data area's words for communication between applications (0x4f0).
         */
        mov     %ebx, %edx
        cmp     $MB2_BOOT_MAGIC, %ebp
        je      borrow
        cmp     $MB1_BOOT_MAGIC, %ebp
        je      borrow
        cmp     $PVH_START_MAGIC, %ebp
        je      borrow
borrow_bda:
        mov     $BDA_APPLICATION_WORDS, %edx
borrow:
        mov     (%edx), %ecx
        lea     4(%edx), %esp
        call    1f
1:      pop     %esi
        mov     %ecx, (%edx)
        sub     $sym_offs(1b), %esi
        cmpl    $MB2_HEADER_MAGIC, sym_esi(multiboot2_header)
        je      found
        cmp     $BDA_APPLICATION_WORDS, %edx
        jne     borrow_bda
        jmp     early_error_nowhere

found:
        lea     sym_esi(msg_bad_place), %edi
        test    $(PAGE_BYTES - 1), %esi
        jnz     early_error
        cmp     $(IDENTITY_MAP_BYTES - IMAGE_SLOT_BYTES), %esi
        ja      early_error
        lea     sym_esi(boot_stack_top), %esp
        sidt    sym_esi(loader_state + LOADER_IDT)
        call    own_tables

        mov     %ebp, sym_esi(entry_regs + ENTRY_MAGIC)
        mov     %ebx, sym_esi(entry_regs + ENTRY_INFO_PA)
        mov     %esi, sym_esi(entry_regs + ENTRY_LOAD_BASE)
        movl    $0, sym_esi(entry_regs + ENTRY_LOAD_BASE + 4)

        lea     sym_esi(msg_bad_loader), %edi
        cmp     $MB2_BOOT_MAGIC, %ebp
        je      1f
        cmp     $MB1_BOOT_MAGIC, %ebp
        je      1f
        cmp     $PVH_START_MAGIC, %ebp
        jne     early_error
1:
        /* CPUID is there when EFLAGS.ID can be changed (SDM volume 1, section 3.4.3.3). */
        lea     sym_esi(msg_no_long_mode), %edi
        push    $EFLAGS_MBS + EFLAGS_ID
        popf
        pushf
        pop     %eax
        push    $EFLAGS_MBS
        popf
        test    $EFLAGS_ID, %eax
        jz      early_error
        rdtsc
        mov     %eax, sym_esi(entry_regs + ENTRY_TSC)
        mov     %edx, sym_esi(entry_regs + ENTRY_TSC + 4)
        mov     $CPUID_EXT_MAX, %eax
        cpuid
        cmp     $CPUID_EXT_FEATURE, %eax
        jb      early_error
        mov     $CPUID_EXT_FEATURE, %eax
        cpuid
        bt      $CPUID_EXT_LM_BIT, %edx
        jnc     early_error

        /* What the loader left behind, for 32-bit firmware that is still alive (efi/exit32.S). */
        mov     %cr0, %eax
        mov     %eax, sym_esi(loader_state + LOADER_CR0)
        mov     %cr3, %eax
        mov     %eax, sym_esi(loader_state + LOADER_CR3)
        mov     %cr4, %eax
        mov     %eax, sym_esi(loader_state + LOADER_CR4)
        mov     $MSR_EFER, %ecx
        rdmsr
        mov     %eax, sym_esi(loader_state + LOADER_EFER)

/*
 * From 32-bit code without paging to C. The EFI stage joins here, too.
 *
 * IN       esi = load base, esp = top of the boot stack at its load address, entry_regs filled, own_tables called
 * LIVE, OUT, CLOBBERS, FAIL as above
 */
        .globl start_paging
start_paging:
        /* Add the load base to every page-table entry that holds an address of the image. */
        mov     $sym_offs(__pte_rel_start), %edi
1:      mov     %fs:(%edi), %eax
        add     %esi, %fs:(%eax)
        add     $4, %edi
        cmp     $sym_offs(__pte_rel_end), %edi
        jb      1b

        /* An image across slots cannot be mapped by one large page: 4 KiB pages, until C has moved it. */
        test    $(L2_PAGE_BYTES - 1), %esi
        jz      2f
        lea     PTE_RWX(%esi), %eax
        mov     $sym_offs(l1_image), %edi
1:      mov     %eax, %fs:(%edi)
        movl    $0, %fs:4(%edi)
        add     $PAGE_BYTES, %eax
        add     $PTE_BYTES, %edi
        cmp     $sym_offs(l1_image) + PAGE_BYTES, %edi
        jb      1b
        lea     sym_esi(l1_image + PTE_TABLE), %eax
        mov     %eax, sym_fs(l2_image_leaf)
2:
        /* Intel's processors hide NX where the firmware says so, in a register that all with 64-bit mode have. */
        mov     $CPUID_EXT_FEATURE, %eax
        cpuid
        bt      $CPUID_EXT_NX_BIT, %edx
        jc      1f
        xor     %eax, %eax
        cpuid
        cmp     $CPUID_INTEL_ECX, %ecx
        jne     2f
        mov     $MSR_MISC_ENABLE, %ecx
        rdmsr
        btr     $MISC_ENABLE_XD_OFF, %edx
        wrmsr
        mov     $CPUID_EXT_FEATURE, %eax
        cpuid
        bt      $CPUID_EXT_NX_BIT, %edx
        jnc     2f
1:      orl     $EFER_NXE, sym_fs(boot_efer)
2:
        /* Before there is C, because the report of an exception is C, too. */
        lea     sym_esi(__bss_start), %edi
        lea     sym_esi(__bss_end), %ecx
        sub     %edi, %ecx
        shr     $2, %ecx
        xor     %eax, %eax
        rep stosl

        /* Control registers are set whole, whatever the loader left in them. */
        mov     $CR4_PAE, %eax
        mov     %eax, %cr4
        lea     sym_esi(boot_page_table_l4), %eax
        mov     %eax, %cr3
        mov     $MSR_EFER, %ecx
        mov     sym_fs(boot_efer), %eax
        xor     %edx, %edx
        wrmsr
        /* The IDT of what comes next, at its load address: a gate of one mode is no good in the other one. */
        lea     sym_esi(boot_idt), %eax
        push    %eax
        pushw   $(VECTOR_WAKE + 1) * GATE64_BYTES - 1
        lidt    (%esp)
        mov     $CR0_PG + CR0_WP + CR0_NE + CR0_ET + CR0_PE, %eax
        mov     %eax, %cr0
        push    $SEL_CODE64
        lea     sym_esi(start64), %eax
        push    %eax
        lret

/*
 * Our own descriptors: GDT, with the load base written into the pointer and into the descriptor of fs, and IDT.
 *
 * IN       32-bit code without paging at the load base, flat segments; esi = load base, esp = a stack
 * OUT      cs = SEL_CODE32, ds, es, ss, gs = SEL_DATA, fs.base = load base
 * CLOBBERS eax, ecx, edx, edi.   FAIL never
 */
        .globl own_tables
own_tables:
        lea     sym_esi(boot_gdt), %eax
        mov     %eax, sym_esi(gdt_pointer_pa + 2)
        mov     %esi, %eax
        mov     %ax, sym_esi(boot_gdt + SEL_BOOT_FS + DESC_BASE_0_15)
        shr     $16, %eax
        mov     %al, sym_esi(boot_gdt + SEL_BOOT_FS + DESC_BASE_16_23)
        mov     %ah, sym_esi(boot_gdt + SEL_BOOT_FS + DESC_BASE_24_31)
        call    early_idt_load
        lgdt    sym_esi(gdt_pointer_pa)
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     %eax, %gs
        mov     $SEL_BOOT_FS, %eax
        mov     %eax, %fs
        .globl start_fs_live
start_fs_live:                          /* a place to look at the segment from outside */
        pop     %eax
        push    $SEL_CODE32
        push    %eax
        lret

        .code64
        .globl start64
start64:
        lgdt    gdt_pointer_va(%rip)
        mov     $SEL_TSS, %eax
        ltr     %ax
        lidt    idt_pointer_va(%rip)
        mov     $CR4_PAE + CR4_MCE, %eax        /* from here on a machine check is a report, not a reset */
        mov     %rax, %cr4
        movabs  $start64_linked, %rax
        jmp     *%rax
start64_linked:
        lea     boot_stack_top(%rip), %rsp
        xor     %eax, %eax
        mov     %eax, %fs
        mov     %eax, %gs
        mov     $MSR_GS_BASE, %ecx
        lea     first_processor(%rip), %rax
        mov     %rax, %rdx
        shr     $32, %rdx
        wrmsr
        lea     entry_regs(%rip), %rdi
        xor     %ebp, %ebp
        call    __start_xen
        ud2

        .section .data, "aw", @progbits
        .balign 8
        .globl entry_regs, loader_state, boot_efer
entry_regs:
        .skip   ENTRY_REGS_BYTES
        .balign 8
loader_state:
        .skip   LOADER_STATE_BYTES
        .balign 4
boot_efer:                              /* for the switch to long mode: with EFER_NXE where there is NX */
        .long   EFER_LME
