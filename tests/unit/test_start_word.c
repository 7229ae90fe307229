/* Where a started processor begins: of several messages the first counts, each is good for one start. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "start_word.h"

static void assert_starts(struct start_word *word, uint8_t vector)
{
    uint8_t found = (uint8_t)~vector;

    assert_true(start_word_take(word, &found));
    assert_int_equal(found, vector);
}

static void assert_waits(struct start_word *word)
{
    uint8_t found;

    assert_false(start_word_take(word, &found));
}

static void test_a_second_vector_is_ignored(void **state)
{
    struct start_word word = {0};

    (void)state;
    start_word_send(&word, 0x10);
    start_word_send(&word, 0x20);
    assert_starts(&word, 0x10);
    /* It runs: nothing is left over, and nothing counts until INIT. */
    assert_waits(&word);
    start_word_send(&word, 0x30);
    assert_waits(&word);
    start_word_init(&word);
    assert_waits(&word);
    start_word_send(&word, 0x40);
    assert_starts(&word, 0x40);
}

static void test_init_takes_a_message_back(void **state)
{
    struct start_word word = {0};

    (void)state;
    start_word_send(&word, 0x10);
    start_word_init(&word);
    assert_waits(&word);
    start_word_send(&word, 0);
    assert_starts(&word, 0);
}

/* The sender's own word about INIT may come before or behind the processor's, and another one's message between. */
static void test_init_from_elsewhere(void **state)
{
    struct start_word word = {0};

    (void)state;
    start_word_stopped(&word);
    start_word_send(&word, 0xff);
    start_word_stopped(&word);
    assert_starts(&word, 0xff);
    start_word_stopped(&word);
    assert_waits(&word);
    start_word_send(&word, 0x9f);
    assert_starts(&word, 0x9f);
}

/* --- all at once ------------------------------------------------------------------------------------------------ */

#define ROUNDS 5000

struct sender {
    struct start_word *word;
    pthread_barrier_t *round;
    uint8_t vector;
};

static void *send_each_round(void *argument)
{
    const struct sender *sender = argument;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(sender->round);
        start_word_send(sender->word, sender->vector);
        pthread_barrier_wait(sender->round);
    }
    return NULL;
}

static void test_of_two_at_once_one_counts(void **state)
{
    struct start_word word = {0};
    pthread_barrier_t round;
    struct sender senders[] = {{&word, &round, 0x11}, {&word, &round, 0x22}};
    pthread_t threads[2];

    (void)state;
    pthread_barrier_init(&round, NULL, 3);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, send_each_round, &senders[i]), 0);
    }
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t starts = 0;
        uint8_t vector;

        pthread_barrier_wait(&round);
        for (uint32_t attempt = 0; attempt < 3; attempt++) {
            if (start_word_take(&word, &vector)) {
                starts++;
                assert_true(vector == 0x11 || vector == 0x22);
            }
        }
        pthread_barrier_wait(&round);
        assert_int_equal(starts + start_word_take(&word, &vector), 1);
        start_word_init(&word);
    }
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    pthread_barrier_destroy(&round);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_second_vector_is_ignored),
        cmocka_unit_test(test_init_takes_a_message_back),
        cmocka_unit_test(test_init_from_elsewhere),
        cmocka_unit_test(test_of_two_at_once_one_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
