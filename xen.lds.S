/*
 * The layout of the image, and everything the code assumes about it as an ASSERT.
 *
 * One loadable segment, linked at IMAGE_LINK_VA and suggested for IMAGE_LINK_PA. What the file holds comes first,
 * memory that the loader need not fill (stacks, large tables) last. What only the boot needs is in pages of its own,
 * where code and constants meet, and among the memory that is not in the file: two ranges, which cpu/init.c gives back.
 * Code comes before everything whose size differs between the two passes of the link. Each part begins at a page,
 * because the PE header gives it rights of its own.
 */
#include "abi/multiboot_headers.h"
#include "x86/address_map.h"
#include "x86/paging.h"
#include "x86/stacks.h"
#include "x86/vectors.h"

OUTPUT_FORMAT("elf64-x86-64")
OUTPUT_ARCH(i386:x86-64)
ENTRY(start)

PHDRS
{
    image PT_LOAD FLAGS(7);
    note PT_NOTE FLAGS(4);
}

SECTIONS
{
    . = IMAGE_LINK_VA;
    _start = .;

    /* One page of headers: PE first, then multiboot. */
    .head : AT(IMAGE_LINK_PA) {
        KEEP(*(.head.pe))
        KEEP(*(.head))
        __head_end = .;
        . = ALIGN(PAGE_BYTES);
    } :image

    .text : {
        __text_start = .;
        *(.text .text.*)
        . = ALIGN(PAGE_BYTES);
        __init_start = .;
        *(.init.text.entry)
        *(.init.text .init.text.*)
        . = ALIGN(PAGE_BYTES);
        __text_end = .;
    } :image =0xcccccccc

    /* By itself, so that no string of it is shared with what stays. */
    .init.rodata : {
        __rodata_start = .;
        *(.init.rodata .init.rodata.*)
        . = ALIGN(PAGE_BYTES);
        __init_end = .;
    } :image

    .rodata : {
        *(.rodata .rodata.*)
        . = ALIGN(8);
    } :image

    /* How machine monitors find the PVH entry; PT_NOTE shows it to them. */
    .note : {
        KEEP(*(.note.Xen))
        . = ALIGN(8);
    } :image :note

    /* Offsets, from the start of the image, of the page-table entries that hold the load base. */
    .pte_rel : {
        __pte_rel_start = .;
        KEEP(*(.pte_rel))
        __pte_rel_end = .;
    } :image

    /* Offsets, from the start of the trampoline, of the words that hold its page's address. */
    .trampoline_rel : {
        __trampoline_rel_start = .;
        KEEP(*(.trampoline_rel))
        __trampoline_rel_end = .;
    } :image

    /* Full in the second pass only; what comes behind it is data, whose addresses are in no table. */
    .symbols : {
        . = ALIGN(8);
        KEEP(*(.symbols))
        . = ALIGN(PAGE_BYTES);
        __rodata_end = .;
    } :image

    .sbat : {
        __sbat_start = .;
        KEEP(*(.sbat))
        . = ALIGN(PAGE_BYTES);
        __sbat_end = .;
    } :image

    .reloc : {
        __reloc_start = .;
        KEEP(*(.reloc))
        . = ALIGN(PAGE_BYTES);
        __reloc_end = .;
    } :image

    .data : {
        __data_start = .;
        KEEP(*(.data.page_tables))
        *(.data .data.* .init.data .init.data.*)
        . = ALIGN(PAGE_BYTES);
        __file_end = .;
    } :image

    .bss (NOLOAD) : {
        . = ALIGN(8);
        __bss_start = .;
        *(.bss .bss.[a-zA-Z0-9_]* .init.bss .init.bss.[a-zA-Z0-9_]* COMMON)
        . = ALIGN(8);
        __bss_end = .;
    } :image

    /* Not cleared at start: whoever uses it fills it first. */
    .noinit (NOLOAD) : {
        . = ALIGN(PAGE_BYTES);
        *(.bss..noinit)
        . = ALIGN(PAGE_BYTES);
        __init_noinit_start = .;
        *(.init.bss..noinit)
        . = ALIGN(PAGE_BYTES);
        __init_noinit_end = .;
        *(.bss..noinit.page)
        __stacks_start = .;
        *(.bss..stacks)
        _end = .;
    } :image

    .got : { *(.got) *(.igot) }
    .got.plt : { *(.got.plt) *(.igot.plt) }
    .plt : { *(.plt) *(.iplt) }
    .rela : { *(.rela.*) *(.rela) }

    .debug_info 0 : { *(.debug_info .gnu.linkonce.wi.*) }
    .debug_abbrev 0 : { *(.debug_abbrev) }
    .debug_line 0 : { *(.debug_line .debug_line.*) }
    .debug_line_str 0 : { *(.debug_line_str) }
    .debug_str 0 : { *(.debug_str) }
    .debug_str_offsets 0 : { *(.debug_str_offsets) }
    .debug_addr 0 : { *(.debug_addr) }
    .debug_aranges 0 : { *(.debug_aranges) }
    .debug_ranges 0 : { *(.debug_ranges) }
    .debug_rnglists 0 : { *(.debug_rnglists) }
    .debug_loc 0 : { *(.debug_loc) }
    .debug_loclists 0 : { *(.debug_loclists) }
    .debug_frame 0 : { *(.debug_frame) }
    .symtab 0 : { *(.symtab) }
    .strtab 0 : { *(.strtab) }
    .shstrtab 0 : { *(.shstrtab) }

    /DISCARD/ : {
        *(.comment) *(.note .note.*) *(.eh_frame) *(.eh_frame_hdr)
        *(.llvm_addrsig) *(.interp) *(.dynamic) *(.dynsym) *(.dynstr) *(.hash) *(.gnu.hash)
    }
}

/*
 * Descriptor fields that are pieces of an address. A relocation cannot cut an address up, the linker can.
 * An IDT gate and a TSS descriptor hold bits 0-15, 16-31 (or 16-23 and 24-31) and 32-63 apart.
 */
trap_stubs_0_15 = trap_stubs & 0xffff;
trap_stubs_16_31 = (trap_stubs >> 16) & 0xffff;
trap_stubs_32_63 = trap_stubs >> 32;
wake_stub_0_15 = wake_stub & 0xffff;
wake_stub_16_31 = (wake_stub >> 16) & 0xffff;
wake_stub_32_63 = wake_stub >> 32;
tss_0_15 = boot_tss & 0xffff;
tss_16_23 = (boot_tss >> 16) & 0xff;
tss_24_31 = (boot_tss >> 24) & 0xff;
tss_32_63 = boot_tss >> 32;

/* The limit of the segment that head.S reaches the image through, in units of pages. */
image_limit_pages = (_end - _start) / PAGE_BYTES - 1;

/* Sizes for the PE header. */
pe_text_bytes = __text_end - __text_start;
pe_rodata_bytes = __rodata_end - __rodata_start;
pe_sbat_bytes = __sbat_end - __sbat_start;
pe_reloc_bytes = __reloc_end - __reloc_start;
pe_data_bytes = _end - __data_start;
pe_data_file_bytes = __file_end - __data_start;
pe_initialised_bytes = __file_end - __rodata_start;
pe_bss_bytes = _end - __file_end;

ASSERT(IMAGE_LINK_VA == _start, "the image does not begin at its link address")
ASSERT((IMAGE_LINK_PA % IMAGE_SLOT_BYTES) == 0, "the suggested address is not a slot")
ASSERT((XEN_VIRT_START % L3_PAGE_BYTES) == 0, "the image's window is not aligned to 1 GiB")
ASSERT(_end - _start <= IMAGE_SLOT_BYTES, "the image is larger than its slot")
ASSERT(__file_end - _start <= 512 * 1024, "the image is larger than 512 KiB in the file")
ASSERT(__head_end - _start <= PAGE_BYTES, "the headers are larger than their page")
ASSERT(__text_end == ADDR(.init.rodata), "init sections are not contiguous")
ASSERT(stage_handover < __init_start && native_start < __init_start, "the last stage would be given back")
ASSERT(boot_stack < __init_noinit_start || boot_stack >= __init_noinit_end, "the stack would be given back")
ASSERT(multiboot1_header_end - _start <= MB1_HEADER_SEARCH - PAGE_BYTES, "the multiboot1 header is too far behind")
ASSERT(multiboot2_header_end - _start <= MB1_HEADER_SEARCH - PAGE_BYTES, "the multiboot2 header is too far behind")
ASSERT((multiboot2_header % MB2_HEADER_TAG_ALIGN) == 0, "the multiboot2 header is not aligned")
ASSERT((multiboot1_header % 4) == 0, "the multiboot1 header is not aligned")
ASSERT(SIZEOF(.note) == 24, "the PVH note is missing, or there is another one")
ASSERT(__pte_rel_end - __pte_rel_start == 4 * pte_rel_count, "an entry of .pte_rel is missing or comes from elsewhere")
ASSERT((__bss_start % 8) == 0 && (__bss_end % 8) == 0, "bss is cleared by quadwords")
ASSERT(__bss_end - __bss_start <= 64 * 1024, "bss has grown: large tables belong into .noinit")
ASSERT((_end - _start) % PAGE_BYTES == 0, "the image ends inside a page, which fs would not reach")
ASSERT((boot_page_table_l4 % PAGE_BYTES) == 0, "page tables are not aligned")
ASSERT((__stacks_start % PAGE_BYTES) == 0 && stack_df - __stacks_start == STACK_GUARD_BYTES &&
       stack_nmi - stack_df_top == STACK_GUARD_BYTES && stack_mc - stack_nmi_top == STACK_GUARD_BYTES &&
       boot_stack - stack_mc_top == STACK_GUARD_BYTES && boot_stack_top == _end, "a stack has no guard page")
ASSERT((PROCESSOR_AREAS_START % L2_PAGE_BYTES) == 0, "the window of the processors' stacks is not aligned")
ASSERT(trap_stubs > _start && boot_tss > _start, "the tables of the processor were dropped")
ASSERT((trap_stubs & 0xffff) + VECTOR_COUNT * 16 <= 0x10000, "trap stubs cross a 64 KiB boundary")
ASSERT(trampoline_end - trampoline_start <= TRAMPOLINE_CODE_MOST, "the trampoline is too long")
ASSERT(SIZEOF(.got) == 0, "there is a global offset table")
ASSERT(SIZEOF(.got.plt) == 0, "there is a global offset table")
ASSERT(SIZEOF(.plt) == 0, "there is a procedure linkage table")
ASSERT(SIZEOF(.rela) == 0, "there are dynamic relocations")
