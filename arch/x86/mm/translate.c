/*
 * What page tables say of an address, and what a page fault's error code says.
 */
#include "translate.h"

#include "x86/paging.h"

#define VA_BITS (L4_SHIFT + SLOT_BITS)

static bool is_canonical(uint64_t va)
{
    const uint64_t high = va >> (VA_BITS - 1);

    return high == 0 || high == UINT64_MAX >> (VA_BITS - 1);
}

bool page_translate(const struct physical_view *memory, uint64_t top_pa, uint64_t va, uint64_t *pa)
{
    uint64_t entry = top_pa;
    unsigned int shift = L4_SHIFT + SLOT_BITS;

    if (!is_canonical(va)) {
        return false;
    }
    do {
        const uint64_t table = entry & PTE_ADDRESS;
        struct cursor cursor;

        shift -= SLOT_BITS;
        cursor = view_cursor(memory, table + (va >> shift) % PT_ENTRIES * PTE_BYTES, PTE_BYTES);
        entry = cursor_u64(&cursor);
        if ((entry & PTE_PRESENT) == 0) {
            return false;
        }
    } while (shift > L1_SHIFT && (entry & PTE_LARGE) == 0);
    *pa = (entry & PTE_ADDRESS) >> shift << shift | (va & ((1ULL << shift) - 1));
    return true;
}

const char *page_fault_access(uint64_t error_code)
{
    if ((error_code & PF_EXECUTE) != 0) {
        return "execute at";
    }
    return (error_code & PF_WRITE) != 0 ? "write to" : "read at";
}

const char *page_fault_cause(uint64_t error_code)
{
    if ((error_code & PF_RESERVED) != 0) {
        return "a page-table entry is damaged";
    }
    return (error_code & PF_PRESENT) != 0 ? "not allowed" : "not mapped";
}
