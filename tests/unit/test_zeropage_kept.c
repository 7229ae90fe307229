/*
 * What the zero page says of the memory that Berth keeps: reserved, in the e820 table and in the firmware's map, and
 * all else as it is without it.
 */
#include "zeropage_block.h"

#include "efi_map_maker.h"
#include "random.h"

#define E820_AT    0x2d0
#define E820_BYTES 20
#define RUNS       2000

static struct boot_efi efi;
static struct made_map made;
static struct prange kept[8];

static void keep(uint32_t count)
{
    request.kept = (struct busy_list){kept, count};
}

/* --- the e820 table ------------------------------------------------------------------------ */

static uint64_t entry_field(uint32_t i, size_t offset, size_t bytes)
{
    return get(E820_AT + i * E820_BYTES + offset, bytes);
}

static void assert_e820(uint32_t i, uint64_t start, uint64_t end, uint32_t type)
{
    assert_int_equal(entry_field(i, 0, 8), start);
    assert_int_equal(entry_field(i, 8, 8), end - start);
    assert_int_equal(entry_field(i, 16, 4), type);
}

static void test_kept_memory_is_reserved_and_what_is_beside_it_stays(void **state)
{
    (void)state;
    usual_request(0x20f);
    kept[0] = (struct prange){0x9e000, 0x9f000};
    kept[1] = (struct prange){0x100000, 0x101000};
    kept[2] = (struct prange){0x27fffe000, 0x280000000};
    keep(3);
    build();
    assert_int_equal(get(0x1e8, 1), 7);
    assert_int_equal(zeropage_e820_entries(&map, request.kept), 7);
    assert_e820(0, 0, 0x9e000, 1);
    assert_e820(1, 0x9e000, 0x9f000, 2);
    assert_e820(2, 0x9f000, 0x9fc00, 1);
    assert_e820(3, 0x9fc00, 0xa0000, 2);
    assert_e820(4, 0x100000, 0x101000, 2);
    assert_e820(5, 0x101000, 0x27fffe000, 1);
    assert_e820(6, 0x27fffe000, 0x280000000, 2);
}

static void test_kept_memory_is_one_with_what_is_reserved_beside_it(void **state)
{
    (void)state;
    usual_request(0x20f);
    map.count = 4;
    map.ranges[0] = (struct memory_range){{0x1000, 0x8000}, MEMORY_RAM};
    map.ranges[1] = (struct memory_range){{0x8000, 0xa000}, MEMORY_RESERVED};
    map.ranges[2] = (struct memory_range){{0xa000, 0xc000}, MEMORY_BOOT_SERVICES};
    map.ranges[3] = (struct memory_range){{0xc000, 0x10000}, MEMORY_RAM};
    kept[0] = (struct prange){0x7000, 0xb000}; /* over three entries */
    kept[1] = (struct prange){0xf000, 0x20000};
    keep(2);
    build();
    assert_int_equal(get(0x1e8, 1), 4);
    assert_e820(0, 0x1000, 0x7000, 1);
    assert_e820(1, 0x7000, 0xb000, 2);
    assert_e820(2, 0xb000, 0xf000, 1);
    assert_e820(3, 0xf000, 0x10000, 2);
}

static void test_entries_beyond_the_table_count_what_is_kept(void **state)
{
    (void)state;
    usual_request(0x20f);
    map.count = 128;
    for (uint32_t i = 0; i < map.count; i++) {
        map.ranges[i] =
            (struct memory_range){{i * 0x20000ULL, i * 0x20000ULL + 0x10000}, MEMORY_RAM};
    }
    kept[0] = (struct prange){127 * 0x20000ULL + 0x4000, 127 * 0x20000ULL + 0x5000};
    keep(1);
    build();
    assert_int_equal(get(0x1e8, 1), 128);
    assert_int_equal(get(4096 + 12, 4), 2 * 20); /* the node's len */
    assert_int_equal(get(4096 + 16, 8), kept[0].start);
    assert_int_equal(get(4096 + 16 + 16, 4), 2);
    assert_int_equal(get(4096 + 16 + 20, 8), kept[0].end);
    assert_int_equal(get(4096 + 16 + 36, 4), 1);
}

/* Of the map, and of the table: the type of an address; 0: none. */
static uint32_t type_wanted(uint64_t at)
{
    for (uint32_t i = 0; i < map.count; i++) {
        if (at >= map.ranges[i].bytes.start && at < map.ranges[i].bytes.end) {
            for (uint32_t k = 0; k < request.kept.count; k++) {
                if (at >= kept[k].start && at < kept[k].end) {
                    return 2;
                }
            }
            return map.ranges[i].type == MEMORY_BOOT_SERVICES ? 1 : map.ranges[i].type;
        }
    }
    return 0;
}

static uint32_t type_told(uint64_t at)
{
    for (uint32_t i = 0; i < get(0x1e8, 1); i++) {
        const uint64_t start = entry_field(i, 0, 8);

        if (at >= start && at < start + entry_field(i, 8, 8)) {
            return (uint32_t)entry_field(i, 16, 4);
        }
    }
    return 0;
}

#define MODEL_PAGES 64

static void random_world(struct random *random)
{
    static const enum memory_type types[] = {MEMORY_RAM, MEMORY_BOOT_SERVICES, MEMORY_RESERVED,
                                             MEMORY_ACPI_NVS};
    uint64_t page = random_below(random, 3);
    uint32_t count = 0;

    for (map.count = 0; page < MODEL_PAGES; page += random_below(random, 3)) {
        const uint64_t end = page + 1 + random_below(random, 9);

        map.ranges[map.count++] =
            (struct memory_range){{page * 4096, end * 4096}, types[random_below(random, 4)]};
        page = end;
    }
    for (page = random_below(random, 20); page < MODEL_PAGES && count < 8;
         page += 1 + random_below(random, 20)) {
        const uint64_t end = page + 1 + random_below(random, 12);

        kept[count++] = (struct prange){page * 4096, end * 4096};
        page = end;
    }
    keep(count);
}

static void test_every_page_is_told_as_it_is(void **state)
{
    struct random random = {0x6e70};

    (void)state;
    for (int run = 0; run < RUNS; run++) {
        usual_request(0x20f);
        random_world(&random);
        build();
        for (uint64_t page = 0; page < MODEL_PAGES + 20; page++) {
            assert_int_equal(type_told(page * 4096), type_wanted(page * 4096));
        }
        for (uint32_t i = 1; i < get(0x1e8, 1); i++) {
            const uint64_t end = entry_field(i - 1, 0, 8) + entry_field(i - 1, 8, 8);

            /* Sorted, apart, and neighbours that touch differ. */
            assert_true(end <= entry_field(i, 0, 8));
            assert_true(end < entry_field(i, 0, 8) ||
                        entry_field(i - 1, 16, 4) != entry_field(i, 16, 4));
        }
    }
}

/* --- the firmware's map ---------------------------------------------------------------------- */

static void uefi_request(void)
{
    usual_request(0x20f);
    made.bytes = 0;
    efi = (struct boot_efi){
        .system_table_pa = 0x17f5ec018,
        .is_64bit = true,
        .map_descriptor_bytes = MADE_DESCRIPTOR_BYTES,
        .map_descriptor_version = 1,
        .map = made.map,
    };
    request.efi = &efi;
}

static void build_map(void)
{
    efi.map_bytes = made.bytes;
    build();
}

static size_t map_at(uint32_t i)
{
    return get(0x1d0, 4) - BLOCK_PA + i * MADE_DESCRIPTOR_BYTES;
}

/* All fields of a descriptor that put_descriptor() has made: what is not told here is as it was. */
static void assert_descriptor(uint32_t i, uint32_t type, uint64_t start, uint64_t pages,
                              uint64_t attributes)
{
    const size_t at = map_at(i);

    assert_true((i + 1) * MADE_DESCRIPTOR_BYTES <= get(0x1d4, 4));
    assert_int_equal(get(at, 8), 0xa5a5a5a500000000 | type);
    assert_int_equal(get(at + 8, 8), start);
    assert_int_equal(get(at + 16, 8), 0xa5a5a5a5a5a5a5a5);
    assert_int_equal(get(at + 24, 8), pages);
    assert_int_equal(get(at + 32, 8), attributes);
    assert_int_equal(get(at + 40, 8), 0xa5a5a5a5a5a5a5a5);
}

static void assert_descriptors(uint32_t count)
{
    assert_int_equal(get(0x1d4, 4), count * MADE_DESCRIPTOR_BYTES);
    assert_string_equal((const char *)block + map_at(count), "console=ttyS0 quiet");
}

static void test_a_descriptor_is_split_around_what_is_kept(void **state)
{
    (void)state;
    uefi_request();
    put_descriptor(&made, 3, 0x1000, 1, WB);
    put_descriptor(&made, 7, 0x100000, 0x100, WB | SP);
    put_descriptor(&made, 5, 0x300000, 2, RUNTIME);
    kept[0] = (struct prange){0x110000, 0x112000};
    keep(1);
    build_map();
    assert_descriptors(5);
    assert_descriptor(0, 3, 0x1000, 1, WB);
    assert_descriptor(1, 7, 0x100000, 0x10, WB | SP);
    assert_descriptor(2, 0, 0x110000, 2, WB | SP);
    assert_descriptor(3, 7, 0x112000, 0xee, WB | SP);
    assert_descriptor(4, 5, 0x300000, 2, RUNTIME);
}

static void test_a_descriptor_is_split_at_its_ends_and_more_than_once(void **state)
{
    (void)state;
    uefi_request();
    put_descriptor(&made, 2, 0x100000, 8, WB);
    kept[0] = (struct prange){0x100000, 0x101000};
    kept[1] = (struct prange){0x103000, 0x104000};
    kept[2] = (struct prange){0x107000, 0x108000};
    keep(3);
    build_map();
    assert_descriptors(5);
    assert_descriptor(0, 0, 0x100000, 1, WB);
    assert_descriptor(1, 2, 0x101000, 2, WB);
    assert_descriptor(2, 0, 0x103000, 1, WB);
    assert_descriptor(3, 2, 0x104000, 3, WB);
    assert_descriptor(4, 0, 0x107000, 1, WB);
}

static void test_what_is_kept_may_be_larger_than_descriptors(void **state)
{
    (void)state;
    uefi_request();
    put_descriptor(&made, 7, 0x100000, 2, WB);
    put_descriptor(&made, 4, 0x102000, 1, UC);
    put_descriptor(&made, 1, 0x103000, 2, WB);
    kept[0] = (struct prange){0x101000, 0x104000};
    keep(1);
    build_map();
    assert_descriptors(5);
    assert_descriptor(0, 7, 0x100000, 1, WB);
    assert_descriptor(1, 0, 0x101000, 1, WB);
    assert_descriptor(2, 0, 0x102000, 1, UC);
    assert_descriptor(3, 0, 0x103000, 1, WB);
    assert_descriptor(4, 1, 0x104000, 1, WB);
}

static void test_what_is_not_touched_is_handed_on_to_the_byte(void **state)
{
    (void)state;
    uefi_request();
    put_descriptor(&made, 7, 0x1000, 0xff, WB);
    put_descriptor(&made, 7, 0x300000, 0, WB);          /* empty */
    put_descriptor(&made, 7, 0x400123, UINT64_MAX, WB); /* longer than there are addresses */
    put_descriptor(&made, 9, 0x200000, 0x100, WB);      /* not sorted */
    kept[0] = (struct prange){0x100000, 0x200000};      /* touches two */
    kept[1] = (struct prange){0x300000, 0x400000};
    keep(2);
    build_map();
    assert_descriptors(4);
    assert_memory_equal(block + map_at(0), made.map, made.bytes);
}

/* Nonsense stays nonsense, but nothing of what is kept is given away. */
static void test_a_damaged_descriptor_does_not_give_away_what_is_kept(void **state)
{
    (void)state;
    uefi_request();
    put_descriptor(&made, 7, 0x1800, UINT64_MAX, WB);
    kept[0] = (struct prange){0x4000, 0x5000};
    keep(1);
    build_map();
    assert_descriptors(3);
    assert_descriptor(0, 7, 0x1800, 2, WB);
    assert_descriptor(1, 0, 0x4000, 1, WB);
    assert_descriptor(2, 7, 0x5000, 0xffffffffffffa, WB);
}

static void test_a_full_map_grows_by_what_is_kept(void **state)
{
    const uint32_t count = BOOT_EFI_MAP_BYTES / MADE_DESCRIPTOR_BYTES;

    (void)state;
    uefi_request();
    for (uint32_t i = 0; i < count; i++) {
        put_descriptor(&made, 7, i * 0x10000ULL, 8, WB);
    }
    for (uint32_t i = 0; i < 8; i++) {
        kept[i] = (struct prange){i * 0x10000ULL + 0x1000, i * 0x10000ULL + 0x2000};
    }
    keep(8);
    build_map();
    assert_descriptors(count + 16);
    assert_descriptor(23, 7, 0x72000, 6, WB);
    assert_descriptor(count + 15, 7, (count - 1) * 0x10000ULL, 8, WB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_memory_is_reserved_and_what_is_beside_it_stays),
        cmocka_unit_test(test_kept_memory_is_one_with_what_is_reserved_beside_it),
        cmocka_unit_test(test_entries_beyond_the_table_count_what_is_kept),
        cmocka_unit_test(test_every_page_is_told_as_it_is),
        cmocka_unit_test(test_a_descriptor_is_split_around_what_is_kept),
        cmocka_unit_test(test_a_descriptor_is_split_at_its_ends_and_more_than_once),
        cmocka_unit_test(test_what_is_kept_may_be_larger_than_descriptors),
        cmocka_unit_test(test_what_is_not_touched_is_handed_on_to_the_byte),
        cmocka_unit_test(test_a_damaged_descriptor_does_not_give_away_what_is_kept),
        cmocka_unit_test(test_a_full_map_grows_by_what_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, free_block);
}
