/*
 * What pure code returns: a code, and where it happened. Pure code never prints; boot/report.c
 * words it once.
 */
#ifndef LIB_STATUS_H
#define LIB_STATUS_H

#include <stdbool.h>
#include <stdint.h>

enum status_code {
    STATUS_OK = 0,

    /* Loader information. offset = byte in the information block where the defect is. */
    INFO_BAD_MAGIC,   /* offset = the magic value */
    INFO_UNREACHABLE, /* the block lies outside addressable memory; offset = its address */
    INFO_BAD_POINTER, /* what a field points to, or the field itself, lies outside addressable memory */
    INFO_BAD_TOTAL_SIZE, /* shorter than the block's own header, or longer than memory; offset = the size */
    INFO_BAD_TAG_SIZE, /* a tag's size is shorter than its fixed part */
    INFO_TAG_OVERRUN,  /* a tag runs over the end of the block */
    INFO_NO_END_TAG,   /* the tags stop without the end tag */
    INFO_BAD_STRING,   /* a string without its NUL inside its tag */
    INFO_BAD_MODULE,   /* a module that ends before it starts */
    INFO_TOO_MANY_MODULES,
    INFO_BAD_ENTRY_SIZE,  /* a memory-map stride smaller than an entry, or not a multiple of 8 (of 4
                             for multiboot1) */
    INFO_TOO_MANY_RANGES, /* more non-RAM ranges than can be held; RAM is dropped before that */
    INFO_STRINGS_FULL,    /* the loader's strings do not fit into the string pool */

    /* Memory map. */
    MEMMAP_EMPTY, /* no memory map, or none with RAM in it */
    MEMMAP_FULL,  /* more non-RAM ranges than can be held after sanitising */

    /* Placement. offset = how many bytes were missing in the largest suitable hole. */
    PLACEMENT_NO_ROOM_TABLES, /* final page tables */
    PLACEMENT_NO_ROOM_KERNEL,
    PLACEMENT_NO_ROOM_INITRD,
    PLACEMENT_NO_ROOM_HANDOFF, /* zero page, command line */

    /* Pages. offset = the first address that is not as it should be. */
    PAGES_NONE_FREE, /* offset = how many pages were wanted */
    PAGES_BAD_RANGE, /* empty, or not made of whole pages */
    PAGES_NOT_TAKEN, /* what is freed was freed before, or never taken */
    PAGES_IN_USE,    /* what is given or reserved is somebody's */
    PAGES_NO_EXTENT, /* no memory is left to write the change down */

    HVM_APIC_OUT_OF_REACH, /* offset = where its registers are */
    /* Nested tables. */
    NESTED_NO_ROOM,   /* offset = how many bytes were missing */
    NESTED_BAD_RANGE, /* offset = where it begins, or the end of the mapped part */

    /* Kernel. offset = byte in the file. */
    KERNEL_NOT_BZIMAGE,
    KERNEL_TRUNCATED,  /* offset = how many bytes the file should have */
    KERNEL_TOO_OLD,    /* offset = protocol version, major << 8 | minor */
    KERNEL_NOT_HIGH,   /* a zImage: loaded below 1 MiB */
    KERNEL_BAD_HEADER, /* a field contradicts the file or another field */
};

struct status {
    enum status_code code;
    uint64_t offset;
};

static inline struct status status_ok(void)
{
    return (struct status){STATUS_OK, 0};
}

static inline struct status status_at(enum status_code code, uint64_t offset)
{
    return (struct status){code, offset};
}

static inline bool is_ok(struct status status)
{
    return status.code == STATUS_OK;
}

#endif
