/*
 * Nested tables as a processor walks them, independent of the code that makes them, and memory for them.
 */
#ifndef TESTS_NESTED_MODEL_H
#define TESTS_NESTED_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "nested.h"

/* What a walk finds. */
struct nested_page {
    bool present;
    bool may_write;
    uint64_t pa;
    uint8_t type; /* EPT alone */
    unsigned int shift;
    bool sound; /* all flags are as they have to be */
};

/* AMD APM volume 2, sections 5.3 and 15.25.5; Intel SDM volume 3C, section 28.3.2. */
static inline struct nested_page nested_walk(const struct nested *nested, uint64_t gpa)
{
    const bool is_npt = nested->request.format == NESTED_NPT;
    const uint64_t block_end = nested->pa + (uint64_t)nested->capacity_pages * 4096;
    const uint64_t address = 0x000ffffffffff000ULL;
    struct nested_page page = {.sound = gpa >> 48 == 0, .may_write = true};
    uint64_t table = nested->pa;

    for (unsigned int shift = 39; page.sound; shift -= 9) {
        const uint64_t entry = nested->tables[(table - nested->pa) / 8 + (gpa >> shift) % 512];
        const uint64_t flags = entry & ~address;
        const bool is_leaf = shift == 12 || (flags & 0x80) != 0;

        if (entry == 0) {
            return page;
        }
        page.may_write = page.may_write && (flags & 2) != 0;
        if (is_leaf) {
            const uint64_t offset = (1ULL << shift) - 1;
            const uint64_t large = shift > 12 ? 0x80 : 0;

            page.present = true;
            page.shift = shift;
            page.type = is_npt ? 0 : flags >> 3 & 7;
            page.sound = shift <= 30 && (entry & address & offset) == 0 &&
                         (flags & ~2ULL) == (is_npt ? 0x65 | large : 5 | page.type << 3 | large);
            page.pa = (entry & address & ~offset) | (gpa & offset);
            return page;
        }
        table = entry & address;
        page.sound = flags == (is_npt ? 0x27 : 7) && table >= nested->pa && table < block_end;
    }
    return page;
}

/* Tables that are built, in memory full of rubbish; an address sanitizer watches its ends. */
static inline bool nested_make(struct nested *nested, const struct nested_request *request)
{
    const uint64_t bytes = nested_bytes(request);
    uint64_t *tables = aligned_alloc(4096, bytes);

    for (uint64_t i = 0; i < bytes / 8; i++) {
        tables[i] = 0xa5a5a5a5a5a5a5a5ULL;
    }
    return is_ok(nested_build(nested, request, tables, 0x7000, bytes));
}

#endif
