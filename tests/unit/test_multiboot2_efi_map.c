/*
 * Multiboot2 where the loader has ended boot services: the firmware's own map counts. While they
 * are alive it does not.
 */
#include "multiboot2_block.h"

#include "efi_map_maker.h"

/* A tag with two descriptors; where the second one says that it is, nobody else does. */
static size_t good_efi_map_tag(void)
{
    static struct made_map made;
    size_t at = start_tag(MB2_TAG_EFI_MAP);

    made.bytes = 0;
    put_descriptor(&made, 7, 0x100000, 0x100, WB);
    put_descriptor(&made, 3, 0x200000, 0x10, WB);
    put32(&block, MADE_DESCRIPTOR_BYTES);
    put32(&block, 1);
    put_bytes(&block, made.map, made.bytes);
    return end_tag(at);
}

static void loaders_map_tag(void)
{
    size_t at = start_map_tag(24);

    map_entry(0, 0x9fc00, MEMORY_RAM);
    map_entry(0x100000, 0x7ee0000, MEMORY_RAM);
    map_entry(0x9fc00, 0x400, MEMORY_BOOT_SERVICES);
    end_tag(at);
}

static void assert_firmwares_map(void)
{
    assert_true(info.has_memory_map);
    assert_int_equal(info.range_count, 2);
    assert_int_equal(info.ranges[0].base, 0x100000);
    assert_int_equal(info.ranges[0].type, MEMORY_RAM);
    assert_int_equal(info.ranges[1].base, 0x200000);
    assert_int_equal(info.ranges[1].length, 0x10000);
    assert_int_equal(info.ranges[1].type, MEMORY_BOOT_SERVICES);
}

static void test_the_firmwares_map_counts_whatever_the_order(void **state)
{
    (void)state;
    value64_tag(MB2_TAG_EFI64, 0x7f5ec018);
    good_efi_map_tag();
    loaders_map_tag();
    decode_good();
    assert_firmwares_map();
    assert_false(info.efi.secure_boot_told);

    start_block();
    loaders_map_tag();
    good_efi_map_tag();
    value32_tag(MB2_TAG_EFI32, 0x7f5ec018);
    decode_good();
    assert_firmwares_map();
}

static void test_the_firmwares_map_alone_is_enough(void **state)
{
    (void)state;
    good_efi_map_tag();
    decode_good();
    assert_firmwares_map();
}

static void test_while_boot_services_live_the_loaders_map_stays(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        start_block();
        if (first) {
            sized_tag(MB2_TAG_EFI_BS, 8);
        }
        loaders_map_tag();
        good_efi_map_tag();
        if (!first) {
            sized_tag(MB2_TAG_EFI_BS, 8);
        }
        decode_good();
        assert_int_equal(info.range_count, 3);
        assert_int_equal(info.ranges[1].length, 0x7ee0000);
        assert_int_equal(info.efi.map_bytes, 2 * MADE_DESCRIPTOR_BYTES);
    }
}

static void test_a_firmwares_map_without_descriptors_does_not_count(void **state)
{
    (void)state;
    loaders_map_tag();
    efi_map_tag(48, 0);
    decode_good();
    assert_int_equal(info.range_count, 3);
}

static void test_a_loader_cannot_say_that_boot_services_used_memory(void **state)
{
    (void)state;
    loaders_map_tag();
    decode_good();
    assert_int_equal(info.ranges[1].type, MEMORY_RAM);
    assert_int_equal(info.ranges[2].base, 0x9fc00);
    assert_int_equal(info.ranges[2].type, MEMORY_RESERVED);
}

static void test_too_many_descriptors_are_told_where_they_are(void **state)
{
    static struct made_map made;
    size_t at;

    (void)state;
    made.bytes = 0;
    for (uint32_t i = 0; i <= BOOT_RANGES_MAX; i++) {
        put_descriptor(&made, 0, i * 0x2000ULL, 1, WB);
    }
    string_tag(MB2_TAG_CMDLINE, "in front");
    at = start_tag(MB2_TAG_EFI_MAP);
    put32(&block, MADE_DESCRIPTOR_BYTES);
    put32(&block, 1);
    put_bytes(&block, made.map, made.bytes);
    end_tag(at);
    assert_refused(INFO_TOO_MANY_RANGES, at + 16 + BOOT_RANGES_MAX * MADE_DESCRIPTOR_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_firmwares_map_counts_whatever_the_order, before_each),
        cmocka_unit_test_setup(test_the_firmwares_map_alone_is_enough, before_each),
        cmocka_unit_test_setup(test_while_boot_services_live_the_loaders_map_stays, before_each),
        cmocka_unit_test_setup(test_a_firmwares_map_without_descriptors_does_not_count,
                               before_each),
        cmocka_unit_test_setup(test_a_loader_cannot_say_that_boot_services_used_memory,
                               before_each),
        cmocka_unit_test_setup(test_too_many_descriptors_are_told_where_they_are, before_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
