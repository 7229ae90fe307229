/*
 * The running image: its extent, and the execution of a move.
 */
#include "image.h"

#include <stddef.h>

#include "abi/multiboot_headers.h"
#include "physmap.h"
#include "x86/address_map.h"
#include "x86/paging.h"

extern const uint8_t _start[], _end[];
extern const uint16_t multiboot2_relocatable[]; /* the tag in the header; its type comes first */
extern const uint32_t __pte_rel_start[], __pte_rel_end[];
extern const uint64_t boot_page_table_l4[], l2_image_leaf[];

uint64_t image_bytes(void)
{
    return (uint64_t)(_end - _start);
}

uint32_t image_offset(const void *place)
{
    return (uint32_t)((const uint8_t *)place - _start);
}

bool image_is_relocatable(void)
{
    return multiboot2_relocatable[0] == MB2_HEADER_RELOCATABLE;
}

/* A page-table entry in a copy of the image at `copy`. */
static uint64_t *entry_in(paddr_t copy, uint32_t offset)
{
    return physmap_low((paddr_t){copy.pa + offset});
}

/* Make the page tables of a copy at `to` good for that place. */
static void tables_rebase(paddr_t from, paddr_t to)
{
    for (const uint32_t *listed = __pte_rel_start; listed < __pte_rel_end; listed++) {
        *entry_in(to, *listed) += to.pa - from.pa;
    }
    /* An image across slots is mapped by small pages: aligned again, it has one large page for a
     * leaf. */
    *entry_in(to, image_offset(l2_image_leaf)) = to.pa | PTE_RWX | PTE_LARGE;
}

void image_move(paddr_t from, paddr_t to)
{
    const uint64_t top_table_pa = to.pa + image_offset(boot_page_table_l4);

    const uint8_t *source = _start;
    uint8_t *target = physmap_low(to);
    uint64_t quadwords = image_bytes() / sizeof(uint64_t);

    /*
     * The copy includes the stack, so copy, correction and switch happen in one frame. What the
     * correction leaves on the stack below this frame is lost with the old place, which nobody will
     * miss.
     */
    asm volatile("rep movsq" : "+S"(source), "+D"(target), "+c"(quadwords) : : "memory");
    tables_rebase(from, to);
    asm volatile("mov %0, %%cr3" : : "r"(top_table_pa) : "memory");
}
