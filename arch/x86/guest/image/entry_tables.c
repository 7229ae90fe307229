/*
 * Page tables and descriptor table for the entry into a kernel. The block is laid out as
 *
 *      0         the top page table and those below it, if there are any
 *      behind    the descriptor table
 */
#include "entry_tables.h"

#include "abi/linux_entry.h"
#include "mem.h"
#include "paging.h"
#include "x86/address_map.h"
#include "x86/paging.h"
#include "x86/segments.h"

enum {
    GDT_CODE = LINUX_BOOT_CS / sizeof(uint64_t),
    GDT_DATA = LINUX_BOOT_DS / sizeof(uint64_t),
    GDT_ENTRIES,
};

/* The top table and one below; and a directory for each GiB, where that is not one page. */
static uint32_t tables_count(const struct entry_tables_request *request)
{
    if (!request->entry_64) {
        return 0;
    }
    return request->has_1gib_pages ? 2 : 2 + (uint32_t)(IDENTITY_MAP_BYTES / L3_PAGE_BYTES);
}

uint64_t entry_tables_bytes(const struct entry_tables_request *request)
{
    return tables_count(request) * PAGE_BYTES + GDT_ENTRIES * sizeof(uint64_t);
}

struct entry_tables entry_tables_at(const struct entry_tables_request *request)
{
    return (struct entry_tables){
        .page_tables = request->entry_64 ? request->block.pa : 0,
        .gdt = request->block.pa + tables_count(request) * PAGE_BYTES,
        .gdt_limit = GDT_ENTRIES * sizeof(uint64_t) - 1,
    };
}

void entry_tables_build(const struct entry_tables_request *request, void *block)
{
    const uint64_t code = request->entry_64 ? DESC_CODE64 : DESC_CODE32;
    const uint64_t gdt[GDT_ENTRIES] = {
        [GDT_CODE] = code << DESC_ATTRIBUTES_SHIFT | DESC_LIMIT_4GIB,
        [GDT_DATA] = DESC_DATA << DESC_ATTRIBUTES_SHIFT | DESC_LIMIT_4GIB,
    };
    struct page_pool pool = {
        .tables = block,
        .pa = request->block.pa,
        .capacity_pages = tables_count(request),
        .has_1gib_pages = request->has_1gib_pages,
    };

    if (request->entry_64) {
        paging_start(&pool);
        paging_map(&pool, (struct page_mapping){0, 0, IDENTITY_MAP_BYTES, PTE_RWX});
    }
    memcpy((uint8_t *)block + tables_count(request) * PAGE_BYTES, gdt, sizeof(gdt));
}
