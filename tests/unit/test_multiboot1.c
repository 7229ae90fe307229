/*
 * Multiboot1 information structures: what good ones say, and where bad ones are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "abi/multiboot1.h"
#include "abi/multiboot_headers.h"
#include "block.h"
#include "boot_info.h"

#define INFO_PA 0x100
#define DATA_PA 0x200 /* what the structure points to begins here */

#define AT(name) offsetof(struct multiboot1_info, name)

static struct multiboot1_info structure;
static struct block data; /* from DATA_PA on; memory ends with it */
static struct boot_info info;

static int before_each(void **state)
{
    (void)state;
    memset(&structure, 0, sizeof(structure));
    data.size = 0;
    return 0;
}

static uint32_t data_pa(void)
{
    return (uint32_t)(DATA_PA + data.size);
}

static uint32_t string_at(const char *text)
{
    uint32_t pa = data_pa();

    put_string(&data, text);
    return pa;
}

static void set_loader(const char *name)
{
    structure.flags |= MB1_INFO_LOADER_NAME;
    structure.loader_name_pa = string_at(name);
}

static void set_cmdline(const char *text)
{
    structure.flags |= MB1_INFO_CMDLINE;
    structure.cmdline_pa = string_at(text);
}

static void module_entry(uint32_t start, uint32_t end, uint32_t string_pa)
{
    put32(&data, start);
    put32(&data, end);
    put32(&data, string_pa);
    put32(&data, 0);
}

static void start_modules(uint32_t count)
{
    structure.flags |= MB1_INFO_MODULES;
    structure.module_count = count;
    structure.modules_pa = data_pa();
}

static void start_map(void)
{
    structure.flags |= MB1_INFO_MEMORY_MAP;
    structure.memory_map_pa = data_pa();
}

static void end_map(void)
{
    structure.memory_map_bytes = data_pa() - structure.memory_map_pa;
}

static void map_entry(uint32_t entry_bytes, uint64_t base, uint64_t length, uint32_t type)
{
    size_t end = data.size + 4 + entry_bytes;

    put32(&data, entry_bytes);
    put64(&data, base);
    put64(&data, length);
    put32(&data, type);
    pad_to(&data, end);
}

static struct status decode_memory(struct physical_view memory)
{
    struct entry_regs regs = {.magic = MB1_BOOT_MAGIC, .info_pa = INFO_PA};
    struct status status;

    memset(&info, 0xa5, sizeof(info));
    status = boot_info_decode(&regs, &memory, &info);
    memset((void *)(uintptr_t)memory.bytes, 0xee, memory.size);
    memory_free(memory);
    return status;
}

static struct status decode(void)
{
    struct physical_view memory = memory_with(DATA_PA, data.bytes, data.size);

    memcpy((void *)(uintptr_t)(memory.bytes + INFO_PA), &structure, sizeof(structure));
    return decode_memory(memory);
}

static void assert_status(struct status status, enum status_code code, uint64_t offset)
{
    assert_int_equal(status.code, code);
    assert_int_equal(status.offset, offset);
}

static void decode_good(void)
{
    assert_status(decode(), STATUS_OK, 0);
}

/* --- good structures --- */

static void test_structure_without_flags_says_nothing(void **state)
{
    (void)state;
    memset(&structure, 0xff, sizeof(structure));
    structure.flags = 0;
    decode_good();
    assert_int_equal(info.protocol, PROTOCOL_MULTIBOOT1);
    assert_int_equal(info.firmware, FIRMWARE_BIOS);
    assert_string_equal(info.loader_name, "");
    assert_string_equal(info.cmdline, "");
    assert_false(info.has_basic_memory);
    assert_false(info.has_memory_map);
    assert_false(info.loader_moves);
    assert_int_equal(info.module_count, 0);
    assert_int_equal(info.framebuffer.kind, FRAMEBUFFER_NONE);
}

static void test_flags_of_no_use_here_are_passed_over(void **state)
{
    (void)state;
    memset(&structure, 0xff, sizeof(structure));
    structure.flags =
        ~(uint32_t)(MB1_INFO_MEMORY | MB1_INFO_CMDLINE | MB1_INFO_MODULES | MB1_INFO_MEMORY_MAP |
                    MB1_INFO_LOADER_NAME | MB1_INFO_FRAMEBUFFER);
    decode_good();
}

static void test_everything_is_understood(void **state)
{
    uint32_t kernel;
    uint32_t initrd;

    (void)state;
    set_loader("GNU GRUB 0.97");
    set_cmdline("/boot/berth com1=115200");
    kernel = string_at("/boot/vmlinuz console=ttyS0");
    initrd = string_at("/boot/initrd.img");
    start_modules(2);
    module_entry(0x400000, 0x900000, kernel);
    module_entry(0x900000, 0x900000, initrd);
    start_map();
    map_entry(20, 0, 0x9fc00, 1);
    map_entry(20, 0x100000000, 0x180000000, 1);
    end_map();
    structure.flags |= MB1_INFO_MEMORY;
    structure.lower_kib = 639;
    structure.upper_kib = 129920;
    decode_good();
    assert_string_equal(info.loader_name, "GNU GRUB 0.97");
    assert_string_equal(info.cmdline, "com1=115200");
    assert_int_equal(info.module_count, 2);
    assert_int_equal(info.modules[0].bytes.start, 0x400000);
    assert_int_equal(info.modules[0].bytes.end, 0x900000);
    assert_string_equal(info.modules[0].name, "vmlinuz");
    assert_string_equal(info.modules[0].args, "console=ttyS0");
    assert_string_equal(info.modules[1].name, "initrd.img");
    assert_string_equal(info.modules[1].args, "");
    assert_true(info.has_memory_map);
    assert_int_equal(info.range_count, 2);
    assert_int_equal(info.ranges[1].base, 0x100000000);
    assert_int_equal(info.ranges[1].length, 0x180000000);
    assert_int_equal(info.ranges[1].type, MEMORY_RAM);
    assert_true(info.has_basic_memory);
    assert_int_equal(info.memory_lower_kib, 639);
    assert_int_equal(info.memory_upper_kib, 129920);
}

static void test_grub2_passes_arguments_alone(void **state)
{
    uint32_t args;

    (void)state;
    set_cmdline("com1=off dom0=pv");
    args = string_at("quiet splash");
    start_modules(1);
    module_entry(0, 1, args);
    set_loader("GRUB 2.06-13+deb12u2");
    decode_good();
    assert_string_equal(info.cmdline, "com1=off dom0=pv");
    assert_string_equal(info.modules[0].name, "");
    assert_string_equal(info.modules[0].args, "quiet splash");
}

static void test_null_and_empty_strings_are_empty(void **state)
{
    (void)state;
    structure.flags = MB1_INFO_CMDLINE | MB1_INFO_LOADER_NAME;
    start_modules(1);
    module_entry(1, 2, 0);
    decode_good();
    assert_string_equal(info.cmdline, "");
    assert_string_equal(info.loader_name, "");
    assert_string_equal(info.modules[0].name, "");
    assert_string_equal(info.modules[0].args, "");
    before_each(state);
    set_cmdline("");
    decode_good();
    assert_string_equal(info.cmdline, "");
    before_each(state);
    set_cmdline("/boot/berth");
    decode_good();
    assert_string_equal(info.cmdline, "");
    before_each(state);
    set_cmdline("berth  ");
    decode_good();
    assert_string_equal(info.cmdline, "");
}

static void test_memory_map_entries_of_every_size(void **state)
{
    (void)state;
    start_map();
    for (uint32_t bytes = 20; bytes <= 60; bytes += 4) {
        map_entry(bytes, bytes, 1, 2);
    }
    end_map();
    decode_good();
    assert_int_equal(info.range_count, 11);
    assert_int_equal(info.ranges[10].base, 60);
}

static void test_a_loader_cannot_say_that_boot_services_used_memory(void **state)
{
    (void)state;
    start_map();
    map_entry(20, 0, 1, MEMORY_BOOT_SERVICES);
    end_map();
    decode_good();
    assert_int_equal(info.ranges[0].type, MEMORY_RESERVED);
}

static void test_empty_lists(void **state)
{
    (void)state;
    start_modules(0);
    start_map();
    end_map();
    decode_good();
    assert_int_equal(info.module_count, 0);
    assert_true(info.has_memory_map);
    assert_int_equal(info.range_count, 0);
}

static void test_framebuffer(void **state)
{
    (void)state;
    structure.flags = MB1_INFO_FRAMEBUFFER;
    structure.framebuffer_pa = 0x1fd000000;
    structure.framebuffer_pitch_bytes = 4096;
    structure.framebuffer_width = 1024;
    structure.framebuffer_height = 768;
    structure.framebuffer_bits_per_pixel = 32;
    structure.framebuffer_type = 1;
    memcpy(structure.color_info, "\x10\x08\x09\x07\x01\x06", 6);
    decode_good();
    assert_int_equal(info.framebuffer.kind, FRAMEBUFFER_RGB);
    assert_int_equal(info.framebuffer.base.pa, 0x1fd000000);
    assert_int_equal(info.framebuffer.pitch_bytes, 4096);
    assert_int_equal(info.framebuffer.width, 1024);
    assert_int_equal(info.framebuffer.height, 768);
    assert_int_equal(info.framebuffer.bits_per_pixel, 32);
    assert_int_equal(info.framebuffer.red.position, 16);
    assert_int_equal(info.framebuffer.red.size_bits, 8);
    assert_int_equal(info.framebuffer.green.position, 9);
    assert_int_equal(info.framebuffer.blue.size_bits, 6);
    structure.framebuffer_type = 2;
    decode_good();
    assert_int_equal(info.framebuffer.kind, FRAMEBUFFER_TEXT);
    structure.framebuffer_type = 0;
    decode_good();
    assert_int_equal(info.framebuffer.kind, FRAMEBUFFER_INDEXED);
    structure.framebuffer_type = 9;
    decode_good();
    assert_int_equal(info.framebuffer.kind, FRAMEBUFFER_NONE);
}

/* --- bad structures --- */

/* The structure alone, at the end of memory and cut there. */
static struct status decode_cut(uint32_t flags, size_t bytes)
{
    structure.flags = flags;
    return decode_memory(memory_with(INFO_PA, &structure, bytes));
}

static void test_structure_outside_memory(void **state)
{
    struct physical_view memory = {.bytes = data.bytes, .size = 64};

    (void)state;
    assert_status(multiboot1_decode(&memory, 64, &info), INFO_UNREACHABLE, 64);
    assert_status(multiboot1_decode(&memory, 61, &info), INFO_UNREACHABLE, 61);
    assert_status(multiboot1_decode(&memory, UINT64_MAX, &info), INFO_UNREACHABLE, UINT64_MAX);
    assert_status(decode_cut(0, 3), INFO_UNREACHABLE, INFO_PA);
    assert_status(decode_cut(0, 4), STATUS_OK, 0);
}

static void test_structure_need_reach_only_as_far_as_its_flags(void **state)
{
    static const struct {
        uint32_t flag;
        size_t bytes;
        size_t field;
    } cases[] = {
        {MB1_INFO_MEMORY, 12, AT(lower_kib)},
        {MB1_INFO_CMDLINE, 20, AT(cmdline_pa)},
        {MB1_INFO_MODULES, 28, AT(modules_pa)},
        {MB1_INFO_MEMORY_MAP, 52, AT(memory_map_pa)},
        {MB1_INFO_LOADER_NAME, 68, AT(loader_name_pa)},
        {MB1_INFO_FRAMEBUFFER, 110, AT(framebuffer_pa)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_status(decode_cut(cases[i].flag, cases[i].bytes), STATUS_OK, 0);
        for (size_t bytes = 4; bytes < cases[i].bytes; bytes++) {
            assert_status(decode_cut(cases[i].flag, bytes), INFO_BAD_POINTER, cases[i].field);
        }
    }
    structure.framebuffer_type = 1; /* RGB: the colours too */
    assert_status(decode_cut(MB1_INFO_FRAMEBUFFER, 116), STATUS_OK, 0);
    assert_status(decode_cut(MB1_INFO_FRAMEBUFFER, 115), INFO_BAD_POINTER, AT(framebuffer_pa));
}

static void test_strings_outside_memory(void **state)
{
    (void)state;
    put8(&data, 0);
    structure.flags = MB1_INFO_CMDLINE;
    structure.cmdline_pa = data_pa();
    assert_status(decode(), INFO_BAD_POINTER, AT(cmdline_pa));
    structure.cmdline_pa = UINT32_MAX;
    assert_status(decode(), INFO_BAD_POINTER, AT(cmdline_pa));
    structure.cmdline_pa = data_pa() - 1;
    decode_good();
    structure.flags = MB1_INFO_LOADER_NAME;
    structure.loader_name_pa = 0x80000000;
    assert_status(decode(), INFO_BAD_POINTER, AT(loader_name_pa));
    structure.flags = 0;
    start_modules(1);
    module_entry(0, 0, 0x80000000);
    assert_status(decode(), INFO_BAD_POINTER, AT(modules_pa));
}

static void test_strings_without_nul_at_the_end_of_memory(void **state)
{
    (void)state;
    set_cmdline("/boot/berth com1=off");
    data.size--;
    assert_status(decode(), INFO_BAD_STRING, AT(cmdline_pa));
    before_each(state);
    set_loader("qemu");
    data.size--;
    assert_status(decode(), INFO_BAD_STRING, AT(loader_name_pa));
    before_each(state);
    start_modules(1);
    module_entry(0, 0, data_pa() + 16);
    put_bytes(&data, "abc", 3);
    assert_status(decode(), INFO_BAD_STRING, AT(modules_pa));
}

static void test_strings_too_long_for_the_pool(void **state)
{
    static char text[BOOT_STRINGS_BYTES + 1];

    (void)state;
    memset(text, 'x', BOOT_STRINGS_BYTES);
    set_loader(text);
    assert_status(decode(), INFO_STRINGS_FULL, AT(loader_name_pa));
    put32(&data, 0);
    assert_status(decode(), INFO_STRINGS_FULL, AT(loader_name_pa));
    before_each(state);
    set_loader("GRUB 2.06");
    set_cmdline(text + 1); /* would fit if it were alone */
    assert_status(decode(), INFO_STRINGS_FULL, AT(cmdline_pa));
    before_each(state);
    set_cmdline(text + 1); /* nothing but the image's name */
    decode_good();
}

static void test_module_list_outside_memory(void **state)
{
    (void)state;
    start_modules(2);
    module_entry(0, 0, 0);
    assert_status(decode(), INFO_BAD_POINTER, AT(modules_pa));
    structure.module_count = 0x10000001; /* 16 times that is 16 in 32 bits */
    assert_status(decode(), INFO_BAD_POINTER, AT(modules_pa));
    structure.module_count = 1;
    decode_good();
    structure.modules_pa = 0xfffffff8;
    assert_status(decode(), INFO_BAD_POINTER, AT(modules_pa));
}

static void test_modules_that_are_none(void **state)
{
    (void)state;
    start_modules(2);
    module_entry(0x2000, 0x2000, 0);
    module_entry(0x2000, 0x1fff, 0);
    assert_status(decode(), INFO_BAD_MODULE, AT(modules_pa));
    assert_int_equal(info.module_count, 1);
}

static void test_64_modules_and_one_more(void **state)
{
    (void)state;
    start_modules(64);
    for (uint32_t i = 0; i < 65; i++) {
        module_entry(i, i, 0);
    }
    decode_good();
    assert_int_equal(info.module_count, 64);
    structure.module_count = 65;
    assert_status(decode(), INFO_TOO_MANY_MODULES, AT(modules_pa));
}

static void test_memory_map_outside_memory(void **state)
{
    (void)state;
    start_map();
    map_entry(20, 0, 1, 1);
    end_map();
    structure.memory_map_bytes++;
    assert_status(decode(), INFO_BAD_POINTER, AT(memory_map_pa));
    structure.memory_map_bytes = UINT32_MAX;
    assert_status(decode(), INFO_BAD_POINTER, AT(memory_map_pa));
}

static void test_memory_map_entry_that_runs_over_the_end(void **state)
{
    (void)state;
    for (uint32_t missing = 1; missing < 24; missing++) {
        before_each(state);
        start_map();
        map_entry(20, 0, 1, 1);
        map_entry(20, 1, 1, 1);
        end_map();
        structure.memory_map_bytes -= missing;
        assert_status(decode(), INFO_TAG_OVERRUN, AT(memory_map_pa));
    }
    set32(&data, 0, UINT32_MAX);
    assert_status(decode(), INFO_TAG_OVERRUN, AT(memory_map_pa));
}

static void test_memory_map_entries_of_bad_sizes(void **state)
{
    static const uint32_t sizes[] = {0, 4, 16, 19, 21, 22, 23, 25};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        before_each(state);
        start_map();
        map_entry(28, 0, 1, 1);
        map_entry(28, 1, 1, 1);
        end_map();
        set32(&data, 32, sizes[i]);
        assert_status(decode(), INFO_BAD_ENTRY_SIZE, AT(memory_map_pa));
    }
    /* One that is short, but is followed by nothing that could be taken for its rest. */
    before_each(state);
    start_map();
    put32(&data, 16);
    pad_to(&data, 20);
    end_map();
    assert_status(decode(), INFO_BAD_ENTRY_SIZE, AT(memory_map_pa));
}

static void test_non_ram_ranges_beyond_the_limit(void **state)
{
    (void)state;
    start_map();
    for (uint64_t i = 0; i <= BOOT_RANGES_MAX; i++) {
        map_entry(20, i << 20, 0x1000, MEMORY_RESERVED);
    }
    end_map();
    assert_status(decode(), INFO_TOO_MANY_RANGES, AT(memory_map_pa));
    structure.memory_map_bytes -= 24;
    decode_good();
    assert_int_equal(info.range_count, BOOT_RANGES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_structure_without_flags_says_nothing, before_each),
        cmocka_unit_test_setup(test_flags_of_no_use_here_are_passed_over, before_each),
        cmocka_unit_test_setup(test_everything_is_understood, before_each),
        cmocka_unit_test_setup(test_grub2_passes_arguments_alone, before_each),
        cmocka_unit_test_setup(test_null_and_empty_strings_are_empty, before_each),
        cmocka_unit_test_setup(test_memory_map_entries_of_every_size, before_each),
        cmocka_unit_test_setup(test_a_loader_cannot_say_that_boot_services_used_memory,
                               before_each),
        cmocka_unit_test_setup(test_empty_lists, before_each),
        cmocka_unit_test_setup(test_framebuffer, before_each),
        cmocka_unit_test_setup(test_structure_outside_memory, before_each),
        cmocka_unit_test_setup(test_structure_need_reach_only_as_far_as_its_flags, before_each),
        cmocka_unit_test_setup(test_strings_outside_memory, before_each),
        cmocka_unit_test_setup(test_strings_without_nul_at_the_end_of_memory, before_each),
        cmocka_unit_test_setup(test_strings_too_long_for_the_pool, before_each),
        cmocka_unit_test_setup(test_module_list_outside_memory, before_each),
        cmocka_unit_test_setup(test_modules_that_are_none, before_each),
        cmocka_unit_test_setup(test_64_modules_and_one_more, before_each),
        cmocka_unit_test_setup(test_memory_map_outside_memory, before_each),
        cmocka_unit_test_setup(test_memory_map_entry_that_runs_over_the_end, before_each),
        cmocka_unit_test_setup(test_memory_map_entries_of_bad_sizes, before_each),
        cmocka_unit_test_setup(test_non_ram_ranges_beyond_the_limit, before_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
