/*
 * Where everything goes: a pure function of the memory map and of sizes.
 *
 * What is promised for every result: it lies wholly in RAM, none of it in what boot services used;
 * it overlaps nothing that is busy; alignment and limits hold; and it stays clear of the first page
 * of memory. (An initrd that need not move stays in either kind of RAM.)
 */
#ifndef MM_PLACEMENT_H
#define MM_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "memmap.h"
#include "status.h"

/* Things that must not be overwritten: the image, modules, whatever the loader's information still
 * holds. */
struct busy_list {
    const struct prange *ranges; /* any order, may overlap */
    uint32_t count;
};

/*
 * Put a list in order: whole pages, sorted, those that touch or overlap made one, empty ones left out.
 *
 * @return  how many there are now
 */
uint32_t placement_settle(struct prange *ranges, uint32_t count);

enum placement_preference {
    PLACE_LOWEST,
    PLACE_HIGHEST,
};

struct placement_request {
    uint64_t bytes;     /* not 0 */
    uint64_t alignment; /* a power of two */
    uint64_t at_least;  /* first address allowed */
    uint64_t below;     /* the result's end is at most this */
    enum placement_preference preference;
};

/*
 * Find a place for one thing.
 *
 * @missing  when there is none: how many bytes the largest suitable hole (after alignment and
 * limits) was short
 * @return   false when there is none
 * Cost:     linear in map entries times busy ranges
 */
bool placement_find(const struct memmap *map, struct busy_list busy,
                    const struct placement_request *request, uint64_t *place, uint64_t *missing);

/*
 * Where the image should be. A place that is aligned and in RAM is good, and the image stays there when the loader
 * chose it; otherwise it goes to the highest slot below 4 GiB that overlaps no module, if that is above where it is, or
 * if where it is is not good. The slot may overlap an image that is off its alignment. Without a slot the image stays:
 * it runs from any page.
 *
 * @image   where it is now
 * @return  its new start, or image.start when it stays
 */
uint64_t placement_image(const struct memmap *map, struct prange image, bool loader_moved,
                         struct busy_list modules);

/*
 * Room for the final page tables, where it is in nobody's way: behind the image in its slot, or below 1 MiB; else as
 * high as possible below 4 GiB.
 *
 * @image    where it is to stay
 * @modules  whose bytes are still needed
 * @bytes    whole pages, not 0
 * @stays    they are kept under a guest: not below 1 MiB, which is short, and which systems search through
 * @return   STATUS_OK; PLACEMENT_NO_ROOM_TABLES
 */
struct status placement_tables(const struct memmap *map, struct prange image,
                               struct busy_list modules, uint64_t bytes, bool stays,
                               struct prange *room);

/*
 * A page that other processors can start in: of RAM, not page 0, and below the numbers that start-up messages reserve;
 * below 512 KiB if there is one.
 * What boot services used will do, too: the page's bytes are put back.
 *
 * @return  false when there is none
 * Source:  Intel SDM volume 3A, section 11.4.4 (a start-up message names the page 000VV000H; VV from A0H to BFH is
 *          reserved)
 */
bool placement_start_page(const struct memmap *map, struct busy_list busy, paddr_t *page);

/* What a native kernel needs. */
struct guest_needs {
    struct prange image; /* Berth's own slot, not to be overwritten until the jump */

    struct prange kernel_file; /* where the kernel's file is now; may be overwritten by the kernel
                                  itself only */
    uint64_t kernel_bytes; /* room from its load address on, decompression included (init_size) */
    uint64_t kernel_preferred; /* pref_address */
    uint64_t kernel_alignment; /* a power of two */
    bool kernel_relocatable;   /* false: kernel_preferred or nothing */

    struct prange initrd;  /* where it is now; empty: none */
    uint64_t initrd_below; /* exclusive end that the kernel allows */

    uint64_t handoff_bytes; /* zero page, set-up data and command line, as one block */

    struct busy_list others; /* what else is in use until the jump */
};

struct guest_placement {
    uint64_t kernel;      /* load address */
    struct prange initrd; /* equal to where it was when it need not move */
    bool initrd_first; /* move the initrd before the kernel (which may then overwrite the initrd's
                          old place) */
    struct prange handoff; /* page-aligned, below 4 GiB */
};

/*
 * Place a native kernel, its initrd, and what is handed over to it. The initrd stays where the
 * loader put it if the kernel allows (page-aligned, below its limit) and the kernel fits beside it;
 * else it goes as high as allowed. The kernel goes to its preferred address, else to the lowest
 * aligned address above that, below 4 GiB. An initrd above 4 GiB is chosen only when none below
 * fits.
 *
 * @return  STATUS_OK; PLACEMENT_NO_ROOM_KERNEL, _INITRD (the kernel alone would fit) or _HANDOFF
 */
struct status placement_guest(const struct memmap *map, const struct guest_needs *needs,
                              struct guest_placement *out);

#endif
