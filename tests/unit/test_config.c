/*
 * The configuration file, and load options as text: what comes out of any bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "random.h"

static struct config config;

/* Read a file that lies at the end of an allocation; what was found stays until the next one. */
static enum config_defect read_bytes(const char *file, size_t bytes, const char *section)
{
    static char *copy;

    free(copy);
    copy = malloc(bytes);
    if (bytes != 0) {
        memcpy(copy, file, bytes);
    }
    memset(&config, 0xa5, sizeof(config));
    return config_read(copy, bytes, (struct config_text){section, strlen(section)}, &config);
}

static enum config_defect read_text(const char *file, const char *section)
{
    return read_bytes(file, strlen(file), section);
}

static void assert_text(struct config_text text, const char *expected)
{
    assert_int_equal(text.bytes, strlen(expected));
    if (text.bytes != 0) {
        assert_memory_equal(text.text, expected, text.bytes);
    }
}

static void assert_config(const char *options, const char *kernel, const char *args,
                          const char *ramdisk)
{
    assert_text(config.options, options);
    assert_text(config.kernel, kernel);
    assert_text(config.kernel_args, args);
    assert_text(config.ramdisk, ramdisk);
}

#define TWO_SECTIONS                                                                               \
    "[global]\ndefault=linux\n\n[old]\nkernel=old-vmlinuz\n"                                       \
    "[linux]\noptions=com1=115200 dom0=native\nkernel=vmlinuz root=/dev/sda1 ro\n"                 \
    "ramdisk=initrd.img\n"

/* --- the section ---------------------------------------------------------------------------- */

static void test_the_default_section_is_read(void **state)
{
    (void)state;
    assert_int_equal(read_text(TWO_SECTIONS, ""), CONFIG_OK);
    assert_config("com1=115200 dom0=native", "vmlinuz", "root=/dev/sda1 ro", "initrd.img");
}

static void test_the_section_asked_for_wins_over_the_default(void **state)
{
    (void)state;
    assert_int_equal(read_text(TWO_SECTIONS, "old"), CONFIG_OK);
    assert_config("", "old-vmlinuz", "", "");
}

static void test_without_global_the_first_section_that_has_a_name_is_read(void **state)
{
    (void)state;
    assert_int_equal(
        read_text("kernel=none\n[]\nkernel=nameless\n[a]\nkernel=x\n[b]\nkernel=y", ""), CONFIG_OK);
    assert_config("", "x", "", "");
}

static void test_a_global_without_a_default_chooses_nothing(void **state)
{
    (void)state;
    assert_int_equal(read_text("[a]\nkernel=x\n[global]\n", ""), CONFIG_NO_DEFAULT);
    assert_int_equal(read_text("[global]\ndefault= \n[a]\nkernel=x\n", ""), CONFIG_NO_DEFAULT);
    assert_config("", "", "", "");
    assert_int_equal(read_text("[a]\nkernel=x\n[global]\n", "a"), CONFIG_OK);
}

static void test_a_section_that_is_not_there_is_said_so(void **state)
{
    (void)state;
    assert_int_equal(read_text(TWO_SECTIONS, "lin"), CONFIG_NO_SECTION);
    assert_int_equal(read_text(TWO_SECTIONS, "linux2"), CONFIG_NO_SECTION);
    assert_int_equal(read_text("[global]\ndefault=none\n[a]\n", ""), CONFIG_NO_SECTION);
    assert_int_equal(read_text("", ""), CONFIG_NO_SECTION);
    assert_int_equal(read_text("", "a"), CONFIG_NO_SECTION);
    assert_int_equal(read_text("kernel=x\n", ""), CONFIG_NO_SECTION);
    assert_config("", "", "", "");
}

static void test_a_section_without_keys_is_there(void **state)
{
    (void)state;
    assert_int_equal(read_text("[global]\ndefault=a\n[a]", ""), CONFIG_OK);
    assert_config("", "", "", "");
}

/* --- keys and values ------------------------------------------------------------------------ */

static void test_of_a_key_given_twice_the_first_counts_also_in_parts_of_a_section(void **state)
{
    (void)state;
    assert_int_equal(read_text("[a]\nkernel=one\nkernel=two\n[b]\nramdisk=other\n"
                               "[a]\nkernel=three\nramdisk=late\n",
                               "a"),
                     CONFIG_OK);
    assert_config("", "one", "", "late");
}

static void test_an_empty_first_value_counts_too(void **state)
{
    (void)state;
    assert_int_equal(read_text("[a]\nramdisk=\nramdisk=two\n", "a"), CONFIG_OK);
    assert_config("", "", "", "");
}

static void test_blanks_and_line_ends_of_every_kind_are_dropped(void **state)
{
    (void)state;
    assert_int_equal(read_text(" \t[ global ] \r\n\tdefault\t= \ta b \r\n[a b]ignored\r\n"
                               " kernel = v m \t l \r\n ramdisk\t=\ti \r\noptions=o \t",
                               ""),
                     CONFIG_OK);
    assert_config("o", "v", "m \t l", "i");
}

static void test_comments_are_no_keys_but_a_value_may_hold_their_signs(void **state)
{
    (void)state;
    assert_int_equal(read_text("#[a]\n;[a]\n[a]\n#kernel=1\n ;kernel=2\nkernel=v #x;y=z\n", ""),
                     CONFIG_OK);
    assert_config("", "v", "#x;y=z", "");
}

static void test_lines_without_sense_are_passed_over(void **state)
{
    (void)state;
    assert_int_equal(read_text("garbage\n[a]\nkernel\n=x\nkernels=n\nkerne=n\nKernel=n\nxkernel=n\n"
                               "kernel==v\n",
                               "a"),
                     CONFIG_OK);
    assert_config("", "=v", "", "");
}

static void test_a_section_without_its_bracket_reaches_to_the_end_of_the_line(void **state)
{
    (void)state;
    assert_int_equal(read_text("[a\nkernel=x\n", "a"), CONFIG_OK);
    assert_config("", "x", "", "");
}

static void test_a_nul_ends_the_line_and_not_the_file(void **state)
{
    static const char file[] = "[a]\0kernel=x\0y args\nramdisk=z\0\0\0";

    (void)state;
    assert_int_equal(read_bytes(file, sizeof(file), "a"), CONFIG_OK);
    assert_config("", "x", "", "z");
}

static void test_a_byte_order_mark_is_no_part_of_the_first_line(void **state)
{
    (void)state;
    assert_int_equal(read_text("\xef\xbb\xbf[a]\nkernel=x\n", "a"), CONFIG_OK);
    assert_config("", "x", "", "");
    assert_int_equal(read_text("\xef\xbb", "a"), CONFIG_NO_SECTION);
    assert_int_equal(read_text("\xef\xbb[a]\n", "a"), CONFIG_NO_SECTION);
}

static void assert_inside(struct config_text text, const char *file, size_t bytes)
{
    if (text.bytes != 0) {
        assert_true(text.text >= file && text.bytes <= bytes);
        assert_true((size_t)(text.text - file) <= bytes - text.bytes);
        assert_null(memchr(text.text, '\0', text.bytes));
        assert_null(memchr(text.text, '\n', text.bytes));
    }
}

static void test_random_files_stay_inside_their_bytes(void **state)
{
    static const char *const pieces[] = {
        "[global]", "default=", "a",  "[a]", "kernel=", "ramdisk=", "options=", "\n",  " ",
        "\r\n",     "#",        "\t", "=",   "[",       "]",        "\0",       "x y", "\n"};
    struct random random = {0xc0f19};
    int good = 0;

    (void)state;
    for (int run = 0; run < 20000; run++) {
        char file[256];
        size_t bytes = 0;

        for (uint32_t i = random_below(&random, 24); i > 0; i--) {
            const char *piece = pieces[random_below(&random, sizeof(pieces) / sizeof(pieces[0]))];
            size_t piece_bytes = piece[0] == '\0' ? 1 : strlen(piece);

            memcpy(file + bytes, piece, piece_bytes);
            bytes += piece_bytes;
        }
        char *exact = malloc(bytes + 1);

        memcpy(exact, file, bytes);
        exact = realloc(exact, bytes != 0 ? bytes : 1);
        good += config_read(exact, bytes, (struct config_text){"a", random_below(&random, 2)},
                            &config) == CONFIG_OK;
        assert_inside(config.options, exact, bytes);
        assert_inside(config.kernel, exact, bytes);
        assert_inside(config.kernel_args, exact, bytes);
        assert_inside(config.ramdisk, exact, bytes);
        free(exact);
    }
    assert_true(good > 1000);
}

/* --- load options --------------------------------------------------------------------------- */

static char text[16];

/* `options` is in an allocation that ends where it ends. */
static enum load_options options_text(const void *options, size_t bytes)
{
    void *copy = malloc(bytes + 1);
    enum load_options result;

    memcpy(copy, options, bytes);
    copy = realloc(copy, bytes != 0 ? bytes : 1);
    memset(text, 0xa5, sizeof(text));
    result = load_options_text(copy, bytes, text, sizeof(text));
    free(copy);
    return result;
}

static void assert_options(const void *options, size_t bytes, enum load_options result,
                           const char *expected)
{
    assert_int_equal(options_text(options, bytes), result);
    assert_string_equal(text, expected);
}

static void test_load_options_become_bytes(void **state)
{
    (void)state;
    assert_options(u"a -cfg=b", sizeof(u"a -cfg=b"), LOAD_OPTIONS_OK, "a -cfg=b");
    assert_options(u"a -cfg=b", sizeof(u"a -cfg=b") - 2, LOAD_OPTIONS_OK, "a -cfg=b"); /* no NUL */
    assert_options(u"a -cfg=b", sizeof(u"a -cfg=b") - 3, LOAD_OPTIONS_OK, "a -cfg=");  /* odd */
    assert_options(u"~a\tb\r\n", sizeof(u"~a\tb\r\n"), LOAD_OPTIONS_OK, "~a b  ");
}

static void test_load_options_that_are_empty_are_an_empty_text(void **state)
{
    (void)state;
    assert_options(u"", 0, LOAD_OPTIONS_OK, "");
    assert_options(u"x", 1, LOAD_OPTIONS_OK, "");
    assert_options(u"\0x", 4, LOAD_OPTIONS_OK, "");
}

static void test_load_options_at_no_address_are_empty_whatever_their_size(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 9; bytes++) {
        text[0] = 'x';
        assert_int_equal(load_options_text(NULL, bytes, text, sizeof(text)), LOAD_OPTIONS_OK);
        assert_string_equal(text, "");
    }
}

static void test_what_comes_behind_the_nul_does_not_matter(void **state)
{
    (void)state;
    assert_options(u"ab\0\u1234", 8, LOAD_OPTIONS_OK, "ab");
}

static void test_load_options_too_long_are_not_cut(void **state)
{
    (void)state;
    assert_options(u"123456789012345", sizeof(u"123456789012345"), LOAD_OPTIONS_OK,
                   "123456789012345");
    assert_options(u"1234567890123456", sizeof(u"1234567890123456"), LOAD_OPTIONS_TOO_LONG, "");
    assert_options(u"1234567890123456", sizeof(u"1234567890123456") - 2, LOAD_OPTIONS_TOO_LONG, "");
    text[0] = 'x';
    assert_int_equal(load_options_text(u"ab", 4, text, 1), LOAD_OPTIONS_TOO_LONG);
    assert_string_equal(text, "");
}

static void test_characters_outside_ascii_become_question_marks(void **state)
{
    (void)state;
    assert_options(u"caf\u00e9 -x", sizeof(u"caf\u00e9 -x"), LOAD_OPTIONS_OK, "caf? -x");
    assert_options(u"a\x7f\x1b\x0141", sizeof(u"a\x7f\x1b\x0141"), LOAD_OPTIONS_OK, "a???");
}

static void test_of_a_whole_load_option_the_options_count(void **state)
{
    static const uint8_t load_option[] = {1, 0,    0,    0, 4, 0,   'U', 0,   'b', 0, 0,
                                          0, 0x7f, 0xff, 4, 0, '-', 0,   'x', 0,   0, 0};

    (void)state;
    assert_options(load_option, sizeof(load_option), LOAD_OPTIONS_OK, "-x");
    assert_options(load_option, 16, LOAD_OPTIONS_OK, ""); /* it has no options */
    for (size_t bytes = 2; bytes < 16; bytes++) {
        assert_options(load_option, bytes, LOAD_OPTIONS_NO_TEXT, "");
    }
}

static void test_bytes_that_are_no_text_give_none(void **state)
{
    (void)state;
    assert_options("com1=115200", 11, LOAD_OPTIONS_NO_TEXT, ""); /* bytes, not UCS-2 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_default_section_is_read),
        cmocka_unit_test(test_the_section_asked_for_wins_over_the_default),
        cmocka_unit_test(test_without_global_the_first_section_that_has_a_name_is_read),
        cmocka_unit_test(test_a_global_without_a_default_chooses_nothing),
        cmocka_unit_test(test_a_section_that_is_not_there_is_said_so),
        cmocka_unit_test(test_a_section_without_keys_is_there),
        cmocka_unit_test(test_of_a_key_given_twice_the_first_counts_also_in_parts_of_a_section),
        cmocka_unit_test(test_an_empty_first_value_counts_too),
        cmocka_unit_test(test_blanks_and_line_ends_of_every_kind_are_dropped),
        cmocka_unit_test(test_comments_are_no_keys_but_a_value_may_hold_their_signs),
        cmocka_unit_test(test_lines_without_sense_are_passed_over),
        cmocka_unit_test(test_a_section_without_its_bracket_reaches_to_the_end_of_the_line),
        cmocka_unit_test(test_a_nul_ends_the_line_and_not_the_file),
        cmocka_unit_test(test_a_byte_order_mark_is_no_part_of_the_first_line),
        cmocka_unit_test(test_random_files_stay_inside_their_bytes),
        cmocka_unit_test(test_load_options_become_bytes),
        cmocka_unit_test(test_load_options_that_are_empty_are_an_empty_text),
        cmocka_unit_test(test_load_options_at_no_address_are_empty_whatever_their_size),
        cmocka_unit_test(test_what_comes_behind_the_nul_does_not_matter),
        cmocka_unit_test(test_load_options_too_long_are_not_cut),
        cmocka_unit_test(test_characters_outside_ascii_become_question_marks),
        cmocka_unit_test(test_of_a_whole_load_option_the_options_count),
        cmocka_unit_test(test_bytes_that_are_no_text_give_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
