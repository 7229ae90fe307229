/*
 * A ring of bytes: byte n of the text is at n modulo the capacity.
 */
#include "ring.h"

#include "mem.h"

static uint64_t oldest(const struct ring *ring)
{
    return ring->written > ring->capacity ? ring->written - ring->capacity : 0;
}

void ring_add(struct ring *ring, const char *text, size_t bytes)
{
    while (bytes > 0) {
        const size_t at = ring->written % ring->capacity;
        const size_t room = ring->capacity - at;
        const size_t part = bytes < room ? bytes : room;

        memcpy(ring->bytes + at, text, part);
        ring->written += part;
        text += part;
        bytes -= part;
    }
}

uint64_t ring_first_line(const struct ring *ring)
{
    uint64_t at = oldest(ring);

    if (at == 0) {
        return 0;
    }
    /* What is kept may begin inside a line. */
    while (at < ring->written && ring->bytes[at % ring->capacity] != '\n') {
        at++;
    }
    return at < ring->written ? at + 1 : at;
}

size_t ring_piece(const struct ring *ring, uint64_t at, const char **piece)
{
    const uint64_t left = ring->written - at;
    const size_t room = ring->capacity - at % ring->capacity;

    *piece = ring->bytes + at % ring->capacity;
    return left < room ? left : room;
}
