/*
 * The PE structures that are read back from an image in memory; the format's numbers: abi/pe.h.
 * Source: Microsoft PE Format, "COFF File Header" and "Section Table (Section Headers)".
 */
#ifndef ABI_PE_LAYOUT_H
#define ABI_PE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define PE_OFFSET_AT          0x3c /* "MS-DOS Stub": here is the offset of the PE signature */
#define PE_SECTION_NAME_BYTES 8

/* Behind the signature. The optional header follows, and behind it the section table. */
struct pe_file_header {
    uint16_t machine;
    uint16_t section_count;
    uint32_t time;
    uint32_t symbols_at;
    uint32_t symbol_count;
    uint16_t optional_header_bytes;
    uint16_t characteristics;
};
_Static_assert(sizeof(struct pe_file_header) == 20, "COFF File Header");
_Static_assert(offsetof(struct pe_file_header, optional_header_bytes) == 16, "COFF File Header");

struct pe_section_header {
    char name[PE_SECTION_NAME_BYTES]; /* no NUL when it is as long as that */
    uint32_t virtual_bytes;
    uint32_t virtual_address; /* from the start of the image as it is loaded */
    uint32_t raw_bytes;
    uint32_t raw_at;
    uint32_t relocations_at;
    uint32_t line_numbers_at;
    uint16_t relocation_count;
    uint16_t line_number_count;
    uint32_t characteristics;
};
_Static_assert(sizeof(struct pe_section_header) == 40, "Section Table");
_Static_assert(offsetof(struct pe_section_header, virtual_bytes) == 8, "Section Table");
_Static_assert(offsetof(struct pe_section_header, characteristics) == 36, "Section Table");

#endif
