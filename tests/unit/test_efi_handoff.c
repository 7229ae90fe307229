/*
 * What the EFI stage leaves behind becomes a boot_info: alone, and added to a loader's block.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "boot_info.h"
#include "efi_handoff.h"
#include "efi_map_maker.h"

static struct efi_handoff handoff;
static struct boot_info info;

static uint32_t add_string(const char *text)
{
    uint32_t at = handoff.strings_used;

    memcpy(handoff.strings + at, text, strlen(text) + 1);
    handoff.strings_used += (uint32_t)strlen(text) + 1;
    return at;
}

static void set_map(const struct made_map *made)
{
    memcpy(handoff.map, made->map, made->bytes);
    handoff.map_bytes = made->bytes;
    handoff.map_descriptor_bytes = MADE_DESCRIPTOR_BYTES;
    handoff.map_descriptor_version = 1;
}

static int before_each(void **state)
{
    static struct made_map made;

    (void)state;
    memset(&info, 0xa5, sizeof(info));
    memset(&handoff, 0, sizeof(handoff));
    handoff = (struct efi_handoff){
        .is_64bit = true,
        .secure_boot_told = true,
        .secure_boot = true,
        .system_table_pa = 0x17f5ec018,
        .rsdp_pa = 0x7f77e014,
        .smbios_pa = 0x7f5d7000,
        .framebuffer = {.kind = FRAMEBUFFER_RGB, .base = {0x80000000}, .width = 1280},
        .strings_used = 1,
        .module_count = 2,
    };
    handoff.cmdline = add_string("com1=115200 dom0=native");
    handoff.modules[0].bytes = (struct prange){0x70000000, 0x70800000};
    handoff.modules[0].name = add_string("vmlinuz");
    handoff.modules[0].args = add_string("root=/dev/sda1 ro");
    handoff.modules[1].bytes = (struct prange){0x71000000, 0x71000000};
    handoff.modules[1].name = add_string("initrd.img");
    made.bytes = 0;
    put_descriptor(&made, 7, 0x100000, 0x100, WB);
    put_descriptor(&made, 3, 0x200000, 0x10, WB);
    set_map(&made);
    return 0;
}

static void assert_firmware_taken(void)
{
    assert_int_equal(info.firmware, FIRMWARE_UEFI64);
    assert_true(info.efi.is_64bit);
    assert_false(info.efi.boot_services_live);
    assert_true(info.efi.secure_boot_told);
    assert_true(info.efi.secure_boot);
    assert_int_equal(info.efi.system_table_pa, 0x17f5ec018);
    assert_int_equal(info.efi.map_bytes, 2 * MADE_DESCRIPTOR_BYTES);
    assert_int_equal(info.efi.map_descriptor_bytes, MADE_DESCRIPTOR_BYTES);
    assert_int_equal(info.efi.map_descriptor_version, 1);
    assert_memory_equal(info.efi.map, handoff.map, handoff.map_bytes);
    assert_int_equal(info.rsdp_pa.pa, 0x7f77e014);
    assert_int_equal(info.smbios_pa.pa, 0x7f5d7000);
    assert_true(info.has_memory_map);
    assert_int_equal(info.range_count, 2);
    assert_int_equal(info.ranges[0].type, MEMORY_RAM);
    assert_int_equal(info.ranges[1].base, 0x200000);
    assert_int_equal(info.ranges[1].length, 0x10000);
    assert_int_equal(info.ranges[1].type, MEMORY_BOOT_SERVICES);
}

static void test_an_image_that_the_firmware_started_has_all_from_the_handoff(void **state)
{
    (void)state;
    assert_int_equal(efi_handoff_decode(&handoff, &info).code, STATUS_OK);
    memset(handoff.strings, 0xee, sizeof(handoff.strings)); /* what is kept has been copied */
    assert_int_equal(info.protocol, PROTOCOL_EFI);
    assert_string_equal(info.loader_name, "");
    assert_string_equal(info.cmdline, "com1=115200 dom0=native");
    assert_int_equal(info.module_count, 2);
    assert_int_equal(info.modules[0].bytes.start, 0x70000000);
    assert_int_equal(info.modules[0].bytes.end, 0x70800000);
    assert_string_equal(info.modules[0].name, "vmlinuz");
    assert_string_equal(info.modules[0].args, "root=/dev/sda1 ro");
    assert_int_equal(info.modules[1].bytes.start, info.modules[1].bytes.end);
    assert_string_equal(info.modules[1].name, "initrd.img");
    assert_string_equal(info.modules[1].args, "");
    assert_int_equal(info.efi.image_handle, 0);
    assert_int_equal(info.framebuffer.width, 1280);
    assert_firmware_taken();
}

static void test_firmware_of_32_bits_without_secure_boot(void **state)
{
    (void)state;
    handoff.is_64bit = false;
    handoff.secure_boot_told = false;
    handoff.secure_boot = false;
    assert_int_equal(efi_handoff_decode(&handoff, &info).code, STATUS_OK);
    assert_int_equal(info.firmware, FIRMWARE_UEFI32);
    assert_false(info.efi.is_64bit);
    assert_false(info.efi.secure_boot_told);
    assert_false(info.efi.secure_boot);
}

static void loaders_block(void)
{
    boot_info_clear(&info);
    info.protocol = PROTOCOL_MULTIBOOT2;
    info.loader_name = "GRUB 2.06";
    info.cmdline = "from the loader";
    info.module_count = 1;
    info.modules[0] = (struct boot_module){{0x1000, 0x2000}, "", "quiet"};
    info.has_memory_map = true;
    info.range_count = 17;
    info.ranges_dropped = 3;
    info.rsdp_bytes = 20;
    info.efi.boot_services_live = true;
    info.efi.image_handle = 0x7e3b8c98;
}

static void test_merging_adds_the_firmware_and_leaves_the_loaders_word(void **state)
{
    (void)state;
    loaders_block();
    assert_int_equal(efi_handoff_merge(&handoff, &info).code, STATUS_OK);
    assert_int_equal(info.protocol, PROTOCOL_MULTIBOOT2_EFI);
    assert_string_equal(info.loader_name, "GRUB 2.06");
    assert_string_equal(info.cmdline, "from the loader");
    assert_int_equal(info.module_count, 1);
    assert_string_equal(info.modules[0].args, "quiet");
    assert_int_equal(info.rsdp_bytes, 20);
    assert_int_equal(info.ranges_dropped, 0);
    assert_int_equal(info.framebuffer.base.pa, 0x80000000);
    assert_firmware_taken();
}

static void test_a_framebuffer_that_the_loader_told_stays(void **state)
{
    (void)state;
    loaders_block();
    info.framebuffer = (struct boot_framebuffer){.kind = FRAMEBUFFER_RGB, .width = 800};
    assert_int_equal(efi_handoff_merge(&handoff, &info).code, STATUS_OK);
    assert_int_equal(info.framebuffer.width, 800);
}

static void test_a_map_that_is_none_is_refused(void **state)
{
    (void)state;
    handoff.map_descriptor_bytes = 0;
    assert_int_equal(efi_handoff_decode(&handoff, &info).code, INFO_BAD_ENTRY_SIZE);
    handoff.map_descriptor_bytes = 44; /* no multiple of 8 */
    handoff.map_bytes = 88;
    assert_int_equal(efi_handoff_decode(&handoff, &info).code, INFO_BAD_ENTRY_SIZE);
    handoff.map_descriptor_bytes = 40;
    handoff.map_bytes = 79;
    assert_int_equal(efi_handoff_decode(&handoff, &info).code, INFO_BAD_TAG_SIZE);
    handoff.map_bytes = (BOOT_EFI_MAP_BYTES / 40 + 1) * 40;
    assert_int_equal(efi_handoff_decode(&handoff, &info).code, INFO_TOO_MANY_RANGES);
    loaders_block();
    assert_int_equal(efi_handoff_merge(&handoff, &info).code, INFO_TOO_MANY_RANGES);
}

static void test_modules_and_strings_that_are_none_are_refused(void **state)
{
    (void)state;
    handoff.module_count = EFI_HANDOFF_MODULES_MAX + 1;
    assert_int_equal(efi_handoff_decode(&handoff, &info).code, INFO_TOO_MANY_MODULES);

    before_each(NULL);
    handoff.modules[1].bytes.end--;
    assert_int_equal(efi_handoff_decode(&handoff, &info).code, INFO_BAD_MODULE);

    before_each(NULL);
    handoff.cmdline = handoff.strings_used;
    assert_int_equal(efi_handoff_decode(&handoff, &info).code, INFO_BAD_STRING);

    before_each(NULL);
    handoff.modules[1].name = UINT32_MAX;
    struct status status = efi_handoff_decode(&handoff, &info);

    assert_int_equal(status.code, INFO_BAD_STRING);
    assert_int_equal(status.offset, UINT32_MAX);

    before_each(NULL);
    handoff.modules[0].args = handoff.strings_used - 5;
    handoff.strings_used -= 1; /* the NUL is not among them any more */
    assert_int_equal(efi_handoff_decode(&handoff, &info).code, INFO_BAD_STRING);

    before_each(NULL);
    memset(handoff.strings, 'x', sizeof(handoff.strings));
    handoff.strings_used = UINT32_MAX;
    assert_int_equal(efi_handoff_decode(&handoff, &info).code, INFO_BAD_STRING);
}

static void test_without_modules_and_strings_there_is_nothing_but_the_firmware(void **state)
{
    (void)state;
    handoff.module_count = 0;
    handoff.cmdline = 0;
    assert_int_equal(efi_handoff_decode(&handoff, &info).code, STATUS_OK);
    assert_int_equal(info.module_count, 0);
    assert_string_equal(info.cmdline, "");
    assert_firmware_taken();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_an_image_that_the_firmware_started_has_all_from_the_handoff,
                               before_each),
        cmocka_unit_test_setup(test_firmware_of_32_bits_without_secure_boot, before_each),
        cmocka_unit_test_setup(test_merging_adds_the_firmware_and_leaves_the_loaders_word,
                               before_each),
        cmocka_unit_test_setup(test_a_framebuffer_that_the_loader_told_stays, before_each),
        cmocka_unit_test_setup(test_a_map_that_is_none_is_refused, before_each),
        cmocka_unit_test_setup(test_modules_and_strings_that_are_none_are_refused, before_each),
        cmocka_unit_test_setup(test_without_modules_and_strings_there_is_nothing_but_the_firmware,
                               before_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
