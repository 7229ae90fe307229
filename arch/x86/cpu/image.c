/*
 * The running image: its extent, and the execution of a move.
 */
#include "image.h"

#include <stddef.h>

#include "abi/multiboot_headers.h"
#include "instructions.h"
#include "mem.h"
#include "physmap.h"
#include "version.h"
#include "x86/address_map.h"
#include "x86/paging.h"

/* An int3 as code, and as a pointer not canonical. */
#define OLD_IMAGE_PATTERN 0xcc

extern uint8_t _start[], _end[];
extern const uint16_t multiboot2_relocatable[]; /* the tag in the header; its type comes first */
extern const uint32_t __pte_rel_start[], __pte_rel_end[];
extern uint64_t l2_image_leaf[], l1_image[PT_ENTRIES];

uint64_t image_bytes(void)
{
    return (uint64_t)(_end - _start);
}

uint32_t image_offset(const void *place)
{
    return (uint32_t)((const uint8_t *)place - _start);
}

static void *image_place(uint32_t offset)
{
    return _start + offset;
}

bool image_is_relocatable(void)
{
    return multiboot2_relocatable[0] == MB2_HEADER_RELOCATABLE;
}

/*
 * The image moves one page at a time, under its own feet. At every moment each of its pages is
 * whole at one place, and the page tables say where: code, stack and the tables themselves are
 * reached at link addresses throughout. So no other memory has to be free, and the old place and
 * the new one may overlap. This holds because
 * - a page is copied only over pages that have left already: upwards the last one goes first;
 * - nothing is written to a page between its copy and its new mapping;
 * - whatever points to a page table follows before the table's old place can be copied over.
 */
struct journey {
    paddr_t from;
    paddr_t to;
};

static uint64_t page_at(paddr_t start, uint64_t page)
{
    return start.pa + page * PAGE_BYTES;
}

/* Give each page of the image an entry of its own, which it keeps. */
static void image_split(const struct journey *journey, uint64_t pages)
{
    for (uint64_t page = 0; page < PT_ENTRIES; page++) {
        l1_image[page] = page < pages ? page_at(journey->from, page) | PTE_RWX : 0;
    }
    l2_image_leaf[0] = (journey->from.pa + image_offset(l1_image)) | PTE_TABLE;
    page_tables_use(page_tables_in_use());
}

static void page_move(const struct journey *journey, uint64_t page)
{
    const uint64_t entry = page_at(journey->to, page) | PTE_RWX;
    const void *source = physmap_low((paddr_t){page_at(journey->from, page)});
    void *target = physmap_low((paddr_t){page_at(journey->to, page)});
    uint64_t quadwords = PAGE_BYTES / sizeof(uint64_t);

    /* In one piece, because the page may be the stack's. */
    asm volatile("rep movsq\n\t"
                 "mov %[entry], %[slot]\n\t"
                 "invlpg (%[page])"
                 : "+&S"(source), "+&D"(target), "+&c"(quadwords), [slot] "=m"(l1_image[page])
                 : [entry] "r"(entry), [page] "r"(_start + page * PAGE_BYTES)
                 : "memory");
    /* Had the page been this table itself: its copy was made before the entry was. */
    l1_image[page] = entry;
}

/*
 * Correct what points to a page that has moved. No entry is corrected twice: where the two places
 * overlap, a new address is the old one of a page that has left before.
 */
static void page_tables_follow(const struct journey *journey, uint64_t page)
{
    const uint64_t old = page_at(journey->from, page);
    const uint64_t top = page_tables_in_use();

    for (const uint32_t *listed = __pte_rel_start; listed < __pte_rel_end; listed++) {
        uint64_t *entry = image_place(*listed);

        if (align_down(*entry, PAGE_BYTES) == old) {
            *entry += journey->to.pa - journey->from.pa;
        }
    }
    page_tables_use(top == old ? page_at(journey->to, page) : top);
}

/* In debug builds: whoever still uses the old image shall notice. */
static void old_image_spoil(const struct journey *journey)
{
    struct prange old = {journey->from.pa, journey->from.pa + image_bytes()};
    const struct prange new = {journey->to.pa, journey->to.pa + image_bytes()};

    if (prange_overlaps(old, new)) {
        old = old.start < new.start ? (struct prange){old.start, new.start}
                                    : (struct prange){new.end, old.end};
    }
    memset(physmap_low((paddr_t){old.start}), OLD_IMAGE_PATTERN, prange_bytes(old));
}

void image_move(paddr_t from, paddr_t to)
{
    const struct journey journey = {from, to};
    const uint64_t pages = image_bytes() / PAGE_BYTES;

    image_split(&journey, pages);
    for (uint64_t moved = 0; moved < pages; moved++) {
        const uint64_t page = to.pa < from.pa ? moved : pages - 1 - moved;

        page_move(&journey, page);
        page_tables_follow(&journey, page);
    }
    if (BERTH_DEBUG) {
        old_image_spoil(&journey);
    }
}
