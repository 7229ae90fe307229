/*
 * PVH start information: what good ones say, and where bad ones are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "abi/pvh.h"
#include "abi/pvh_entry.h"
#include "block.h"
#include "boot_info.h"

#define INFO_PA 0x100
#define DATA_PA 0x200 /* what the structure points to begins here */

#define AT(name) offsetof(struct pvh_start_info, name)

#define VERSION0_BYTES AT(memory_map_pa)

static struct pvh_start_info structure;
static struct block data; /* from DATA_PA on; memory ends with it */
static struct boot_info info;

static int before_each(void **state)
{
    (void)state;
    memset(&structure, 0, sizeof(structure));
    structure.magic = PVH_START_MAGIC;
    structure.version = 1;
    data.size = 0;
    put64(&data, 0);
    return 0;
}

static uint64_t data_pa(void)
{
    return DATA_PA + data.size;
}

static uint64_t string_at(const char *text)
{
    uint64_t pa = data_pa();

    put_string(&data, text);
    return pa;
}

static void start_modules(uint32_t count)
{
    structure.module_count = count;
    structure.modules_pa = data_pa();
}

static void module_entry(uint64_t pa, uint64_t bytes, uint64_t cmdline_pa)
{
    put64(&data, pa);
    put64(&data, bytes);
    put64(&data, cmdline_pa);
    put64(&data, 0xa5a5a5a5a5a5a5a5);
}

static void start_map(uint32_t entries)
{
    structure.memory_map_entries = entries;
    structure.memory_map_pa = data_pa();
}

static void map_entry(uint64_t base, uint64_t length, uint32_t type)
{
    put64(&data, base);
    put64(&data, length);
    put32(&data, type);
    put32(&data, 0xa5a5a5a5);
}

static struct status decode_memory(struct physical_view memory)
{
    struct entry_regs regs = {.magic = PVH_START_MAGIC, .info_pa = INFO_PA};
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

/* The structure alone, at the end of memory and cut there. */
static struct status decode_cut(uint32_t version, size_t bytes)
{
    structure.version = version;
    return decode_memory(memory_with(INFO_PA, &structure, bytes));
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

static void test_empty_structure_says_nothing(void **state)
{
    (void)state;
    decode_good();
    assert_int_equal(info.protocol, PROTOCOL_PVH);
    assert_int_equal(info.firmware, FIRMWARE_NONE);
    assert_string_equal(info.loader_name, "");
    assert_string_equal(info.cmdline, "");
    assert_int_equal(info.module_count, 0);
    assert_false(info.has_memory_map);
    assert_false(info.loader_moves);
    assert_int_equal(info.rsdp_pa.pa, 0);
    assert_int_equal(info.framebuffer.kind, FRAMEBUFFER_NONE);
}

static void test_everything_is_understood(void **state)
{
    uint64_t kernel;

    (void)state;
    structure.flags = UINT32_MAX;
    structure.rsdp_pa = 0x1000f5ad0;
    structure.cmdline_pa = string_at("com1=115200 dom0=native");
    kernel = string_at("console=ttyS0 root=/dev/vda");
    start_modules(2);
    module_entry(0x10, 0x20, kernel);
    module_entry(0x30, 0, 0);
    start_map(2);
    map_entry(0, 0x9fc00, MEMORY_RAM);
    map_entry(0x100000000, 0x180000000, MEMORY_ACPI_NVS);
    decode_good();
    /* Nothing is taken for a file's name. */
    assert_string_equal(info.cmdline, "com1=115200 dom0=native");
    assert_int_equal(info.rsdp_pa.pa, 0x1000f5ad0);
    assert_int_equal(info.module_count, 2);
    assert_int_equal(info.modules[0].bytes.start, 0x10);
    assert_int_equal(info.modules[0].bytes.end, 0x30);
    assert_string_equal(info.modules[0].name, "");
    assert_string_equal(info.modules[0].args, "console=ttyS0 root=/dev/vda");
    assert_int_equal(info.modules[1].bytes.start, 0x30);
    assert_int_equal(info.modules[1].bytes.end, 0x30);
    assert_string_equal(info.modules[1].args, "");
    assert_true(info.has_memory_map);
    assert_int_equal(info.range_count, 2);
    assert_int_equal(info.ranges[0].length, 0x9fc00);
    assert_int_equal(info.ranges[1].base, 0x100000000);
    assert_int_equal(info.ranges[1].length, 0x180000000);
    assert_int_equal(info.ranges[1].type, MEMORY_ACPI_NVS);
}

static void test_version_0_has_no_memory_map(void **state)
{
    (void)state;
    start_map(1);
    map_entry(0, 1, MEMORY_RAM);
    structure.version = 0;
    decode_good();
    assert_false(info.has_memory_map);
    /* Nor need there be memory for one. */
    assert_status(decode_cut(0, VERSION0_BYTES), STATUS_OK, 0);
}

static void test_later_versions_are_read_as_version_1(void **state)
{
    (void)state;
    structure.version = UINT32_MAX;
    start_map(1);
    map_entry(0, 1, MEMORY_RAM);
    decode_good();
    assert_int_equal(info.range_count, 1);
}

static void test_addresses_of_empty_lists_are_not_followed(void **state)
{
    (void)state;
    structure.modules_pa = UINT64_MAX;
    structure.memory_map_pa = UINT64_MAX;
    decode_good();
    assert_int_equal(info.module_count, 0);
    assert_false(info.has_memory_map);
    structure.memory_map_pa = 0;
    structure.memory_map_entries = UINT32_MAX;
    decode_good();
    assert_false(info.has_memory_map);
}

static void test_a_loader_cannot_say_that_boot_services_used_memory(void **state)
{
    (void)state;
    start_map(1);
    map_entry(0, 1, MEMORY_BOOT_SERVICES);
    decode_good();
    assert_int_equal(info.ranges[0].type, MEMORY_RESERVED);
}

/* --- bad structures --- */

static void test_structure_outside_memory(void **state)
{
    struct physical_view memory = {.bytes = data.bytes, .size = 64};

    (void)state;
    assert_status(pvh_decode(&memory, 64, &info), INFO_UNREACHABLE, 64);
    assert_status(pvh_decode(&memory, UINT64_MAX, &info), INFO_UNREACHABLE, UINT64_MAX);
    for (size_t bytes = 0; bytes < sizeof(structure); bytes++) {
        assert_status(decode_cut(1, bytes), INFO_UNREACHABLE, INFO_PA);
    }
    for (size_t bytes = 0; bytes < VERSION0_BYTES; bytes++) {
        assert_status(decode_cut(0, bytes), INFO_UNREACHABLE, INFO_PA);
    }
    assert_status(decode_cut(1, sizeof(structure)), STATUS_OK, 0);
}

static void test_structure_without_its_magic(void **state)
{
    (void)state;
    structure.magic = 0x336ec579;
    assert_status(decode(), INFO_BAD_MAGIC, 0x336ec579);
    assert_int_equal(info.range_count, 0);
}

static void test_strings_outside_memory(void **state)
{
    (void)state;
    structure.cmdline_pa = data_pa();
    assert_status(decode(), INFO_BAD_POINTER, AT(cmdline_pa));
    structure.cmdline_pa = UINT64_MAX;
    assert_status(decode(), INFO_BAD_POINTER, AT(cmdline_pa));
    structure.cmdline_pa = data_pa() - 1;
    decode_good();
    start_modules(1);
    module_entry(0, 0, 0x100000000);
    assert_status(decode(), INFO_BAD_POINTER, AT(modules_pa));
}

static void test_strings_without_nul_at_the_end_of_memory(void **state)
{
    (void)state;
    structure.cmdline_pa = string_at("com1=off");
    data.size--;
    assert_status(decode(), INFO_BAD_STRING, AT(cmdline_pa));
    before_each(state);
    start_modules(1);
    module_entry(0, 0, data_pa() + 32);
    put_bytes(&data, "abc", 3);
    assert_status(decode(), INFO_BAD_STRING, AT(modules_pa));
}

static void test_strings_too_long_for_the_pool(void **state)
{
    static char text[BOOT_STRINGS_BYTES + 1];

    (void)state;
    memset(text, 'x', BOOT_STRINGS_BYTES);
    structure.cmdline_pa = string_at(text);
    put64(&data, 0);
    assert_status(decode(), INFO_STRINGS_FULL, AT(cmdline_pa));
    structure.cmdline_pa++; /* fits, with its NUL */
    decode_good();
    start_modules(1);
    module_entry(0, 0, structure.cmdline_pa); /* and leaves no room */
    assert_status(decode(), INFO_STRINGS_FULL, AT(modules_pa));
    structure.cmdline_pa = 0;
    decode_good();
}

static void test_module_list_outside_memory(void **state)
{
    (void)state;
    start_modules(2);
    module_entry(0, 0, 0);
    assert_status(decode(), INFO_BAD_POINTER, AT(modules_pa));
    structure.module_count = UINT32_MAX;
    assert_status(decode(), INFO_BAD_POINTER, AT(modules_pa));
    structure.module_count = 1;
    decode_good();
    structure.modules_pa = UINT64_MAX - 31;
    assert_status(decode(), INFO_BAD_POINTER, AT(modules_pa));
}

static void test_modules_outside_memory(void **state)
{
    const uint64_t end = DATA_PA + 8 + 32;
    static const struct {
        uint64_t pa;
        uint64_t bytes;
    } cases[] = {
        {0, DATA_PA + 41},     {DATA_PA + 40, 1},    {DATA_PA + 41, 0},
        {0x100000000, 0x1000}, {0x1000, UINT64_MAX}, {UINT64_MAX, 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        before_each(state);
        start_modules(1);
        module_entry(cases[i].pa, cases[i].bytes, 0);
        assert_status(decode(), INFO_BAD_POINTER, AT(modules_pa));
    }
    before_each(state);
    start_modules(1);
    module_entry(0, end, 0);
    decode_good();
    assert_int_equal(info.modules[0].bytes.end, end);
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
    start_map(2);
    map_entry(0, 1, MEMORY_RAM);
    assert_status(decode(), INFO_BAD_POINTER, AT(memory_map_pa));
    structure.memory_map_entries = UINT32_MAX;
    assert_status(decode(), INFO_BAD_POINTER, AT(memory_map_pa));
    structure.memory_map_pa = UINT64_MAX;
    assert_status(decode(), INFO_BAD_POINTER, AT(memory_map_pa));
}

static void test_non_ram_ranges_beyond_the_limit(void **state)
{
    (void)state;
    start_map(BOOT_RANGES_MAX + 1);
    for (uint64_t i = 0; i <= BOOT_RANGES_MAX; i++) {
        map_entry(i << 20, 0x1000, MEMORY_RESERVED);
    }
    assert_status(decode(), INFO_TOO_MANY_RANGES, AT(memory_map_pa));
    structure.memory_map_entries--;
    decode_good();
    assert_int_equal(info.range_count, BOOT_RANGES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_empty_structure_says_nothing, before_each),
        cmocka_unit_test_setup(test_everything_is_understood, before_each),
        cmocka_unit_test_setup(test_version_0_has_no_memory_map, before_each),
        cmocka_unit_test_setup(test_later_versions_are_read_as_version_1, before_each),
        cmocka_unit_test_setup(test_addresses_of_empty_lists_are_not_followed, before_each),
        cmocka_unit_test_setup(test_a_loader_cannot_say_that_boot_services_used_memory,
                               before_each),
        cmocka_unit_test_setup(test_structure_outside_memory, before_each),
        cmocka_unit_test_setup(test_structure_without_its_magic, before_each),
        cmocka_unit_test_setup(test_strings_outside_memory, before_each),
        cmocka_unit_test_setup(test_strings_without_nul_at_the_end_of_memory, before_each),
        cmocka_unit_test_setup(test_strings_too_long_for_the_pool, before_each),
        cmocka_unit_test_setup(test_module_list_outside_memory, before_each),
        cmocka_unit_test_setup(test_modules_outside_memory, before_each),
        cmocka_unit_test_setup(test_64_modules_and_one_more, before_each),
        cmocka_unit_test_setup(test_memory_map_outside_memory, before_each),
        cmocka_unit_test_setup(test_non_ram_ranges_beyond_the_limit, before_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
