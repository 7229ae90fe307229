/*
 * The bounded cursor: what it reads, and above all what it refuses to read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "block.h"
#include "cursor.h"

static const uint8_t sample[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                                 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f};

static void test_values_are_read_in_little_endian_order(void **state)
{
    struct cursor cursor = cursor_over(sample, sizeof(sample));

    (void)state;
    assert_int_equal(cursor_u8(&cursor), 0x01);
    assert_int_equal(cursor_u16(&cursor), 0x0302);
    assert_int_equal(cursor_u32(&cursor), 0x07060504);
    assert_int_equal(cursor_u64(&cursor), 0x0f0e0d0c0b0a0908);
    assert_int_equal(cursor_left(&cursor), 0);
    assert_false(cursor.failed);
}

static void test_each_read_is_refused_when_one_byte_is_missing(void **state)
{
    static const size_t sizes[] = {1, 2, 4, 8};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct physical_view memory = memory_with(0, sample, sizes[i] - 1);
        struct cursor cursor = cursor_over(memory.bytes, memory.size);
        uint64_t value = sizes[i] == 1   ? cursor_u8(&cursor)
                         : sizes[i] == 2 ? cursor_u16(&cursor)
                         : sizes[i] == 4 ? cursor_u32(&cursor)
                                         : cursor_u64(&cursor);

        assert_int_equal(value, 0);
        assert_true(cursor.failed);
        assert_int_equal(cursor.position, 0);
        memory_free(memory);
    }
}

static void test_failed_cursor_stays_failed_and_keeps_its_position(void **state)
{
    struct cursor cursor = cursor_over(sample, 6);
    uint8_t byte = 0x55;

    (void)state;
    cursor_u32(&cursor);
    assert_int_equal(cursor_u32(&cursor), 0);
    assert_true(cursor.failed);
    assert_int_equal(cursor.position, 4);
    assert_int_equal(cursor_left(&cursor), 0);
    assert_int_equal(cursor_u8(&cursor), 0);
    assert_false(cursor_copy(&cursor, &byte, 1));
    assert_int_equal(byte, 0x55);
    assert_false(cursor_skip(&cursor, 0));
    assert_false(cursor_seek(&cursor, 0));
    assert_null(cursor_string(&cursor));
    assert_true(cursor_take(&cursor, 0).failed);
    assert_int_equal(cursor.position, 4);
}

static void test_copy_of_everything_and_of_one_byte_more(void **state)
{
    uint8_t copy[sizeof(sample) + 1] = {0};
    struct cursor cursor = cursor_over(sample, sizeof(sample));

    (void)state;
    assert_true(cursor_copy(&cursor, copy, sizeof(sample)));
    assert_memory_equal(copy, sample, sizeof(sample));
    assert_true(cursor_copy(&cursor, NULL, 0));
    cursor = cursor_over(sample, sizeof(sample));
    assert_false(cursor_copy(&cursor, copy, sizeof(sample) + 1));
    assert_int_equal(copy[sizeof(sample)], 0);
}

static void test_sizes_near_the_largest_number_do_not_wrap(void **state)
{
    struct cursor cursor = cursor_over(sample, sizeof(sample));

    (void)state;
    cursor_u64(&cursor);
    assert_false(cursor_skip(&cursor, SIZE_MAX));
    assert_int_equal(cursor.position, 8);
    cursor = cursor_over(sample, sizeof(sample));
    cursor_u64(&cursor);
    assert_true(cursor_take(&cursor, SIZE_MAX - 4).failed);
    cursor = cursor_over(sample, sizeof(sample));
    assert_false(cursor_seek(&cursor, SIZE_MAX));
}

static void test_seek_reaches_the_end_but_not_beyond(void **state)
{
    struct cursor cursor = cursor_over(sample, sizeof(sample));

    (void)state;
    assert_true(cursor_seek(&cursor, sizeof(sample)));
    assert_int_equal(cursor_left(&cursor), 0);
    assert_true(cursor_seek(&cursor, 2));
    assert_int_equal(cursor_u8(&cursor), 0x03);
    assert_false(cursor_seek(&cursor, sizeof(sample) + 1));
    assert_int_equal(cursor.position, 3);
}

static void test_taken_cursor_ends_where_it_was_told(void **state)
{
    struct cursor cursor = cursor_over(sample, sizeof(sample));
    struct cursor part;

    (void)state;
    cursor_u8(&cursor);
    part = cursor_take(&cursor, 4);
    assert_int_equal(cursor.position, 5);
    assert_int_equal(part.position, 0);
    assert_int_equal(cursor_u32(&part), 0x05040302);
    assert_int_equal(cursor_u8(&part), 0);
    assert_true(part.failed);
    assert_false(cursor.failed);
    part = cursor_take(&cursor, 11);
    assert_true(part.failed && cursor.failed);
    assert_int_equal(part.size, 0);
}

static void test_string_must_have_its_nul_before_the_end(void **state)
{
    struct physical_view memory = memory_with(0, "ab\0cd", 5);
    struct cursor cursor = cursor_over(memory.bytes, memory.size);

    (void)state;
    assert_string_equal(cursor_string(&cursor), "ab");
    assert_int_equal(cursor.position, 3);
    assert_null(cursor_string(&cursor));
    assert_true(cursor.failed);
    assert_int_equal(cursor.position, 3);
    memory_free(memory);
}

static void test_empty_string_and_string_at_the_very_end(void **state)
{
    struct cursor cursor = cursor_over("\0x", 3);

    (void)state;
    assert_string_equal(cursor_string(&cursor), "");
    assert_string_equal(cursor_string(&cursor), "x");
    assert_int_equal(cursor_left(&cursor), 0);
    assert_null(cursor_string(&cursor));
}

static void test_view_gives_only_what_lies_wholly_inside(void **state)
{
    struct physical_view view = {.bytes = sample, .size = sizeof(sample)};
    struct cursor cursor = view_cursor(&view, 3, 2);

    (void)state;
    assert_int_equal(cursor_u16(&cursor), 0x0504);
    assert_int_equal(cursor_left(&cursor), 0);
    assert_false(view_cursor(&view, 0, sizeof(sample)).failed);
    assert_false(view_cursor(&view, sizeof(sample), 0).failed);
    assert_true(view_cursor(&view, 0, sizeof(sample) + 1).failed);
    assert_true(view_cursor(&view, sizeof(sample) + 1, 0).failed);
    assert_true(view_cursor(&view, 1, sizeof(sample)).failed);
    assert_true(view_cursor(&view, 8, UINT64_MAX - 4).failed);
    assert_true(view_cursor(&view, UINT64_MAX, 1).failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_read_in_little_endian_order),
        cmocka_unit_test(test_each_read_is_refused_when_one_byte_is_missing),
        cmocka_unit_test(test_failed_cursor_stays_failed_and_keeps_its_position),
        cmocka_unit_test(test_copy_of_everything_and_of_one_byte_more),
        cmocka_unit_test(test_sizes_near_the_largest_number_do_not_wrap),
        cmocka_unit_test(test_seek_reaches_the_end_but_not_beyond),
        cmocka_unit_test(test_taken_cursor_ends_where_it_was_told),
        cmocka_unit_test(test_string_must_have_its_nul_before_the_end),
        cmocka_unit_test(test_empty_string_and_string_at_the_very_end),
        cmocka_unit_test(test_view_gives_only_what_lies_wholly_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
