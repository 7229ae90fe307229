/*
 * Where a boot's time went, as text for people and for programs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "times.h"

static const char names[3][TIMES_NAME_BYTES] = {"first", "second", "third"};
static const uint64_t stamps[4] = {1000, 1600, 1700, 5000};
static const struct times in_us = {stamps, names, 3, 1000000000};
static const struct times in_ticks = {stamps, names, 3, 0};

static void test_a_line_of_microseconds(void **state)
{
    char text[TIMES_TEXT_BYTES];
    const size_t used = times_line(text, sizeof(text), &in_us);

    (void)state;
    assert_int_equal(used, strlen(text));
    /* 0.6, 0.1 and 3.3: what is rounded off goes to the next one */
    assert_string_equal(text, "first=0 second=0 third=4 unit=us");
}

static void test_a_line_of_ticks_where_the_frequency_is_not_known(void **state)
{
    char text[TIMES_TEXT_BYTES];
    const size_t used = times_line(text, sizeof(text), &in_ticks);

    (void)state;
    assert_int_equal(used, strlen(text));
    assert_string_equal(text, "first=600 second=100 third=3300 unit=tsc");
}

static void test_json(void **state)
{
    char text[TIMES_TEXT_BYTES];
    const size_t used = times_json(text, sizeof(text), &in_us);

    (void)state;
    assert_int_equal(used, strlen(text));
    assert_string_equal(text, "[{\"name\": \"first\", \"tsc\": 600, \"us\": 0}, "
                              "{\"name\": \"second\", \"tsc\": 100, \"us\": 0}, "
                              "{\"name\": \"third\", \"tsc\": 3300, \"us\": 4}]");
    times_json(text, sizeof(text), &in_ticks);
    assert_string_equal(
        text, "[{\"name\": \"first\", \"tsc\": 600}, {\"name\": \"second\", \"tsc\": 100}, "
              "{\"name\": \"third\", \"tsc\": 3300}]");
}

static void test_a_short_buffer_cuts(void **state)
{
    char whole[TIMES_TEXT_BYTES];
    char text[TIMES_TEXT_BYTES];

    (void)state;
    times_json(whole, sizeof(whole), &in_us);
    for (size_t size = 1; size < strlen(whole); size++) {
        memset(text, '#', sizeof(text));
        assert_int_equal(times_json(text, size, &in_us), size - 1);
        assert_memory_equal(text, whole, size - 1);
        assert_int_equal(text[size - 1], '\0');
        assert_int_equal(text[size], '#');
    }
    assert_int_equal(times_line(text, 8, &in_us), 7);
    assert_string_equal(text, "first=0");
}

/* A boot of some minutes, by a fast processor. */
static void test_all_names_and_long_times_fit(void **state)
{
    uint64_t long_times[BOOT_PHASES + 1];
    char text[TIMES_TEXT_BYTES];
    const struct times boot = {long_times, boot_phase_names, BOOT_PHASES, 9999999999};
    const struct times bringup = {long_times, bringup_part_names, BRINGUP_PARTS, 9999999999};

    (void)state;
    for (uint64_t i = 0; i <= BOOT_PHASES; i++) {
        long_times[i] = i * 999999999999;
    }
    assert_in_range(times_json(text, sizeof(text), &boot), 1, sizeof(text) - 2);
    assert_in_range(times_json(text, sizeof(text), &bringup), 1, sizeof(text) - 2);
    for (uint32_t i = 0; i < BOOT_PHASES; i++) {
        assert_in_range(strlen(boot_phase_names[i]), 1, TIMES_NAME_BYTES - 1);
    }
    for (uint32_t i = 0; i < BRINGUP_PARTS; i++) {
        assert_in_range(strlen(bringup_part_names[i]), 1, TIMES_NAME_BYTES - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_of_microseconds),
        cmocka_unit_test(test_a_line_of_ticks_where_the_frequency_is_not_known),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_a_short_buffer_cuts),
        cmocka_unit_test(test_all_names_and_long_times_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
