/*
 * The ring, against the whole text kept beside it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "random.h"
#include "ring.h"

#define TEXT_MOST 4096
#define RUNS      2000

static char whole[TEXT_MOST];

/* Everything from `at` on, as the pieces give it. */
static size_t collect(const struct ring *ring, uint64_t at, char *out)
{
    const char *piece;
    size_t bytes;
    size_t total = 0;

    while ((bytes = ring_piece(ring, at, &piece)) > 0) {
        assert_true(piece >= ring->bytes && piece + bytes <= ring->bytes + ring->capacity);
        memcpy(out + total, piece, bytes);
        total += bytes;
        at += bytes;
    }
    assert_int_equal(at, ring->written);
    return total;
}

static void assert_keeps(const struct ring *ring, uint64_t first)
{
    char out[TEXT_MOST];

    assert_int_equal(ring_first_line(ring), first);
    assert_int_equal(collect(ring, first, out), ring->written - first);
    assert_memory_equal(out, whole + first, ring->written - first);
}

static void test_nothing_is_lost_as_long_as_there_is_room(void **state)
{
    char bytes[16];
    struct ring ring = {bytes, sizeof(bytes), 0};

    (void)state;
    memcpy(whole, "one\ntwo\nthree\n!!", 16);
    assert_keeps(&ring, 0);
    ring_add(&ring, whole, 5);
    assert_keeps(&ring, 0);
    ring_add(&ring, whole + 5, 0);
    ring_add(&ring, whole + 5, 11);
    assert_keeps(&ring, 0);
}

static void test_a_line_that_has_lost_its_start_is_left_out(void **state)
{
    char bytes[8];
    struct ring ring = {bytes, sizeof(bytes), 0};

    (void)state;
    memcpy(whole, "one\ntwo\nx", 9);
    ring_add(&ring, whole, 9);
    assert_keeps(&ring, 4);
}

static void test_a_line_longer_than_the_ring_leaves_nothing(void **state)
{
    char bytes[8];
    struct ring ring = {bytes, sizeof(bytes), 0};

    (void)state;
    memset(whole, 'x', 100);
    ring_add(&ring, whole, 100);
    assert_keeps(&ring, 100);
    whole[100] = '\n';
    ring_add(&ring, whole + 100, 1);
    assert_keeps(&ring, 101);
}

/* Where the first line begins that lies wholly within the last `capacity` bytes, found in the whole text. */
static uint64_t model_first_line(uint64_t written, size_t capacity)
{
    const uint64_t oldest = written - capacity;

    if (written <= capacity) {
        return 0;
    }
    for (uint64_t at = oldest; at < written; at++) {
        if (whole[at] == '\n') {
            return at + 1;
        }
    }
    return written;
}

static void test_random_texts_in_random_pieces(void **state)
{
    struct random random = {.state = 1};

    (void)state;
    for (int run = 0; run < RUNS; run++) {
        const size_t capacity = 1 + random_below(&random, 200);
        struct ring ring = {malloc(capacity), capacity, 0};

        while (ring.written < TEXT_MOST - 400) {
            const size_t bytes = random_below(&random, 400);
            char *const at = whole + ring.written;

            for (size_t i = 0; i < bytes; i++) {
                at[i] = random_below(&random, 20) == 0 ? '\n' : (char)('a' + ring.written % 26);
            }
            ring_add(&ring, at, bytes);
            assert_keeps(&ring, model_first_line(ring.written, capacity));
        }
        free(ring.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_lost_as_long_as_there_is_room),
        cmocka_unit_test(test_a_line_that_has_lost_its_start_is_left_out),
        cmocka_unit_test(test_a_line_longer_than_the_ring_leaves_nothing),
        cmocka_unit_test(test_random_texts_in_random_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
