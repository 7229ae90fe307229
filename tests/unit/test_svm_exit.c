/* SVM's exits: every code, every bit of an error code, every event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "abi/svm.h"
#include "svm_exit.h"
#include "x86/paging.h"

static void test_four_exits_are_instructions_that_are_done(void **state)
{
    (void)state;
    for (uint64_t code = 0; code < 0x500; code++) {
        const enum insn_operation operation = svm_operation_of(code, 0);

        switch (code) {
        case 0x72:
            assert_int_equal(operation, INSN_CPUID);
            break;
        case 0x81:
            assert_int_equal(operation, INSN_VMMCALL);
            break;
        case 0x7c:
            assert_int_equal(operation, INSN_RDMSR);
            assert_int_equal(svm_operation_of(code, 1), INSN_WRMSR);
            break;
        default:
            assert_int_equal(operation, INSN_OTHER);
            assert_int_equal(svm_operation_of(code, 1), INSN_OTHER);
            break;
        }
    }
    assert_int_equal(svm_operation_of(SVM_EXIT_INVALID, 0), INSN_OTHER);
}

/* Bits 1 and 4 say what an instruction does, bit 33 that the processor reads a table; no other has a say. */
static void test_each_bit_of_an_error_code(void **state)
{
    (void)state;
    for (unsigned int bit = 0; bit < 64; bit++) {
        const uint64_t one = 1ULL << bit;

        for (unsigned int is_event = 0; is_event < 2; is_event++) {
            enum nested_access wanted = NESTED_READ;

            if (bit == 1) {
                wanted = is_event ? NESTED_WALK : NESTED_WRITE;
            } else if (bit == 4) {
                wanted = NESTED_EXECUTE;
            } else if (bit == 33) {
                wanted = NESTED_WALK;
            }
            assert_int_equal(svm_access_of(one, is_event), wanted);
            assert_int_equal(svm_access_of(one | SVM_NPF_TABLE, is_event), NESTED_WALK);
        }
    }
    assert_int_equal(svm_access_of(PF_PRESENT | PF_WRITE, false), NESTED_WRITE);
    assert_int_equal(svm_access_of(0, true), NESTED_READ);
    assert_int_equal(svm_access_of(PF_EXECUTE, true), NESTED_EXECUTE);
}

static void test_an_event_that_was_under_way_comes_first(void **state)
{
    const uint64_t timer = SVM_EVENT_VALID | 0x20;
    const uint64_t undefined = SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | 6;

    (void)state;
    assert_int_equal(svm_event_next(0, 0), 0);
    assert_int_equal(svm_event_next(0, undefined), undefined);
    assert_int_equal(svm_event_next(timer, undefined), timer);
    assert_int_equal(svm_event_next(timer, 0), timer);
    /* INT n, INT3, INTO: the guest comes to them again. */
    assert_int_equal(svm_event_next(SVM_EVENT_VALID | SVM_EVENT_SOFTWARE | 0x80, 0), 0);
    assert_int_equal(svm_event_next(SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | 3, 0), 0);
    assert_int_equal(svm_event_next(SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | 4, 0), 0);
    assert_int_equal(svm_event_next(undefined, 0), undefined);
    /* Not valid: whatever else it says. */
    assert_int_equal(svm_event_next(timer & ~SVM_EVENT_VALID, undefined), undefined);
}

/* In real mode nothing is pushed beside the return address. */
static void test_an_exception_has_an_error_code_in_protected_mode_alone(void **state)
{
    (void)state;
    assert_int_equal(svm_exception(13, true, 0x80000011), 0x80000b0d);
    assert_int_equal(svm_exception(13, true, 0x11), 0x80000b0d);
    assert_int_equal(svm_exception(13, true, 0x60000010), 0x8000030d);
    assert_int_equal(svm_exception(6, false, 0x80000011), 0x80000306);
    assert_int_equal(svm_exception(1, false, 0x10), 0x80000301);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_four_exits_are_instructions_that_are_done),
        cmocka_unit_test(test_each_bit_of_an_error_code),
        cmocka_unit_test(test_an_exception_has_an_error_code_in_protected_mode_alone),
        cmocka_unit_test(test_an_event_that_was_under_way_comes_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
