/*
 * The log: prefix, line end, levels, and lines without a longest length.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "block.h"
#include "log.h"

static struct block heard;
static size_t largest_part;

static void listen(const char *text, size_t bytes)
{
    put_bytes(&heard, text, bytes);
    largest_part = bytes > largest_part ? bytes : largest_part;
}

static int start_listening(void **state)
{
    (void)state;
    heard.size = 0;
    largest_part = 0;
    log_set_sink(listen);
    log_set_level(LOG_INFO);
    return 0;
}

static void assert_heard(const char *expected)
{
    assert_int_equal(heard.size, strlen(expected));
    assert_memory_equal(heard.bytes, expected, heard.size);
}

static void test_line_has_prefix_and_end(void **state)
{
    (void)state;
    log_info("base=0x%x", 0x200000);
    assert_heard("(BERTH) base=0x200000\n");
}

static void test_empty_line_is_prefix_and_end(void **state)
{
    static const char nothing[] = "";

    (void)state;
    log_line(LOG_INFO, "%s", nothing);
    assert_heard("(BERTH) \n");
}

static void test_levels_name_themselves(void **state)
{
    (void)state;
    log_set_level(LOG_DEBUG);
    log_error("e");
    log_warning("w");
    log_info("i");
    log_debug("d");
    assert_heard("(BERTH) error: e\n(BERTH) warning: w\n(BERTH) i\n(BERTH) debug: d\n");
}

static void assert_urgent(bool expected, const char *line)
{
    assert_int_equal(log_is_urgent(line, strlen(line)), expected);
}

static void assert_heard_urgent(bool expected)
{
    assert_int_equal(log_is_urgent((const char *)heard.bytes, heard.size), expected);
    heard.size = 0;
}

static void test_errors_and_warnings_are_urgent(void **state)
{
    (void)state;
    log_error("e");
    assert_heard_urgent(true);
    log_warning("w");
    assert_heard_urgent(true);
    log_info("i");
    assert_heard_urgent(false);
    assert_urgent(false, "");
    assert_urgent(false, "(BERTH) error:");
    assert_urgent(false, "(BERTH) errors: ");
    assert_urgent(false, "(BERTH) cmdline: error: ");
    assert_urgent(false, "error: x");
    assert_false(log_is_urgent("(BERTH) error: ", strlen("(BERTH) error: ") - 1));
}

static void test_lines_above_the_level_are_dropped(void **state)
{
    (void)state;
    log_debug("hidden by default");
    log_set_level(LOG_ERROR);
    log_warning("hidden");
    log_info("hidden");
    log_error("seen");
    assert_heard("(BERTH) error: seen\n");
}

static void test_without_a_sink_lines_are_kept_for_later(void **state)
{
    static struct block before;

    (void)state;
    log_replay(listen);
    before = heard;
    start_listening(NULL);
    log_set_sink(NULL);
    log_error("nobody listens %s", "yet");
    log_debug("above the level");
    assert_heard("");
    log_replay(listen);
    put_string(&before, "(BERTH) error: nobody listens yet\n");
    assert_heard((const char *)before.bytes);
}

static void test_replay_begins_with_a_whole_line_when_much_is_lost(void **state)
{
    static const char lost[] = "(BERTH) (earlier lines are not kept)\n";
    char line[64];

    (void)state;
    log_set_sink(NULL);
    for (int i = 0; i < 10000; i++) {
        log_info("line %d", i);
    }
    log_replay(listen);
    assert_in_range(heard.size, LOG_KEPT_BYTES - 32, LOG_KEPT_BYTES + sizeof(lost));
    put8(&heard, 0);
    assert_memory_equal(heard.bytes, lost, sizeof(lost) - 1);
    const char *at = (const char *)heard.bytes + sizeof(lost) - 1;
    int number = atoi(at + sizeof("(BERTH) line ") - 1);

    for (; number < 10000; number++) {
        const int bytes = snprintf(line, sizeof(line), "(BERTH) line %d\n", number);

        assert_memory_equal(at, line, bytes);
        at += bytes;
    }
    assert_int_equal(*at, 0);
}

/* Around the buffer's length, and many times as long. */
static void test_long_lines_come_in_parts_and_are_never_cut(void **state)
{
    static const size_t lengths[] = {1014, 1015, 1016, 1017, 1018, 2040, 2041, 5000, 100000};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        char *text = malloc(lengths[i] + 1);

        start_listening(state);
        for (size_t at = 0; at < lengths[i]; at++) {
            text[at] = (char)('a' + at % 26);
        }
        text[lengths[i]] = '\0';
        log_info("%s", text);
        assert_int_equal(heard.size, lengths[i] + 9);
        assert_memory_equal(heard.bytes, "(BERTH) ", 8);
        assert_memory_equal(heard.bytes + 8, text, lengths[i]);
        assert_int_equal(heard.bytes[heard.size - 1], '\n');
        assert_true(largest_part <= 1025);
        free(text);
    }
}

/* --- several processors ---------------------------------------------------------------------- */

static void begin(void)
{
    put_bytes(&heard, "[", 1);
}

static void end(void)
{
    put_bytes(&heard, "]", 1);
}

static int stop_guarding(void **state)
{
    (void)state;
    log_set_guard(NULL, NULL);
    return 0;
}

static void test_the_guard_is_around_whole_lines(void **state)
{
    char text[3000];

    (void)state;
    log_set_guard(begin, end);
    log_debug("above the level");
    log_info("a");
    log_warning("b");
    assert_heard("[(BERTH) a\n][(BERTH) warning: b\n]");
    /* Of three parts. */
    start_listening(NULL);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_info("%s", text);
    assert_int_equal(heard.size, sizeof(text) - 1 + 9 + 2);
    assert_int_equal(heard.bytes[0], '[');
    assert_memory_equal(&heard.bytes[heard.size - 3], "x\n]", 3);
    assert_null(memchr(heard.bytes + 1, '[', heard.size - 1));
}

static void test_the_guard_is_around_a_replay(void **state)
{
    (void)state;
    log_info("something");
    heard.size = 0;
    log_set_guard(begin, end);
    log_replay(listen);
    assert_int_equal(heard.bytes[0], '[');
    assert_memory_equal(&heard.bytes[heard.size - 3], "g\n]", 3);
}

static jmp_buf interrupted;

static void listen_and_stop(const char *text, size_t bytes)
{
    listen(text, bytes);
    longjmp(interrupted, 1);
}

static void test_a_line_that_was_interrupted_is_ended_once(void **state)
{
    (void)state;
    log_end_line();
    assert_heard("");
    log_set_sink(listen_and_stop);
    if (setjmp(interrupted) == 0) {
        log_info("%01200d", 7); /* stops behind its first part */
    }
    log_set_sink(listen);
    heard.size = 0;
    log_end_line();
    log_end_line();
    log_info("next");
    log_end_line();
    assert_heard("\n(BERTH) next\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_line_has_prefix_and_end, start_listening),
        cmocka_unit_test_setup(test_empty_line_is_prefix_and_end, start_listening),
        cmocka_unit_test_setup(test_levels_name_themselves, start_listening),
        cmocka_unit_test_setup(test_errors_and_warnings_are_urgent, start_listening),
        cmocka_unit_test_setup(test_lines_above_the_level_are_dropped, start_listening),
        cmocka_unit_test_setup(test_without_a_sink_lines_are_kept_for_later, start_listening),
        cmocka_unit_test_setup(test_replay_begins_with_a_whole_line_when_much_is_lost,
                               start_listening),
        cmocka_unit_test_setup_teardown(test_the_guard_is_around_whole_lines, start_listening,
                                        stop_guarding),
        cmocka_unit_test_setup_teardown(test_the_guard_is_around_a_replay, start_listening,
                                        stop_guarding),
        cmocka_unit_test_setup(test_a_line_that_was_interrupted_is_ended_once, start_listening),
        cmocka_unit_test_setup(test_long_lines_come_in_parts_and_are_never_cut, start_listening),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
