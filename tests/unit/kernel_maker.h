/* Makes bzImage files of any protocol version, byte by byte, for the tests. Source: boot.rst. */
#ifndef TESTS_KERNEL_MAKER_H
#define TESTS_KERNEL_MAKER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A usual file: two setup sectors behind the boot sector, then ten paragraphs of payload. */
#define MADE_SETUP_SECTS  2
#define MADE_PARAGRAPHS   10
#define MADE_PAYLOAD_AT   ((MADE_SETUP_SECTS + 1) * 512)
#define MADE_KERNEL_BYTES (MADE_PAYLOAD_AT + MADE_PARAGRAPHS * 16)
#define MADE_VERSION      "6.1.0-test (builder@host) #1"

static inline void put(uint8_t *file, size_t at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        file[at + i] = (uint8_t)(value >> 8 * i);
    }
}

/* The end of the header as kernels of this version have it. */
static inline size_t made_header_end(uint16_t protocol)
{
    static const uint16_t ends[] = {0x238, 0x23c, 0x248, 0x250, 0x258, 0x264,
                                    0x268, 0x268, 0x268, 0x268, 0x26c};
    uint16_t minor = protocol & 0xff;

    return ends[minor < 5 ? 0 : minor > 15 ? 10 : minor - 5];
}

/*
 * `file` has MADE_KERNEL_BYTES. Where a version has no field yet there are the bytes of the setup
 * code: 0xcc.
 */
static inline void make_kernel(uint8_t *file, uint16_t protocol)
{
    size_t end = made_header_end(protocol);

    memset(file, 0xcc, MADE_KERNEL_BYTES);
    memset(file + 0x1f1, 0, end - 0x1f1);
    put(file, 0x1f1, MADE_SETUP_SECTS, 1);
    put(file, 0x1f4, MADE_PARAGRAPHS, 4);
    put(file, 0x1fe, 0xaa55, 2);
    put(file, 0x200, 0xeb, 1);
    put(file, 0x201, end - 0x202, 1);
    memcpy(file + 0x202, "HdrS", 4);
    put(file, 0x206, protocol, 2);
    put(file, 0x20e, 0x400 - 0x200, 2);
    memcpy(file + 0x400, MADE_VERSION, sizeof(MADE_VERSION));
    put(file, 0x211, 1, 1);
    put(file, 0x214, 0x100000, 4);
    put(file, 0x22c, 0x37ffffff, 4);
    put(file, 0x230, 0x200000, 4);
    put(file, 0x234, 1, 1);
    if (end >= 0x23c) {
        put(file, 0x238, 2047, 4);
    }
    if (end >= 0x264) {
        put(file, 0x258, 0x1000000, 8);
        put(file, 0x260, 0x1e00000, 4);
    }
    if (protocol >= 0x20c) {
        put(file, 0x236, 3, 2);
    }
}

#endif
