/*
 * The memory map: sorted, non-overlapping, typed ranges in bytes, made from whatever the firmware
 * said. Writer: arch/x86/mm/memmap.c. Const afterwards.
 */
#ifndef MM_MEMMAP_H
#define MM_MEMMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "boot_info.h"
#include "status.h"

#define MEMMAP_RANGES_MAX 8192

struct memory_range {
    struct prange bytes; /* never empty */
    enum memory_type type;
};

/* What had to be mended, for one warning each. */
struct memmap_repairs {
    uint32_t empty;    /* entries of length 0 */
    uint32_t wrapped;  /* entries that ran over the end of the address space: cut there */
    uint32_t clipped;  /* RAM beyond what the CPU can address: cut or left out */
    uint32_t overlaps; /* entries that overlapped an earlier one (by address, then type) of a
                          different type */
    uint32_t unknown;  /* entries of a type this code does not know: taken as reserved */
    uint32_t dropped;  /* the smallest pieces of RAM, left out for want of space */
    uint64_t dropped_bytes;
};

/* Here something of a type begins, or ends. */
struct memmap_edge {
    uint64_t at;
    uint32_t type;
    bool opens;
};
#define MEMMAP_EDGES_MAX (2UL * BOOT_RANGES_MAX)

struct memmap {
    uint32_t count;
    struct memmap_repairs repairs;
    union {
        struct memory_range
            ranges[MEMMAP_RANGES_MAX]; /* sorted by start; neighbours that touch differ in type */
        /* While it is made: the end of the room, which the ranges reach when nobody reads the edges any more. */
        struct {
            uint8_t written[MEMMAP_RANGES_MAX * sizeof(struct memory_range) -
                            MEMMAP_EDGES_MAX * sizeof(struct memmap_edge)];
            struct memmap_edge edges[MEMMAP_EDGES_MAX];
        } making;
    };
};

/*
 * Sanitise the loader's ranges. Where entries overlap, the type that is more careful wins:
 * unusable, then disabled, then reserved (and unknown), then ACPI NVS, then persistent, then ACPI
 * reclaim, then boot services, then RAM.
 *
 * What is said of RAM here and below is true of boot services too: it is RAM for a kernel.
 *
 * @physical_bits  of the CPU, 32 to 52: RAM from 1 << physical_bits on is left out; other types are
 * kept
 * @out            need not be cleared
 * @return         STATUS_OK; MEMMAP_EMPTY; MEMMAP_FULL
 * Cost:           n log n in the number of entries, independent of the amount of memory
 */
struct status memmap_build(const struct boot_info *info, unsigned int physical_bits,
                           struct memmap *out);
/* The same with room for `limit` ranges only, MEMMAP_RANGES_MAX at most: what happens then can be
 * tested this way. */
struct status memmap_build_limited(const struct boot_info *info, unsigned int physical_bits,
                                   uint32_t limit, struct memmap *out);

/* Does [range) lie wholly in RAM (over touching entries too)? An empty range does. */
bool memmap_is_ram(const struct memmap *map, struct prange range);

/* Does any byte of [range) lie in RAM? */
bool memmap_touches_ram(const struct memmap *map, struct prange range);

/*
 * Is there a page of RAM that another processor could be started in? It begins there in real mode, at a page that a
 * start-up IPI names by one byte: below 1 MiB; and page 0 is the interrupt vectors'.
 * Source: Intel SDM volume 3, "Interrupt Command Register", delivery mode Start Up
 */
bool memmap_has_start_page(const struct memmap *map);

/* How many bytes of RAM there are. */
uint64_t memmap_ram_bytes(const struct memmap *map);

/* "ram", "reserved", "acpi-reclaim", "acpi-nvs", "unusable", "disabled", "persistent",
 * "boot-services". */
const char *memory_type_name(enum memory_type type);

#endif
