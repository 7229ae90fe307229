/*
 * Sections of a PE image, in images made by the numbers of the PE format.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "block.h"
#include "config.h"

#define PE_AT          0x80
#define OPTIONAL_BYTES 240
#define TABLE_AT       (PE_AT + 4 + 20 + OPTIONAL_BYTES)
#define IMAGE_BYTES    0x3000

static struct block image;
static struct pe_section found;

static void set16(size_t at, uint16_t value)
{
    memcpy(image.bytes + at, &value, sizeof(value));
}

static void set_section(uint32_t i, const char *name, uint32_t address, uint32_t bytes)
{
    size_t at = TABLE_AT + i * 40;

    memset(image.bytes + at, 0, 8);
    memcpy(image.bytes + at, name, strlen(name));
    set32(&image, at + 8, bytes);
    set32(&image, at + 12, address);
    set32(&image, at + 16, (bytes + 0x1ff) & ~0x1ffU); /* in the file, with padding */
}

static int before_each(void **state)
{
    (void)state;
    image.size = 0;
    pad_to(&image, IMAGE_BYTES);
    memcpy(image.bytes, "MZ", 2);
    set32(&image, 0x3c, PE_AT);
    memcpy(image.bytes + PE_AT, "PE\0\0", 4);
    set16(PE_AT + 4, 0x8664);
    set16(PE_AT + 6, 3);
    set16(PE_AT + 20, OPTIONAL_BYTES);
    set_section(0, ".text", 0x1000, 0x800);
    set_section(1, ".config", 0x2000, 123);
    set_section(2, ".ramdisk", 0x2200, 0xe00);
    return 0;
}

/* The image ends where its allocation ends. */
static enum pe_result find(const char *name)
{
    struct physical_view copy = memory_with(0, image.bytes, image.size);
    enum pe_result result;

    found = (struct pe_section){0xa5, 0xa5};
    result = pe_section_find(copy.bytes, copy.size, name, &found);
    memory_free(copy);
    return result;
}

static void test_a_section_is_where_it_was_loaded_without_its_padding(void **state)
{
    (void)state;
    assert_int_equal(find(".config"), PE_SECTION_FOUND);
    assert_int_equal(found.offset, 0x2000);
    assert_int_equal(found.bytes, 123);
    assert_int_equal(find(".text"), PE_SECTION_FOUND);
    assert_int_equal(found.offset, 0x1000);
}

static void test_a_name_of_eight_characters_has_no_nul(void **state)
{
    (void)state;
    assert_int_equal(find(".ramdisk"), PE_SECTION_FOUND);
    assert_int_equal(found.offset + found.bytes, IMAGE_BYTES);
}

static void test_a_name_must_be_the_whole_name(void **state)
{
    static const char *const names[] = {".conf", ".config2", ".ramdisk2", ".ramdis", ".kernel"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(find(names[i]), PE_SECTION_ABSENT);
    }
}

static void test_two_sections_of_one_name_are_bad(void **state)
{
    (void)state;
    set_section(2, ".config", 0x2200, 5);
    assert_int_equal(find(".config"), PE_SECTION_BAD);
    assert_int_equal(find(".text"), PE_SECTION_FOUND);
    set_section(2, ".config", 0x2000, 123); /* though they are the same */
    assert_int_equal(find(".config"), PE_SECTION_BAD);
}

static void test_a_section_that_leaves_the_image_is_bad_and_not_absent(void **state)
{
    static const struct {
        uint32_t address;
        uint32_t bytes;
        bool inside;
    } cases[] = {
        {0x2000, 0x1000, true},          {0x2000, 0x1001, false},     {0x2fff, 2, false},
        {IMAGE_BYTES, 0, true},          {IMAGE_BYTES + 1, 0, false}, {0xffffffff, 1, false},
        {0xffffffff, 0xffffffff, false}, {1, 0xffffffff, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        set_section(1, ".config", cases[i].address, cases[i].bytes);
        assert_int_equal(find(".config"), cases[i].inside ? PE_SECTION_FOUND : PE_SECTION_BAD);
        assert_int_equal(find(".kernel"), PE_SECTION_ABSENT);
    }
}

static void test_only_sections_that_are_counted_are_there(void **state)
{
    (void)state;
    set16(PE_AT + 6, 1);
    assert_int_equal(find(".config"), PE_SECTION_ABSENT);
    assert_int_equal(find(".text"), PE_SECTION_FOUND);
    set16(PE_AT + 6, 0);
    assert_int_equal(find(".text"), PE_SECTION_ABSENT);
}

static void test_nothing_is_known_of_a_table_that_leaves_the_image(void **state)
{
    (void)state;
    set16(PE_AT + 6, 0xffff);
    assert_int_equal(find(".config"), PE_SECTION_BAD);
    assert_int_equal(find(".kernel"), PE_SECTION_BAD);
    before_each(NULL);
    image.size = TABLE_AT + 3 * 40 - 1; /* the third header lacks a byte */
    assert_int_equal(find(".kernel"), PE_SECTION_BAD);
    image.size++;
    assert_int_equal(find(".kernel"), PE_SECTION_ABSENT);
}

static void test_what_is_no_pe_image_is_bad(void **state)
{
    (void)state;
    image.bytes[0] = 'Z';
    assert_int_equal(find(".config"), PE_SECTION_BAD);
    before_each(NULL);
    image.bytes[PE_AT + 3] = 1;
    assert_int_equal(find(".config"), PE_SECTION_BAD);
    before_each(NULL);
    set32(&image, 0x3c, IMAGE_BYTES - 3);
    assert_int_equal(find(".config"), PE_SECTION_BAD);
    set32(&image, 0x3c, 0xffffffff);
    assert_int_equal(find(".config"), PE_SECTION_BAD);
    before_each(NULL);
    set16(PE_AT + 20, 0xffff); /* the optional header alone leaves the image */
    assert_int_equal(find(".config"), PE_SECTION_BAD);
}

static void test_every_truncation_is_survived_and_never_called_absent(void **state)
{
    (void)state;
    for (image.size = 0; image.size < IMAGE_BYTES; image.size++) {
        assert_int_equal(find(".config"),
                         image.size >= 0x2000 + 123 ? PE_SECTION_FOUND : PE_SECTION_BAD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_section_is_where_it_was_loaded_without_its_padding,
                               before_each),
        cmocka_unit_test_setup(test_a_name_of_eight_characters_has_no_nul, before_each),
        cmocka_unit_test_setup(test_a_name_must_be_the_whole_name, before_each),
        cmocka_unit_test_setup(test_two_sections_of_one_name_are_bad, before_each),
        cmocka_unit_test_setup(test_a_section_that_leaves_the_image_is_bad_and_not_absent,
                               before_each),
        cmocka_unit_test_setup(test_only_sections_that_are_counted_are_there, before_each),
        cmocka_unit_test_setup(test_nothing_is_known_of_a_table_that_leaves_the_image, before_each),
        cmocka_unit_test_setup(test_what_is_no_pe_image_is_bad, before_each),
        cmocka_unit_test_setup(test_every_truncation_is_survived_and_never_called_absent,
                               before_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
