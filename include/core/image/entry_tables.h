/*
 * What a kernel finds around it when it is entered inside a virtual machine, where no page tables and no descriptor
 * table of Berth's can be seen: its own, as one block of bytes in its memory.
 */
#ifndef IMAGE_ENTRY_TABLES_H
#define IMAGE_ENTRY_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

struct entry_tables_request {
    paddr_t block; /* where the block will be: page-aligned */
    bool
        entry_64; /* by the 64-bit boot protocol, which wants the low 4 GiB identity-mapped; else no page tables */
    bool has_1gib_pages;
};

struct entry_tables {
    uint64_t page_tables; /* of the top one; 0: none */
    uint64_t gdt;         /* with LINUX_BOOT_CS and LINUX_BOOT_DS */
    uint32_t gdt_limit;
};

/* Size of the block. */
uint64_t entry_tables_bytes(const struct entry_tables_request *request);

/*
 * Fill it.
 *
 * @block   entry_tables_bytes() bytes, which appear at request->block in physical memory; need not be cleared
 * Source:  Linux Documentation/arch/x86/boot.rst, "32-bit Boot Protocol" and "64-bit Boot Protocol"
 */
void entry_tables_build(const struct entry_tables_request *request, void *block);

/* Where its parts are. */
struct entry_tables entry_tables_at(const struct entry_tables_request *request);

#endif
