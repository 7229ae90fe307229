/*
 * The zero page, field by field at the offsets that zero-page.rst and boot.rst give (numbers here,
 * on purpose: the structures are what is tested), and everything that is no such field zero.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "zeropage_block.h"

/* Everything in the header is what the file says, but for what a loader writes. */
static void assert_header(uint16_t protocol)
{
    assert_field(0x1fa, 2, 0xffff);  /* vid_mode */
    assert_field(0x210, 1, 0xff);    /* type_of_loader */
    assert_field(0x211, 1, 1);       /* loadflags */
    assert_field(0x214, 4, LOAD_PA); /* code32_start */
    assert_field(0x224, 2, 0);       /* heap_end_ptr */
    assert_field(0x226, 2, 0);       /* ext_loader_ver, ext_loader_type */
    for (size_t at = 0x1f1; at < made_header_end(protocol); at++) {
        bool written = known[at] || (at >= 0x218 && at < 0x220) || (at >= 0x228 && at < 0x22c) ||
                       (protocol >= 0x209 && at >= 0x250 && at < 0x258);

        if (!written) {
            assert_field(at, 1, file[at]);
        }
    }
}

static void test_every_documented_field_and_nothing_else_is_set(void **state)
{
    (void)state;
    for (uint16_t protocol = 0x206; protocol <= 0x210; protocol++) {
        usual_request(protocol);
        memset(file + 0x1f1 + 1, 0x77, 2); /* root_flags: any value is handed on */
        build();
        assert_int_equal(block_bytes, 4096 + sizeof("console=ttyS0 quiet"));
        assert_header(protocol);
        assert_field(0x070, 8, 0xf5a10);         /* acpi_rsdp_addr */
        assert_field(0x218, 4, 0x30000000);      /* ramdisk_image */
        assert_field(0x21c, 4, 0x1234);          /* ramdisk_size */
        assert_field(0x228, 4, BLOCK_PA + 4096); /* cmd_line_ptr */
        assert_field(0x1e8, 1, 3);               /* e820_entries */
        assert_field(0x2d0, 8, 0);               /* e820_table */
        assert_field(0x2d8, 8, 0x9fc00);
        assert_field(0x2e0, 4, 1);
        assert_field(0x2e4, 8, 0x9fc00);
        assert_field(0x2ec, 8, 0x400);
        assert_field(0x2f4, 4, 2); /* "disabled" is reserved to Linux */
        assert_field(0x2f8, 8, 0x100000);
        assert_field(0x300, 8, 0x280000000 - 0x100000);
        assert_field(0x308, 4, 1);
        assert_rest_zero();
        assert_string_equal((const char *)block + 4096, "console=ttyS0 quiet");
    }
}

static void test_what_the_file_says_of_a_loader_is_overwritten(void **state)
{
    (void)state;
    usual_request(0x20f);
    request.initrd = (struct prange){0, 0};
    put(file, 0x210, 0x72, 1);
    put(file, 0x211, 0xff, 1); /* QUIET_FLAG, KEEP_SEGMENTS, CAN_USE_HEAP, KASLR_FLAG */
    put(file, 0x218, 0x1234567887654321, 8);
    put(file, 0x224, 0xffffffff, 4);
    put(file, 0x228, 0xdeadbeef, 4);
    put(file, 0x250, 0xdeadbeefdeadbeef, 8);
    build();
    assert_header(0x20f);
    assert_field(0x218, 8, 0);
    assert_field(0x250, 8, 0);
    assert_field(0x228, 4, BLOCK_PA + 4096);
}

static void test_only_the_header_is_taken_from_the_file(void **state)
{
    (void)state;
    usual_request(0x20f);
    put(file, 0x201, 0x7f,
        1); /* a longer header than is known: copied whole, to its end and no further */
    memset(file + 0x26c, 0x33, 0x294 - 0x26c);
    memset(file, 0xff, 0x1f1); /* the sentinel among them */
    assert_true(is_ok(bzimage_parse(file, sizeof(file), &kernel)));
    build();
    assert_int_equal(get(0x1ef, 1), 0);
    assert_int_equal(get(0x26c, 1), 0x33);
    assert_int_equal(get(0x280, 1), 0x33);
    assert_int_equal(get(0x281, 1), 0);
    assert_int_equal(get(0x290, 4), 0);
}

static void test_addresses_above_4_gib_use_the_extension_fields(void **state)
{
    (void)state;
    usual_request(0x20f);
    request.initrd = (struct prange){0x1234567000, 0x1234567000 + 0x523456789};
    request.block.pa = 0x300000000;
    build();
    assert_field(0x218, 4, 0x34567000);
    assert_field(0x0c0, 4, 0x12);
    assert_field(0x21c, 4, 0x23456789);
    assert_field(0x0c4, 4, 0x5);
    assert_field(0x228, 4, 0x1000);
    assert_field(0x0c8, 4, 3);
}

static void test_a_command_line_is_cut_to_what_the_kernel_takes(void **state)
{
    (void)state;
    usual_request(0x20f);
    kernel.cmdline_bytes = 7;
    build();
    assert_int_equal(block_bytes, 4096 + 8);
    assert_string_equal((const char *)block + 4096, "console");
    request.cmdline = "";
    build();
    assert_int_equal(block_bytes, 4097);
    assert_string_equal((const char *)block + 4096, "");
}

static void many_ranges(uint32_t count)
{
    map.count = count;
    for (uint32_t i = 0; i < count; i++) {
        map.ranges[i] =
            (struct memory_range){{i * 0x2000ULL, i * 0x2000ULL + 0x1000 + i}, 1 + i % 7};
    }
}

static void assert_entry(size_t at, uint32_t i)
{
    assert_field(at, 8, i * 0x2000ULL);
    assert_field(at + 8, 8, 0x1000 + i);
    assert_field(at + 16, 4, i % 7 == 5 ? 2 : 1 + i % 7);
}

static void test_128_ranges_fill_the_page_and_need_no_node(void **state)
{
    (void)state;
    usual_request(0x20f);
    many_ranges(128);
    build();
    assert_int_equal(block_bytes, 4096 + sizeof("console=ttyS0 quiet"));
    assert_int_equal(get(0x1e8, 1), 128);
    assert_int_equal(get(0x250, 8), 0);
    assert_entry(0x2d0, 0);
    assert_entry(0x2d0 + 127 * 20, 127);
    assert_int_equal(get(0xcd0, 8), 0);
}

static void test_more_than_128_ranges_continue_in_one_set_up_data_node(void **state)
{
    static const uint32_t counts[] = {129, 300, MEMMAP_RANGES_MAX};

    (void)state;
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        uint32_t extra = counts[c] - 128;
        size_t cmdline_at = 4096 + 16 + extra * 20;

        usual_request(0x209);
        many_ranges(counts[c]);
        build();
        assert_int_equal(block_bytes, cmdline_at + sizeof("console=ttyS0 quiet"));
        assert_int_equal(get(0x1e8, 1), 128);
        assert_int_equal(get(0x250, 8), BLOCK_PA + 4096);
        assert_int_equal(get(4096, 8), 0);     /* next */
        assert_int_equal(get(4096 + 8, 4), 1); /* SETUP_E820_EXT */
        assert_int_equal(get(4096 + 12, 4), extra * 20);
        for (uint32_t i = 0; i < counts[c]; i++) {
            assert_entry(i < 128 ? 0x2d0 + i * 20 : 4096 + 16 + (i - 128) * 20, i);
        }
        assert_int_equal(get(0x228, 4), BLOCK_PA + cmdline_at);
        assert_string_equal((const char *)block + cmdline_at, "console=ttyS0 quiet");
    }
}

static void test_a_kernel_before_set_up_data_gets_the_first_128_ranges(void **state)
{
    (void)state;
    usual_request(0x208);
    many_ranges(300);
    build();
    assert_int_equal(block_bytes, 4096 + sizeof("console=ttyS0 quiet"));
    assert_int_equal(get(0x1e8, 1), 128);
    assert_int_equal(get(0x250, 8), 0);
    assert_entry(0x2d0 + 127 * 20, 127);
}

static void test_a_text_screen_is_vga_mode_3(void **state)
{
    (void)state;
    usual_request(0x20f);
    framebuffer = (struct boot_framebuffer){
        .kind = FRAMEBUFFER_TEXT, .base = {0xb8000}, .width = 80, .height = 25};
    build();
    assert_field(0x06, 1, 3);  /* orig_video_mode */
    assert_field(0x07, 1, 80); /* orig_video_cols */
    assert_field(0x0e, 1, 25); /* orig_video_lines */
    assert_field(0x0f, 1, 1);  /* orig_video_isVGA */
    assert_field(0x10, 2, 16); /* orig_video_points */
    for (size_t at = 0; at < 0x40; at++) {
        assert_true(known[at] || block[at] == 0);
    }
}

static void test_a_true_colour_screen_is_described_whole(void **state)
{
    (void)state;
    usual_request(0x20f);
    framebuffer = true_colour();
    build();
    assert_field(0x0f, 1, 0x23);       /* VIDEO_TYPE_VLFB */
    assert_field(0x12, 2, 1024);       /* lfb_width */
    assert_field(0x14, 2, 768);        /* lfb_height */
    assert_field(0x16, 2, 32);         /* lfb_depth */
    assert_field(0x18, 4, 0x80000000); /* lfb_base */
    assert_field(0x1c, 4, 49);         /* lfb_size: 3148800 bytes in units of 64 KiB, rounded up */
    assert_field(0x24, 2, 4100);       /* lfb_linelength */
    assert_field(0x26, 2, 0x1008);     /* red size and position */
    assert_field(0x28, 2, 0x0808);     /* green */
    assert_field(0x2a, 2, 0x0008);     /* blue */
    assert_field(0x2c, 2, 0x1808);     /* reserved */
    assert_field(0x36, 4, 2);          /* VIDEO_CAPABILITY_64BIT_BASE */
    assert_field(0x3a, 4, 0x40);       /* ext_lfb_base */
    for (size_t at = 0; at < 0x40; at++) {
        assert_true(known[at] || block[at] == 0);
    }

    framebuffer.base.pa = 0xe0000000;
    map.ranges[2].bytes.end = 0xc0000000;
    build();
    assert_int_equal(get(0x18, 4), 0xe0000000);
    assert_int_equal(get(0x36, 4), 0);
    assert_int_equal(get(0x3a, 4), 0);
}

static void test_the_reserved_bits_are_those_that_no_colour_uses(void **state)
{
    (void)state;
    usual_request(0x20f);
    framebuffer = true_colour();
    framebuffer.bits_per_pixel = 16;
    framebuffer.red.position = 10;
    framebuffer.green.position = 5;
    framebuffer.red.size_bits = framebuffer.green.size_bits = framebuffer.blue.size_bits = 5;
    build();
    assert_int_equal(get(0x2c, 2), 0x0f01);
    framebuffer.red.position = 11;
    framebuffer.green.size_bits = 6;
    build();
    assert_int_equal(get(0x2c, 2), 0);
}

static void assert_no_screen(void)
{
    build();
    for (size_t at = 0; at < 0x40; at++) {
        assert_int_equal(block[at], 0);
    }
}

static void test_a_text_screen_keeps_its_size_or_is_none(void **state)
{
    static const uint32_t impossible[][2] = {{0, 25}, {80, 0}, {256, 25}, {80, 1000}};

    (void)state;
    usual_request(0x20f);
    framebuffer = (struct boot_framebuffer){
        .kind = FRAMEBUFFER_TEXT, .base = {0xb8000}, .width = 132, .height = 43};
    build();
    assert_int_equal(get(0x07, 1), 132);
    assert_int_equal(get(0x0e, 1), 43);
    for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
        framebuffer.width = impossible[i][0];
        framebuffer.height = impossible[i][1];
        assert_no_screen();
    }
}

static void test_kinds_that_the_kernel_does_not_know_are_no_screen(void **state)
{
    (void)state;
    usual_request(0x20f);
    framebuffer = true_colour();
    framebuffer.kind = FRAMEBUFFER_INDEXED;
    assert_no_screen();
    framebuffer.kind = FRAMEBUFFER_NONE;
    assert_no_screen();
}

/* One field at a time of a good screen is made impossible. */
static void test_an_unbelievable_screen_is_no_screen(void **state)
{
    (void)state;
    for (int i = 0; i < 15; i++) {
        usual_request(0x20f);
        framebuffer = true_colour();
        switch (i) {
        case 0:
            framebuffer.width = 65536;
            break;
        case 1:
            framebuffer.height = 65536;
            break;
        case 2:
            framebuffer.pitch_bytes = 65536;
            break;
        case 3:
            framebuffer.pitch_bytes = 4095;
            break;
        case 4:
            framebuffer.base.pa = 0;
            break;
        case 5:
            framebuffer.base.pa = UINT64_MAX - 4096;
            break;
        case 6:
            framebuffer.bits_per_pixel = 0;
            break;
        case 7:
            framebuffer.bits_per_pixel = 33;
            break;
        case 8:
            framebuffer.width = 0;
            break;
        case 9:
            framebuffer.height = 0;
            break;
        case 10:
            framebuffer.red.position = 25;
            break;
        case 11:
            framebuffer.green.size_bits = 25;
            break;
        case 12:
            framebuffer.blue.position = 200;
            break;
        case 13:
            /* Its first row lies in RAM that boot services used. */
            map.ranges[0] =
                (struct memory_range){{0x1000, framebuffer.base.pa + 1}, MEMORY_BOOT_SERVICES};
            break;
        default:
            /* Its last row lies in RAM. */
            map.ranges[0] = (struct memory_range){
                {framebuffer.base.pa + 4100 * 768 - 1, UINT64_MAX}, MEMORY_RAM};
            break;
        }
        assert_no_screen();
    }
}

static void test_a_block_that_is_too_short_is_not_written(void **state)
{
    (void)state;
    usual_request(0x20f);
    build();
    memset(block, 0xa5, block_bytes);
    zeropage_build(&request, block, block_bytes - 1);
    for (size_t i = 0; i < block_bytes; i++) {
        assert_int_equal(block[i], 0xa5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_documented_field_and_nothing_else_is_set),
        cmocka_unit_test(test_what_the_file_says_of_a_loader_is_overwritten),
        cmocka_unit_test(test_only_the_header_is_taken_from_the_file),
        cmocka_unit_test(test_addresses_above_4_gib_use_the_extension_fields),
        cmocka_unit_test(test_a_command_line_is_cut_to_what_the_kernel_takes),
        cmocka_unit_test(test_128_ranges_fill_the_page_and_need_no_node),
        cmocka_unit_test(test_more_than_128_ranges_continue_in_one_set_up_data_node),
        cmocka_unit_test(test_a_kernel_before_set_up_data_gets_the_first_128_ranges),
        cmocka_unit_test(test_a_text_screen_is_vga_mode_3),
        cmocka_unit_test(test_a_true_colour_screen_is_described_whole),
        cmocka_unit_test(test_the_reserved_bits_are_those_that_no_colour_uses),
        cmocka_unit_test(test_a_text_screen_keeps_its_size_or_is_none),
        cmocka_unit_test(test_kinds_that_the_kernel_does_not_know_are_no_screen),
        cmocka_unit_test(test_an_unbelievable_screen_is_no_screen),
        cmocka_unit_test(test_a_block_that_is_too_short_is_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, free_block);
}
