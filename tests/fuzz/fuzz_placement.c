/*
 * Any bytes as a memory map, busy ranges and a kernel's needs: what is found keeps every promise.
 * Numbers are 16 bits, in units of 64 KiB or of 1 MiB, so that things meet.
 */
#include <stdlib.h>

#include "cursor.h"
#include "placement.h"

#define FUZZ_RANGES 24
#define FUZZ_BUSY   6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static uint64_t read_bytes(struct cursor *cursor, unsigned int shift)
{
    return (uint64_t)cursor_u16(cursor) << shift;
}

static struct prange read_range(struct cursor *cursor, unsigned int shift)
{
    uint64_t start = read_bytes(cursor, shift);

    return (struct prange){start, start + read_bytes(cursor, shift) / 16};
}

static void read_map(struct cursor *cursor, unsigned int shift, struct memmap *map)
{
    uint64_t at = 0;

    map->count = 0;
    for (uint32_t count = cursor_u8(cursor) % FUZZ_RANGES; count > 0; count--) {
        uint64_t start = at + read_bytes(cursor, shift) / 16;
        uint64_t end = start + read_bytes(cursor, shift) / 4;
        enum memory_type type = cursor_u8(cursor) % 4 == 0 ? MEMORY_RESERVED : MEMORY_RAM;

        if (start < end) {
            map->ranges[map->count++] = (struct memory_range){{start, end}, type};
            at = end + (type == MEMORY_RAM);
        }
    }
}

static void require_apart(struct prange a, struct prange b)
{
    require(a.start == a.end || b.start == b.end || !prange_overlaps(a, b));
}

static void check(const struct memmap *map, const struct guest_needs *needs,
                  const struct guest_placement *out)
{
    struct prange kernel = {out->kernel, out->kernel + needs->kernel_bytes};

    require(memmap_is_ram(map, kernel) && memmap_is_ram(map, out->initrd) &&
            memmap_is_ram(map, out->handoff));
    require(kernel.start >= MIB(1) && kernel.end <= GIB(4) &&
            kernel.start >= needs->kernel_preferred);
    require(needs->kernel_relocatable ? kernel.start % needs->kernel_alignment == 0
                                      : kernel.start == needs->kernel_preferred);
    require(prange_bytes(out->initrd) == prange_bytes(needs->initrd));
    require(prange_bytes(out->initrd) == 0 ||
            (out->initrd.end <= needs->initrd_below && out->initrd.start % 4096 == 0 &&
             out->initrd.start != 0));
    require(out->handoff.start % 4096 == 0 && out->handoff.start != 0 &&
            out->handoff.end <= GIB(4));
    require(prange_bytes(out->handoff) == needs->handoff_bytes);
    require_apart(kernel, out->initrd);
    require_apart(kernel, out->handoff);
    require_apart(out->initrd, out->handoff);
    require_apart(out->handoff, needs->kernel_file);
    require_apart(out->handoff, needs->initrd);
    if (out->initrd_first) {
        require_apart(out->initrd, needs->kernel_file);
    } else {
        require(out->initrd.start == needs->initrd.start);
    }
    for (uint32_t i = 0; i <= needs->others.count; i++) {
        struct prange busy = i < needs->others.count ? needs->others.ranges[i] : needs->image;

        require_apart(kernel, busy);
        require_apart(out->initrd, busy);
        require_apart(out->handoff, busy);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct memmap map;
    struct prange busy[FUZZ_BUSY];
    struct cursor cursor = cursor_over(data, size);
    unsigned int shift = cursor_u8(&cursor) & 1 ? 16 : 20;
    struct guest_needs needs = {.others = {busy, cursor_u8(&cursor) % (FUZZ_BUSY + 1)}};
    struct guest_placement out;
    uint64_t target;

    for (uint32_t i = 0; i < needs.others.count; i++) {
        busy[i] = read_range(&cursor, shift);
    }
    needs.image = read_range(&cursor, shift);
    needs.kernel_file = read_range(&cursor, shift);
    needs.kernel_bytes = read_bytes(&cursor, shift) / 16 + 1;
    needs.kernel_preferred = read_bytes(&cursor, shift);
    needs.kernel_alignment = 1ULL << cursor_u8(&cursor) % 32;
    needs.kernel_relocatable = cursor_u8(&cursor) & 1;
    needs.initrd = read_range(&cursor, shift);
    needs.initrd_below = read_bytes(&cursor, shift) + 1;
    needs.handoff_bytes = (uint64_t)cursor_u16(&cursor) + 1;
    read_map(&cursor, shift, &map);
    if (is_ok(placement_guest(&map, &needs, &out))) {
        check(&map, &needs, &out);
    }
    target = placement_image(&map, needs.image, shift == 16, needs.others);
    if (target != needs.image.start) {
        struct prange moved = {target, target + prange_bytes(needs.image)};

        require(memmap_is_ram(&map, moved) && target % MIB(2) == 0);
        for (uint32_t i = 0; i < needs.others.count; i++) {
            require_apart(moved, needs.others.ranges[i]);
        }
    }
    return 0;
}
