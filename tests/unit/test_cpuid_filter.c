/* What a guest is told by CPUID: nothing of SVM and VMX, who is below it, and the processor's word about all else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "abi/hypercall.h"
#include "cpuid_filter.h"
#include "random.h"

#define ONES 0xffffffff

/* Of leaf 1 without DTES64, DS-CPL, VMX and SMX; and without DS. */
#define FEATURE_ECX ~(1u << 2 | 1u << 4 | 1u << 5 | 1u << 6)
#define FEATURE_EDX ~(1u << 21)

static const struct cpuid_leaf ones = {ONES, ONES, ONES, ONES};
static const struct cpuid_leaf zeros;

static void assert_leaf(struct cpuid_leaf leaf, uint32_t eax, uint32_t ebx, uint32_t ecx,
                        uint32_t edx)
{
    assert_int_equal(leaf.eax, eax);
    assert_int_equal(leaf.ebx, ebx);
    assert_int_equal(leaf.ecx, ecx);
    assert_int_equal(leaf.edx, edx);
}

static void test_virtualisation_is_hidden(void **state)
{
    (void)state;
    assert_leaf(cpuid_filter(1, 0, ones, 0x40000), ONES, ONES, FEATURE_ECX, FEATURE_EDX);
    assert_leaf(cpuid_filter(0x80000001, 0, ones, 0), ONES, ONES, ~(1u << 2), ONES);
    assert_leaf(cpuid_filter(0x8000000a, 0, ones, 0), 0, 0, 0, 0);
    assert_leaf(cpuid_filter(0x8000000a, 3, ones, 0), 0, 0, 0, 0);
}

/* Their MSRs cannot be reached: SVM's bitmap does not cover them. */
static void test_machine_checks_in_many_banks_are_hidden(void **state)
{
    (void)state;
    assert_leaf(cpuid_filter(0x80000007, 0, ones, 0), ONES, ~(1u << 3), ONES, ONES);
}

/* Intel PT, hardware feedback and thread director; and instructions that VMX's controls leave #UD. */
static void test_what_writes_to_memory_by_itself_is_hidden(void **state)
{
    (void)state;
    assert_leaf(cpuid_filter(6, 0, ones, 0), ~(1u << 19 | 1u << 23), ONES, ONES, ONES);
    assert_leaf(cpuid_filter(7, 0, ones, 0x400000), ONES, ~(1u << 25), ONES, ONES);
    assert_leaf(cpuid_filter(7, 1, ones, 0), ~(1u << 27), ONES, ~(1u << 5), ~(1u << 15));
    assert_leaf(cpuid_filter(7, 2, ones, 0), ONES, ONES, ONES, ONES);
    assert_leaf(cpuid_filter(0x14, 0, ones, 0), 0, 0, 0, 0);
    assert_leaf(cpuid_filter(0x14, 1, ones, 0), 0, 0, 0, 0);
    /* XRSTORS writes Intel PT's MSRs, too. */
    assert_leaf(cpuid_filter(0xd, 0, ones, 0), ONES, ONES, ONES, ONES);
    assert_leaf(cpuid_filter(0xd, 1, ones, 0), ONES, ONES, ~(1u << 8), ONES);
    assert_leaf(cpuid_filter(0xd, 7, ones, 0), ONES, ONES, ONES, ONES);
    assert_leaf(cpuid_filter(0xd, 8, ones, 0), 0, 0, 0, 0);
    assert_leaf(cpuid_filter(0xd, 9, ones, 0), ONES, ONES, ONES, ONES);
}

/* An address with the bit for it is the same memory once more: Berth's among it. */
static void test_memory_encryption_is_hidden(void **state)
{
    (void)state;
    assert_leaf(cpuid_filter(0x8000001f, 0, ones, ~0ULL), 0, 0, 0, 0);
    assert_leaf(cpuid_filter(0x80000023, 0, ones, ~0ULL), 0, 0, 0, 0);
}

/* Berth's own cr4 is not the guest's. */
static void test_what_follows_cr4_follows_the_guests(void **state)
{
    (void)state;
    assert_leaf(cpuid_filter(1, 0, ones, ~0x40000ULL), ONES, ONES, FEATURE_ECX & ~(1u << 27),
                FEATURE_EDX);
    assert_leaf(cpuid_filter(1, 7, zeros, 0x40000), 0, 0, 1u << 27, 0);
    assert_leaf(cpuid_filter(7, 0, ones, ~0x400000ULL), ONES, ~(1u << 25), ~(1u << 4), ONES);
    assert_leaf(cpuid_filter(7, 0, zeros, 0x400000), 0, 0, 1u << 4, 0);
    assert_leaf(cpuid_filter(7, 1, zeros, ~0ULL), 0, 0, 0, 0);
}

static void test_the_hypervisors_leaf_names_berth(void **state)
{
    const struct cpuid_leaf leaf = cpuid_filter(0x40000000, 0, ones, 0);
    char name[13] = {0};

    (void)state;
    assert_int_equal(leaf.eax, 0x40000000);
    memcpy(name, &leaf.ebx, 4);
    memcpy(name + 4, &leaf.ecx, 4);
    memcpy(name + 8, &leaf.edx, 4);
    assert_string_equal(name, "BerthBerth");
    assert_memory_equal(name, HYPERCALL_SIGNATURE, 12);
}

/* Of one that Berth runs in, a guest hears nothing: it would take the machine for that one's. */
static void test_other_hypervisors_are_hidden(void **state)
{
    static const uint32_t leaves[] = {0x40000001, 0x40000010, 0x400000ff, 0x40000100, 0x4fffffff};

    (void)state;
    for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
        assert_leaf(cpuid_filter(leaves[i], 0, ones, ~0ULL), 0, 0, 0, 0);
    }
}

static void test_nothing_else_is_changed(void **state)
{
    static const uint32_t edges[] = {0,          2,          4,          5,          8,
                                     0xb,        0xc,        0x1f,       0x3fffffff, 0x50000000,
                                     0x80000000, 0x80000002, 0x80000006, 0x80000008, 0x80000009,
                                     0x8000000b, 0x8000001e, ONES};
    struct random random = {11};

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        const uint32_t leaf = edges[i % (sizeof(edges) / sizeof(edges[0]))];
        const struct cpuid_leaf hardware = {
            (uint32_t)random_u64(&random), (uint32_t)random_u64(&random),
            (uint32_t)random_u64(&random), (uint32_t)random_u64(&random)};

        assert_leaf(cpuid_filter(leaf, random_below(&random, 4), hardware, random_u64(&random)),
                    hardware.eax, hardware.ebx, hardware.ecx, hardware.edx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_virtualisation_is_hidden),
        cmocka_unit_test(test_machine_checks_in_many_banks_are_hidden),
        cmocka_unit_test(test_what_writes_to_memory_by_itself_is_hidden),
        cmocka_unit_test(test_memory_encryption_is_hidden),
        cmocka_unit_test(test_what_follows_cr4_follows_the_guests),
        cmocka_unit_test(test_the_hypervisors_leaf_names_berth),
        cmocka_unit_test(test_other_hypervisors_are_hidden),
        cmocka_unit_test(test_nothing_else_is_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
