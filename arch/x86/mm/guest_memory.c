/*
 * Guest memory as Berth may reach it, and the guest's own page tables. The walks are written out level by level: an
 * exit pays for each instruction here.
 */
#include "guest_memory.h"

#include "mem.h"
#include "x86/paging.h"
#include "x86/registers.h"

static inline bool lies_in(struct prange range, uint64_t pa, uint64_t bytes)
{
    const uint64_t offset = pa - range.start;
    const uint64_t size = range.end - range.start;

    return offset < size && bytes - 1 < size - offset;
}

/* The range with the highest start that is not above pa: what does not lie in that one lies in none. */
static void *look_up(struct guest_memory *memory, uint64_t pa, uint64_t bytes)
{
    uint32_t first = 0;
    uint32_t count = memory->count;

    while (count > 1) {
        const uint32_t half = count / 2;

        if (memory->ranges[first + half].start <= pa) {
            first += half;
            count -= half;
        } else {
            count = half;
        }
    }
    if (count == 0 || !lies_in(memory->ranges[first], pa, bytes)) {
        return NULL;
    }
    memory->last = first;
    return memory->bytes + pa;
}

static inline void *reach(struct guest_memory *memory, uint64_t pa, uint64_t bytes)
{
    if (memory->last < memory->count && lies_in(memory->ranges[memory->last], pa, bytes)) {
        return memory->bytes + pa;
    }
    return look_up(memory, pa, bytes);
}

void *guest_memory_at(struct guest_memory *memory, uint64_t pa, uint64_t bytes)
{
    return reach(memory, pa, bytes);
}

/* --- the guest's page tables ------------------------------------------------------------------------------------- */

/* The entry of a table for an address, read once: the guest may change it. 0 when the table cannot be read. */
static inline uint64_t entry_of(struct guest_memory *memory, uint64_t table, uint64_t va,
                                unsigned int shift)
{
    const uint64_t *entry =
        reach(memory, (table & PTE_ADDRESS) + (va >> shift) % PT_ENTRIES * PTE_BYTES, PTE_BYTES);

    return entry ? __atomic_load_n(entry, __ATOMIC_RELAXED) : 0;
}

static inline bool is_table(uint64_t entry)
{
    return (entry & (PTE_PRESENT | PTE_LARGE)) == PTE_PRESENT;
}

/* A page of 1 << shift bytes. */
static inline bool page_leads(uint64_t entry, uint64_t va, unsigned int shift, uint64_t *pa)
{
    const uint64_t offset = (1ULL << shift) - 1;

    *pa = (entry & PTE_ADDRESS & ~offset) | (va & offset);
    return (entry & PTE_PRESENT) != 0;
}

/* From the directory on: 2 MiB and 4 KiB pages. */
static inline bool directory_leads(struct guest_memory *memory, uint64_t directory, uint64_t va,
                                   uint64_t *pa)
{
    const uint64_t entry = entry_of(memory, directory, va, L2_SHIFT);

    if (!is_table(entry)) {
        return page_leads(entry, va, L2_SHIFT, pa);
    }
    return page_leads(entry_of(memory, entry, va, L1_SHIFT), va, L1_SHIFT, pa);
}

static inline bool is_canonical(uint64_t va, unsigned int bits)
{
    return (uint64_t)((int64_t)(va << (64 - bits)) >> (64 - bits)) == va;
}

static bool long_leads(struct guest_memory *memory, const struct guest_state *guest, uint64_t va,
                       uint64_t *pa)
{
    uint64_t entry = guest->cr3;

    if ((guest->cr4 & CR4_LA57) != 0) {
        entry = entry_of(memory, entry, va, L5_SHIFT);
        if (!is_canonical(va, L5_SHIFT + SLOT_BITS) || !is_table(entry)) {
            return false;
        }
    } else if (!is_canonical(va, L4_SHIFT + SLOT_BITS)) {
        return false;
    }
    entry = entry_of(memory, entry, va, L4_SHIFT);
    if (!is_table(entry)) {
        return false;
    }
    entry = entry_of(memory, entry, va, L3_SHIFT);
    return is_table(entry) ? directory_leads(memory, entry, va, pa)
                           : page_leads(entry, va, L3_SHIFT, pa);
}

/* Four entries, in which nothing but an address counts: SDM volume 3A, section 4.4.1. */
static bool pae_leads(struct guest_memory *memory, const struct guest_state *guest, uint32_t va,
                      uint64_t *pa)
{
    const uint64_t table = guest->cr3 & CR3_PAE_ADDRESS;
    const uint64_t *at = guest_memory_at(memory, table + (va >> L3_SHIFT) * PTE_BYTES, PTE_BYTES);
    const uint64_t entry = at ? __atomic_load_n(at, __ATOMIC_RELAXED) : 0;

    return (entry & PTE_PRESENT) != 0 && directory_leads(memory, entry, va, pa);
}

/* The entry of a 32-bit table, 0 when it cannot be read. */
static uint32_t entry32_of(struct guest_memory *memory, uint32_t table, uint32_t slot)
{
    const uint32_t *entry =
        guest_memory_at(memory, (table & PTE32_ADDRESS) + slot * PTE32_BYTES, PTE32_BYTES);

    return entry ? __atomic_load_n(entry, __ATOMIC_RELAXED) : 0;
}

/* SDM volume 3A, section 4.3: bits 39 to 32 of a 4 MiB page are bits 20 to 13 of its entry. */
static bool two_levels_lead(struct guest_memory *memory, const struct guest_state *guest,
                            uint32_t va, uint64_t *pa)
{
    const uint32_t directory = entry32_of(memory, (uint32_t)guest->cr3, va >> L2_32_SHIFT);
    uint32_t entry;

    if ((directory & PTE_PRESENT) == 0) {
        return false;
    }
    if ((directory & PTE_LARGE) != 0 && (guest->cr4 & CR4_PSE) != 0) {
        *pa = ((uint64_t)(directory >> PSE36_SHIFT & PSE36_MASK) << 32) |
              (directory & ~L2_32_OFFSET) | (va & L2_32_OFFSET);
        return true;
    }
    entry = entry32_of(memory, directory, (va >> L1_SHIFT) % PT32_ENTRIES);
    *pa = (entry & PTE32_ADDRESS) | (va % PAGE_BYTES);
    return (entry & PTE_PRESENT) != 0;
}

bool guest_translate(struct guest_memory *memory, const struct guest_state *guest, uint64_t va,
                     uint64_t *pa)
{
    if ((guest->efer & EFER_LMA) != 0) {
        return long_leads(memory, guest, va, pa);
    }
    if ((guest->cr0 & CR0_PG) == 0) {
        *pa = (uint32_t)va;
        return true;
    }
    return (guest->cr4 & CR4_PAE) != 0 ? pae_leads(memory, guest, (uint32_t)va, pa)
                                       : two_levels_lead(memory, guest, (uint32_t)va, pa);
}

size_t guest_fetch(struct guest_memory *memory, const struct guest_state *guest, uint8_t *out,
                   size_t most)
{
    size_t count = 0;

    while (count < most) {
        const uint64_t at = guest->rip + count;
        const uint64_t va = guest->code_bits == 64 ? at : (uint32_t)(guest->cs_base + at);
        const uint64_t in_page = PAGE_BYTES - va % PAGE_BYTES;
        const size_t bytes = most - count < in_page ? most - count : in_page;
        const uint8_t *from;
        uint64_t pa;

        if (!guest_translate(memory, guest, va, &pa)) {
            break;
        }
        from = guest_memory_at(memory, pa, bytes);
        if (!from) {
            break;
        }
        memcpy(out + count, from, bytes);
        count += bytes;
    }
    return count;
}
