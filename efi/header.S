/*
 * The PE header at the start of the image, the .reloc and .sbat sections: what makes the same bytes a UEFI program.
 * File offsets equal addresses relative to the image's first byte everywhere.
 * Source: Microsoft PE Format; SBAT: shim's SBAT.md.
 */
#include "abi/pe.h"
#include "x86/image.h"
#include "x86/paging.h"

/* A section at \start, of \bytes in memory and \file_bytes in the file. */
.macro section_header name, start, bytes, file_bytes, flags
.Lname\@:
        .ascii  "\name"
        .fill   8 - (. - .Lname\@), 1, 0
        .long   \bytes
        .long   sym_offs(\start)
        .long   \file_bytes
        .long   sym_offs(\start)
        .long   0, 0, 0
        .long   \flags
.endm

        .section .head.pe, "a", @progbits
pe_start:
        .word   PE_DOS_MAGIC
        .fill   PE_DOS_BYTES - 2 - 4, 1, 0
        .long   pe_header - pe_start

pe_header:
        .long   PE_SIGNATURE
        .word   PE_MACHINE_AMD64
        .word   (sections_end - sections) / PE_SECTION_BYTES
        .long   0, 0, 0                         /* no time, so that builds are reproducible; no symbols */
        .word   sections - optional_header
        .word   PE_EXECUTABLE_IMAGE + PE_LARGE_ADDRESSES

optional_header:
        .word   PE_OPTIONAL_MAGIC
        .byte   0, 0
        .long   pe_text_bytes
        .long   pe_initialised_bytes
        .long   pe_bss_bytes
        .long   sym_offs(efi_program)           /* entry point */
        .long   sym_offs(__text_start)
        .quad   0                               /* ImageBase: anywhere */
        .long   PAGE_BYTES                      /* SectionAlignment */
        .long   PAGE_BYTES                      /* FileAlignment */
        .word   0, 0, 0, 0, 0, 0
        .long   0
        .long   sym_offs(_end)                  /* SizeOfImage */
        .long   PAGE_BYTES                      /* SizeOfHeaders */
        .long   0
        .word   PE_SUBSYSTEM_EFI
        .word   PE_NX_COMPAT
        .quad   0, 0, 0, 0
        .long   0
        .long   PE_DIRECTORIES
        .fill   PE_RELOCATIONS, 8, 0
        .long   sym_offs(__reloc_start), reloc_end - reloc_block
        .fill   PE_DIRECTORIES - PE_RELOCATIONS - 1, 8, 0
sections:
        section_header ".text", __text_start, pe_text_bytes, pe_text_bytes, \
                (PE_SECTION_CODE + PE_SECTION_EXECUTE + PE_SECTION_READ)
        section_header ".rodata", __rodata_start, pe_rodata_bytes, pe_rodata_bytes, (PE_SECTION_DATA + PE_SECTION_READ)
        section_header ".sbat", __sbat_start, pe_sbat_bytes, pe_sbat_bytes, (PE_SECTION_DATA + PE_SECTION_READ)
        section_header ".reloc", __reloc_start, pe_reloc_bytes, pe_reloc_bytes, (PE_SECTION_DATA + PE_SECTION_READ)
        section_header ".data", __data_start, pe_data_bytes, pe_data_file_bytes, \
                (PE_SECTION_DATA + PE_SECTION_READ + PE_SECTION_WRITE)
sections_end:
        .skip   PE_SPARE_SECTIONS * PE_SECTION_BYTES

/* One block for the first page with two entries of type 0, which mean nothing: some loaders insist on a table. */
        .section .reloc, "a", @progbits
reloc_block:
        .long   0
        .long   reloc_end - reloc_block
        .word   0, 0
reloc_end:

        .section .sbat, "a", @progbits
        .ascii  "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n"
        .ascii  "berth,1,Berth,berth,0.1.0,README.md\n"
