/*
 * Physical memory as C reaches it: the only place where a physical address becomes a pointer.
 */
#ifndef CPU_PHYSMAP_H
#define CPU_PHYSMAP_H

#include <stdint.h>

#include "addr.h"
#include "cursor.h"

/* Reach memory through the direct map from now on, not at its own address. */
void physmap_start(void);

/*
 * The low 4 GiB, for the decoders. Once the final page tables are in force, only its RAM is there to be
 * read: firmware's tables are read before.
 */
struct physical_view physmap_view(void);

/* A pointer to memory below 4 GiB. */
void *physmap_low(paddr_t pa);

/* Copy memory, with memmove semantics. What lies above 4 GiB has been mapped by page_tables_add(). */
void physmap_copy(paddr_t to, paddr_t from, uint64_t bytes);

#endif
