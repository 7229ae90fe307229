/*
 * The layout of the image, and everything the code assumes about it as an ASSERT.
 *
 * One loadable segment, linked at IMAGE_LINK_VA and suggested for IMAGE_LINK_PA. What the file holds comes first,
 * memory that the loader need not fill (stacks, large tables) last. The symbol table stands behind all other file
 * contents: it is empty in the first pass of the link and full in the second, and must not move any code.
 */
#include "abi/multiboot_headers.h"
#include "x86/address_map.h"
#include "x86/paging.h"
#include "x86/vectors.h"

OUTPUT_FORMAT("elf64-x86-64")
OUTPUT_ARCH(i386:x86-64)
ENTRY(start)

PHDRS
{
    image PT_LOAD FLAGS(7);
}

SECTIONS
{
    . = IMAGE_LINK_VA;
    _start = .;

    .text : AT(IMAGE_LINK_PA) {
        KEEP(*(.head))
        *(.text.entry)
        *(.text .text.*)
        . = ALIGN(PAGE_BYTES);
        __text_end = .;
    } :image =0xcccccccc

    .rodata : {
        *(.rodata .rodata.*)
        . = ALIGN(8);
    } :image

    /* Offsets, from the start of the image, of the page-table entries that hold the load base. */
    .pte_rel : {
        __pte_rel_start = .;
        KEEP(*(.pte_rel))
        __pte_rel_end = .;
    } :image

    . = ALIGN(PAGE_BYTES);
    .data : {
        __data_start = .;
        KEEP(*(.data.page_tables))
        *(.data .data.*)
        . = ALIGN(8);
    } :image

    .symbols : {
        KEEP(*(.symbols))
        . = ALIGN(8);
        __file_end = .;
    } :image

    .bss (NOLOAD) : {
        . = ALIGN(8);
        __bss_start = .;
        *(.bss .bss.[a-zA-Z0-9_]* COMMON)
        . = ALIGN(8);
        __bss_end = .;
    } :image

    /* Not cleared at start: whoever uses it fills it first. */
    .noinit (NOLOAD) : {
        . = ALIGN(PAGE_BYTES);
        *(.bss..noinit.page)
        *(.bss..noinit)
        . = ALIGN(PAGE_BYTES);
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
tss_0_15 = boot_tss & 0xffff;
tss_16_23 = (boot_tss >> 16) & 0xff;
tss_24_31 = (boot_tss >> 24) & 0xff;
tss_32_63 = boot_tss >> 32;

ASSERT(IMAGE_LINK_VA == _start, "the image does not begin at its link address")
ASSERT((IMAGE_LINK_PA % IMAGE_SLOT_BYTES) == 0, "the suggested address is not a slot")
ASSERT((XEN_VIRT_START % L3_PAGE_BYTES) == 0, "the image's window is not aligned to 1 GiB")
ASSERT(_end - _start <= IMAGE_SLOT_BYTES, "the image is larger than its slot, which is also the limit of fs")
ASSERT(__file_end - _start <= 512 * 1024, "the image is larger than 512 KiB in the file")
ASSERT(multiboot1_header_end - _start <= MB1_HEADER_SEARCH - PAGE_BYTES, "the multiboot1 header is too far behind")
ASSERT(multiboot2_header_end - _start <= MB1_HEADER_SEARCH - PAGE_BYTES, "the multiboot2 header is too far behind")
ASSERT((multiboot2_header % MB2_HEADER_TAG_ALIGN) == 0, "the multiboot2 header is not aligned")
ASSERT((multiboot1_header % 4) == 0, "the multiboot1 header is not aligned")
ASSERT(__pte_rel_end - __pte_rel_start == 4 * pte_rel_count, "an entry of .pte_rel is missing or comes from elsewhere")
ASSERT((__bss_start % 8) == 0 && (__bss_end % 8) == 0, "bss is cleared by quadwords")
ASSERT(__bss_end - __bss_start <= 64 * 1024, "bss has grown: large tables belong into .noinit")
ASSERT((boot_page_table_l4 % PAGE_BYTES) == 0, "page tables are not aligned")
ASSERT(trap_stubs > _start && boot_tss > _start, "the tables of the processor were dropped")
ASSERT((trap_stubs & 0xffff) + VECTOR_COUNT * 16 <= 0x10000, "trap stubs cross a 64 KiB boundary")
ASSERT(SIZEOF(.got) == 0, "there is a global offset table")
ASSERT(SIZEOF(.got.plt) == 0, "there is a global offset table")
ASSERT(SIZEOF(.plt) == 0, "there is a procedure linkage table")
ASSERT(SIZEOF(.rela) == 0, "there are dynamic relocations")
