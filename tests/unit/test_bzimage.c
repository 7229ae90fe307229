/*
 * The bzImage reader on hand-made files. Each file lies in a heap buffer of exactly its size, so
 * that the address sanitizer sees every byte that is read beyond it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bzimage.h"
#include "kernel_maker.h"

static uint8_t made[MADE_KERNEL_BYTES];
static struct bzimage kernel;

static struct status parse(const uint8_t *file, size_t bytes)
{
    uint8_t *exact = malloc(bytes == 0 ? 1 : bytes);
    struct status status;

    assert_non_null(exact);
    memcpy(exact, file, bytes);
    memset(&kernel, 0x55, sizeof(kernel));
    status = bzimage_parse(bytes == 0 ? exact + 1 : exact, bytes, &kernel);
    free(exact);
    return status;
}

static void assert_refused(enum status_code code, uint64_t offset)
{
    struct status status = parse(made, sizeof(made));

    assert_int_equal(status.code, code);
    assert_int_equal(status.offset, offset);
}

static void test_a_kernel_of_protocol_2_15_is_read(void **state)
{
    (void)state;
    make_kernel(made, 0x20f);
    assert_true(is_ok(parse(made, sizeof(made))));
    assert_int_equal(kernel.protocol, 0x20f);
    assert_int_equal(kernel.header_bytes, 0x26c - 0x1f1);
    assert_int_equal(kernel.payload_offset, MADE_PAYLOAD_AT);
    assert_int_equal(kernel.payload_bytes, 160);
    assert_int_equal(kernel.preferred, 0x1000000);
    assert_int_equal(kernel.alignment, 0x200000);
    assert_int_equal(kernel.init_bytes, 0x1e00000);
    assert_true(kernel.relocatable && kernel.entry_64 && kernel.above_4g);
    assert_int_equal(kernel.initrd_below, 1ULL << 52);
    assert_int_equal(kernel.cmdline_bytes, 2047);
    assert_string_equal(kernel.version, MADE_VERSION);
}

static void test_each_version_has_the_fields_it_has(void **state)
{
    (void)state;
    for (uint16_t protocol = 0x206; protocol <= 0x211; protocol++) {
        make_kernel(made, protocol);
        assert_true(is_ok(parse(made, sizeof(made))));
        assert_int_equal(kernel.protocol, protocol);
        assert_int_equal(kernel.header_bytes, made_header_end(protocol) - 0x1f1);
        assert_int_equal(kernel.preferred, protocol >= 0x20a ? 0x1000000 : 0x100000);
        assert_int_equal(kernel.init_bytes,
                         protocol >= 0x20a ? 0x1e00000 : 4096); /* 4 x 160, in pages */
        assert_int_equal(kernel.entry_64, protocol >= 0x20c);
        assert_int_equal(kernel.above_4g, protocol >= 0x20c);
        assert_int_equal(kernel.initrd_below, protocol >= 0x20c ? 1ULL << 52 : 0x38000000);
        assert_int_equal(kernel.cmdline_bytes, 2047);
    }
}

static void test_bytes_of_later_versions_mean_nothing_in_earlier_ones(void **state)
{
    (void)state;
    for (uint16_t protocol = 0x206; protocol <= 0x20b; protocol++) {
        make_kernel(made, protocol);
        put(made, 0x201, 0x268 - 0x202, 1); /* a header as long as one of 2.12 */
        put(made, 0x236, 0xffff, 2);        /* xloadflags, 2.12 */
        put(made, 0x258, 0x7000000, 8);     /* pref_address, 2.10 */
        put(made, 0x260, 0x7777777, 4);     /* init_size, 2.10 */
        assert_true(is_ok(parse(made, sizeof(made))));
        assert_false(kernel.entry_64 || kernel.above_4g);
        assert_int_equal(kernel.preferred, protocol >= 0x20a ? 0x7000000 : 0x100000);
        assert_int_equal(kernel.init_bytes, protocol >= 0x20a ? 0x7777777 : 4096);
    }
}

static void test_protocols_before_2_06_are_too_old(void **state)
{
    (void)state;
    for (uint16_t protocol = 0x200; protocol < 0x206; protocol++) {
        make_kernel(made, protocol);
        assert_refused(KERNEL_TOO_OLD, protocol);
    }
    make_kernel(made, 0x206);
    put(made, 0x206, 0x0105, 2);
    assert_refused(KERNEL_TOO_OLD, 0x0105);
}

static void test_a_file_without_the_magic_numbers_is_no_bzimage(void **state)
{
    (void)state;
    make_kernel(made, 0x20f);
    made[0x1fe] ^= 1;
    assert_refused(KERNEL_NOT_BZIMAGE, 0x1fe);
    make_kernel(made, 0x20f);
    made[0x205] ^= 1;
    assert_refused(KERNEL_NOT_BZIMAGE, 0x202);
}

static void test_a_file_cut_anywhere_is_refused_with_the_size_it_should_have(void **state)
{
    (void)state;
    make_kernel(made, 0x20f);
    for (size_t bytes = 0; bytes <= MADE_KERNEL_BYTES - 16; bytes++) {
        struct status status = parse(made, bytes);

        if (bytes < 0x208) {
            assert_int_equal(status.code, KERNEL_NOT_BZIMAGE);
            assert_int_equal(status.offset, bytes);
        } else {
            assert_int_equal(status.code, KERNEL_TRUNCATED);
            assert_int_equal(status.offset, MADE_KERNEL_BYTES);
        }
    }
}

static void test_the_last_paragraph_need_not_be_whole(void **state)
{
    (void)state;
    make_kernel(made, 0x20f);
    for (size_t bytes = MADE_KERNEL_BYTES - 15; bytes <= MADE_KERNEL_BYTES; bytes++) {
        assert_true(is_ok(parse(made, bytes)));
        assert_int_equal(kernel.payload_bytes, bytes - MADE_PAYLOAD_AT);
    }
}

static void test_what_follows_the_kernel_is_not_part_of_it(void **state)
{
    uint8_t longer[MADE_KERNEL_BYTES + 1000] = {0};

    (void)state;
    make_kernel(longer, 0x20f);
    assert_true(is_ok(parse(longer, sizeof(longer))));
    assert_int_equal(kernel.payload_bytes, MADE_PARAGRAPHS * 16);
}

static void test_no_setup_sectors_means_four(void **state)
{
    uint8_t longer[5 * 512 + MADE_PARAGRAPHS * 16];

    (void)state;
    memset(longer, 0, sizeof(longer));
    make_kernel(longer, 0x20f);
    longer[0x1f1] = 0;
    assert_true(is_ok(parse(longer, sizeof(longer))));
    assert_int_equal(kernel.payload_offset, 5 * 512);
}

static void test_sizes_that_overflow_32_bits_are_truncated_files(void **state)
{
    (void)state;
    make_kernel(made, 0x20f);
    put(made, 0x1f4, 0xffffffff, 4);
    assert_refused(KERNEL_TRUNCATED, MADE_PAYLOAD_AT + 0xffffffffULL * 16);
    put(made, 0x1f4, 0x10000000, 4); /* 4 GiB exactly */
    assert_refused(KERNEL_TRUNCATED, MADE_PAYLOAD_AT + (1ULL << 32));
    put(made, 0x1f4, 0, 4);
    assert_refused(KERNEL_BAD_HEADER, 0x1f4);
}

static void test_a_zimage_is_refused(void **state)
{
    (void)state;
    make_kernel(made, 0x20f);
    made[0x211] &= 0xfe;
    assert_refused(KERNEL_NOT_HIGH, 0x211);
}

static void test_a_header_shorter_than_its_version_is_refused(void **state)
{
    (void)state;
    for (uint16_t protocol = 0x206; protocol <= 0x210; protocol++) {
        /* What this code reads of 2.07 to 2.09 is what 2.06 has; 2.12 to 2.14 are as long as 2.11.
         */
        size_t least = protocol < 0x20a ? 0x23c : made_header_end(protocol);

        make_kernel(made, protocol);
        put(made, 0x201, least - 0x202, 1);
        assert_true(is_ok(parse(made, sizeof(made))));
        put(made, 0x201, least - 0x202 - 1, 1);
        assert_refused(KERNEL_BAD_HEADER, 0x201);
    }
    make_kernel(made, 0x20f);
    put(made, 0x201, 0x7f, 1);
    assert_true(is_ok(parse(made, sizeof(made))));
    assert_int_equal(kernel.header_bytes, 0x281 - 0x1f1);
    put(made, 0x201, 0x80, 1);
    assert_refused(KERNEL_BAD_HEADER, 0x201);
}

static void test_the_alignment_is_a_power_of_two_where_it_matters(void **state)
{
    (void)state;
    make_kernel(made, 0x20f);
    put(made, 0x230, 0x300000, 4);
    assert_refused(KERNEL_BAD_HEADER, 0x230);
    put(made, 0x230, 0, 4);
    assert_refused(KERNEL_BAD_HEADER, 0x230);
    put(made, 0x230, 1, 4);
    assert_true(is_ok(parse(made, sizeof(made))));
    put(made, 0x230, 0x80000000, 4);
    assert_true(is_ok(parse(made, sizeof(made))));
    assert_int_equal(kernel.alignment, 0x80000000);

    put(made, 0x230, 0, 4);
    put(made, 0x234, 0, 1); /* not relocatable */
    assert_true(is_ok(parse(made, sizeof(made))));
    assert_false(kernel.relocatable);
    assert_int_equal(kernel.alignment, 4096);
}

static void test_a_preferred_address_of_zero_is_none(void **state)
{
    (void)state;
    make_kernel(made, 0x20f);
    put(made, 0x258, 0, 8);
    assert_true(is_ok(parse(made, sizeof(made))));
    assert_int_equal(kernel.preferred, 0x100000);
}

static void test_the_room_needed_is_never_less_than_the_payload(void **state)
{
    (void)state;
    make_kernel(made, 0x20f);
    put(made, 0x260, 159, 4);
    assert_true(is_ok(parse(made, sizeof(made))));
    assert_int_equal(kernel.init_bytes, 160);
}

static void test_above_4_gib_needs_the_64_bit_entry(void **state)
{
    (void)state;
    make_kernel(made, 0x20f);
    put(made, 0x236, 2, 2);
    put(made, 0x22c, 0xffffffff, 4);
    assert_true(is_ok(parse(made, sizeof(made))));
    assert_false(kernel.entry_64 || kernel.above_4g);
    assert_int_equal(kernel.initrd_below, 1ULL << 32);
    put(made, 0x236, 1, 2);
    assert_true(is_ok(parse(made, sizeof(made))));
    assert_true(kernel.entry_64);
    assert_false(kernel.above_4g);
    assert_int_equal(kernel.initrd_below, 1ULL << 32);
}

static void test_the_version_string_is_bounded_and_printable(void **state)
{
    (void)state;
    make_kernel(made, 0x20f);
    put(made, 0x20e, 0, 2); /* none, whatever the byte at 0x200 is */
    made[0x200] = 'A';
    assert_true(is_ok(parse(made, sizeof(made))));
    assert_string_equal(kernel.version, "");
    put(made, 0x20e, MADE_PAYLOAD_AT - 0x200, 2); /* not in the setup part */
    assert_true(is_ok(parse(made, sizeof(made))));
    assert_string_equal(kernel.version, "");
    put(made, 0x20e, 0xffff, 2);
    assert_true(is_ok(parse(made, sizeof(made))));
    assert_string_equal(kernel.version, "");
    memcpy(made + MADE_PAYLOAD_AT - 3, "abcdef", 6); /* cut where the payload begins */
    put(made, 0x20e, MADE_PAYLOAD_AT - 3 - 0x200, 2);
    assert_true(is_ok(parse(made, sizeof(made))));
    assert_string_equal(kernel.version, "abc");
    memcpy(made + 0x400, "5.4~ \x7fz", 7); /* cut at what cannot be printed */
    put(made, 0x20e, 0x200, 2);
    assert_true(is_ok(parse(made, sizeof(made))));
    assert_string_equal(kernel.version, "5.4~ ");
    memset(made + 0x400, 'v', 0x200);
    assert_true(is_ok(parse(made, sizeof(made))));
    assert_int_equal(strlen(kernel.version), BZIMAGE_VERSION_BYTES - 1);
}

static void test_memtest86_is_read_where_it_is_installed(void **state)
{
    static uint8_t file[1 << 20];
    FILE *stream = fopen("/boot/memtest86+x64.bin", "rb");

    (void)state;
    if (stream == NULL) {
        /* The made headers above cover the reader; a host without the package lacks only this one. */
        skip();
        return;
    }
    size_t bytes = fread(file, 1, sizeof(file), stream);

    (void)fclose(stream);
    assert_true(is_ok(parse(file, bytes)));
    assert_true(kernel.entry_64);
    assert_true(kernel.payload_offset + kernel.payload_bytes <= bytes);
    assert_true(strlen(kernel.version) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_kernel_of_protocol_2_15_is_read),
        cmocka_unit_test(test_each_version_has_the_fields_it_has),
        cmocka_unit_test(test_bytes_of_later_versions_mean_nothing_in_earlier_ones),
        cmocka_unit_test(test_protocols_before_2_06_are_too_old),
        cmocka_unit_test(test_a_file_without_the_magic_numbers_is_no_bzimage),
        cmocka_unit_test(test_a_file_cut_anywhere_is_refused_with_the_size_it_should_have),
        cmocka_unit_test(test_the_last_paragraph_need_not_be_whole),
        cmocka_unit_test(test_what_follows_the_kernel_is_not_part_of_it),
        cmocka_unit_test(test_no_setup_sectors_means_four),
        cmocka_unit_test(test_sizes_that_overflow_32_bits_are_truncated_files),
        cmocka_unit_test(test_a_zimage_is_refused),
        cmocka_unit_test(test_a_header_shorter_than_its_version_is_refused),
        cmocka_unit_test(test_the_alignment_is_a_power_of_two_where_it_matters),
        cmocka_unit_test(test_a_preferred_address_of_zero_is_none),
        cmocka_unit_test(test_the_room_needed_is_never_less_than_the_payload),
        cmocka_unit_test(test_above_4_gib_needs_the_64_bit_entry),
        cmocka_unit_test(test_the_version_string_is_bounded_and_printable),
        cmocka_unit_test(test_memtest86_is_read_where_it_is_installed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
