/*
 * The tables that a kernel is entered with inside a virtual machine: walked as a processor does, by the numbers of the
 * SDM (volume 3A, sections 4.5 and 3.4.5).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "entry_tables.h"

#define BLOCK_PA 0x7fe00000ULL

static uint8_t *block;
static uint64_t bytes;
static struct entry_tables tables;

static void build(bool entry_64, bool has_1gib_pages)
{
    const struct entry_tables_request request = {{BLOCK_PA}, entry_64, has_1gib_pages};

    bytes = entry_tables_bytes(&request);
    block = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    assert_non_null(block);
    memset(block, 0xa5, (bytes + 4095) / 4096 * 4096);
    entry_tables_build(&request, block);
    tables = entry_tables_at(&request);
}

static uint64_t quad(uint64_t pa)
{
    uint64_t value;

    assert_in_range(pa, BLOCK_PA, BLOCK_PA + bytes - 8);
    memcpy(&value, block + (pa - BLOCK_PA), 8);
    return value;
}

/* An entry that can be written and executed, and is there. */
static uint64_t entry(uint64_t table, uint64_t slot)
{
    const uint64_t value = quad(table + 8 * slot);

    assert_int_equal(value & 3, 3);
    assert_int_equal(value >> 63, 0);
    return value;
}

static uint64_t translated(uint64_t va)
{
    const uint64_t address = 0xffffffffff000;
    uint64_t value = entry(tables.page_tables, va >> 39 & 511);

    value = entry(value & address, va >> 30 & 511);
    if ((value & 0x80) != 0) {
        return (value & address) + (va & 0x3fffffff);
    }
    value = entry(value & address, va >> 21 & 511);
    assert_int_equal(value & 0x80, 0x80);
    return (value & address) + (va & 0x1fffff);
}

static void assert_gdt(uint64_t code)
{
    assert_int_equal(tables.gdt_limit, 31);
    assert_int_equal(tables.gdt + 32, BLOCK_PA + bytes);
    assert_int_equal(quad(tables.gdt), 0);
    assert_int_equal(quad(tables.gdt + 0x10), code);
    assert_int_equal(quad(tables.gdt + 0x18), 0x00cf93000000ffff);
}

static void test_a_64bit_kernel_has_4_gib_at_their_own_addresses(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) {
        build(true, large);
        assert_int_equal(bytes, (large ? 2 : 6) * 4096 + 32);
        assert_int_equal(tables.page_tables, BLOCK_PA);
        for (uint64_t va = 0; va < 1ULL << 32; va += 0x1ff000) {
            assert_int_equal(translated(va), va);
        }
        assert_int_equal(translated(0xffffffff), 0xffffffff);
        assert_int_equal(quad(BLOCK_PA + 8), 0);
        assert_int_equal(quad((quad(BLOCK_PA) & 0xffffffffff000) + 4 * 8), 0);
        assert_gdt(0x00af9b000000ffff);
        free(block);
    }
}

static void test_a_32bit_kernel_has_segments_alone(void **state)
{
    (void)state;
    build(false, true);
    assert_int_equal(bytes, 32);
    assert_int_equal(tables.page_tables, 0);
    assert_gdt(0x00cf9b000000ffff);
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests_of_tables[] = {
        cmocka_unit_test(test_a_64bit_kernel_has_4_gib_at_their_own_addresses),
        cmocka_unit_test(test_a_32bit_kernel_has_segments_alone),
    };

    return cmocka_run_group_tests(tests_of_tables, NULL, NULL);
}
