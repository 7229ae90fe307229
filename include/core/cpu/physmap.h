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

/* The addresses of the direct map end here; devices beyond are out of reach. */
#define PHYSMAP_END (10ULL << 39) /* slots 262 to 271 */

/*
 * A pointer to a device's memory below PHYSMAP_END. What lies above 4 GiB is there only while the final page tables are
 * in force, and have it in their list of devices.
 */
volatile void *physmap_device(paddr_t pa);

/* Copy memory, with memmove semantics. What lies above 4 GiB has been mapped by page_tables_add(). */
void physmap_copy(paddr_t to, paddr_t from, uint64_t bytes);

#endif
