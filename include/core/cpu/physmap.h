/*
 * Physical memory as C reaches it: the only place where a physical address becomes a pointer.
 */
#ifndef CPU_PHYSMAP_H
#define CPU_PHYSMAP_H

#include <stdint.h>

#include "addr.h"
#include "cursor.h"

/* The low 4 GiB, for the decoders. */
struct physical_view physmap_view(void);

/* A pointer to memory below 4 GiB. */
void *physmap_low(paddr_t pa);

/*
 * Copy memory, with memmove semantics where both ends lie below 4 GiB. Only the target may lie
 * above (multiboot's loaders hand over nothing up there).
 */
void physmap_copy(paddr_t to, paddr_t from, uint64_t bytes);

#endif
