/*
 * Formatting, compared with the host's own snprintf wherever both promise the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "block.h"
#include "format.h"
#include "random.h"

#define TEXT_BYTES 512

/* The formats below are made at run time or wrong on purpose. */
#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-zero-length"
#pragma GCC diagnostic ignored "-Wformat-overflow"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-extra-args"

#define assert_same(...)                                                                           \
    do {                                                                                           \
        char ours[TEXT_BYTES];                                                                     \
        char hosts[TEXT_BYTES];                                                                    \
        size_t our_total = format_text(ours, sizeof(ours), __VA_ARGS__);                           \
        int host_total = snprintf(hosts, sizeof(hosts), __VA_ARGS__);                              \
                                                                                                   \
        assert_string_equal(ours, hosts);                                                          \
        assert_int_equal(our_total, host_total);                                                   \
    } while (0)

#define assert_text(expected, ...)                                                                 \
    do {                                                                                           \
        char ours[TEXT_BYTES];                                                                     \
                                                                                                   \
        format_text(ours, sizeof(ours), __VA_ARGS__);                                              \
        assert_string_equal(ours, expected);                                                       \
    } while (0)

static void test_plain_text_and_percent_sign(void **state)
{
    (void)state;
    assert_same("");
    assert_same("no conversion at all");
    assert_same("100 %% sure");
}

static void test_integers_at_their_limits(void **state)
{
    (void)state;
    assert_same("%d %d %d", 0, INT32_MAX, INT32_MIN);
    assert_same("%i %u", -1, UINT32_MAX);
    assert_same("%ld %ld %lu", INT64_MAX, INT64_MIN, UINT64_MAX);
    assert_same("%lld %llu", (long long)INT64_MIN, (unsigned long long)UINT64_MAX);
    assert_same("%zu %zx %zd", SIZE_MAX, SIZE_MAX, (ssize_t)-5);
    assert_same("%x %X %lx", 0xdeadbeef, 0xdeadbeef, UINT64_MAX);
}

static void test_strings_and_characters(void **state)
{
    (void)state;
    assert_same("[%s] [%s]", "", "text");
    assert_same("[%10s] [%-10s] [%2s]", "text", "text", "text");
    assert_same("[%.2s] [%.0s] [%.9s] [%8.2s]", "text", "text", "text", "text");
    assert_same("[%c] [%3c] [%-3c]", 'a', 'b', 'c');
    assert_text("[(null)]", "[%s]", (const char *)NULL);
}

static void test_string_with_precision_needs_no_nul(void **state)
{
    struct physical_view memory = memory_with(0, "abc", 3);
    char text[8];

    (void)state;
    assert_int_equal(format_text(text, sizeof(text), "%.*s", 3, (const char *)memory.bytes), 3);
    assert_string_equal(text, "abc");
    memory_free(memory);
}

static void test_pointers_are_hexadecimal(void **state)
{
    (void)state;
    assert_text("0xffff82d040200000", "%p", (void *)0xffff82d040200000);
    assert_text("0x0", "%p", NULL);
    assert_text("[      0x10]", "[%10p]", (void *)0x10);
}

static void test_hexadecimal_prefix(void **state)
{
    (void)state;
    assert_same("%#x %#x %#X %#lx", 0, 1, 0xab, UINT64_MAX);
    assert_same("[%#10x] [%-#10x] [%#010x] [%#.4x] [%#010x]", 0xab, 0xab, 0xab, 0xab, 0);
}

static void test_width_and_precision_from_the_arguments(void **state)
{
    (void)state;
    assert_same("[%*d] [%*d] [%-*d]", 6, 42, -6, 42, 6, 42);
    assert_same("[%.*d] [%.*d] [%*.*s]", 4, 42, -1, 42, 6, 2, "text");
    assert_same("[%.0d] [%.d] [%.0x] [%5.0u]", 0, 0, 0, 0);
}

static void test_random_numbers_in_random_formats_look_like_the_hosts(void **state)
{
    struct random random = {.state = 1};

    (void)state;
    for (int i = 0; i < 100000; i++) {
        static const char *const lengths[] = {"", "l", "ll", "z"};
        uint64_t value = random_u64(&random) >> (random_u64(&random) % 64);
        uint64_t choice = random_u64(&random);
        int length = (int)(choice >> 8) & 3;
        char conversion = "dixXu"[(choice >> 16) % 5];
        bool hexadecimal = conversion == 'x' || conversion == 'X';
        char width[8] = "";
        char precision[8] = "";
        char format[32];

        if (choice & 8) {
            snprintf(width, sizeof(width), "%u", (unsigned int)(choice >> 24) % 30);
        }
        if (choice & 16) {
            snprintf(precision, sizeof(precision), ".%u", (unsigned int)(choice >> 32) % 30);
        }
        snprintf(format, sizeof(format), "[%%%s%s%s%s%s%s%c]", choice & 1 ? "-" : "",
                 choice & 2 ? "0" : "", choice & 4 && hexadecimal ? "#" : "", width, precision,
                 lengths[length], conversion);
        if (length == 0) {
            assert_same(format, (int)value);
        } else {
            assert_same(format, value);
        }
    }
}

static void test_unknown_conversion_is_copied_as_it_stands(void **state)
{
    (void)state;
    assert_text("a %q b", "a %q b");
    assert_text("%-5lf", "%-5lf");
    assert_text("%hd", "%hd");
    assert_text("%n", "%n");
    assert_text("%+d", "%+d");
    assert_text("%.5", "%.5");
    assert_text("%l", "%l");
    assert_text("%", "%");
}

static void test_absurd_width_and_precision_do_not_wrap(void **state)
{
    char text[8];

    (void)state;
    assert_int_equal(format_text(text, sizeof(text), "%-999999d", 1), 999999);
    assert_string_equal(text, "1      ");
    assert_int_equal(format_text(text, sizeof(text), "%.99999999999999999999s", "abc"), 3);
    assert_string_equal(text, "abc");
}

static void test_result_is_cut_but_its_length_is_told(void **state)
{
    for (size_t size = 0; size < 12; size++) {
        char *ours = malloc(size + 1);
        char hosts[16];

        ours[size] = 0x55;
        assert_int_equal(format_text(ours, size, "%s-%04x", "abc", 0x12), 8);
        snprintf(hosts, size, "%s-%04x", "abc", 0x12);
        if (size > 0) {
            assert_string_equal(ours, hosts);
        }
        assert_int_equal(ours[size], 0x55);
        free(ours);
    }
    (void)state;
}

static void test_no_buffer_is_needed_to_measure(void **state)
{
    (void)state;
    assert_int_equal(format_text(NULL, 0, "%d", 12345), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_text_and_percent_sign),
        cmocka_unit_test(test_integers_at_their_limits),
        cmocka_unit_test(test_strings_and_characters),
        cmocka_unit_test(test_string_with_precision_needs_no_nul),
        cmocka_unit_test(test_pointers_are_hexadecimal),
        cmocka_unit_test(test_hexadecimal_prefix),
        cmocka_unit_test(test_width_and_precision_from_the_arguments),
        cmocka_unit_test(test_random_numbers_in_random_formats_look_like_the_hosts),
        cmocka_unit_test(test_unknown_conversion_is_copied_as_it_stands),
        cmocka_unit_test(test_absurd_width_and_precision_do_not_wrap),
        cmocka_unit_test(test_result_is_cut_but_its_length_is_told),
        cmocka_unit_test(test_no_buffer_is_needed_to_measure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
