/*
 * Guest memory as Berth may reach it, and the guest's own page tables. An exit pays for each instruction here: what
 * most of them need has a way of its own, without calls and loops.
 */
#include "guest_memory.h"

#include "compiler.h"
#include "mem.h"
#include "x86/paging.h"
#include "x86/registers.h"

/* --- ranges ----------------------------------------------------------------------------------------------------- */

/* The range that holds pa; an empty one when none does. */
static NOINLINE struct guest_memory_hint range_of(const struct guest_memory *memory, uint64_t pa)
{
    uint32_t first = 0;
    uint32_t count = memory->count;

    /* The one that holds pa is among `count` from `first` on. */
    while (count > 1) {
        const uint32_t half = count / 2;

        if (memory->ranges[first + half].start <= pa) {
            first += half;
            count -= half;
        } else {
            count = half;
        }
    }
    if (count == 0 || pa < memory->ranges[first].start || pa >= memory->ranges[first].end) {
        return (struct guest_memory_hint){0, 0};
    }
    return (struct guest_memory_hint){memory->ranges[first].start,
                                      prange_bytes(memory->ranges[first])};
}

static inline bool holds(const struct guest_memory_hint *hint, uint64_t pa)
{
    return pa - hint->start < hint->bytes;
}

static inline void *reach(struct guest_memory *memory, uint64_t pa, uint64_t bytes)
{
    if (!holds(&memory->last, pa)) {
        memory->last = range_of(memory, pa);
        if (memory->last.bytes == 0) {
            return NULL;
        }
    }
    /* 0 bytes are taken for more than there are. */
    return bytes - 1 < memory->last.bytes - (pa - memory->last.start) ? memory->bytes + pa : NULL;
}

void *guest_memory_at(struct guest_memory *memory, uint64_t pa, uint64_t bytes)
{
    return reach(memory, pa, bytes);
}

/* --- the guest's page tables ------------------------------------------------------------------------------------ */

/* An entry of a page of them, read once because the guest may change it. 0 when it cannot be read. */
static uint64_t entry_at(struct guest_memory *memory, uint64_t table, uint64_t slot,
                         unsigned int bytes)
{
    const uint64_t pa = table + slot * bytes;
    const void *entry;

    if (!holds(&memory->tables, pa)) {
        memory->tables = range_of(memory, pa);
        if (memory->tables.bytes == 0) {
            return 0;
        }
    }
    entry = memory->bytes + pa;
    return bytes == PTE_BYTES ? __atomic_load_n((const uint64_t *)entry, __ATOMIC_RELAXED)
                              : __atomic_load_n((const uint32_t *)entry, __ATOMIC_RELAXED);
}

static inline bool is_table(uint64_t entry)
{
    return (entry & (PTE_PRESENT | PTE_LARGE)) == PTE_PRESENT;
}

static inline uint64_t slot_of(uint64_t va, unsigned int shift)
{
    return (va >> shift) % PT_ENTRIES;
}

/* In a page of 1 << shift bytes. */
static inline uint64_t in_page(uint64_t entry, uint64_t va, unsigned int shift)
{
    const uint64_t offset = (1ULL << shift) - 1;

    return (entry & PTE_ADDRESS & ~offset) | (va & offset);
}

/* Tables of 512 entries. Only the two or three lowest kinds can map pages. */
static bool walk(struct guest_memory *memory, uint64_t table, uint64_t va, unsigned int shift,
                 uint64_t *pa)
{
    uint64_t entry = entry_at(memory, table & PTE_ADDRESS, slot_of(va, shift), PTE_BYTES);

    while (shift > L1_SHIFT && is_table(entry)) {
        shift -= SLOT_BITS;
        entry = entry_at(memory, entry & PTE_ADDRESS, slot_of(va, shift), PTE_BYTES);
    }
    *pa = in_page(entry, va, shift);
    return (entry & PTE_PRESENT) != 0 && shift <= L3_SHIFT;
}

static inline bool is_canonical(uint64_t va, unsigned int bits)
{
    return (uint64_t)((int64_t)(va << (64 - bits)) >> (64 - bits)) == va;
}

/* Four entries at any 32 bytes, in which only an address counts: SDM volume 3A, section 4.4.1. */
static bool walk_pae(struct guest_memory *memory, uint64_t cr3, uint32_t va, uint64_t *pa)
{
    const uint64_t entry = entry_at(memory, cr3 & CR3_PAE_ADDRESS, va >> L3_SHIFT, PTE_BYTES);

    return (entry & PTE_PRESENT) != 0 && walk(memory, entry, va, L2_SHIFT, pa);
}

/* SDM volume 3A, section 4.3. */
static bool walk_32(struct guest_memory *memory, const struct guest_state *guest, uint32_t va,
                    uint64_t *pa)
{
    uint64_t entry = entry_at(memory, guest->cr3 & PTE32_ADDRESS, va >> L2_32_SHIFT, PTE32_BYTES);

    if ((entry & PTE_PRESENT) == 0) {
        return false;
    }
    if ((entry & PTE_LARGE) != 0 && (guest->cr4 & CR4_PSE) != 0) {
        *pa = (entry >> PSE36_SHIFT & PSE36_MASK) << 32 | (entry & ~L2_32_OFFSET) |
              (va & L2_32_OFFSET);
        return true;
    }
    entry = entry_at(memory, entry & PTE32_ADDRESS, (va >> L1_SHIFT) % PT32_ENTRIES, PTE32_BYTES);
    *pa = in_page(entry, va, L1_SHIFT);
    return (entry & PTE_PRESENT) != 0;
}

static NOINLINE bool translate_any(struct guest_memory *memory, const struct guest_state *guest,
                                   uint64_t va, uint64_t *pa)
{
    if ((guest->cr0 & CR0_PG) == 0) {
        *pa = (uint32_t)va;
        return true;
    }
    if ((guest->cr4 & CR4_PAE) == 0) {
        return walk_32(memory, guest, (uint32_t)va, pa);
    }
    if ((guest->efer & EFER_LMA) == 0) {
        return walk_pae(memory, guest->cr3, (uint32_t)va, pa);
    }
    if ((guest->cr4 & CR4_LA57) != 0) {
        return is_canonical(va, L5_SHIFT + SLOT_BITS) && walk(memory, guest->cr3, va, L5_SHIFT, pa);
    }
    return is_canonical(va, L4_SHIFT + SLOT_BITS) && walk(memory, guest->cr3, va, L4_SHIFT, pa);
}

/* An entry in the range where tables were last; 0 when it lies elsewhere. */
static inline uint64_t near_entry(const struct guest_memory *memory, uint64_t table, uint64_t va,
                                  unsigned int shift)
{
    const uint64_t pa = (table & PTE_ADDRESS) + slot_of(va, shift) * PTE_BYTES;

    if (!holds(&memory->tables, pa)) {
        return 0;
    }
    return __atomic_load_n((const uint64_t *)(const void *)(memory->bytes + pa), __ATOMIC_RELAXED);
}

/* Nearly always: four levels, all tables in one range of RAM, and a page of 2 MiB or 4 KiB. */
bool guest_translate(struct guest_memory *memory, const struct guest_state *guest, uint64_t va,
                     uint64_t *pa)
{
    uint64_t entry;

    if ((guest->efer & EFER_LMA) == 0 || (guest->cr4 & CR4_LA57) != 0 ||
        !is_canonical(va, L4_SHIFT + SLOT_BITS)) {
        return translate_any(memory, guest, va, pa);
    }
    entry = near_entry(memory, guest->cr3, va, L4_SHIFT);
    if (!is_table(entry)) {
        return translate_any(memory, guest, va, pa);
    }
    entry = near_entry(memory, entry, va, L3_SHIFT);
    if (!is_table(entry)) {
        return translate_any(memory, guest, va, pa);
    }
    entry = near_entry(memory, entry, va, L2_SHIFT);
    if (!is_table(entry)) {
        *pa = in_page(entry, va, L2_SHIFT);
        return (entry & PTE_PRESENT) != 0 || translate_any(memory, guest, va, pa);
    }
    entry = near_entry(memory, entry, va, L1_SHIFT);
    *pa = in_page(entry, va, L1_SHIFT);
    return (entry & PTE_PRESENT) != 0 || translate_any(memory, guest, va, pa);
}

/* --- instructions ----------------------------------------------------------------------------------------------- */

/* An instruction is seldom longer than two words, which may overlap. */
static inline void copy(uint8_t *to, const uint8_t *from, size_t bytes)
{
    uint64_t first;
    uint64_t last;

    if (bytes < sizeof(first) || bytes > 2 * sizeof(first)) {
        memcpy(to, from, bytes);
        return;
    }
    __builtin_memcpy(&first, from, sizeof(first));
    __builtin_memcpy(&last, from + bytes - sizeof(last), sizeof(last));
    __builtin_memcpy(to, &first, sizeof(first));
    __builtin_memcpy(to + bytes - sizeof(last), &last, sizeof(last));
}

size_t guest_fetch(struct guest_memory *memory, const struct guest_state *guest, uint8_t *out,
                   size_t most)
{
    size_t count = 0;

    while (count < most) {
        const uint64_t at = guest->rip + count;
        const uint64_t va = guest->code_bits == 64 ? at : (uint32_t)(guest->cs_base + at);
        const uint64_t to_end = PAGE_BYTES - va % PAGE_BYTES;
        const size_t bytes = most - count < to_end ? most - count : to_end;
        const uint8_t *from;
        uint64_t pa;

        if (!guest_translate(memory, guest, va, &pa)) {
            break;
        }
        from = reach(memory, pa, bytes);
        if (!from) {
            break;
        }
        copy(out + count, from, bytes);
        count += bytes;
    }
    return count;
}
