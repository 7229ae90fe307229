/*
 * A guest's page tables by the letter of the manual, bit by bit, and its memory page by page: what the quick code is
 * compared with.
 */
#ifndef TESTS_GUEST_MODEL_H
#define TESTS_GUEST_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "guest_memory.h"

#define MODEL_PAGES 64 /* of physical memory, RAM or not */
#define MODEL_BYTES (MODEL_PAGES * 4096ULL)

static inline bool model_is_ram(const struct guest_memory *memory, uint64_t pa)
{
    for (uint32_t i = 0; i < memory->count; i++) {
        if (pa >= memory->ranges[i].start && pa < memory->ranges[i].end) {
            return true;
        }
    }
    return false;
}

/* May [pa, pa + bytes) be reached: all in one range? */
static inline bool model_may_reach(const struct guest_memory *memory, uint64_t pa, uint64_t bytes)
{
    for (uint32_t i = 0; i < memory->count; i++) {
        const struct prange range = memory->ranges[i];

        if (pa >= range.start && pa < range.end && bytes > 0 && bytes <= range.end - pa) {
            return true;
        }
    }
    return false;
}

static inline uint64_t model_entry(const struct guest_memory *memory, uint64_t pa, size_t bytes)
{
    uint64_t entry = 0;

    if (model_is_ram(memory, pa)) {
        memcpy(&entry, memory->bytes + pa, bytes);
    }
    return entry;
}

static inline uint64_t model_bits(uint64_t value, unsigned int high, unsigned int low)
{
    return value >> low & ((2ULL << (high - low)) - 1);
}

/* Intel SDM volume 3A, figures 4-2 and 4-3. */
static inline bool model_32(const struct guest_memory *memory, const struct guest_state *guest,
                            uint64_t va, uint64_t *pa)
{
    const uint64_t top = model_bits(guest->cr3, 31, 12) << 12;
    const uint64_t pde = model_entry(memory, top + 4 * model_bits(va, 31, 22), 4);
    uint64_t pte;

    if ((pde & 1) == 0) {
        return false;
    }
    if ((pde & 0x80) != 0 && (guest->cr4 & 0x10) != 0) {
        *pa = model_bits(pde, 20, 13) << 32 | model_bits(pde, 31, 22) << 22 | model_bits(va, 21, 0);
        return true;
    }
    pte = model_entry(memory, (model_bits(pde, 31, 12) << 12) + 4 * model_bits(va, 21, 12), 4);
    *pa = model_bits(pte, 31, 12) << 12 | model_bits(va, 11, 0);
    return (pte & 1) != 0;
}

/* Figures 4-5 to 4-11: from an entry that was found at `level`, 5 to 2, downwards. PAE: 3. */
static inline bool model_64(const struct guest_memory *memory, uint64_t table, unsigned int level,
                            bool is_pae, uint64_t va, uint64_t *pa)
{
    const unsigned int top = level;

    for (; level > 0; level--) {
        const unsigned int low = 12 + 9 * (level - 1);
        const uint64_t entry = model_entry(memory, table + 8 * model_bits(va, low + 8, low), 8);

        if ((entry & 1) == 0) {
            return false;
        }
        if (level == 1 || ((entry & 0x80) != 0 && !(is_pae && level == top))) {
            if (level > 3) {
                return false; /* the bit is reserved */
            }
            *pa = model_bits(entry, 51, low) << low | model_bits(va, low - 1, 0);
            return true;
        }
        table = model_bits(entry, 51, 12) << 12;
    }
    return false;
}

static inline bool model_translate(const struct guest_memory *memory,
                                   const struct guest_state *guest, uint64_t va, uint64_t *pa)
{
    const bool is_long = (guest->efer & 0x400) != 0;
    const bool has_pae = (guest->cr4 & 0x20) != 0;
    const unsigned int levels = (guest->cr4 & 0x1000) != 0 ? 5 : 4;
    const uint64_t sign = va >> (levels == 5 ? 56 : 47);

    if ((guest->cr0 & 0x80000000) == 0) {
        *pa = va & 0xffffffff;
        return true;
    }
    if (!has_pae) {
        return model_32(memory, guest, va & 0xffffffff, pa);
    }
    if (!is_long) {
        return model_64(memory, model_bits(guest->cr3, 31, 5) << 5, 3, true, va & 0xffffffff, pa);
    }
    if (sign != 0 && sign != UINT64_MAX >> (levels == 5 ? 56 : 47)) {
        return false;
    }
    return model_64(memory, model_bits(guest->cr3, 51, 12) << 12, levels, false, va, pa);
}

/* How many bytes at the instruction pointer can be read, one at a time; they go to `out`. */
static inline size_t model_fetch(const struct guest_memory *memory, const struct guest_state *guest,
                                 uint8_t *out, size_t most)
{
    for (size_t i = 0; i < most; i++) {
        const uint64_t flat = guest->rip + i;
        const uint64_t va = guest->code_bits == 64 ? flat : (flat + guest->cs_base) & 0xffffffff;
        uint64_t pa;

        if (!model_translate(memory, guest, va, &pa) || !model_is_ram(memory, pa)) {
            return i;
        }
        out[i] = memory->bytes[pa];
    }
    return most;
}

#endif
