/*
 * Multiboot2 information blocks that are wrong: the defect that is named, and the offset at which.
 */
#include "multiboot2_block.h"

/* --- bad blocks --- */

static void test_unknown_magic(void **state)
{
    struct entry_regs regs = {.magic = 0xe85250d6};
    struct physical_view memory = {.bytes = block.bytes, .size = 8};

    (void)state;
    assert_status(boot_info_decode(&regs, &memory, &info), INFO_BAD_MAGIC, 0xe85250d6);
}

static void test_header_outside_memory(void **state)
{
    struct physical_view memory = {.bytes = block.bytes, .size = 64};

    (void)state;
    assert_status(multiboot2_decode(&memory, 57, &info), INFO_UNREACHABLE, 57);
    assert_status(multiboot2_decode(&memory, 64, &info), INFO_UNREACHABLE, 64);
    assert_status(multiboot2_decode(&memory, UINT64_MAX, &info), INFO_UNREACHABLE, UINT64_MAX);
    assert_status(multiboot2_decode(&memory, UINT64_MAX - 8, &info), INFO_UNREACHABLE,
                  UINT64_MAX - 8);
}

static void test_total_size_below_its_own_header(void **state)
{
    (void)state;
    build_full_block();
    for (uint32_t total = 0; total < 8; total++) {
        set32(&block, 0, total);
        assert_status(decode_bytes(block.bytes, block.size, INFO_PA), INFO_BAD_TOTAL_SIZE, total);
    }
}

static void test_total_size_beyond_memory(void **state)
{
    (void)state;
    build_full_block();
    set32(&block, 0, (uint32_t)block.size + 1);
    assert_status(decode_bytes(block.bytes, block.size, INFO_PA), INFO_BAD_TOTAL_SIZE,
                  block.size + 1);
    set32(&block, 0, UINT32_MAX);
    assert_status(decode_bytes(block.bytes, block.size, INFO_PA), INFO_BAD_TOTAL_SIZE, UINT32_MAX);
}

static void test_block_of_a_header_alone_has_no_end(void **state)
{
    (void)state;
    assert_status(decode(), INFO_NO_END_TAG, FIRST_TAG);
}

static void test_missing_end_tag(void **state)
{
    (void)state;
    string_tag(MB2_TAG_CMDLINE, "1234567"); /* 16 bytes, no padding */
    assert_status(decode(), INFO_NO_END_TAG, FIRST_TAG + 16);
    start_block();
    string_tag(MB2_TAG_CMDLINE, "123"); /* 12 bytes, and the block ends inside the padding */
    assert_status(decode(), INFO_NO_END_TAG, FIRST_TAG + 16);
}

static void test_kexec_may_leave_the_end_tag_out(void **state)
{
    (void)state;
    string_tag(MB2_TAG_LOADER_NAME, "kexec 2.0.25");
    string_tag(MB2_TAG_CMDLINE, "berth loglevel=debug"); /* 29 bytes */
    for (size_t more = 0; more < 3 + 8; more++) {
        assert_status(decode(), STATUS_OK, 0);
        assert_string_equal(info.cmdline, "loglevel=debug");
        put8(&block, 0);
    }
    assert_status(decode(), INFO_BAD_TAG_SIZE, block.size - 8); /* an end tag, of size 0 */
    start_block();
    string_tag(MB2_TAG_LOADER_NAME, "kexecutor"); /* 18 bytes */
    pad_to(&block, (block.size + 7) & ~(size_t)7);
    assert_status(decode(), INFO_NO_END_TAG, block.size);
}

static void test_end_tag_that_is_cut_off(void **state)
{
    (void)state;
    sized_tag(MB2_TAG_EFI_BS, 8);
    put32(&block, MB2_TAG_END);
    put16(&block, 8);
    assert_status(decode(), INFO_NO_END_TAG, FIRST_TAG + 8);
}

static void test_tag_of_size_below_its_header_is_refused(void **state)
{
    (void)state;
    for (uint32_t bytes = 0; bytes < 8; bytes++) {
        size_t at;

        start_block();
        string_tag(MB2_TAG_CMDLINE, "x");
        at = sized_tag(MB2_TAG_APM, 8);
        set32(&block, at + 4, bytes);
        assert_refused(INFO_BAD_TAG_SIZE, at);
    }
}

static void test_tag_that_runs_over_the_end(void **state)
{
    static const uint32_t sizes[] = {17, 0x100, 0x7fffffff, 0xfffffff8, 0xffffffff};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t at;

        start_block();
        at = sized_tag(MB2_TAG_APM, 8);
        set32(&block, at + 4, sizes[i]);
        assert_refused(INFO_TAG_OVERRUN, at);
    }
}

static void test_end_tag_of_another_size(void **state)
{
    size_t at = end_tag(start_tag(MB2_TAG_END));

    (void)state;
    put64(&block, 0);
    set32(&block, at + 4, 16);
    assert_status(decode(), INFO_BAD_TAG_SIZE, at);
    set32(&block, at + 4, 12);
    assert_status(decode(), INFO_BAD_TAG_SIZE, at);
    set32(&block, at + 4, 0);
    assert_status(decode(), INFO_BAD_TAG_SIZE, at);
    set32(&block, at + 4, 17);
    assert_status(decode(), INFO_TAG_OVERRUN, at);
}

static void test_string_without_its_nul(void **state)
{
    static const uint32_t types[] = {MB2_TAG_CMDLINE, MB2_TAG_LOADER_NAME};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t at;

        start_block();
        at = string_tag(types[i], "12345678");
        set32(&block, at + 4, 8 + 8); /* the NUL lies in the padding */
        assert_refused(INFO_BAD_STRING, at);
        start_block();
        at = sized_tag(types[i], 8);
        assert_refused(INFO_BAD_STRING, at);
    }
}

static void test_module_string_without_its_nul(void **state)
{
    size_t at = module_tag(0x1000, 0x2000, "12345678");

    (void)state;
    set32(&block, at + 4, 16 + 8);
    assert_refused(INFO_BAD_STRING, at);
    start_block();
    at = sized_tag(MB2_TAG_MODULE, 16);
    assert_refused(INFO_BAD_STRING, at);
}

static void test_module_that_ends_before_it_starts(void **state)
{
    size_t at;

    (void)state;
    module_tag(0x1000, 0x1000, "empty is good");
    at = module_tag(0x1001, 0x1000, "x");
    assert_refused(INFO_BAD_MODULE, at);
}

/* Each tag with a fixed part, one byte short of it. */
static void test_fixed_parts_that_are_cut_off(void **state)
{
    static const struct {
        uint32_t type;
        size_t fixed_bytes;
    } cases[] = {
        {MB2_TAG_MODULE, 16},      {MB2_TAG_BASIC_MEMORY, 16}, {MB2_TAG_MEMORY_MAP, 16},
        {MB2_TAG_FRAMEBUFFER, 32}, {MB2_TAG_EFI32, 12},        {MB2_TAG_EFI64, 16},
        {MB2_TAG_SMBIOS, 16},      {MB2_TAG_ACPI_OLD, 28},     {MB2_TAG_ACPI_NEW, 44},
        {MB2_TAG_EFI_MAP, 16},     {MB2_TAG_EFI32_IMAGE, 12},  {MB2_TAG_EFI64_IMAGE, 16},
        {MB2_TAG_LOAD_BASE, 12},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t bytes = 8; bytes < cases[i].fixed_bytes; bytes++) {
            size_t at;

            start_block();
            string_tag(MB2_TAG_CMDLINE, "in front");
            at = sized_tag(cases[i].type, bytes);
            assert_refused(INFO_BAD_TAG_SIZE, at);
        }
    }
}

static void test_rgb_framebuffer_without_its_colours(void **state)
{
    (void)state;
    for (size_t color_bytes = 0; color_bytes < 6; color_bytes++) {
        size_t at;

        start_block();
        at = framebuffer_tag(MB2_FRAMEBUFFER_RGB, color_bytes);
        assert_refused(INFO_BAD_TAG_SIZE, at);
    }
}

static void test_memory_map_strides_that_are_none(void **state)
{
    static const uint32_t strides[] = {0, 1, 8, 16, 20, 23, 25, 28, 36, 0xffffffff};

    (void)state;
    for (size_t i = 0; i < sizeof(strides) / sizeof(strides[0]); i++) {
        size_t at;

        start_block();
        at = start_map_tag(strides[i]);
        map_entry(0, 0x1000, 1);
        end_tag(at);
        assert_refused(INFO_BAD_ENTRY_SIZE, at);
    }
}

static void test_memory_map_that_ends_inside_an_entry(void **state)
{
    size_t at = start_map_tag(24);
    size_t second;

    (void)state;
    map_entry(0, 0x1000, 1);
    second = block.size;
    map_entry(0x1000, 0x1000, 1);
    for (size_t bytes = 1; bytes < 24; bytes++) {
        block.size = second + bytes;
        end_tag(at);
        assert_refused(INFO_BAD_TAG_SIZE, second);
    }
    /* A stride larger than all there is, of which even the size is a good one. */
    start_block();
    at = start_map_tag(0xfffffff8);
    map_entry(0, 0x1000, 1);
    end_tag(at);
    assert_refused(INFO_BAD_TAG_SIZE, at + 16);
}

static void test_ram_beyond_the_limit_is_dropped_the_smallest_first(void **state)
{
    size_t at = start_map_tag(24);

    (void)state;
    for (uint64_t i = 0; i < BOOT_RANGES_MAX; i++) {
        map_entry(i << 20, 0x1000 + i, MEMORY_RAM);
    }
    map_entry(1ULL << 40, 0x800, MEMORY_RAM);       /* smaller than all */
    map_entry(2ULL << 40, 0x80000000, MEMORY_RAM);  /* instead of the first */
    map_entry(3ULL << 40, 0x1000, MEMORY_RESERVED); /* instead of the second */
    end_tag(at);
    decode_good();
    assert_int_equal(info.range_count, BOOT_RANGES_MAX);
    assert_int_equal(info.ranges_dropped, 3);
    assert_int_equal(info.ranges[0].base, 2ULL << 40);
    assert_int_equal(info.ranges[1].base, 3ULL << 40);
    assert_int_equal(info.ranges[1].type, MEMORY_RESERVED);
    assert_int_equal(info.ranges[2].base, 2ULL << 20);
}

static void test_non_ram_ranges_beyond_the_limit(void **state)
{
    size_t at = start_map_tag(24);
    size_t last;

    (void)state;
    for (uint64_t i = 0; i < BOOT_RANGES_MAX; i++) {
        map_entry(i << 20, 0x1000, MEMORY_RESERVED);
    }
    end_tag(at);
    decode_good();
    assert_int_equal(info.range_count, BOOT_RANGES_MAX);

    block.size = at + 16 + BOOT_RANGES_MAX * 24;
    map_entry(1, 1, MEMORY_RAM); /* there is nothing it could take the place of */
    last = block.size;
    map_entry(2, 2, MEMORY_RESERVED);
    end_tag(at);
    assert_refused(INFO_TOO_MANY_RANGES, last);
    assert_int_equal(info.ranges_dropped, 1);
}

static void test_efi_map_strides_that_are_none(void **state)
{
    static const uint32_t strides[] = {0, 8, 32, 39, 41, 44, 52, 0xffffffff};

    (void)state;
    for (size_t i = 0; i < sizeof(strides) / sizeof(strides[0]); i++) {
        size_t at;

        start_block();
        at = efi_map_tag(strides[i], 96);
        assert_refused(INFO_BAD_ENTRY_SIZE, at);
    }
}

static void test_efi_map_that_ends_inside_a_descriptor(void **state)
{
    size_t at = efi_map_tag(48, 95);

    (void)state;
    assert_refused(INFO_BAD_TAG_SIZE, at);
}

static void test_efi_map_at_its_limit_and_beyond(void **state)
{
    size_t at;

    (void)state;
    efi_map_tag(64, BOOT_EFI_MAP_BYTES);
    decode_good();
    assert_int_equal(info.efi.map_bytes, BOOT_EFI_MAP_BYTES);
    start_block();
    at = efi_map_tag(64, BOOT_EFI_MAP_BYTES + 64);
    assert_refused(INFO_TOO_MANY_RANGES, at);
    start_block();
    efi_map_tag(40, 0);
    decode_good();
    assert_int_equal(info.efi.map_bytes, 0);
}

static void test_efi_map_is_skipped_where_there_is_no_room_for_it(void **state)
{
    (void)state;
    efi_map_tag(48, 96);
    map_room = NULL;
    decode_good();
    map_room = map_storage;
    assert_int_equal(info.efi.map_bytes, 0);
}

static void test_strings_that_fill_the_pool_and_more(void **state)
{
    static char text[BOOT_STRINGS_BYTES + 1];
    size_t at;

    (void)state;
    memset(text, 'x', BOOT_STRINGS_BYTES);
    text[sizeof(GRUB2) - 1] = 'x';
    string_tag(MB2_TAG_LOADER_NAME, GRUB2);
    at = string_tag(MB2_TAG_CMDLINE,
                    text + sizeof(GRUB2) + 1); /* the pool is full to the last byte */
    decode_good();
    assert_int_equal(info.strings_used, BOOT_STRINGS_BYTES);
    assert_int_equal(strlen(info.cmdline), BOOT_STRINGS_BYTES - sizeof(GRUB2) - 1);

    block.size = at;
    at = string_tag(MB2_TAG_CMDLINE, text + sizeof(GRUB2)); /* one more */
    assert_refused(INFO_STRINGS_FULL, at);

    start_block();
    string_tag(MB2_TAG_LOADER_NAME, "other");
    at = module_tag(0, 0, text);
    assert_refused(INFO_STRINGS_FULL, at);
    assert_int_equal(info.module_count, 0);
}

static void test_loader_name_too_long_for_the_pool(void **state)
{
    static char text[BOOT_STRINGS_BYTES + 1];
    size_t at;

    (void)state;
    memset(text, 'x', BOOT_STRINGS_BYTES);
    string_tag(MB2_TAG_CMDLINE, "in front");
    at = string_tag(MB2_TAG_LOADER_NAME, text);
    assert_refused(INFO_STRINGS_FULL, at);
}

static void test_first_defect_is_the_one_told(void **state)
{
    size_t at;

    (void)state;
    string_tag(MB2_TAG_CMDLINE, "x");
    at = module_tag(2, 1, "x");
    sized_tag(MB2_TAG_EFI64, 12);
    assert_status(decode(), INFO_BAD_MODULE, at);
}

/* Every shorter form of a good block, at the end of memory: refused, and nothing behind it is read.
 */
static void test_every_truncation_is_refused(void **state)
{
    static struct block whole;

    (void)state;
    build_full_block();
    whole = block;
    for (size_t size = 0; size < whole.size; size++) {
        struct status status = decode_bytes(whole.bytes, size, INFO_PA);

        assert_int_equal(status.code, size < 8 ? INFO_UNREACHABLE : INFO_BAD_TOTAL_SIZE);
        if (size >= 8) {
            block = whole;
            block.size = size;
            status = decode();
            assert_true(status.code == INFO_NO_END_TAG || status.code == INFO_TAG_OVERRUN);
            assert_true(status.offset <= size + 7);
        }
    }
}

/* What decoding promises of every block it accepts. */
static void assert_sound(const struct boot_info *decoded)
{
    assert_true(decoded->strings_used <= BOOT_STRINGS_BYTES);
    assert_true(decoded->strings_used == 0 || decoded->strings[decoded->strings_used - 1] == '\0');
    assert_true(decoded->range_count <= BOOT_RANGES_MAX);
    assert_true(decoded->module_count <= BOOT_MODULES_MAX);
    for (uint32_t i = 0; i < decoded->module_count; i++) {
        assert_true(decoded->modules[i].bytes.start <= decoded->modules[i].bytes.end);
    }
    assert_true(decoded->efi.map_bytes <= BOOT_EFI_MAP_BYTES);
    assert_true(decoded->smbios_bytes <= BOOT_SMBIOS_BYTES);
}

static void test_every_byte_of_a_good_block_may_be_wrong(void **state)
{
    static const uint8_t values[] = {0x00, 0x01, 0x07, 0x08, 0x7f, 0x80, 0xff};
    static struct block whole;

    (void)state;
    build_full_block();
    whole = block;
    for (size_t at = 0; at < whole.size; at++) {
        for (size_t i = 0; i < sizeof(values); i++) {
            uint8_t good = whole.bytes[at];

            whole.bytes[at] = values[i];
            if (is_ok(decode_bytes(whole.bytes, whole.size, 0))) {
                assert_sound(&info);
            }
            whole.bytes[at] = good;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_unknown_magic, before_each),
        cmocka_unit_test_setup(test_header_outside_memory, before_each),
        cmocka_unit_test_setup(test_total_size_below_its_own_header, before_each),
        cmocka_unit_test_setup(test_total_size_beyond_memory, before_each),
        cmocka_unit_test_setup(test_block_of_a_header_alone_has_no_end, before_each),
        cmocka_unit_test_setup(test_missing_end_tag, before_each),
        cmocka_unit_test_setup(test_kexec_may_leave_the_end_tag_out, before_each),
        cmocka_unit_test_setup(test_end_tag_that_is_cut_off, before_each),
        cmocka_unit_test_setup(test_tag_of_size_below_its_header_is_refused, before_each),
        cmocka_unit_test_setup(test_tag_that_runs_over_the_end, before_each),
        cmocka_unit_test_setup(test_end_tag_of_another_size, before_each),
        cmocka_unit_test_setup(test_string_without_its_nul, before_each),
        cmocka_unit_test_setup(test_module_string_without_its_nul, before_each),
        cmocka_unit_test_setup(test_module_that_ends_before_it_starts, before_each),
        cmocka_unit_test_setup(test_fixed_parts_that_are_cut_off, before_each),
        cmocka_unit_test_setup(test_rgb_framebuffer_without_its_colours, before_each),
        cmocka_unit_test_setup(test_memory_map_strides_that_are_none, before_each),
        cmocka_unit_test_setup(test_memory_map_that_ends_inside_an_entry, before_each),
        cmocka_unit_test_setup(test_ram_beyond_the_limit_is_dropped_the_smallest_first,
                               before_each),
        cmocka_unit_test_setup(test_non_ram_ranges_beyond_the_limit, before_each),
        cmocka_unit_test_setup(test_efi_map_strides_that_are_none, before_each),
        cmocka_unit_test_setup(test_efi_map_that_ends_inside_a_descriptor, before_each),
        cmocka_unit_test_setup(test_efi_map_at_its_limit_and_beyond, before_each),
        cmocka_unit_test_setup(test_efi_map_is_skipped_where_there_is_no_room_for_it, before_each),
        cmocka_unit_test_setup(test_strings_that_fill_the_pool_and_more, before_each),
        cmocka_unit_test_setup(test_loader_name_too_long_for_the_pool, before_each),
        cmocka_unit_test_setup(test_first_defect_is_the_one_told, before_each),
        cmocka_unit_test_setup(test_every_truncation_is_refused, before_each),
        cmocka_unit_test_setup(test_every_byte_of_a_good_block_may_be_wrong, before_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
