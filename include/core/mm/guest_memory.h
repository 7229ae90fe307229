/*
 * Guest memory as Berth may read and write it: the guest's RAM, and nothing of Berth's own or of a device. All that
 * follows a guest's pointer goes through here.
 */
#ifndef MM_GUEST_MEMORY_H
#define MM_GUEST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "guest_state.h"

/* Where the access before was: most are to the same range again. */
struct guest_memory_hint {
    uint64_t start;
    uint64_t bytes; /* 0: nowhere */
};

/* Shared by all processors and const, but for the hints, which each has its own of: 0 at first. */
struct guest_memory {
    uint8_t *bytes; /* where physical address 0 appears */
    const struct prange
        *ranges; /* RAM, of whole pages, sorted, apart from each other, none empty */
    uint32_t count;
    struct guest_memory_hint last;   /* of guest_memory_at() */
    struct guest_memory_hint tables; /* of guest_translate() */
};

/*
 * Where [pa, pa + bytes) can be reached; NULL when it does not lie in one range of RAM as a whole, or bytes is 0. Costs
 * a comparison or two when the access is to the same range as the one before.
 */
void *guest_memory_at(struct guest_memory *memory, uint64_t pa, uint64_t bytes);

/*
 * Where the guest's own page tables map an address to, in whatever mode it is: no paging, 32-bit (with PSE), PAE, four
 * levels, five levels. Rights and reserved bits are not checked, accessed bits not set. Outside long mode the upper
 * half of `va` does not count. About 60 instructions with four levels and all tables where they were before.
 *
 * @va          a linear address
 * @pa          the guest-physical address, when there is one
 * @return      false when nothing is mapped there, or a table does not lie in RAM
 * Source:      Intel SDM volume 3A, chapter 4
 */
bool guest_translate(struct guest_memory *memory, const struct guest_state *guest, uint64_t va,
                     uint64_t *pa);

/*
 * Copy the bytes at the guest's instruction pointer: as many of `most` as can be read (an instruction may lie on two
 * pages).
 *
 * @return  how many
 */
size_t guest_fetch(struct guest_memory *memory, const struct guest_state *guest, uint8_t *out,
                   size_t most);

#endif
