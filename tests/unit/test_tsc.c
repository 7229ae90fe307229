/*
 * The time-stamp counter's frequency, from CPUID and from other counters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "random.h"
#include "tsc.h"

static void test_the_processor_tells_crystal_and_ratio(void **state)
{
    const struct tsc_cpuid skylake = {2, 176, 24000000, 2100};
    const struct tsc_cpuid largest = {1, UINT32_MAX, UINT32_MAX, 0};

    (void)state;
    assert_int_equal(tsc_hz_told(&skylake), 2112000000);
    assert_int_equal(tsc_hz_told(&largest), (uint64_t)UINT32_MAX * UINT32_MAX);
}

static void test_without_the_crystal_it_is_the_base_frequency(void **state)
{
    const struct tsc_cpuid told = {2, 176, 0, 2100};

    (void)state;
    assert_int_equal(tsc_hz_told(&told), 2100000000);
}

static void test_without_a_ratio_nothing_is_told(void **state)
{
    const struct tsc_cpuid cases[] = {
        {0, 0, 0, 0}, {0, 176, 24000000, 2100}, {2, 0, 24000000, 2100}, {2, 176, 0, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(tsc_hz_told(&cases[i]), 0);
    }
}

static void test_hpet_periods(void **state)
{
    (void)state;
    assert_int_equal(time_counter_hpet(69841279, true).hz, 14318179);
    assert_int_equal(time_counter_hpet(69841279, true).bits, 64);
    assert_int_equal(time_counter_hpet(100000000, false).hz, 10000000);
    assert_int_equal(time_counter_hpet(100000000, false).bits, 32);
    assert_int_equal(time_counter_hpet(100000001, true).hz, 0);
    assert_int_equal(time_counter_hpet(0, true).hz, 0);
    assert_int_equal(time_counter_hpet(UINT32_MAX, true).hz, 0);
    assert_int_equal(time_counter_hpet(1, true).hz, 0); /* more than a processor could count */
}

static void test_counters_wrap_at_their_width(void **state)
{
    (void)state;
    assert_int_equal(time_counter_elapsed(time_counter_pm(false), 0xfffffe, 3), 5);
    assert_int_equal(time_counter_elapsed(time_counter_pm(true), 0xfffffffe, 3), 5);
    assert_int_equal(time_counter_elapsed(time_counter_pm(true), 0xfffffe, 0x1000003), 5);
    assert_int_equal(time_counter_elapsed(time_counter_hpet(1000000, true), UINT64_MAX, 4), 5);
    assert_int_equal(time_counter_elapsed(time_counter_hpet(1000000, true), 0, UINT64_MAX),
                     UINT64_MAX);
    assert_int_equal(time_counter_elapsed(time_counter_pit(), 3, 0xfffe), 5);
    assert_int_equal(time_counter_elapsed(time_counter_pit(), 0xffff, 0), 0xffff);
    assert_int_equal(time_counter_elapsed(time_counter_pit(), 7, 7), 0);
}

static void test_a_measured_frequency(void **state)
{
    (void)state;
    assert_int_equal(tsc_hz_measured(time_counter_pm(true), 3000000000, 3579545), 3000000000);
    assert_int_equal(tsc_hz_measured(time_counter_pit(), 30000000, 11931), 3000206185);
    assert_int_equal(tsc_hz_measured(time_counter_pit(), 1, UINT32_MAX), 0);
}

static void test_numbers_that_tell_nothing(void **state)
{
    (void)state;
    assert_int_equal(tsc_hz_measured(time_counter_pit(), 30000000, 0), 0);
    assert_int_equal(tsc_hz_measured(time_counter_pit(), 30000000, UINT64_C(1) << 32), 0);
    assert_int_equal(tsc_hz_measured(time_counter_pit(), UINT64_MAX, 1), 0);
    assert_int_equal(tsc_hz_measured(time_counter_hpet(0, true), 30000000, 1000), 0);
}

/* Against the same in 128 bits. */
static void test_any_numbers_are_rounded_down_once(void **state)
{
    struct random random = {.state = 1};

    (void)state;
    for (int i = 0; i < 100000; i++) {
        const struct time_counter counter = {.hz = (uint32_t)random_u64(&random), .bits = 64};
        const uint64_t ticks = 1 + (random_u64(&random) >> 32 >> random_below(&random, 32)) / 2;
        const uint64_t tsc = random_u64(&random) >> random_below(&random, 64);

        if (tsc / ticks <= UINT32_MAX) {
            const unsigned __int128 exact = (unsigned __int128)tsc * counter.hz / ticks;

            assert_true(tsc_hz_measured(counter, tsc, ticks) == (uint64_t)exact);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_processor_tells_crystal_and_ratio),
        cmocka_unit_test(test_without_the_crystal_it_is_the_base_frequency),
        cmocka_unit_test(test_without_a_ratio_nothing_is_told),
        cmocka_unit_test(test_hpet_periods),
        cmocka_unit_test(test_counters_wrap_at_their_width),
        cmocka_unit_test(test_a_measured_frequency),
        cmocka_unit_test(test_numbers_that_tell_nothing),
        cmocka_unit_test(test_any_numbers_are_rounded_down_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
