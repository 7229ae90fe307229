/*
 * What is chosen of VMX's controls: what a guest needs, what makes its instructions work, and no exit that nobody
 * answers; and what is said when something is lacking. What an exit says. XCR0's values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vmx_controls.h"
#include "vmx_exit.h"
#include "xcr.h"

/* The numbers are Intel SDM volume 3C's, sections 24.6 to 24.8 and appendix A. */
#define ALL ((uint64_t)UINT32_MAX << 32)

/* May have all bits, must have none but those that are reserved as 1. */
static struct vmx_capabilities complete(void)
{
    return (struct vmx_capabilities){
        .pin = ALL | 0x16,
        .primary = ALL | 0x04006172,
        .exit = ALL | 0x36dfb,
        .entry = ALL | 0x11fb,
        .secondary = ALL,
        .ept_vpid = UINT64_MAX,
        .misc = 0x1e0,
        .cr0_fixed0 = 0x80000021,
        .cr4_fixed0 = 0x2000,
    };
}

static uint64_t without(uint64_t capability, uint32_t bits)
{
    return capability & ~((uint64_t)bits << 32);
}

static void test_a_processor_with_all_runs_a_guest_with_few_exits(void **state)
{
    const struct vmx_capabilities has = complete();
    struct vmx_controls controls;

    (void)state;
    assert_int_equal(vmx_controls_choose(&has, &controls), VMX_LACKS_NOTHING);
    assert_int_equal(controls.pin, 0x16);
    assert_int_equal(controls.primary, 0x04006172 | 1U << 28 | 1U << 31);
    /* EPT, RDTSCP, VPID, unrestricted guest, INVPCID, XSAVES, user wait, PCONFIG */
    assert_int_equal(controls.secondary, 1U << 1 | 1U << 3 | 1U << 5 | 1U << 7 | 1U << 12 |
                                             1U << 20 | 1U << 26 | 1U << 27);
    assert_int_equal(controls.exit, 0x36dfb | 1U << 2 | 1U << 9 | 0xfU << 18);
    assert_int_equal(controls.entry, 0x11fb | 1U << 2 | 3U << 14);
    assert_int_equal(controls.cr0_kept, 0x20);
    assert_int_equal(controls.cr4_kept, 0x2000);
    assert_int_equal(controls.xss_exiting, 1U << 8); /* Intel PT's MSRs */
    assert_null(vmx_lack_words(VMX_LACKS_NOTHING));
}

static void test_what_is_only_welcome_may_be_missing(void **state)
{
    struct vmx_capabilities has = complete();
    struct vmx_controls controls;

    (void)state;
    has.secondary = without(ALL, ~(1U << 1 | 1U << 7));
    has.exit = without(has.exit, 3U << 18);
    has.entry = without(has.entry, 1U << 14);
    assert_int_equal(vmx_controls_choose(&has, &controls), VMX_LACKS_NOTHING);
    assert_int_equal(controls.secondary, 1U << 1 | 1U << 7);
    assert_int_equal(controls.exit & 0xfU << 18, 3U << 20);
    assert_int_equal(controls.entry & 3U << 14, 1U << 15);
}

static void test_vpids_want_an_instruction_that_forgets_them(void **state)
{
    struct vmx_capabilities has = complete();
    struct vmx_controls controls;

    (void)state;
    has.ept_vpid &= ~(1ULL << 32);
    assert_int_equal(vmx_controls_choose(&has, &controls), VMX_LACKS_NOTHING);
    assert_int_equal(controls.secondary & 1U << 5, 0);
    has.ept_vpid = ~(1ULL << 42);
    assert_int_equal(vmx_controls_choose(&has, &controls), VMX_LACKS_NOTHING);
    assert_int_equal(controls.secondary & 1U << 5, 0);
}

/* One capability less: which one, and a word of what is said. */
static void test_what_is_lacking_is_told(void **state)
{
    static const struct {
        size_t capability;
        uint64_t missing;
        enum vmx_lack lack;
        const char *word;
    } rows[] = {
#define HAS(field) offsetof(struct vmx_capabilities, field)
        {HAS(primary), 1ULL << 63, VMX_LACKS_SECONDARY, "secondary"},
        {HAS(secondary), 1ULL << 33, VMX_LACKS_EPT, "EPT"},
        {HAS(secondary), 1ULL << 39, VMX_LACKS_UNRESTRICTED, "unrestricted guest"},
        {HAS(ept_vpid), 1ULL << 6, VMX_LACKS_EPT_WALK, "four levels"},
        {HAS(ept_vpid), 1ULL << 14, VMX_LACKS_EPT_WRITE_BACK, "caches"},
        {HAS(ept_vpid), 1ULL << 16, VMX_LACKS_EPT_2MIB, "2 MiB"},
        {HAS(ept_vpid), 1ULL << 20, VMX_LACKS_EPT_INVEPT, "forget"},
        {HAS(ept_vpid), 1ULL << 26, VMX_LACKS_EPT_INVEPT, "forget"},
        {HAS(primary), 1ULL << 60, VMX_LACKS_MSR_BITMAPS, "MSR"},
        {HAS(exit), 1ULL << 41, VMX_LACKS_64_BIT_HOST, "64-bit"},
        {HAS(exit), 1ULL << 52, VMX_LACKS_EFER, "EFER"},
        {HAS(exit), 1ULL << 53, VMX_LACKS_EFER, "EFER"},
        {HAS(entry), 1ULL << 47, VMX_LACKS_EFER, "EFER"},
        {HAS(exit), 1ULL << 34, VMX_LACKS_DEBUG, "debug"},
        {HAS(entry), 1ULL << 34, VMX_LACKS_DEBUG, "debug"},
        {HAS(misc), 1ULL << 8, VMX_LACKS_WAIT_FOR_START, "wait"},
#undef HAS
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vmx_capabilities has = complete();
        struct vmx_controls controls;
        uint64_t *const word = (uint64_t *)((char *)&has + rows[i].capability);

        *word &= ~rows[i].missing;
        assert_int_equal(vmx_controls_choose(&has, &controls), rows[i].lack);
        assert_non_null(strstr(vmx_lack_words(rows[i].lack), rows[i].word));
    }
}

/* Without true capabilities CR3 cannot be written without an exit: bits 15 and 16. */
static void test_exits_that_cannot_be_switched_off(void **state)
{
    static const uint32_t primary[] = {1U << 2,  1U << 7,  1U << 9,  1U << 10, 1U << 11,
                                       1U << 12, 1U << 15, 1U << 16, 1U << 19, 1U << 20,
                                       1U << 22, 1U << 23, 1U << 24, 1U << 29, 1U << 30};
    static const uint32_t pin[] = {1U << 0, 1U << 3, 1U << 5};
    struct vmx_controls controls;

    (void)state;
    for (size_t i = 0; i < sizeof(primary) / sizeof(primary[0]); i++) {
        struct vmx_capabilities has = complete();

        has.primary |= primary[i];
        assert_int_equal(vmx_controls_choose(&has, &controls), VMX_LACKS_FREEDOM);
    }
    for (size_t i = 0; i < sizeof(pin) / sizeof(pin[0]); i++) {
        struct vmx_capabilities has = complete();

        has.pin |= pin[i];
        assert_int_equal(vmx_controls_choose(&has, &controls), VMX_LACKS_FREEDOM);
    }
    assert_non_null(strstr(vmx_lack_words(VMX_LACKS_FREEDOM), "exits"));
}

/* Numbers of section 30.4; each has words of its own, and any other number has some, too. */
static void test_errors_have_words(void **state)
{
    static const uint32_t numbers[] = {2, 4, 5, 7, 8, 9, 11, 12, 13, 15, 26, 28, 99};
    const size_t count = sizeof(numbers) / sizeof(numbers[0]);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(vmx_error_words(numbers[i]), vmx_error_words(numbers[j]));
        }
    }
    assert_non_null(strstr(vmx_error_words(7), "control fields"));
    assert_non_null(strstr(vmx_error_words(8), "host fields"));
    assert_non_null(strstr(vmx_entry_failure_words(33), "state"));
    assert_non_null(strstr(vmx_entry_failure_words(34), "MSRs"));
    assert_non_null(strstr(vmx_entry_failure_words(41), "machine check"));
    assert_non_null(strstr(vmx_entry_failure_words(0), "failed"));
}

/* Table 27-7: bit 1 a write, 2 a fetch, 7 with a linear address, 8 and of that what it leads to, not its tables. */
static void test_an_access_is_what_its_bits_say(void **state)
{
    static const enum nested_access kinds[2][4] = {
        {NESTED_READ, NESTED_WRITE, NESTED_EXECUTE, NESTED_EXECUTE},
        {NESTED_READ, NESTED_WALK, NESTED_EXECUTE, NESTED_WALK},
    };

    (void)state;
    for (uint64_t bits = 0; bits < 1 << 14; bits++) {
        const bool is_walk = (bits & 0x180) == 0x80;

        for (unsigned int is_event = 0; is_event < 2; is_event++) {
            assert_int_equal(vmx_access_of(bits, is_event != 0),
                             is_walk ? NESTED_WALK : kinds[is_event][bits >> 1 & 3]);
        }
    }
}

/* Sections 24.8.3 and 24.9.3: bit 31 there is one, 11 an error code, 8 to 10 the kind; 12 means nothing. */
static void test_an_event_is_delivered_again(void **state)
{
    (void)state;
    assert_int_equal(vmx_event_again(0), 0);
    assert_int_equal(vmx_event_again(0x7fffffff), 0);
    assert_int_equal(vmx_event_again(0x8000000000000000), 0);
    assert_int_equal(vmx_event_again(0x80000b0e), 0x80000b0e);
    assert_int_equal(vmx_event_again(UINT64_MAX), 0x80000fff);
    for (uint32_t event = 0x80000000; event <= 0x80000fff; event++) {
        const uint32_t kind = event >> 8 & 7;

        assert_int_equal(vmx_event_again(event | 0x1000), event);
        assert_int_equal(vmx_event_has_error_code(event), event >> 11 & 1);
        assert_int_equal(vmx_event_has_instruction(event), kind >= 4);
    }
}

/* Appendix C: GETSEC, VMCLEAR to VMXON, INVEPT, INVVPID, SEAMCALL, TDCALL. */
static void test_instructions_that_are_not_the_guests(void **state)
{
    (void)state;
    for (uint32_t reason = 0; reason <= 0xffff; reason++) {
        const bool is_hidden = reason == 11 || (reason >= 19 && reason <= 27) || reason == 50 ||
                               reason == 53 || reason == 76 || reason == 77 || reason == 63 ||
                               reason == 64;

        assert_int_equal(vmx_reason_is_hidden(reason), is_hidden);
    }
}

/* x87, SSE, AVX, MPX, AVX-512, PKRU, AMX; Intel SDM volume 1, section 13.3 */
#define SUPPORTED 0x602ffULL

static void test_values_of_xcr0(void **state)
{
    static const struct {
        uint64_t value;
        int valid;
    } rows[] = {
        {0, 0},
        {1, 1},
        {2, 0},
        {3, 1},
        {5, 0},
        {7, 1},
        {0xb, 0},
        {0x13, 0},
        {0x1b, 1},
        {0x1f, 1},
        {0x27, 0},
        {0xa7, 0},
        {0xe7, 1},
        {0xe3, 0},
        {0xff, 1},
        {0x201, 1},
        {0x20003, 0},
        {0x40003, 0},
        {0x60003, 1},
        {0x602ff, 1},
        {0x100, 0},
        {0x101, 0},
        {0x8000000000000001, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(xcr0_is_valid(rows[i].value, SUPPORTED), rows[i].valid);
    }
    assert_false(xcr0_is_valid(7, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_processor_with_all_runs_a_guest_with_few_exits),
        cmocka_unit_test(test_what_is_only_welcome_may_be_missing),
        cmocka_unit_test(test_vpids_want_an_instruction_that_forgets_them),
        cmocka_unit_test(test_what_is_lacking_is_told),
        cmocka_unit_test(test_exits_that_cannot_be_switched_off),
        cmocka_unit_test(test_errors_have_words),
        cmocka_unit_test(test_an_access_is_what_its_bits_say),
        cmocka_unit_test(test_an_event_is_delivered_again),
        cmocka_unit_test(test_instructions_that_are_not_the_guests),
        cmocka_unit_test(test_values_of_xcr0),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
