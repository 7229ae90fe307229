/*
 * The last bytes of a text that may be longer than the memory for it.
 */
#ifndef LIB_RING_H
#define LIB_RING_H

#include <stddef.h>
#include <stdint.h>

/* Writer: ring_add; the caller sets the first two, and `written` to 0. */
struct ring {
    char *bytes;
    size_t capacity;  /* of `bytes`; not 0 */
    uint64_t written; /* all bytes that were ever added */
};

void ring_add(struct ring *ring, const char *text, size_t bytes);

/*
 * Where to begin reading, in bytes from the beginning of the text: 0 as long as nothing is lost, else behind the first
 * line end that is kept; ring->written when none is.
 */
uint64_t ring_first_line(const struct ring *ring);

/*
 * The bytes from `at` on that lie next to each other.
 *
 * @at     of a byte that is kept, or ring->written
 * @piece  set to the first of them
 * @return how many; 0 at the end of the text
 */
size_t ring_piece(const struct ring *ring, uint64_t at, const char **piece);

#endif
