/*
 * Multiboot2 information blocks: what good ones say.
 */
#include "multiboot2_block.h"

/* --- good blocks --- */

static void test_empty_block_says_nothing(void **state)
{
    (void)state;
    decode_good();
    assert_int_equal(info.protocol, PROTOCOL_MULTIBOOT2);
    assert_int_equal(info.firmware, FIRMWARE_BIOS);
    assert_string_equal(info.loader_name, "");
    assert_string_equal(info.cmdline, "");
    assert_false(info.loader_moves);
    assert_false(info.has_basic_memory);
    assert_false(info.has_memory_map);
    assert_int_equal(info.range_count, 0);
    assert_int_equal(info.ranges_dropped, 0);
    assert_int_equal(info.module_count, 0);
    assert_int_equal(info.rsdp_bytes, 0);
    assert_int_equal(info.smbios_major, 0);
    assert_int_equal(info.smbios_bytes, 0);
    assert_int_equal(info.framebuffer.kind, FRAMEBUFFER_NONE);
    assert_int_equal(info.efi.system_table_pa, 0);
    assert_int_equal(info.efi.image_handle, 0);
    assert_int_equal(info.efi.map_bytes, 0);
    assert_false(info.efi.secure_boot);
    assert_false(info.efi.secure_boot_told);
    assert_int_equal(info.rsdp_pa.pa, 0);
    assert_int_equal(info.smbios_pa.pa, 0);
    assert_false(info.efi.is_64bit);
    assert_false(info.efi.boot_services_live);
}

static void test_full_block_is_understood_whole(void **state)
{
    (void)state;
    build_full_block();
    assert_status(decode(), STATUS_OK, 0);
    assert_string_equal(info.cmdline, "com1=115200 dom0=native");
    assert_string_equal(info.loader_name, GRUB2);
    assert_int_equal(info.module_count, 2);
    assert_int_equal(info.modules[0].bytes.start, 0x400000);
    assert_int_equal(info.modules[0].bytes.end, 0x900000);
    assert_string_equal(info.modules[0].name, "");
    assert_string_equal(info.modules[0].args, "console=ttyS0");
    assert_string_equal(info.modules[1].args, "");
    assert_true(info.has_basic_memory);
    assert_int_equal(info.memory_lower_kib, 0x280);
    assert_int_equal(info.memory_upper_kib, 0x1fb80);
    assert_true(info.has_memory_map);
    assert_int_equal(info.range_count, 3);
    assert_int_equal(info.ranges[1].base, 0x9fc00);
    assert_int_equal(info.ranges[1].length, 0x400);
    assert_int_equal(info.ranges[1].type, MEMORY_RESERVED);
    assert_int_equal(info.ranges[2].base, 0x100000);
    assert_int_equal(info.firmware, FIRMWARE_UEFI64);
    assert_int_equal(info.efi.system_table_pa, 0x7f5ec018);
    assert_int_equal(info.efi.image_handle, 0x7e3b8c98);
    assert_true(info.efi.is_64bit);
    assert_true(info.efi.boot_services_live);
    assert_int_equal(info.efi.map_bytes, 96);
    assert_int_equal(info.efi.map_descriptor_bytes, 48);
    assert_int_equal(info.efi.map_descriptor_version, 1);
    assert_int_equal(info.efi.map[95], 95);
    assert_true(info.loader_moves);
}

static void test_framebuffer_of_each_kind(void **state)
{
    (void)state;
    framebuffer_tag(MB2_FRAMEBUFFER_RGB, 6);
    decode_good();
    assert_int_equal(info.framebuffer.kind, FRAMEBUFFER_RGB);
    assert_int_equal(info.framebuffer.base.pa, 0x1fd000000);
    assert_int_equal(info.framebuffer.pitch_bytes, 5120);
    assert_int_equal(info.framebuffer.width, 1280);
    assert_int_equal(info.framebuffer.height, 800);
    assert_int_equal(info.framebuffer.bits_per_pixel, 32);
    assert_int_equal(info.framebuffer.red.position, 16);
    assert_int_equal(info.framebuffer.red.size_bits, 15);
    assert_int_equal(info.framebuffer.green.position, 14);
    assert_int_equal(info.framebuffer.green.size_bits, 13);
    assert_int_equal(info.framebuffer.blue.position, 12);
    assert_int_equal(info.framebuffer.blue.size_bits, 11);

    start_block();
    framebuffer_tag(MB2_FRAMEBUFFER_TEXT, 0);
    decode_good();
    assert_int_equal(info.framebuffer.kind, FRAMEBUFFER_TEXT);
    assert_int_equal(info.framebuffer.red.size_bits, 0);

    start_block();
    framebuffer_tag(MB2_FRAMEBUFFER_INDEXED, 2);
    decode_good();
    assert_int_equal(info.framebuffer.kind, FRAMEBUFFER_INDEXED);
    assert_int_equal(info.framebuffer.width, 1280);
}

static void test_framebuffer_of_unknown_kind_is_none(void **state)
{
    (void)state;
    framebuffer_tag(MB2_FRAMEBUFFER_TEXT, 0);
    framebuffer_tag(3, 0);
    decode_good();
    assert_int_equal(info.framebuffer.kind, FRAMEBUFFER_NONE);
    assert_int_equal(info.framebuffer.base.pa, 0);
}

static void test_new_rsdp_wins_whatever_the_order(void **state)
{
    (void)state;
    sized_tag(MB2_TAG_ACPI_OLD, 8 + 20);
    decode_good();
    assert_int_equal(info.rsdp_bytes, 20);
    assert_int_equal(info.rsdp[19], 19);
    for (int new_first = 0; new_first < 2; new_first++) {
        size_t old;

        start_block();
        if (new_first) {
            sized_tag(MB2_TAG_ACPI_NEW, 8 + 36);
        }
        old = sized_tag(MB2_TAG_ACPI_OLD, 8 + 20);
        set32(&block, old + 8, 0xffffffff);
        if (!new_first) {
            sized_tag(MB2_TAG_ACPI_NEW, 8 + 36);
        }
        decode_good();
        assert_int_equal(info.rsdp_bytes, 36);
        assert_int_equal(info.rsdp[0], 0);
        assert_int_equal(info.rsdp[35], 35);
    }
}

static void test_rsdp_tag_with_more_bytes_gives_the_known_ones(void **state)
{
    (void)state;
    sized_tag(MB2_TAG_ACPI_NEW, 8 + 40);
    decode_good();
    assert_int_equal(info.rsdp_bytes, 36);
}

static void test_smbios_entry_point_is_copied_and_cut(void **state)
{
    size_t at = start_tag(MB2_TAG_SMBIOS);

    (void)state;
    put8(&block, 3);
    put8(&block, 1);
    pad_to(&block, at + 16);
    put_string(&block, "_SM3_");
    end_tag(at);
    decode_good();
    assert_int_equal(info.smbios_major, 3);
    assert_int_equal(info.smbios_minor, 1);
    assert_int_equal(info.smbios_bytes, 6);
    assert_memory_equal(info.smbios, "_SM3_", 6);

    start_block();
    sized_tag(MB2_TAG_SMBIOS, 16 + 200);
    decode_good();
    assert_int_equal(info.smbios_bytes, BOOT_SMBIOS_BYTES);
    assert_int_equal(info.smbios[31], 8 + 31);
}

static void test_32bit_firmware(void **state)
{
    (void)state;
    value32_tag(MB2_TAG_EFI32, 0x7f5ec018);
    value32_tag(MB2_TAG_EFI32_IMAGE, 0x7e3b8c98);
    sized_tag(MB2_TAG_EFI_BS, 8);
    decode_good();
    assert_int_equal(info.firmware, FIRMWARE_UEFI32);
    assert_false(info.efi.is_64bit);
    assert_int_equal(info.efi.system_table_pa, 0x7f5ec018);
    assert_int_equal(info.efi.image_handle, 0x7e3b8c98);
    assert_true(info.efi.boot_services_live);
}

static void test_64bit_firmware_tags_win_over_32bit_ones_whatever_the_order(void **state)
{
    (void)state;
    for (int wide_first = 0; wide_first < 2; wide_first++) {
        start_block();
        if (wide_first) {
            value64_tag(MB2_TAG_EFI64, 0x1234567890);
        }
        value32_tag(MB2_TAG_EFI32, 0x1111);
        value32_tag(MB2_TAG_EFI32_IMAGE, 0x2222);
        if (!wide_first) {
            value64_tag(MB2_TAG_EFI64, 0x1234567890);
        }
        decode_good();
        assert_int_equal(info.firmware, FIRMWARE_UEFI64);
        assert_true(info.efi.is_64bit);
        assert_int_equal(info.efi.system_table_pa, 0x1234567890);
        assert_int_equal(info.efi.image_handle, 0);
    }
}

static void test_image_handle_alone_tells_the_firmware(void **state)
{
    (void)state;
    value64_tag(MB2_TAG_EFI64_IMAGE, 0x10);
    decode_good();
    assert_int_equal(info.firmware, FIRMWARE_UEFI64);
    start_block();
    value32_tag(MB2_TAG_EFI32_IMAGE, 0x10);
    decode_good();
    assert_int_equal(info.firmware, FIRMWARE_UEFI32);
}

static void test_memory_map_of_every_stride(void **state)
{
    (void)state;
    for (uint32_t stride = 24; stride <= 64; stride += 8) {
        size_t at;

        start_block();
        at = start_map_tag(stride);
        for (uint64_t i = 0; i < 3; i++) {
            size_t entry = block.size;

            map_entry(i << 33, i + 1, (uint32_t)i + 100);
            pad_to(&block, entry + stride);
        }
        end_tag(at);
        decode_good();
        assert_int_equal(info.range_count, 3);
        for (uint64_t i = 0; i < 3; i++) {
            assert_int_equal(info.ranges[i].base, i << 33);
            assert_int_equal(info.ranges[i].length, i + 1);
            assert_int_equal(info.ranges[i].type, i + 100);
        }
    }
}

static void test_memory_map_without_entries_is_there(void **state)
{
    (void)state;
    end_tag(start_map_tag(24));
    decode_good();
    assert_true(info.has_memory_map);
    assert_int_equal(info.range_count, 0);
}

static void test_of_a_tag_that_comes_twice_the_last_one_counts(void **state)
{
    size_t at;

    (void)state;
    string_tag(MB2_TAG_LOADER_NAME, "GNU GRUB 0.97");
    string_tag(MB2_TAG_CMDLINE, "first");
    at = start_map_tag(24);
    map_entry(1, 2, 3);
    map_entry(4, 5, 6);
    end_tag(at);
    value32_tag(MB2_TAG_EFI32, 1);
    value32_tag(MB2_TAG_EFI32, 2);
    at = start_map_tag(24);
    map_entry(7, 8, 9);
    end_tag(at);
    string_tag(MB2_TAG_CMDLINE, "second");
    string_tag(MB2_TAG_LOADER_NAME, GRUB2);
    decode_good();
    assert_string_equal(info.loader_name, GRUB2);
    assert_string_equal(info.cmdline, "second");
    assert_int_equal(info.range_count, 1);
    assert_int_equal(info.ranges[0].base, 7);
    assert_int_equal(info.efi.system_table_pa, 2);
}

static void test_unknown_tags_are_skipped(void **state)
{
    (void)state;
    string_tag(MB2_TAG_LOADER_NAME, GRUB2);
    sized_tag(22, 8);
    sized_tag(0xffffffff, 13);
    string_tag(MB2_TAG_CMDLINE, "x");
    sized_tag(0x80000000, 4096);
    decode_good();
    assert_string_equal(info.cmdline, "x");
}

static void test_what_follows_the_end_tag_is_not_looked_at(void **state)
{
    (void)state;
    end_tag(start_tag(MB2_TAG_END));
    sized_tag(MB2_TAG_MODULE, 8);
    assert_status(decode(), STATUS_OK, 0);
}

static void test_block_may_lie_at_any_alignment(void **state)
{
    (void)state;
    build_full_block();
    for (uint64_t pa = 0; pa < 16; pa++) {
        assert_status(decode_bytes(block.bytes, block.size, pa), STATUS_OK, 0);
        assert_string_equal(info.modules[0].args, "console=ttyS0");
    }
}

static void test_block_with_64_modules_and_one_more(void **state)
{
    size_t at = 0;

    (void)state;
    for (uint32_t i = 0; i < BOOT_MODULES_MAX; i++) {
        module_tag(i, 2 * i, "/boot/file args");
    }
    decode_good();
    assert_int_equal(info.module_count, BOOT_MODULES_MAX);
    assert_int_equal(info.modules[63].bytes.end, 126);
    assert_string_equal(info.modules[63].name, "file");

    start_block();
    for (uint32_t i = 0; i <= BOOT_MODULES_MAX; i++) {
        at = module_tag(0, 0, "");
    }
    assert_refused(INFO_TOO_MANY_MODULES, at);
}

static void test_load_base_value_is_not_believed_but_its_presence_is(void **state)
{
    (void)state;
    value32_tag(MB2_TAG_LOAD_BASE, 0);
    decode_good();
    assert_true(info.loader_moves);
}

/* --- names in strings --- */

static void test_only_grub2_omits_names(void **state)
{
    (void)state;
    assert_true(loader_omits_names(GRUB2));
    assert_true(loader_omits_names("GRUB 2.12"));
    assert_false(loader_omits_names("GNU GRUB 0.97"));
    assert_false(loader_omits_names("GRUB"));
    assert_false(loader_omits_names("GRUB 1.98"));
    assert_false(loader_omits_names("qemu"));
    assert_false(loader_omits_names("kexec 2.0.25"));
    assert_false(loader_omits_names(""));
}

static void test_loader_name_that_comes_last_still_decides(void **state)
{
    (void)state;
    string_tag(MB2_TAG_CMDLINE, "com1=off");
    module_tag(0, 0, "console=tty0 quiet");
    string_tag(MB2_TAG_LOADER_NAME, GRUB2);
    decode_good();
    assert_string_equal(info.cmdline, "com1=off");
    assert_string_equal(info.modules[0].name, "");
    assert_string_equal(info.modules[0].args, "console=tty0 quiet");
}

static void test_names_of_other_loaders_are_taken_off(void **state)
{
    static const struct {
        const char *text;
        const char *name;
        const char *args;
    } cases[] = {
        {"/boot/vmlinuz console=ttyS0 quiet", "vmlinuz", "console=ttyS0 quiet"},
        {"vmlinuz", "vmlinuz", ""},
        {"vmlinuz  \t two  blanks ", "vmlinuz", "two  blanks "},
        {"  (hd0,1)/a/b/initrd.img\tx", "initrd.img", "x"},
        {"/boot/", "", ""},
        {"", "", ""},
        {"   ", "", ""},
        {"a root=/dev/sda1", "a", "root=/dev/sda1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start_block();
        string_tag(MB2_TAG_LOADER_NAME, "kexec 2.0.25");
        string_tag(MB2_TAG_CMDLINE, cases[i].text);
        module_tag(0, 0, cases[i].text);
        decode_good();
        assert_string_equal(info.cmdline, cases[i].args);
        assert_string_equal(info.modules[0].name, cases[i].name);
        assert_string_equal(info.modules[0].args, cases[i].args);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_empty_block_says_nothing, before_each),
        cmocka_unit_test_setup(test_full_block_is_understood_whole, before_each),
        cmocka_unit_test_setup(test_framebuffer_of_each_kind, before_each),
        cmocka_unit_test_setup(test_framebuffer_of_unknown_kind_is_none, before_each),
        cmocka_unit_test_setup(test_new_rsdp_wins_whatever_the_order, before_each),
        cmocka_unit_test_setup(test_rsdp_tag_with_more_bytes_gives_the_known_ones, before_each),
        cmocka_unit_test_setup(test_smbios_entry_point_is_copied_and_cut, before_each),
        cmocka_unit_test_setup(test_32bit_firmware, before_each),
        cmocka_unit_test_setup(test_64bit_firmware_tags_win_over_32bit_ones_whatever_the_order,
                               before_each),
        cmocka_unit_test_setup(test_image_handle_alone_tells_the_firmware, before_each),
        cmocka_unit_test_setup(test_memory_map_of_every_stride, before_each),
        cmocka_unit_test_setup(test_memory_map_without_entries_is_there, before_each),
        cmocka_unit_test_setup(test_of_a_tag_that_comes_twice_the_last_one_counts, before_each),
        cmocka_unit_test_setup(test_unknown_tags_are_skipped, before_each),
        cmocka_unit_test_setup(test_what_follows_the_end_tag_is_not_looked_at, before_each),
        cmocka_unit_test_setup(test_block_may_lie_at_any_alignment, before_each),
        cmocka_unit_test_setup(test_block_with_64_modules_and_one_more, before_each),
        cmocka_unit_test_setup(test_load_base_value_is_not_believed_but_its_presence_is,
                               before_each),
        cmocka_unit_test_setup(test_only_grub2_omits_names, before_each),
        cmocka_unit_test_setup(test_loader_name_that_comes_last_still_decides, before_each),
        cmocka_unit_test_setup(test_names_of_other_loaders_are_taken_off, before_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
