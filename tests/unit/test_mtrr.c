/* Memory types from MTRRs: as firmware sets them, as the rules want them where they overlap, and any others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "memory_type_model.h"
#include "random.h"

#define ENABLED       0x800ULL
#define FIXED_ENABLED 0x400ULL
#define VALID         0x800ULL
#define COMBINING     1ULL

static void assert_range(const struct memory_types *types, uint32_t i, uint64_t start, uint64_t end,
                         uint8_t type)
{
    assert_true(i < types->count);
    assert_int_equal(types->ranges[i].bytes.start, start);
    assert_int_equal(types->ranges[i].bytes.end, end);
    assert_int_equal(types->ranges[i].type, type);
}

/* One pair for `bytes` (a power of two) from `base` on. */
static void add_pair(struct mtrrs *mtrrs, uint64_t base, uint64_t bytes, uint64_t type)
{
    const uint32_t i = 2 * mtrrs->variable_count++;

    mtrrs->variable[i] = base | type;
    mtrrs->variable[i + 1] = (((1ULL << 40) - 1) & ~(bytes - 1)) | VALID;
}

/* SeaBIOS and OVMF on a PC: all write-back but the hole below 4 GiB, and what video memory and ROMs are below 1 MiB. */
static void test_a_pc(void **state)
{
    struct mtrrs mtrrs = {.fixed_count = MTRR_FIXED_COUNT,
                          .default_type = ENABLED | FIXED_ENABLED | WRITE_BACK};
    struct memory_types types;

    (void)state;
    memset(mtrrs.fixed, WRITE_BACK, 2 * sizeof(uint64_t));
    memset(mtrrs.fixed + 3, 5, 8 * sizeof(uint64_t));
    add_pair(&mtrrs, 0x80000000, 0x80000000, UNCACHEABLE);
    assert_true(memory_types_make(&mtrrs, 40, &types));
    assert_int_equal(types.otherwise, WRITE_BACK);
    assert_int_equal(types.count, 3);
    assert_range(&types, 0, 0xa0000, 0xc0000, UNCACHEABLE);
    assert_range(&types, 1, 0xc0000, 0x100000, 5);
    assert_range(&types, 2, 0x80000000, 0x100000000, UNCACHEABLE);
}

static void test_uncacheable_by_default(void **state)
{
    struct mtrrs mtrrs = {.default_type = ENABLED};
    struct memory_types types;

    (void)state;
    add_pair(&mtrrs, 0, 0x80000000, WRITE_BACK);
    add_pair(&mtrrs, 0x100000000, 0x100000000, WRITE_BACK);
    add_pair(&mtrrs, 0x200000000, 0x200000000, WRITE_BACK);
    add_pair(&mtrrs, 0xd0000000, 0x10000000, COMBINING);
    assert_true(memory_types_make(&mtrrs, 40, &types));
    assert_int_equal(types.otherwise, UNCACHEABLE);
    assert_int_equal(types.count, 3);
    assert_range(&types, 0, 0, 0x80000000, WRITE_BACK);
    assert_range(&types, 1, 0xd0000000, 0xe0000000, COMBINING);
    assert_range(&types, 2, 0x100000000, 0x400000000, WRITE_BACK);
}

static void test_where_ranges_overlap(void **state)
{
    struct mtrrs mtrrs = {.default_type = ENABLED | WRITE_BACK};
    struct memory_types types;

    (void)state;
    add_pair(&mtrrs, 0x10000000, 0x10000000, WRITE_BACK);
    add_pair(&mtrrs, 0x10000000, 0x1000000, WRITE_THROUGH);
    add_pair(&mtrrs, 0x10000000, 0x100000, UNCACHEABLE);
    add_pair(&mtrrs, 0x1f000000, 0x1000000, COMBINING); /* with write-back: undefined */
    assert_true(memory_types_make(&mtrrs, 40, &types));
    assert_int_equal(types.count, 3);
    assert_range(&types, 0, 0x10000000, 0x10100000, UNCACHEABLE);
    assert_range(&types, 1, 0x10100000, 0x11000000, WRITE_THROUGH);
    assert_range(&types, 2, 0x1f000000, 0x20000000, UNCACHEABLE);
}

static void test_switched_off_or_not_there(void **state)
{
    struct mtrrs mtrrs = {0};
    struct memory_types types;

    (void)state;
    assert_true(memory_types_make(&mtrrs, 40, &types));
    assert_int_equal(types.count, 0);
    assert_int_equal(types.otherwise, WRITE_BACK);
    add_pair(&mtrrs, 0, 0x80000000, WRITE_BACK);
    mtrrs.default_type = WRITE_BACK;
    assert_true(memory_types_make(&mtrrs, 40, &types));
    assert_int_equal(types.count, 0);
    assert_int_equal(types.otherwise, UNCACHEABLE);
}

static void test_what_is_not_valid_or_not_enabled_does_not_count(void **state)
{
    struct mtrrs mtrrs = {.fixed_count = MTRR_FIXED_COUNT, .default_type = ENABLED | WRITE_BACK};
    struct memory_types types;

    (void)state;
    add_pair(&mtrrs, 0x10000000, 0x1000, UNCACHEABLE);
    mtrrs.variable[1] &= ~VALID;
    assert_true(memory_types_make(&mtrrs, 40, &types));
    assert_int_equal(types.count, 0);
    assert_int_equal(types.otherwise, WRITE_BACK);
}

static void test_types_that_do_not_exist_are_uncacheable(void **state)
{
    const uint8_t wrong[] = {2, 3, 7, 8, 0x86, 0xff};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong); i++) {
        struct mtrrs mtrrs = {.default_type = ENABLED | WRITE_BACK};
        struct memory_types types;

        add_pair(&mtrrs, 0x10000000, 0x1000, wrong[i]);
        assert_true(memory_types_make(&mtrrs, 40, &types));
        assert_int_equal(types.count, 1);
        assert_range(&types, 0, 0x10000000, 0x10001000, UNCACHEABLE);
    }
}

/* A mask that leaves one bit out names two ranges; one that leaves all but the lowest out names too many. */
static void test_masks_with_holes(void **state)
{
    struct mtrrs mtrrs = {.default_type = ENABLED | WRITE_BACK};
    struct memory_types types;

    (void)state;
    add_pair(&mtrrs, 0x10000000, 0x1000, UNCACHEABLE);
    mtrrs.variable[1] &= ~0x20000000ULL;
    assert_true(memory_types_make(&mtrrs, 40, &types));
    assert_int_equal(types.count, 2);
    assert_range(&types, 0, 0x10000000, 0x10001000, UNCACHEABLE);
    assert_range(&types, 1, 0x30000000, 0x30001000, UNCACHEABLE);
    mtrrs.variable[1] = 0x1000 | VALID;
    mtrrs.variable[0] = WRITE_THROUGH;
    assert_false(memory_types_make(&mtrrs, 40, &types));
    assert_true(list_is_sound(&types));
    assert_true(list_is_right(&mtrrs, 24, &types, false));
    /* The same type on both sides of each of billions of changes. */
    add_pair(&mtrrs, 0x1000, 0x1000, WRITE_THROUGH);
    mtrrs.variable[3] = 0x1000 | VALID;
    assert_false(memory_types_make(&mtrrs, 40, &types));
    assert_int_equal(types.count, 2);
    assert_int_equal(types.ranges[1].bytes.end, 1ULL << 40);
}

static uint64_t random_type(struct random *random)
{
    static const uint8_t types[] = {0, 1, 4, 5, 6, 6, 6, 3};

    return types[random_below(random, sizeof(types))];
}

static void random_mtrrs(struct random *random, struct mtrrs *mtrrs, unsigned int bits)
{
    *mtrrs = (struct mtrrs){
        .variable_count = random_below(random, 8),
        .fixed_count = random_below(random, 2) != 0 ? MTRR_FIXED_COUNT : 0,
        .default_type = (random_below(random, 8) != 0 ? ENABLED : 0) |
                        (random_below(random, 2) != 0 ? FIXED_ENABLED : 0) | random_type(random),
    };
    for (uint32_t i = 0; i < 8 * mtrrs->fixed_count; i++) {
        mtrrs->fixed[i / 8] |= random_type(random) << (i % 8 * 8);
    }
    for (uint32_t i = 0; i < mtrrs->variable_count; i++) {
        uint64_t mask = ~0xfffULL << random_below(random, bits - 11);

        if (random_below(random, 4) == 0) {
            mask &= ~(1ULL << (12 + random_below(random, bits - 12)));
        }
        mtrrs->variable[2 * i] =
            (random_u64(random) & ((1ULL << bits) - 1) & ~0xfffULL) | random_type(random);
        mtrrs->variable[2 * i + 1] = mask | (random_below(random, 8) != 0 ? VALID : 0);
    }
}

static void test_any_mtrrs_page_by_page(void **state)
{
    const unsigned int bits = 23;
    struct random random = {.state = 12};

    (void)state;
    for (uint32_t round = 0; round < 400; round++) {
        struct mtrrs mtrrs;
        struct memory_types types;
        bool complete;

        random_mtrrs(&random, &mtrrs, bits);
        complete = memory_types_make(&mtrrs, bits, &types);
        assert_true(list_is_sound(&types));
        assert_true(list_is_right(&mtrrs, bits, &types, complete));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pc),
        cmocka_unit_test(test_uncacheable_by_default),
        cmocka_unit_test(test_where_ranges_overlap),
        cmocka_unit_test(test_switched_off_or_not_there),
        cmocka_unit_test(test_what_is_not_valid_or_not_enabled_does_not_count),
        cmocka_unit_test(test_types_that_do_not_exist_are_uncacheable),
        cmocka_unit_test(test_masks_with_holes),
        cmocka_unit_test(test_any_mtrrs_page_by_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
