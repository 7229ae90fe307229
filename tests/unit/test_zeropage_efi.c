/*
 * What the zero page says of UEFI: memory map, tables, Secure Boot, the screen.
 */
#include "zeropage_block.h"

#include "efi_map_maker.h"

static struct boot_efi efi;

static void uefi_request(uint16_t protocol)
{
    static struct made_map made;

    usual_request(protocol);
    made.bytes = 0;
    put_descriptor(&made, 7, 0x100000, 0x100, WB);
    put_descriptor(&made, 4, 0x200000, 0x100, WB);
    efi = (struct boot_efi){
        .system_table_pa = 0x17f5ec018,
        .is_64bit = true,
        .map_descriptor_bytes = MADE_DESCRIPTOR_BYTES,
        .map_descriptor_version = 1,
        .map_bytes = made.bytes,
    };
    efi.map = made.map;
    request.efi = &efi;
}

static void assert_no_efi_info(void)
{
    assert_false(zeropage_hands_on_efi(&kernel, request.efi));
    for (size_t at = 0x1c0; at < 0x1e0; at++) {
        assert_int_equal(block[at], 0);
    }
    assert_int_equal(block_bytes, 4096 + sizeof("console=ttyS0 quiet"));
}

static void test_the_firmwares_tables_and_map_are_handed_on(void **state)
{
    (void)state;
    uefi_request(0x20f);
    build();
    assert_true(zeropage_hands_on_efi(&kernel, &efi));
    assert_memory_equal(block + 0x1c0, "EL64", 4);
    assert_field(0x1c0, 4, 0x34364c45);      /* efi_loader_signature */
    assert_field(0x1c4, 4, 0x7f5ec018);      /* efi_systab */
    assert_field(0x1c8, 4, 48);              /* efi_memdesc_size */
    assert_field(0x1cc, 4, 1);               /* efi_memdesc_version */
    assert_field(0x1d0, 4, BLOCK_PA + 4096); /* efi_memmap */
    assert_field(0x1d4, 4, 96);              /* efi_memmap_size */
    assert_field(0x1d8, 4, 1);               /* efi_systab_hi */
    assert_field(0x1dc, 4, 0);               /* efi_memmap_hi */
    assert_memory_equal(block + 4096, efi.map, 96);
    assert_field(0x228, 4, BLOCK_PA + 4096 + 96); /* the command line is behind it */
    assert_string_equal((const char *)block + 4096 + 96, "console=ttyS0 quiet");
    assert_int_equal(block_bytes, 4096 + 96 + sizeof("console=ttyS0 quiet"));
    assert_int_equal(get(0x250, 8), 0);

    request.block.pa = 0x300000000;
    build();
    assert_int_equal(get(0x1d0, 4), 0x1000);
    assert_int_equal(get(0x1dc, 4), 3);
}

static void test_all_else_in_the_page_is_as_without_uefi(void **state)
{
    (void)state;
    uefi_request(0x20f);
    request.efi = NULL;
    build();
    uint8_t *without = malloc(4096);

    memcpy(without, block, 4096);
    request.efi = &efi;
    build();
    memset(block + 0x1c0, 0, 0x20);
    memcpy(block + 0x228, without + 0x228, 4); /* cmd_line_ptr */
    assert_memory_equal(block, without, 4096);
    free(without);
}

static void test_the_map_is_aligned_behind_the_set_up_data(void **state)
{
    (void)state;
    for (uint32_t extra = 1; extra < 5; extra++) {
        size_t map_at = (4096 + 16 + extra * 20 + 7) & ~(size_t)7;

        uefi_request(0x20f);
        map.count = 128 + extra;
        for (uint32_t i = 0; i < map.count; i++) {
            map.ranges[i] = (struct memory_range){{i * 0x2000ULL, i * 0x2000ULL + 1}, MEMORY_RAM};
        }
        build();
        assert_int_equal(get(4096 + 12, 4), extra * 20);
        assert_int_equal(get(4096 + 16 + (extra - 1) * 20, 8), (127 + extra) * 0x2000ULL);
        assert_int_equal(get(0x1d0, 4), BLOCK_PA + map_at);
        assert_memory_equal(block + map_at, efi.map, 96);
        assert_string_equal((const char *)block + map_at + 96, "console=ttyS0 quiet");
    }
}

static void test_32bit_firmware_is_for_kernels_that_can_use_it(void **state)
{
    (void)state;
    uefi_request(0x20f);
    efi.is_64bit = false;
    efi.system_table_pa = 0x7f5ec018;
    build();
    assert_no_efi_info();

    put(file, 0x236, 0x7, 2); /* XLF_EFI_HANDOVER_32 */
    assert_true(is_ok(bzimage_parse(file, sizeof(file), &kernel)));
    assert_true(kernel.efi_32);
    build();
    assert_memory_equal(block + 0x1c0, "EL32", 4);
    assert_int_equal(get(0x1c4, 4), 0x7f5ec018);
    assert_int_equal(get(0x1d8, 4), 0);
    assert_int_equal(get(0x1d4, 4), 96);

    make_kernel(file, 0x20b); /* has no xloadflags: what is there means nothing */
    put(file, 0x236, 0x7, 2);
    assert_true(is_ok(bzimage_parse(file, sizeof(file), &kernel)));
    assert_false(kernel.efi_32);
    build();
    assert_no_efi_info();
}

static void test_without_uefi_or_its_map_there_is_no_efi_info(void **state)
{
    (void)state;
    uefi_request(0x20f);
    efi.system_table_pa = 0;
    efi.secure_boot_told = true;
    build();
    assert_no_efi_info();
    assert_int_equal(get(0x1ec, 1), 0);
    uefi_request(0x20f);
    efi.map_bytes = 0;
    build();
    assert_no_efi_info();
    uefi_request(0x20f);
    request.efi = NULL;
    build();
    assert_no_efi_info();
}

static void test_secure_boot_is_said_as_it_was_found(void **state)
{
    (void)state;
    uefi_request(0x20f);
    build();
    assert_int_equal(get(0x1ec, 1), 0);
    efi.secure_boot_told = true;
    build();
    assert_int_equal(get(0x1ec, 1), 2);
    efi.secure_boot = true;
    build();
    assert_int_equal(get(0x1ec, 1), 3);
}

static void test_a_screen_of_uefi_has_its_kind_and_its_size_in_bytes(void **state)
{
    (void)state;
    uefi_request(0x20f);
    framebuffer = true_colour();
    build();
    assert_int_equal(get(0x0f, 1), 0x70);    /* VIDEO_TYPE_EFI */
    assert_int_equal(get(0x1c, 4), 3148800); /* lfb_size */
    assert_int_equal(get(0x18, 4), 0x80000000);
    assert_int_equal(get(0x3a, 4), 0x40);
    assert_int_equal(get(0x12, 2), 1024);
    efi.system_table_pa = 0;
    build();
    assert_int_equal(get(0x0f, 1), 0x23);
    assert_int_equal(get(0x1c, 4), 49);
}

static void set_range(uint32_t i, uint64_t start, uint64_t end, enum memory_type type)
{
    map.ranges[i] = (struct memory_range){{start, end}, type};
    map.count = i + 1;
}

static void assert_e820(uint32_t i, uint64_t start, uint64_t bytes, uint32_t type)
{
    assert_int_equal(get(0x2d0 + i * 20, 8), start);
    assert_int_equal(get(0x2d0 + i * 20 + 8, 8), bytes);
    assert_int_equal(get(0x2d0 + i * 20 + 16, 4), type);
}

static void test_what_boot_services_used_is_ram_and_one_with_its_neighbours(void **state)
{
    (void)state;
    uefi_request(0x20f);
    set_range(0, 0x1000, 0x2000, MEMORY_BOOT_SERVICES);
    set_range(1, 0x2000, 0x4000, MEMORY_RAM);
    set_range(2, 0x4000, 0x5000, MEMORY_BOOT_SERVICES);
    set_range(3, 0x6000, 0x7000, MEMORY_RAM); /* behind a gap */
    set_range(4, 0x7000, 0x8000, MEMORY_ACPI_NVS);
    set_range(5, 0x8000, 0x9000, MEMORY_BOOT_SERVICES);
    set_range(6, 0x9000, 0xa000, MEMORY_RESERVED);
    set_range(7, 0xa000, 0xb000, MEMORY_DISABLED);
    assert_int_equal(zeropage_e820_entries(&map, request.kept), 5);
    build();
    assert_int_equal(get(0x1e8, 1), 5);
    assert_e820(0, 0x1000, 0x4000, 1);
    assert_e820(1, 0x6000, 0x1000, 1);
    assert_e820(2, 0x7000, 0x1000, 4);
    assert_e820(3, 0x8000, 0x1000, 1);
    assert_e820(4, 0x9000, 0x2000, 2);
    assert_e820(5, 0, 0, 0);
    map.count = 0;
    assert_int_equal(zeropage_e820_entries(&map, request.kept), 0);
}

static void test_ranges_that_become_alike_need_no_set_up_data(void **state)
{
    (void)state;
    uefi_request(0x20f);
    map.count = MEMMAP_RANGES_MAX;
    for (uint32_t i = 0; i < map.count; i++) {
        map.ranges[i] = (struct memory_range){{i * 0x1000ULL, (i + 1) * 0x1000ULL},
                                              i % 2 ? MEMORY_RAM : MEMORY_BOOT_SERVICES};
    }
    assert_int_equal(zeropage_e820_entries(&map, request.kept), 1);
    build();
    assert_int_equal(get(0x250, 8), 0);
    assert_int_equal(get(0x1e8, 1), 1);
    assert_e820(0, 0, MEMMAP_RANGES_MAX * 0x1000ULL, 1);

    /* 260 ranges, two and two alike: 130 entries. */
    map.count = 260;
    for (uint32_t i = 0; i < map.count; i++) {
        map.ranges[i].bytes.start += i / 2 * 0x1000ULL;
        map.ranges[i].bytes.end += i / 2 * 0x1000ULL;
    }
    assert_int_equal(zeropage_e820_entries(&map, request.kept), 130);
    build();
    assert_int_equal(get(0x1e8, 1), 128);
    assert_int_equal(get(4096 + 12, 4), 2 * 20);
    assert_int_equal(get(4096 + 16 + 20, 8), 129 * 0x3000ULL);
    assert_int_equal(get(4096 + 16 + 28, 8), 0x2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_firmwares_tables_and_map_are_handed_on),
        cmocka_unit_test(test_all_else_in_the_page_is_as_without_uefi),
        cmocka_unit_test(test_the_map_is_aligned_behind_the_set_up_data),
        cmocka_unit_test(test_32bit_firmware_is_for_kernels_that_can_use_it),
        cmocka_unit_test(test_without_uefi_or_its_map_there_is_no_efi_info),
        cmocka_unit_test(test_secure_boot_is_said_as_it_was_found),
        cmocka_unit_test(test_a_screen_of_uefi_has_its_kind_and_its_size_in_bytes),
        cmocka_unit_test(test_what_boot_services_used_is_ram_and_one_with_its_neighbours),
        cmocka_unit_test(test_ranges_that_become_alike_need_no_set_up_data),
    };

    return cmocka_run_group_tests(tests, NULL, free_block);
}
