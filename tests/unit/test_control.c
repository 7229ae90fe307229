/*
 * What is switched on in a processor: all that it has, and nothing that it has not. How wide its addresses are.
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

/* AMD: leaf 0x8000001f says 5 bits, and SYSCFG bit 23 that they are in use. Intel: IA32_TME_ACTIVATE, bits 35:32. */
static void test_bits_that_choose_a_key_are_no_address(void **state)
{
    static const struct {
        struct address_words words;
        unsigned int bits;
    } rows[] = {
        {{0}, 36},
        {{.addresses_eax = 0x3027}, 39},
        {{.addresses_eax = 0x3020}, 32},
        {{.addresses_eax = 0x3034}, 52},
        {{.addresses_eax = 0x301f}, 36}, /* neither is believed */
        {{.addresses_eax = 0x3035}, 36},
        {{0x3030, 1, 5 << 6 | 47, 0, 0}, 48}, /* it is there, but off */
        {{0x3030, 1, 5 << 6 | 47, 1 << 23, 0}, 43},
        {{0x3030, 0, 5 << 6 | 47, 1 << 23, 0}, 48}, /* not there: the bit is somebody else's */
        {{0x3024, 1, 63 << 6 | 47, 1 << 23, 0}, 32},
        {{0x302e, 0, 0, 0, 0x600000003}, 40},
        {{0x302e, 0, 0, 0, 0x600000001}, 46}, /* locked, and off */
        {{0x302e, 0, 0, 0, 0x600000002}, 46}, /* not in force before it is locked */
        {{0x3027, 0, 0, 0, 0xf00000003}, 32},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(physical_address_bits(&rows[i].words), rows[i].bits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_processor_with_nothing_gets_nothing),
        cmocka_unit_test(test_each_feature_has_its_bit),
        cmocka_unit_test(test_what_is_not_used_stays_off),
        cmocka_unit_test(test_bits_that_choose_a_key_are_no_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
