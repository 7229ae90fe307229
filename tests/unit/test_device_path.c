/*
 * The folder in an EFI device path, in paths made by the numbers of the UEFI specification.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "block.h"
#include "config.h"

#define OUT_CHARACTERS 24

static struct block path;
static uint16_t out[OUT_CHARACTERS];

static void put_node(uint8_t type, uint8_t subtype, const void *content, size_t bytes)
{
    put8(&path, type);
    put8(&path, subtype);
    put16(&path, (uint16_t)(4 + bytes));
    put_bytes(&path, content, bytes);
}

/* A file path node whose text is a u"" literal: with its NUL, as firmware gives it. */
#define PUT_FILE(text)   put_node(4, 4, text, sizeof(text))
#define PUT_NO_NUL(text) put_node(4, 4, text, sizeof(text) - 2)

static void put_end(void)
{
    put_node(0x7f, 0xff, "", 0);
}

static int before_each(void **state)
{
    (void)state;
    path.size = 0;
    return 0;
}

/* The path ends where its allocation ends. */
static bool folder(size_t out_characters)
{
    struct physical_view copy = memory_with(0, path.bytes, path.size);
    bool good;

    memset(out, 0xa5, sizeof(out));
    good = device_path_folder(copy.bytes, copy.size, out, out_characters);
    memory_free(copy);
    return good;
}

static void assert_out(const uint16_t *expected, size_t bytes)
{
    assert_memory_equal(out, expected, bytes);
}

#define ASSERT_FOLDER(expected)                                                                    \
    do {                                                                                           \
        assert_true(folder(OUT_CHARACTERS));                                                       \
        assert_out(expected, sizeof(expected));                                                    \
    } while (0)

#define ASSERT_UNKNOWN(out_characters)                                                             \
    do {                                                                                           \
        assert_false(folder(out_characters));                                                      \
        assert_out(u"", sizeof(u""));                                                              \
    } while (0)

static void test_one_node_holds_the_whole_path(void **state)
{
    (void)state;
    PUT_FILE(u"\\EFI\\berth\\berth.efi");
    put_end();
    ASSERT_FOLDER(u"\\EFI\\berth\\");
}

static void test_nodes_are_joined_by_one_backslash(void **state)
{
    (void)state;
    PUT_FILE(u"\\EFI\\berth");
    PUT_FILE(u"berth.efi");
    put_end();
    ASSERT_FOLDER(u"\\EFI\\berth\\");
}

static void test_backslashes_at_the_seam_are_one(void **state)
{
    (void)state;
    PUT_FILE(u"\\EFI\\");
    PUT_NO_NUL(u"\\a");
    PUT_FILE(u"\\b\\");
    PUT_FILE(u"c.efi");
    put_end();
    ASSERT_FOLDER(u"\\EFI\\a\\b\\");
}

static void test_a_file_in_the_root_has_no_folder_but_the_root(void **state)
{
    (void)state;
    PUT_FILE(u"berth.efi");
    put_end();
    ASSERT_FOLDER(u"");
    before_each(NULL);
    PUT_FILE(u"\\berth.efi");
    put_end();
    ASSERT_FOLDER(u"\\");
    before_each(NULL);
    PUT_FILE(u""); /* GRUB's folder of a file in the root */
    PUT_FILE(u"berth.efi");
    put_end();
    ASSERT_FOLDER(u"\\");
}

static void test_without_file_path_nodes_there_is_no_folder(void **state)
{
    (void)state;
    put_end();
    ASSERT_FOLDER(u"");
    assert_true(device_path_folder(NULL, 100, out, OUT_CHARACTERS));
    assert_out(u"", sizeof(u""));
}

static void test_the_first_other_node_ends_the_path(void **state)
{
    static const uint8_t others[][2] = {{4, 1}, {1, 4}, {0x7f, 0xff}, {0x7f, 4}, {4, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        before_each(NULL);
        PUT_FILE(u"\\a\\b");
        put_node(others[i][0], others[i][1], u"xyz", 6);
        PUT_FILE(u"\\c\\d");
        put_end();
        ASSERT_FOLDER(u"\\a\\");
    }
}

static void test_text_ends_with_its_nul_or_its_node(void **state)
{
    (void)state;
    put_node(4, 4, u"\\a\0\\b\\", 12);
    put_node(4, 4, u"c\\d", 5); /* odd: half of it is no character */
    put_end();
    ASSERT_FOLDER(u"\\a\\c\\");
}

static void test_a_path_that_does_not_fit_gives_no_folder_at_all(void **state)
{
    (void)state;
    PUT_FILE(u"\\EFI\\berth"); /* 10 */
    PUT_FILE(u"berth.efi");    /* a backslash, and 9 */
    put_end();
    for (size_t i = 1; i <= 20; i++) {
        ASSERT_UNKNOWN(i);
    }
    assert_true(folder(21));
    assert_out(u"\\EFI\\berth\\", sizeof(u"\\EFI\\berth\\"));
}

static void test_a_length_that_is_too_short_or_too_long_gives_no_folder(void **state)
{
    (void)state;
    for (uint16_t bytes = 0; bytes < 4; bytes++) {
        before_each(NULL);
        PUT_FILE(u"\\a\\b");
        PUT_FILE(u"\\c\\d");
        memcpy(path.bytes + 14 + 2, &bytes, sizeof(bytes));
        put_end();
        ASSERT_UNKNOWN(OUT_CHARACTERS);
    }
    path.bytes[14 + 2] = 0xff;
    ASSERT_UNKNOWN(OUT_CHARACTERS);
}

static void test_a_path_without_an_end_gives_no_folder(void **state)
{
    (void)state;
    PUT_FILE(u"\\EFI\\berth");
    PUT_FILE(u"berth.efi");
    put_end();
    const size_t whole = path.size;

    for (path.size = 0; path.size < whole; path.size++) {
        ASSERT_UNKNOWN(OUT_CHARACTERS);
    }
    ASSERT_FOLDER(u"\\EFI\\berth\\");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_one_node_holds_the_whole_path, before_each),
        cmocka_unit_test_setup(test_nodes_are_joined_by_one_backslash, before_each),
        cmocka_unit_test_setup(test_backslashes_at_the_seam_are_one, before_each),
        cmocka_unit_test_setup(test_a_file_in_the_root_has_no_folder_but_the_root, before_each),
        cmocka_unit_test_setup(test_without_file_path_nodes_there_is_no_folder, before_each),
        cmocka_unit_test_setup(test_the_first_other_node_ends_the_path, before_each),
        cmocka_unit_test_setup(test_text_ends_with_its_nul_or_its_node, before_each),
        cmocka_unit_test_setup(test_a_path_that_does_not_fit_gives_no_folder_at_all, before_each),
        cmocka_unit_test_setup(test_a_length_that_is_too_short_or_too_long_gives_no_folder,
                               before_each),
        cmocka_unit_test_setup(test_a_path_without_an_end_gives_no_folder, before_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
