/*
 * For tests: a usual request for a zero page, the block that is made of it, and its fields.
 */
#ifndef TESTS_ZEROPAGE_BLOCK_H
#define TESTS_ZEROPAGE_BLOCK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel_maker.h"
#include "zeropage.h"

#define BLOCK_PA 0x7ff00000ULL
#define LOAD_PA  0x1200000ULL

static uint8_t file[MADE_KERNEL_BYTES];
static struct bzimage kernel;
static struct memmap map;
static struct boot_framebuffer framebuffer;
static struct zeropage_request request;

static uint8_t *block; /* of exactly the size asked for, filled with 0xa5 before it is written */
static uint64_t block_bytes;
static uint8_t known[4096]; /* 1: a byte that some field accounts for */

static inline uint64_t get(size_t at, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes; i++) {
        value |= (uint64_t)block[at + i] << 8 * i;
    }
    return value;
}

static inline void assert_field(size_t at, size_t bytes, uint64_t value)
{
    assert_int_equal(get(at, bytes), value);
    if (at < sizeof(known)) {
        memset(known + at, 1, bytes);
    }
}

static inline void assert_rest_zero(void)
{
    for (size_t i = 0; i < sizeof(known); i++) {
        if (!known[i] && block[i] != 0) {
            fail_msg("byte 0x%zx is 0x%x", i, block[i]);
        }
    }
}

static inline void usual_request(uint16_t protocol)
{
    make_kernel(file, protocol);
    assert_true(is_ok(bzimage_parse(file, sizeof(file), &kernel)));
    map.count = 3;
    map.ranges[0] = (struct memory_range){{0, 0x9fc00}, MEMORY_RAM};
    map.ranges[1] = (struct memory_range){{0x9fc00, 0xa0000}, MEMORY_DISABLED};
    map.ranges[2] = (struct memory_range){{0x100000, 0x280000000}, MEMORY_RAM};
    framebuffer = (struct boot_framebuffer){.kind = FRAMEBUFFER_NONE};
    request = (struct zeropage_request){
        .kernel_file = file,
        .kernel_file_bytes = sizeof(file),
        .kernel = &kernel,
        .cmdline = "console=ttyS0 quiet",
        .initrd = {0x30000000, 0x30001234},
        .map = &map,
        .rsdp = {0xf5a10},
        .framebuffer = &framebuffer,
        .kernel_load = {LOAD_PA},
        .block = {BLOCK_PA},
    };
}

static inline void build(void)
{
    free(block);
    block_bytes = zeropage_bytes(&request);
    block = malloc(block_bytes);
    assert_non_null(block);
    memset(block, 0xa5, block_bytes);
    memset(known, 0, sizeof(known));
    zeropage_build(&request, block, block_bytes);
}

static inline int free_block(void **state)
{
    (void)state;
    free(block);
    block = NULL;
    return 0;
}

static inline struct boot_framebuffer true_colour(void)
{
    return (struct boot_framebuffer){
        .kind = FRAMEBUFFER_RGB,
        .base = {0x4080000000},
        .pitch_bytes = 4100,
        .width = 1024,
        .height = 768,
        .bits_per_pixel = 32,
        .red = {16, 8},
        .green = {8, 8},
        .blue = {0, 8},
    };
}

#endif
