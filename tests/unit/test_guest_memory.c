/* Guest memory: what may be reached, where the guest's page tables lead in each mode, and the bytes of instructions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guest_model.h"
#include "random.h"

#define PAGE     0x1000ULL
#define PG       0x80000000ULL
#define PSE      0x10ULL
#define PAE      0x20ULL
#define LA57     0x1000ULL
#define LMA      0x400ULL
#define LARGE    0x80ULL
#define NX       (1ULL << 63)
#define PRESENT  1ULL
#define CODE_VA  0xffffffff81234567ULL
#define SMALL_VA 0x00007f0012345678ULL
#define HUGE_VA  0xffff888012345678ULL

/* Pages 0 to 9, 11 to 29, 32 to 63 are RAM. */
static const struct prange ranges[] = {
    {0, 10 * PAGE}, {11 * PAGE, 30 * PAGE}, {32 * PAGE, MODEL_BYTES}};

static _Alignas(4096) uint8_t bytes[MODEL_BYTES];
static struct guest_memory memory;
static struct guest_state guest;

static int memory_make(void **state)
{
    (void)state;
    memset(bytes, 0, sizeof(bytes));
    memory = (struct guest_memory){.bytes = bytes, .ranges = ranges, .count = 3};
    guest =
        (struct guest_state){.cr0 = PG | 1, .cr3 = PAGE, .cr4 = PAE, .efer = LMA, .code_bits = 64};
    return 0;
}

static void put64(uint64_t table, uint64_t slot, uint64_t entry)
{
    memcpy(bytes + table + 8 * slot, &entry, sizeof(entry));
}

static void put32(uint64_t table, uint64_t slot, uint32_t entry)
{
    memcpy(bytes + table + 4 * slot, &entry, sizeof(entry));
}

static void assert_at(uint64_t va, uint64_t expected)
{
    /* Wherever the access before was. */
    const uint64_t before[] = {0, 12 * PAGE, 40 * PAGE};

    for (size_t i = 0; i < 3; i++) {
        uint64_t pa = 0;

        memory.tables = (struct guest_memory_hint){before[i], PAGE};
        assert_true(guest_translate(&memory, &guest, va, &pa));
        assert_int_equal(pa, expected);
        assert_true(guest_translate(&memory, &guest, va, &pa));
        assert_int_equal(pa, expected);
    }
}

static void assert_nowhere(uint64_t va)
{
    uint64_t pa;

    assert_false(guest_translate(&memory, &guest, va, &pa));
    assert_false(guest_translate(&memory, &guest, va, &pa));
}

/* --- ranges ----------------------------------------------------------------------------------------------------- */

static void test_only_ram_can_be_reached(void **state)
{
    (void)state;
    assert_ptr_equal(guest_memory_at(&memory, 0, 1), bytes);
    assert_ptr_equal(guest_memory_at(&memory, 10 * PAGE - 1, 1), bytes + 10 * PAGE - 1);
    assert_null(guest_memory_at(&memory, 10 * PAGE - 1, 2));
    assert_null(guest_memory_at(&memory, 10 * PAGE, 1));
    assert_null(guest_memory_at(&memory, 11 * PAGE - 1, 2));
    assert_ptr_equal(guest_memory_at(&memory, 11 * PAGE, 19 * PAGE), bytes + 11 * PAGE);
    assert_null(guest_memory_at(&memory, 11 * PAGE, 19 * PAGE + 1));
    assert_ptr_equal(guest_memory_at(&memory, MODEL_BYTES - 8, 8), bytes + MODEL_BYTES - 8);
    assert_null(guest_memory_at(&memory, MODEL_BYTES, 1));
    assert_null(guest_memory_at(&memory, MODEL_BYTES - 8, UINT64_MAX));
    assert_null(guest_memory_at(&memory, UINT64_MAX, 1));
    assert_null(guest_memory_at(&memory, UINT64_MAX, 2));
    assert_null(guest_memory_at(&memory, 0, 0));
    assert_null(guest_memory_at(&memory, 32 * PAGE, 0));
}

static void test_without_ram_nothing_can_be_reached(void **state)
{
    uint64_t pa;

    (void)state;
    memory.count = 0;
    assert_null(guest_memory_at(&memory, 0, 1));
    assert_false(guest_translate(&memory, &guest, 0, &pa));
}

/* --- page tables ------------------------------------------------------------------------------------------------ */

/* The tables of a kernel: text in 2 MiB pages, the direct map in 1 GiB pages, a process in 4 KiB pages. */
static void four_levels(uint64_t top)
{
    put64(top, 511, 2 * PAGE | 0x67);
    put64(2 * PAGE, 510, 3 * PAGE | 0x67);
    put64(3 * PAGE, 9, 0x7654200000 | 0x1e1 | PRESENT);
    put64(top, 0xfe, 12 * PAGE | 0x67 | NX);
    put64(12 * PAGE, 0, 40 * PAGE | 0x67);
    put64(40 * PAGE, 0x91, 41 * PAGE | 0x67);
    put64(41 * PAGE, 0x145, 0x000fedcba9876000 | 0xffb | NX);
    put64(top, 0x111, 13 * PAGE | 0x67);
    put64(13 * PAGE, 0, 0x1c0000000 | LARGE | PRESENT);
}

static void assert_four_levels(void)
{
    assert_at(CODE_VA, 0x7654234567);
    assert_at(SMALL_VA, 0x000fedcba9876678);
    assert_at(HUGE_VA, 0x1d2345678);
    assert_nowhere(CODE_VA + 0x200000);
    assert_nowhere(SMALL_VA + 0x1000);
    assert_nowhere(HUGE_VA + 0x40000000);
    assert_nowhere(0x1000);
}

static void test_four_levels(void **state)
{
    (void)state;
    four_levels(PAGE);
    guest.cr3 = PAGE | 0x8000000000000fff; /* with a PCID */
    assert_four_levels();
    assert_nowhere(CODE_VA & ~(1ULL << 63));
    assert_nowhere(SMALL_VA | 1ULL << 63);
    assert_nowhere(SMALL_VA | 1ULL << 47);
}

static void test_five_levels(void **state)
{
    (void)state;
    four_levels(4 * PAGE);
    guest.cr4 |= LA57;
    put64(PAGE, 511, 4 * PAGE | 0x67);
    put64(PAGE, 0, 4 * PAGE | 0x67);
    assert_four_levels();
    assert_at(CODE_VA & ~(0xffULL << 56 | 1ULL << 48) & ~(0xffULL << 49), 0x7654234567);
    assert_nowhere(CODE_VA & ~(1ULL << 63));
    assert_nowhere(SMALL_VA | 1ULL << 56);
    put64(PAGE, 511, 4 * PAGE | LARGE | PRESENT);
    assert_nowhere(CODE_VA);
}

static void test_a_large_page_where_none_can_be(void **state)
{
    (void)state;
    four_levels(PAGE);
    put64(PAGE, 511, 2 * PAGE | LARGE | PRESENT);
    assert_nowhere(CODE_VA);
}

static void test_tables_outside_ram_map_nothing(void **state)
{
    (void)state;
    four_levels(PAGE);
    guest.cr3 = 10 * PAGE;
    assert_nowhere(CODE_VA);
    guest.cr3 = 0x000ffffffffff000;
    assert_nowhere(CODE_VA);
    guest.cr3 = PAGE;
    put64(3 * PAGE, 9, 31 * PAGE | PRESENT);
    assert_nowhere(CODE_VA);
    put64(2 * PAGE, 510, MODEL_BYTES | PRESENT);
    assert_nowhere(CODE_VA);
}

static void test_pae(void **state)
{
    (void)state;
    guest.efer = 0;
    guest.cr3 = 0xffffffff00000000 | (PAGE + 0x7e0) | 0x18;
    put64(PAGE + 0x7e0, 0, 2 * PAGE | PRESENT);
    put64(PAGE + 0x7e0, 3, 12 * PAGE | PRESENT | LARGE); /* reserved there, and no page */
    put64(2 * PAGE, 1, 0x7654200000 | LARGE | PRESENT);
    put64(12 * PAGE, 511, 40 * PAGE | PRESENT);
    put64(40 * PAGE, 511, 0x123456000 | PRESENT | NX);
    assert_at(0x234567, 0x7654234567);
    assert_at(0xffffffff, 0x123456fff);
    assert_at(0x5500000000234567, 0x7654234567);
    assert_nowhere(0x40000000);
    assert_nowhere(0x400000);
    assert_nowhere(0xffffe000);
}

static void test_two_levels(void **state)
{
    (void)state;
    guest.efer = 0;
    guest.cr4 = PSE;
    guest.cr3 = 0xaa00000000 | PAGE | 0x18;
    put32(PAGE, 0, 12 * PAGE | PRESENT);
    put32(12 * PAGE, 1, 0xfedcb000 | PRESENT);
    put32(PAGE, 1023, 0x80000000 | 0x5a << 13 | LARGE | PRESENT);
    put32(PAGE, 5, 10 * PAGE | PRESENT);
    assert_at(0x1234, 0xfedcb234);
    assert_at(0xffc12345, 0x5a80012345);
    assert_at(0x33000000001234, 0xfedcb234);
    assert_nowhere(0x2000);
    assert_nowhere(0x400000);
    assert_nowhere(5 << 22);
    /* Without PSE the same entry is a table. */
    guest.cr4 = 0;
    put32(PAGE, 1023, 40 * PAGE | LARGE | PRESENT);
    put32(40 * PAGE, 0x12, 0x777000 | PRESENT);
    assert_at(0xffc12345, 0x777345);
}

static void test_no_paging(void **state)
{
    (void)state;
    guest.efer = 0;
    guest.cr0 = 1;
    guest.cr4 = 0;
    assert_at(0xfee00030, 0xfee00030);
    assert_at(0x100000ff0, 0xff0);
}

/* --- instructions ----------------------------------------------------------------------------------------------- */

static void assert_fetched(uint64_t rip, size_t most, size_t expected)
{
    uint8_t want[64];
    uint8_t *out = malloc(most); /* which an address sanitizer watches */

    guest.rip = rip;
    assert_int_equal(model_fetch(&memory, &guest, want, most), expected);
    assert_int_equal(guest_fetch(&memory, &guest, out, most), expected);
    assert_memory_equal(out, want, expected);
    free(out);
}

static void number_the_bytes(uint64_t from, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        bytes[from + i] = (uint8_t)(i * 7 + i / 256);
    }
}

static void test_an_instruction_on_two_pages(void **state)
{
    (void)state;
    four_levels(PAGE);
    number_the_bytes(20 * PAGE, 10 * PAGE);
    put64(41 * PAGE, 0x145, 22 * PAGE | PRESENT);
    put64(41 * PAGE, 0x146, 20 * PAGE | PRESENT);
    assert_fetched(0x7f0012345000, 15, 15);
    for (size_t most = 0; most <= 40; most++) {
        for (size_t before = 1; before <= 20; before++) {
            assert_fetched(0x7f0012346000 - before, most, most);
        }
    }
}

static void test_only_what_can_be_read_is_fetched(void **state)
{
    (void)state;
    four_levels(PAGE);
    number_the_bytes(20 * PAGE, 10 * PAGE);
    put64(41 * PAGE, 0x145, 22 * PAGE | PRESENT);
    assert_fetched(0x7f0012345ffa, 15, 6);
    assert_fetched(0x7f0012347000, 15, 0);
    put64(41 * PAGE, 0x146, 10 * PAGE | PRESENT); /* no RAM */
    assert_fetched(0x7f0012345ffa, 15, 6);
}

static void test_an_instruction_in_a_segment(void **state)
{
    (void)state;
    number_the_bytes(0, 10 * PAGE);
    guest.efer = 0;
    guest.cr0 = 0;
    guest.cr4 = 0;
    guest.code_bits = 16;
    guest.cs_base = 0x9ff0 - 0x20;
    assert_fetched(0x20, 15, 15);
    assert_fetched(0x21, 16, 15);
    guest.code_bits = 32;
    guest.cs_base = 0xfffff000;
    assert_fetched(0x1ffc, 15, 15);
    assert_fetched(0xffc, 15, 0);
    guest.cs_base = 0x8000;
    assert_fetched(0xfffffffffffffffe, 15, 15);
}

/* --- anything --------------------------------------------------------------------------------------------------- */

/* An entry that often points to RAM. */
static uint64_t random_entry(struct random *random)
{
    uint64_t entry = random_below(random, MODEL_PAGES + 2) * PAGE;

    entry |= random_below(random, 8) != 0 ? PRESENT : 0;
    entry |= random_below(random, 4) == 0 ? LARGE : 0;
    if (random_below(random, 8) == 0) {
        entry |= random_u64(random) & ~0xfffULL;
    }
    return entry | (random_u64(random) & 0xe7e);
}

static void random_guest(struct random *random)
{
    static const uint64_t cr4[] = {0, PSE, PAE, PAE | PSE, PAE | LA57, PAE, PAE};
    const uint64_t cr3 = random_below(random, MODEL_PAGES) * PAGE;

    guest = (struct guest_state){.cr0 = random_below(random, 16) != 0 ? PG : 0,
                                 .cr3 = cr3 | (random_u64(random) & 0xfff)};
    guest.cr4 = cr4[random_below(random, sizeof(cr4) / sizeof(cr4[0]))];
    if (guest.cr0 == PG && (guest.cr4 & PAE) != 0 && random_below(random, 4) != 0) {
        guest.efer = LMA;
    }
    guest.code_bits = guest.efer == LMA && random_below(random, 4) != 0 ? 64 : 32;
}

static uint64_t random_address(struct random *random)
{
    const uint64_t va = random_u64(random);

    switch (random_below(random, 8)) {
    case 0:
        return va;
    case 1:
        return va >> 32;
    case 2:
        return (uint64_t)((int64_t)(va << 7) >> 7);
    default:
        return (uint64_t)((int64_t)(va << 16) >> 16);
    }
}

static void test_any_tables(void **state)
{
    struct random random = {.state = 3};
    uint32_t found = 0;

    (void)state;
    for (uint32_t round = 0; round < 40; round++) {
        for (uint64_t i = 0; i < MODEL_BYTES / 8; i++) {
            put64(0, i, random_entry(&random));
        }
        for (uint32_t i = 0; i < 2000; i++) {
            const uint64_t va = random_address(&random);
            uint64_t pa = 0;
            uint64_t expected = 0;
            bool is_mapped;

            random_guest(&random);
            is_mapped = model_translate(&memory, &guest, va, &expected);
            found += is_mapped;
            assert_int_equal(guest_translate(&memory, &guest, va, &pa), is_mapped);
            assert_int_equal(is_mapped ? pa : 0, is_mapped ? expected : 0);
            guest.rip = va;
            guest.cs_base = guest.code_bits != 64 ? random_below(&random, 2) * 0xffff0000 : 0;
            assert_fetched(va, 15, model_fetch(&memory, &guest, (uint8_t[15]){0}, 15));
        }
    }
    assert_true(found > 10000);
}

static void test_any_access(void **state)
{
    struct random random = {.state = 4};

    (void)state;
    for (uint32_t i = 0; i < 20000; i++) {
        const uint64_t pa = random_below(&random, (MODEL_PAGES + 1) * 16) * 256;
        const uint64_t count = random_below(&random, 2) != 0 ? random_below(&random, 600)
                                                             : random_below(&random, 12) * PAGE;
        uint8_t *place = guest_memory_at(&memory, pa, count);

        assert_ptr_equal(place, model_may_reach(&memory, pa, count) ? bytes + pa : NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_only_ram_can_be_reached, memory_make),
        cmocka_unit_test_setup(test_without_ram_nothing_can_be_reached, memory_make),
        cmocka_unit_test_setup(test_four_levels, memory_make),
        cmocka_unit_test_setup(test_five_levels, memory_make),
        cmocka_unit_test_setup(test_a_large_page_where_none_can_be, memory_make),
        cmocka_unit_test_setup(test_tables_outside_ram_map_nothing, memory_make),
        cmocka_unit_test_setup(test_pae, memory_make),
        cmocka_unit_test_setup(test_two_levels, memory_make),
        cmocka_unit_test_setup(test_no_paging, memory_make),
        cmocka_unit_test_setup(test_an_instruction_on_two_pages, memory_make),
        cmocka_unit_test_setup(test_only_what_can_be_read_is_fetched, memory_make),
        cmocka_unit_test_setup(test_an_instruction_in_a_segment, memory_make),
        cmocka_unit_test_setup(test_any_tables, memory_make),
        cmocka_unit_test_setup(test_any_access, memory_make),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
