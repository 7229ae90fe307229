/*
 * The memory and string functions that the compiler calls on its own account. Bulk work is done by
 * the string instructions, eight bytes at a time: they need no vector registers, and there is no
 * loop here that the compiler could take for a call of the very function it is in.
 */
#include <stdint.h>

#include "mem.h"

#define WORD_BYTES sizeof(uint64_t)
#define BYTE_ONES  0x0101010101010101ULL /* times a byte: the byte in each place of a word */

/* From low to high addresses: right also where `to` lies below `from` and both overlap. */
static void copy_upwards(uint8_t *to, const uint8_t *from, size_t bytes)
{
    size_t words = bytes / WORD_BYTES;
    size_t rest = bytes % WORD_BYTES;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    copy_upwards(to, from, bytes);
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    uint8_t *dest = to;
    const uint8_t *source = from;
    size_t distance = (uintptr_t)to - (uintptr_t)from; /* huge where `to` lies below */

    if (distance == 0) {
        return to;
    }
    /* Overlapping upwards: pieces as long as the distance do not overlap themselves; the last one
     * goes first. */
    while (bytes > distance) {
        bytes -= distance;
        copy_upwards(dest + bytes, source + bytes, distance);
    }
    copy_upwards(dest, source, bytes);
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    void *dest = to;
    uint64_t pattern = (uint8_t)value * BYTE_ONES;
    size_t words = bytes / WORD_BYTES;
    size_t rest = bytes % WORD_BYTES;

    __asm__ volatile("rep stosq" : "+D"(dest), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(dest), "+c"(rest) : "a"(pattern) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
    const uint8_t *left = a;
    const uint8_t *right = b;

    for (size_t i = 0; i < bytes; i++) {
        if (left[i] != right[i]) {
            return left[i] - right[i];
        }
    }
    return 0;
}

size_t strlen(const char *text)
{
    size_t length = 0;

    while (text[length] != '\0') {
        length++;
    }
    return length;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t most)
{
    for (size_t i = 0; i < most; i++) {
        uint8_t left = (uint8_t)a[i];
        uint8_t right = (uint8_t)b[i];

        if (left != right || left == '\0') {
            return left - right;
        }
    }
    return 0;
}
