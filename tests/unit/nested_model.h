/*
 * Nested tables as a processor walks them, independent of the code that makes them, what they have to be like, and
 * memory for them.
 */
#ifndef TESTS_NESTED_MODEL_H
#define TESTS_NESTED_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memory_type_model.h"
#include "nested.h"

#define MODEL_PA 0x7000ULL /* where the tables are said to be */

/* What a walk finds. */
struct nested_page {
    bool sound; /* all flags are as they have to be */
    bool present;
    bool may_write;
    uint64_t pa;
    uint8_t type;       /* EPT alone */
    unsigned int shift; /* of the page, or of what is absent */
};

/* AMD APM volume 2, sections 5.3 and 15.25.5; Intel SDM volume 3C, section 28.3.2. */
static inline struct nested_page nested_walk(const struct nested *nested, uint64_t gpa)
{
    const bool is_npt = nested->request.format == NESTED_NPT;
    const uint64_t block_end = nested->pa + (uint64_t)nested->capacity_pages * 4096;
    const uint64_t address = 0x000ffffffffff000ULL;
    struct nested_page page = {.sound = gpa >> 48 == 0, .may_write = true, .shift = 39};
    uint64_t table = nested->pa;

    while (page.sound) {
        const uint64_t entry = nested->tables[(table - nested->pa) / 8 + (gpa >> page.shift) % 512];
        const uint64_t flags = entry & ~address;

        if (entry == 0) {
            return page;
        }
        page.may_write = page.may_write && (flags & 2) != 0;
        if (page.shift == 12 || (flags & 0x80) != 0) {
            const uint64_t offset = (1ULL << page.shift) - 1;
            const uint64_t large = page.shift > 12 ? 0x80 : 0;

            page.present = true;
            page.type = is_npt ? 0 : flags >> 3 & 7;
            page.sound = page.shift <= 30 && (entry & address & offset) == 0 &&
                         (flags & ~2ULL) == (is_npt ? 0x65 | large : 5 | page.type << 3 | large);
            page.pa = (entry & address & ~offset) | (gpa & offset);
            return page;
        }
        table = entry & address;
        page.sound = flags == (is_npt ? 0x27 : 7) && table >= nested->pa && table < block_end;
        page.shift -= 9;
    }
    return page;
}

static inline bool model_is_kept(const struct nested_request *request, uint64_t gpa)
{
    for (uint32_t i = 0; i < request->kept.count; i++) {
        if (gpa >= request->kept.ranges[i].start && gpa < request->kept.ranges[i].end) {
            return true;
        }
    }
    return false;
}

/* Must these bytes not be one page? */
static inline bool model_is_cut(const struct nested_request *request, struct prange bytes)
{
    const uint64_t apic = request->apic_page.pa;

    if (request->has_apic_page && apic >= bytes.start && apic < bytes.end) {
        return true;
    }
    for (uint32_t i = 0; i < request->kept.count; i++) {
        if (prange_overlaps(bytes, request->kept.ranges[i])) {
            return true;
        }
    }
    for (uint32_t i = 0; request->types && i < request->types->count; i++) {
        const struct prange range = request->types->ranges[i].bytes;

        if ((range.start > bytes.start && range.start < bytes.end) ||
            (range.end > bytes.start && range.end < bytes.end)) {
            return true;
        }
    }
    return false;
}

/* Is a page that is mapped as it has to be, and no smaller than it has to be? */
static inline bool model_page_is_right(const struct nested *nested, uint64_t gpa,
                                       struct nested_page page)
{
    const struct nested_request *request = &nested->request;
    const unsigned int most = request->has_1gib_pages ? 30 : 21;
    const uint64_t larger = gpa >> (page.shift + 9) << (page.shift + 9);
    const bool is_apic = request->has_apic_page && gpa == request->apic_page.pa;

    return page.pa == gpa && page.shift <= most && page.may_write == !is_apic &&
           (request->format == NESTED_NPT || page.type == listed_type(request->types, gpa)) &&
           (page.shift == 12 ||
            !model_is_cut(request, (struct prange){gpa, gpa + (1ULL << page.shift)})) &&
           (page.shift == most ||
            model_is_cut(request, (struct prange){larger, larger + (1ULL << (page.shift + 9))}));
}

/*
 * Below the top every page but those that are kept leads to itself, in pages as large as can be; above, as far as
 * anything is mapped (`above` says so when something has been touched there), too.
 */
static inline bool nested_is_right(const struct nested *nested)
{
    const struct nested_request *request = &nested->request;
    const unsigned int bits = request->physical_bits < 48 ? request->physical_bits : 48;
    uint64_t gpa = 0;

    while (gpa < 1ULL << 48) {
        const struct nested_page page = nested_walk(nested, gpa);
        const bool is_kept = model_is_kept(request, gpa);

        if (!page.sound) {
            return false;
        }
        if (page.present ? is_kept || gpa >> bits != 0 || !model_page_is_right(nested, gpa, page)
                         : gpa < request->top && (page.shift != 12 || !is_kept)) {
            return false;
        }
        gpa = (gpa >> page.shift << page.shift) + (1ULL << page.shift);
    }
    return true;
}

/* As many tables as were asked for are in use, and those for what is touched later wait. */
static inline bool nested_is_full(const struct nested *nested)
{
    return nested->used_pages + NESTED_SPARE_TABLES == nested->capacity_pages;
}

/* Tables that are built, in memory full of rubbish; an address sanitizer watches its ends. */
static inline bool nested_make(struct nested *nested, const struct nested_request *request)
{
    const uint64_t bytes = nested_bytes(request);
    uint64_t *tables = aligned_alloc(4096, bytes);

    memset(tables, 0xa5, bytes);
    return is_ok(nested_build(nested, request, tables, MODEL_PA, bytes));
}

#endif
