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
    const struct tsc_cpuid skylake = {2, 176, 24000000, 2100, 0};
    const struct tsc_cpuid largest = {1, UINT32_MAX, UINT32_MAX, 0, 0};

    (void)state;
    assert_int_equal(tsc_hz_told(&skylake), 2112000000);
    assert_int_equal(tsc_hz_told(&largest), (uint64_t)UINT32_MAX * UINT32_MAX);
}

static void test_without_the_crystal_it_is_the_base_frequency(void **state)
{
    const struct tsc_cpuid told = {2, 176, 0, 2100, 0};

    (void)state;
    assert_int_equal(tsc_hz_told(&told), 2100000000);
}

static void test_without_a_ratio_nothing_is_told(void **state)
{
    const struct tsc_cpuid cases[] = {
        {0, 0, 0, 0, 0}, {0, 176, 24000000, 2100, 0}, {2, 0, 24000000, 2100, 0}, {2, 176, 0, 0, 0}};

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

static void test_what_is_told_has_to_be_possible(void **state)
{
    const struct tsc_cpuid skylake = {2, 176, 24000000, 2100, 0};
    const struct tsc_cpuid slow = {1, 1, TSC_HZ_LEAST - 1, 0, 0};
    const struct tsc_cpuid fast = {1, 1000, TSC_HZ_MOST / 1000 + 1, 0, 0};
    const struct tsc_cpuid slowest = {1, 1, TSC_HZ_LEAST, 0, 0};
    const struct tsc_cpuid fastest = {1, 1000, TSC_HZ_MOST / 1000, 0, 0};

    (void)state;
    assert_int_equal(tsc_rate_told(&skylake).hz, 2112000000);
    assert_int_equal(tsc_rate_told(&skylake).source, TSC_BY_CPUID);
    assert_int_equal(tsc_rate_told(&slow).hz, 0);
    assert_int_equal(tsc_rate_told(&slow).source, TSC_BY_NOBODY);
    assert_int_equal(tsc_rate_told(&fast).hz, 0);
    assert_int_equal(tsc_rate_told(&slowest).hz, TSC_HZ_LEAST);
    assert_int_equal(tsc_rate_told(&fastest).hz, TSC_HZ_MOST);
}

static void test_a_hypervisor_knows_better_if_what_it_says_is_possible(void **state)
{
    const struct tsc_cpuid told = {2, 176, 24000000, 2100, 1900000};
    const struct tsc_cpuid alone = {0, 0, 0, 0, 1900000};
    const struct tsc_cpuid damaged = {2, 176, 24000000, 2100, 90000000};

    (void)state;
    assert_int_equal(tsc_rate_told(&told).hz, 1900000000);
    assert_int_equal(tsc_rate_told(&told).source, TSC_BY_HYPERVISOR);
    assert_int_equal(tsc_rate_told(&alone).source, TSC_BY_HYPERVISOR);
    assert_int_equal(tsc_rate_told(&damaged).hz, 2112000000);
    assert_int_equal(tsc_rate_told(&damaged).source, TSC_BY_CPUID);
}

/* Two readings may each be one tick off. */
static void test_what_is_waited_for_is_good_to_a_thousandth(void **state)
{
    const struct time_counter counters[] = {time_counter_hpet(10000000, false),
                                            time_counter_hpet(100000000, false),
                                            time_counter_pm(false), time_counter_pit()};

    (void)state;
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        const uint64_t ticks = time_counter_ticks_needed(counters[i]);

        assert_true(ticks >= 2000);
        assert_true(ticks * 500 <= counters[i].hz); /* two milliseconds at most */
    }
    assert_int_equal(time_counter_ticks_needed(counters[0]), 100000);
    assert_int_equal(time_counter_ticks_needed(counters[3]), 2000);
}

static void test_a_dead_counter_is_waited_for_as_long_as_the_fastest_would_need(void **state)
{
    (void)state;
    assert_in_range(tsc_ticks_most(time_counter_pm(true), 3579545), 20000000000, 20010000000);
    assert_in_range(tsc_ticks_most(time_counter_pit(), 2000), 33523588, 33530000);
}

static void test_a_counter_that_may_have_wrapped_is_not_used(void **state)
{
    (void)state;
    /* ACPI's timer wraps after 4.69 s. */
    assert_true(time_counter_is_unambiguous(time_counter_pm(false), 468000000));
    assert_false(time_counter_is_unambiguous(time_counter_pm(false), 469000000));
    assert_true(time_counter_is_unambiguous(time_counter_pm(true), 469000000));
    assert_true(time_counter_is_unambiguous(time_counter_hpet(10000000, false), 4294967294));
    assert_false(time_counter_is_unambiguous(time_counter_hpet(10000000, false), 4294967295));
    /* The PIT after 55 ms; it is waited for. */
    assert_true(time_counter_is_unambiguous(time_counter_pit(), 33000000));
    assert_false(time_counter_is_unambiguous(time_counter_pit(), 34000000));
}

#define MEASURED(hpet, pm, pit)                                                                    \
    {                                                                                              \
        {(hpet) != 0, hpet}, {(pm) != 0, pm},                                                      \
        {                                                                                          \
            (pit) != 0, pit                                                                        \
        }                                                                                          \
    }

static void test_counters_that_agree(void **state)
{
    static const struct {
        struct tsc_measured measured[TSC_COUNTERS];
        struct tsc_rate rate;
    } cases[] = {
        {MEASURED(3000000000, 3001000000, 0), {3000000000, TSC_BY_HPET, 0}},
        {MEASURED(3000000000, 0, 0), {3000000000, TSC_BY_HPET, 0}},
        {MEASURED(0, 3000000000, 0), {3000000000, TSC_BY_PM_TIMER, 0}},
        {MEASURED(0, 0, 3000000000), {3000000000, TSC_BY_PIT, 0}},
        /* Two that contradict each other say nothing, until a third decides. */
        {MEASURED(3000000000, 3100000000, 0), {0, TSC_BY_NOBODY, 3}},
        {MEASURED(3000000000, 3100000000, 3002000000), {3000000000, TSC_BY_HPET, 2}},
        {MEASURED(2900000000, 3000000000, 3002000000), {3000000000, TSC_BY_PM_TIMER, 1}},
        {MEASURED(3000000000, 3100000000, 3200000000), {0, TSC_BY_NOBODY, 7}},
        /* What is not possible is no opinion. */
        {MEASURED(3000000000, 1000, 0), {3000000000, TSC_BY_HPET, 2}},
        {MEASURED(90000000000, 90000000000, 0), {0, TSC_BY_NOBODY, 3}},
        /* Dead ones, and none at all. */
        {{{true, 0}, {true, 3000000000}, {false, 0}}, {3000000000, TSC_BY_PM_TIMER, 1}},
        {{{true, 0}, {true, 0}, {true, 0}}, {0, TSC_BY_NOBODY, 7}},
        {MEASURED(0, 0, 0), {0, TSC_BY_NOBODY, 0}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tsc_rate rate = tsc_rate_agreed(cases[i].measured);

        assert_int_equal(rate.hz, cases[i].rate.hz);
        assert_int_equal(rate.source, cases[i].rate.source);
        assert_int_equal(rate.skipped, cases[i].rate.skipped);
    }
}

static void test_ticks_as_microseconds(void **state)
{
    struct random random = {.state = 2};

    (void)state;
    assert_int_equal(tsc_us(2112000000, 2112000000), 1000000);
    assert_int_equal(tsc_us(2999, 1000000000), 2);
    for (int i = 0; i < 100000; i++) {
        const uint64_t hz = 1 + random_u64(&random) % TSC_HZ_MOST;
        const uint64_t ticks = random_u64(&random) >> random_below(&random, 64);
        const unsigned __int128 exact = (unsigned __int128)ticks * 1000000 / hz;

        assert_true(tsc_us(ticks, hz) == (uint64_t)exact);
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
        cmocka_unit_test(test_what_is_told_has_to_be_possible),
        cmocka_unit_test(test_a_hypervisor_knows_better_if_what_it_says_is_possible),
        cmocka_unit_test(test_what_is_waited_for_is_good_to_a_thousandth),
        cmocka_unit_test(test_a_dead_counter_is_waited_for_as_long_as_the_fastest_would_need),
        cmocka_unit_test(test_a_counter_that_may_have_wrapped_is_not_used),
        cmocka_unit_test(test_counters_that_agree),
        cmocka_unit_test(test_ticks_as_microseconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
