/*
 * For tests: bytes as a loader would leave them, appended field by field, and shown to a decoder in
 * an allocation that ends exactly where they end, so that a read beyond them is seen by the address
 * sanitizer.
 */
#ifndef TEST_BLOCK_H
#define TEST_BLOCK_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cursor.h"

#define BLOCK_BYTES_MAX (1 << 20)

struct block {
    size_t size;
    uint8_t bytes[BLOCK_BYTES_MAX];
};

static inline void put_bytes(struct block *block, const void *bytes, size_t count)
{
    if (count > BLOCK_BYTES_MAX - block->size) {
        abort();
    }
    memcpy(block->bytes + block->size, bytes, count);
    block->size += count;
}

static inline void put8(struct block *block, uint8_t value)
{
    put_bytes(block, &value, sizeof(value));
}

static inline void put16(struct block *block, uint16_t value)
{
    put_bytes(block, &value, sizeof(value));
}

static inline void put32(struct block *block, uint32_t value)
{
    put_bytes(block, &value, sizeof(value));
}

static inline void put64(struct block *block, uint64_t value)
{
    put_bytes(block, &value, sizeof(value));
}

static inline void put_string(struct block *block, const char *text)
{
    put_bytes(block, text, strlen(text) + 1);
}

static inline void set32(struct block *block, size_t offset, uint32_t value)
{
    memcpy(block->bytes + offset, &value, sizeof(value));
}

/* Fill with a byte that makes no sense as a string's end or as a size. */
static inline void pad_to(struct block *block, size_t offset)
{
    while (block->size < offset) {
        put8(block, 0xa5);
    }
}

/* Physical memory that ends with the last of the `size` bytes, which begin at `pa`. To be freed by
 * memory_free. */
static inline struct physical_view memory_with(uint64_t pa, const void *bytes, size_t size)
{
    uint8_t *memory = malloc(pa + size);

    memset(memory, 0xa5, pa);
    memcpy(memory + pa, bytes, size);
    return (struct physical_view){.bytes = memory, .size = pa + size};
}

static inline void memory_free(struct physical_view view)
{
    free((void *)(uintptr_t)view.bytes);
}

#endif
