/*
 * Addresses that cannot be mixed up. A physical address, a virtual address and a range of physical
 * memory are three types; there is no conversion but the one in cpu/physmap.h, which knows the page
 * tables.
 */
#ifndef LIB_ADDR_H
#define LIB_ADDR_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint64_t pa;
} paddr_t;

typedef struct {
    uint64_t va;
} vaddr_t;

/* Physical memory, in bytes: [start, end). Empty when start == end. */
struct prange {
    uint64_t start;
    uint64_t end;
};

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

static inline uint64_t prange_bytes(struct prange range)
{
    return range.end - range.start;
}

static inline bool prange_overlaps(struct prange a, struct prange b)
{
    return a.start < b.end && b.start < a.end;
}

/* Both need a power of two; align_up wraps to 0 at the top of the address space, which callers
 * check. */
static inline uint64_t align_down(uint64_t value, uint64_t alignment)
{
    return value & ~(alignment - 1);
}

static inline uint64_t align_up(uint64_t value, uint64_t alignment)
{
    return align_down(value + (alignment - 1), alignment);
}

#endif
