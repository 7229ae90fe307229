/*
 * Names for code addresses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "symbols.h"

static const char names[] = "first\0second\0third";
static const struct symbol_entry entries[] = {{0x100, 0}, {0x200, 6}, {0x280, 13}};
static const struct symbol_table table = {.entries = entries, .count = 3, .names = names};

static void assert_symbol(uint32_t offset, const char *name, uint32_t expected_within)
{
    uint32_t within = UINT32_MAX;

    assert_string_equal(symbol_at(&table, offset, &within), name);
    assert_int_equal(within, expected_within);
}

static void test_first_byte_belongs_to_the_function(void **state)
{
    (void)state;
    assert_symbol(0x100, "first", 0);
    assert_symbol(0x200, "second", 0);
    assert_symbol(0x280, "third", 0);
}

static void test_bytes_up_to_the_next_function_belong_to_it(void **state)
{
    (void)state;
    assert_symbol(0x101, "first", 1);
    assert_symbol(0x1ff, "first", 0xff);
    assert_symbol(0x27f, "second", 0x7f);
    assert_symbol(UINT32_MAX, "third", UINT32_MAX - 0x280);
}

static void test_nothing_lies_before_the_first_function(void **state)
{
    uint32_t within = 7;

    (void)state;
    assert_null(symbol_at(&table, 0xff, &within));
    assert_null(symbol_at(&table, 0, &within));
    assert_int_equal(within, 7);
}

static void test_empty_table_knows_nothing(void **state)
{
    struct symbol_table empty = {.entries = NULL, .count = 0, .names = names};
    uint32_t within;

    (void)state;
    assert_null(symbol_at(&empty, 0x100, &within));
}

/* Every size of table, every place in it. */
static void test_search_finds_every_entry_of_tables_of_every_size(void **state)
{
    static struct symbol_entry many[65];
    uint32_t within;

    (void)state;
    for (uint32_t i = 0; i < 65; i++) {
        many[i] = (struct symbol_entry){.offset = 16 * (i + 1), .name = i % 2 ? 0 : 6};
    }
    for (uint32_t count = 1; count <= 65; count++) {
        struct symbol_table some = {.entries = many, .count = count, .names = names};

        for (uint32_t i = 0; i < count; i++) {
            assert_ptr_equal(symbol_at(&some, 16 * (i + 1) + 15, &within), names + many[i].name);
            assert_int_equal(within, 15);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_byte_belongs_to_the_function),
        cmocka_unit_test(test_bytes_up_to_the_next_function_belong_to_it),
        cmocka_unit_test(test_nothing_lies_before_the_first_function),
        cmocka_unit_test(test_empty_table_knows_nothing),
        cmocka_unit_test(test_search_finds_every_entry_of_tables_of_every_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
