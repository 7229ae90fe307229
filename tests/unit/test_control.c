/*
 * What is switched on in a processor: all that it has, and nothing that it has not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control.h"

/* Intel SDM volume 3A, section 2.5: PAE and MCE; PGE, UMIP, SMEP and SMAP. */
#define CR4_ALWAYS 0x60
#define CR4_PGE    0x80
#define CR4_UMIP   0x800
#define CR4_SMEP   0x100000
#define CR4_SMAP   0x200000

static void test_a_processor_with_nothing_gets_nothing(void **state)
{
    const struct cpu_features none = {0};
    const struct control_state wanted = control_wanted(&none);

    (void)state;
    assert_int_equal(wanted.cr0, 0x80010031);
    assert_int_equal(wanted.cr4, CR4_ALWAYS);
    assert_int_equal(wanted.efer, 0x500);
    assert_int_equal(wanted.pat, 0);
}

static void test_each_feature_has_its_bit(void **state)
{
    static const struct {
        struct cpu_features has;
        uint64_t cr4, efer, pat;
    } rows[] = {
        {{.basic_edx = 1U << 13}, CR4_PGE, 0, 0},
        {{.basic_edx = 1U << 16}, 0, 0, 0x0007050100070406},
        {{.structured_ebx = 1U << 7}, CR4_SMEP, 0, 0},
        {{.structured_ebx = 1U << 20}, CR4_SMAP, 0, 0},
        {{.structured_ecx = 1U << 2}, CR4_UMIP, 0, 0},
        {{.extended_edx = 1U << 20}, 0, 0x800, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct control_state wanted = control_wanted(&rows[i].has);

        assert_int_equal(wanted.cr4, CR4_ALWAYS | rows[i].cr4);
        assert_int_equal(wanted.efer, 0x500 | rows[i].efer);
        assert_int_equal(wanted.pat, rows[i].pat);
    }
}

/* PCIDE, LA57, CET, protection keys, and whatever comes. */
static void test_what_is_not_used_stays_off(void **state)
{
    const struct cpu_features all = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    const struct control_state wanted = control_wanted(&all);

    (void)state;
    assert_int_equal(wanted.cr0, 0x80010031);
    assert_int_equal(wanted.cr4, CR4_ALWAYS | CR4_PGE | CR4_UMIP | CR4_SMEP | CR4_SMAP);
    assert_int_equal(wanted.efer, 0xd00);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_processor_with_nothing_gets_nothing),
        cmocka_unit_test(test_each_feature_has_its_bit),
        cmocka_unit_test(test_what_is_not_used_stays_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
