/* MSRs that a guest reaches only through Berth: what becomes of it, and that the bitmaps say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "msr_filter.h"
#include "random.h"

#define FEATURE_CONTROL   0x3a
#define APIC_BASE         0x1b
#define X2APIC_COMMAND    0x830
#define MICROCODE         0x79
#define TME_ACTIVATE      0x982
#define CORE_CAPABILITIES 0xcf
#define SYSTEM_CONFIG     0xc0010010
#define EFER              0xc0000080
#define VM_CR             0xc0010114
#define SMM_CTL           0xc0010116
#define VM_HSAVE_PA       0xc0010117
#define SVM_KEY           0xc0010118

#define EFER_SCE  0x1ULL
#define EFER_LME  0x100ULL
#define EFER_LMA  0x400ULL
#define EFER_NXE  0x800ULL
#define EFER_SVME 0x1000ULL
#define CR0_PG    0x80000000ULL

/* APIC_BASE: where the page is, of the first processor; and the modes. */
#define PAGE     0xfee00100ULL
#define DISABLED 0x000ULL
#define XAPIC    0x800ULL
#define X2APIC   0xc00ULL
#define NO_MODE  0x400ULL /* x2APIC without the APIC */

static const struct msr_context svm = {
    .maker = MSR_OF_SVM,
    .efer = EFER_LME | EFER_LMA | EFER_NXE,
    .efer_allowed = EFER_SCE | EFER_LME | EFER_NXE,
    .cr0 = CR0_PG | 1,
    .apic_base = PAGE | XAPIC,
    .x2apic = 1,
};

static struct msr_context vmx_context(void)
{
    struct msr_context vmx = svm;

    vmx.maker = MSR_OF_VMX;
    return vmx;
}

static void assert_read(const struct msr_context *context, uint32_t msr, enum msr_action action,
                        uint64_t value)
{
    const struct msr_decision decision = msr_read_decide(msr, context);

    assert_int_equal(decision.action, action);
    assert_int_equal(decision.value, value);
}

static void assert_write(const struct msr_context *context, uint32_t msr, uint64_t written,
                         enum msr_action action, uint64_t value)
{
    const struct msr_decision decision = msr_write_decide(msr, written, context);

    assert_int_equal(decision.action, action);
    assert_int_equal(decision.value, value);
}

static void test_efer_is_read_without_svm(void **state)
{
    struct msr_context context = svm;

    (void)state;
    context.efer |= EFER_SVME;
    assert_read(&context, EFER, MSR_ANSWER, EFER_LME | EFER_LMA | EFER_NXE);
}

static void test_efer_is_written_as_far_as_it_may_be(void **state)
{
    const uint64_t now = svm.efer;
    struct msr_context context = svm;

    (void)state;
    assert_write(&svm, EFER, now | EFER_SCE, MSR_SET_EFER, now | EFER_SCE);
    assert_write(&svm, EFER, now & ~EFER_NXE, MSR_SET_EFER, now & ~EFER_NXE);
    assert_write(&svm, EFER, now | EFER_SVME, MSR_FAULT, 0);
    assert_write(&svm, EFER, now | 2, MSR_FAULT, 0);
    assert_write(&svm, EFER, now | 1ULL << 63, MSR_FAULT, 0);
    context.efer_allowed |= EFER_SVME; /* whatever somebody thinks: never */
    assert_write(&context, EFER, now | EFER_SVME, MSR_FAULT, 0);
}

/* LMA says that long mode is active: the processor alone changes it, and a written one is not heeded. */
static void test_long_mode_does_not_change_under_paging(void **state)
{
    const uint64_t now = svm.efer;
    struct msr_context context = svm;

    (void)state;
    assert_write(&svm, EFER, now & ~EFER_LME, MSR_FAULT, 0);
    assert_write(&svm, EFER, now & ~EFER_LMA, MSR_SET_EFER, now);
    context.efer = 0;
    assert_write(&context, EFER, EFER_LME, MSR_FAULT, 0);
    assert_write(&context, EFER, EFER_NXE | EFER_LMA, MSR_SET_EFER, EFER_NXE);
    context.cr0 = 1;
    assert_write(&context, EFER, EFER_LME, MSR_SET_EFER, EFER_LME);
    context.efer = EFER_LME;
    assert_write(&context, EFER, 0, MSR_SET_EFER, 0);
}

static void test_svm_is_off_and_locked(void **state)
{
    (void)state;
    assert_read(&svm, VM_CR, MSR_ANSWER, 0x18);
    assert_write(&svm, VM_CR, 0, MSR_DROP, 0);
    assert_write(&svm, VM_CR, 0x1f, MSR_DROP, 0);
    assert_write(&svm, VM_CR, 0x20, MSR_FAULT, 0);
    for (uint32_t msr = SMM_CTL; msr <= SVM_KEY; msr++) {
        assert_read(&svm, msr, MSR_FAULT, 0);
        assert_write(&svm, msr, 0x1000, MSR_FAULT, 0);
    }
}

static void test_vmx_is_off_and_locked(void **state)
{
    struct msr_context vmx = vmx_context();

    (void)state;
    assert_read(&vmx, FEATURE_CONTROL, MSR_ANSWER, 1);
    /* VMX, SENTER; and what else the firmware has allowed: SGX, local machine checks. */
    vmx.feature_control = 0xff07;
    assert_read(&vmx, FEATURE_CONTROL, MSR_ANSWER, 1);
    vmx.feature_control = 0x160005;
    assert_read(&vmx, FEATURE_CONTROL, MSR_ANSWER, 0x160001);
    assert_write(&vmx, FEATURE_CONTROL, 5, MSR_FAULT, 0);
    for (uint32_t msr = 0x480; msr <= 0x493; msr++) {
        assert_read(&vmx, msr, MSR_FAULT, 0);
        assert_write(&vmx, msr, 0, MSR_FAULT, 0);
    }
}

static void test_what_the_core_can_do_is_told_without_remote_actions(void **state)
{
    struct msr_context vmx = vmx_context();

    (void)state;
    assert_read(&vmx, CORE_CAPABILITIES, MSR_FAULT, 0);
    vmx.has_core_capabilities = true;
    vmx.core_capabilities = 0x2f;
    assert_read(&vmx, CORE_CAPABILITIES, MSR_ANSWER, 0x2d);
    assert_write(&vmx, CORE_CAPABILITIES, 0, MSR_FAULT, 0);
}

/*
 * PEBS, Intel PT, debug store, hardware feedback, remote actions: the processor writes where these say, around EPT or
 * to Berth's.
 */
static bool writes_by_itself(uint32_t msr)
{
    return msr == 0x3f1 || msr == 0x560 || msr == 0x561 || (msr >= 0x570 && msr <= 0x572) ||
           (msr >= 0x580 && msr <= 0x587) || msr == 0x600 || msr == 0x17d0 || msr == 0x17d1 ||
           (msr >= 0xed && msr <= 0xf0);
}

static void test_the_processor_writes_nowhere_by_itself(void **state)
{
    const struct msr_context vmx = vmx_context();

    (void)state;
    for (uint32_t msr = 0; msr < 0x2000; msr++) {
        if (writes_by_itself(msr)) {
            assert_read(&vmx, msr, MSR_FAULT, 0);
            assert_write(&vmx, msr, 0x100000, MSR_FAULT, 0);
        }
    }
}

/* Inside VMX nobody knows what it would do: SDM volume 3C, section 32.4. */
static void test_microcode_is_not_loaded_inside_vmx(void **state)
{
    const struct msr_context vmx = vmx_context();

    (void)state;
    assert_write(&vmx, MICROCODE, 0xffff888000000030, MSR_DROP, 0);
}

/* The memory that the nested tables leave out would have further addresses. */
static void test_no_address_gets_another_meaning(void **state)
{
    const struct msr_context vmx = vmx_context();
    struct msr_context context = svm;

    (void)state;
    assert_write(&vmx, TME_ACTIVATE, 3, MSR_FAULT, 0);
    context.system_config = 0x740000;
    for (unsigned int bit = 0; bit < 64; bit++) {
        const uint64_t next = 0x740000 ^ 1ULL << bit;
        const bool is_type = bit >= 18 && bit <= 22;

        assert_write(&context, SYSTEM_CONFIG, next, is_type ? MSR_DO : MSR_FAULT,
                     is_type ? next : 0);
    }
    context.system_config |= 1 << 23; /* on before Berth came */
    assert_write(&context, SYSTEM_CONFIG, 0xf40000, MSR_DO, 0xf40000);
    assert_write(&context, SYSTEM_CONFIG, 0x740000, MSR_FAULT, 0);
}

/* SDM volume 3A, figure 11-27; from a mode into itself is no change. */
static void test_the_apic_changes_its_mode_as_it_can(void **state)
{
    static const uint64_t modes[] = {DISABLED, XAPIC, X2APIC, NO_MODE};
    static const bool follows[3][4] = {
        {true, true, false, false},
        {true, true, true, false},
        {true, false, true, false},
    };

    (void)state;
    for (unsigned int from = 0; from < 3; from++) {
        for (unsigned int to = 0; to < 4; to++) {
            struct msr_context context = svm;
            const uint64_t next = PAGE | modes[to];

            context.apic_base = PAGE | modes[from];
            assert_write(&context, APIC_BASE, next, follows[from][to] ? MSR_DO : MSR_FAULT,
                         follows[from][to] ? next : 0);
            context.x2apic = 0;
            if (from != 2 && to >= 2) {
                assert_write(&context, APIC_BASE, next, MSR_FAULT, 0);
            }
        }
    }
}

/* Where the firmware has locked it, the processor answers with #GP: Berth would, too, if it tried. */
static void test_x2apic_mode_may_have_to_stay(void **state)
{
    struct msr_context context = vmx_context();

    (void)state;
    context.x2apic_stays = true;
    assert_write(&context, APIC_BASE, PAGE | DISABLED, MSR_DO, PAGE | DISABLED);
    context.apic_base = PAGE | X2APIC;
    assert_write(&context, APIC_BASE, PAGE | DISABLED, MSR_FAULT, 0);
    assert_write(&context, APIC_BASE, PAGE | X2APIC, MSR_DO, PAGE | X2APIC);
}

static void test_the_apic_stays_where_it_is(void **state)
{
    const struct msr_context vmx = vmx_context();
    const uint64_t now = svm.apic_base;

    (void)state;
    assert_write(&svm, APIC_BASE, now ^ 0x1000, MSR_FAULT, 0);
    assert_write(&svm, APIC_BASE, now | 1ULL << 40, MSR_FAULT, 0);
    assert_write(&svm, APIC_BASE, now | 1ULL << 63, MSR_FAULT, 0);
    assert_write(&svm, APIC_BASE, now | 1, MSR_FAULT, 0);
    assert_write(&svm, APIC_BASE, now | 0x200, MSR_FAULT, 0);
    assert_write(&vmx, APIC_BASE, now ^ 0x1000, MSR_FAULT, 0);
    assert_write(&vmx, APIC_BASE, now, MSR_DO, now);
}

/* Which processor was the first to start is the hardware's to say: it decides what an INIT does. */
static void test_the_first_processor_remains_it(void **state)
{
    struct msr_context context = svm;

    (void)state;
    assert_write(&svm, APIC_BASE, svm.apic_base & ~0x100ULL, MSR_DO, svm.apic_base);
    context.apic_base &= ~0x100ULL;
    assert_write(&context, APIC_BASE, svm.apic_base, MSR_DO, context.apic_base);
}

static void test_messages_are_decided_elsewhere(void **state)
{
    struct msr_context context = svm;

    (void)state;
    assert_write(&svm, X2APIC_COMMAND, 0x1000000c4, MSR_FAULT, 0); /* not in that mode */
    context.apic_base = PAGE | X2APIC;
    assert_write(&context, X2APIC_COMMAND, 0x1000000c4, MSR_IPI, 0x1000000c4);
}

static void test_what_the_bitmaps_do_not_cover_is_not_there(void **state)
{
    static const uint32_t msrs[] = {0x2000,     0x40000000, 0x4b564d00, 0xbfffffff,
                                    0xc0002000, 0xc0012000, 0xffffffff};
    const struct msr_context vmx = vmx_context();

    (void)state;
    for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
        assert_read(&svm, msrs[i], MSR_FAULT, 0);
        assert_read(&vmx, msrs[i], MSR_FAULT, 0);
        assert_write(&svm, msrs[i], 0, MSR_FAULT, 0);
        assert_write(&vmx, msrs[i], 0, MSR_FAULT, 0);
    }
}

/* --- bitmaps --------------------------------------------------------------------------------------------------- */

static bool bit_at(const uint8_t *map, uint32_t bit)
{
    return map[bit / 8] >> (bit % 8) & 1;
}

struct expected {
    uint32_t msr;
    bool read, write;
};

static const struct expected *find(const struct expected *rows, size_t count, uint32_t msr)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].msr == msr) {
            return &rows[i];
        }
    }
    return NULL;
}

static void test_svms_bitmap(void **state)
{
    static const struct expected rows[] = {
        {APIC_BASE, false, true}, {X2APIC_COMMAND, false, true}, {EFER, true, true},
        {VM_CR, true, true},      {SMM_CTL, true, true},         {VM_HSAVE_PA, true, true},
        {SVM_KEY, true, true},    {SYSTEM_CONFIG, false, true},
    };
    static const uint32_t starts[] = {0, 0xc0000000, 0xc0010000};
    uint8_t map[MSR_BITMAP_SVM_BYTES];

    (void)state;
    memset(map, 0xff, sizeof(map));
    msr_bitmap_svm(map);
    for (uint32_t i = 0; i < 3 * 0x2000; i++) {
        const uint32_t msr = starts[i / 0x2000] + i % 0x2000;
        const uint32_t bit = i / 0x2000 * 0x4000 + i % 0x2000 * 2;
        const struct expected *row = find(rows, sizeof(rows) / sizeof(rows[0]), msr);

        assert_int_equal(bit_at(map, bit), row && row->read);
        assert_int_equal(bit_at(map, bit + 1), row && row->write);
    }
}

static void test_vmxs_bitmap(void **state)
{
    static const uint32_t starts[] = {0, 0xc0000000};
    uint8_t map[MSR_BITMAP_VMX_BYTES];

    (void)state;
    memset(map, 0xff, sizeof(map));
    msr_bitmap_vmx(map);
    for (uint32_t i = 0; i < 2 * 0x2000; i++) {
        const uint32_t msr = starts[i / 0x2000] + i % 0x2000;
        const bool write = msr == APIC_BASE || msr == MICROCODE || msr == TME_ACTIVATE;
        const bool both = msr == FEATURE_CONTROL || msr == CORE_CAPABILITIES ||
                          (msr >= 0x480 && msr <= 0x493) || writes_by_itself(msr);

        assert_int_equal(bit_at(map, i), both);
        assert_int_equal(bit_at(map, i + 0x4000), both || write);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_efer_is_read_without_svm),
        cmocka_unit_test(test_efer_is_written_as_far_as_it_may_be),
        cmocka_unit_test(test_long_mode_does_not_change_under_paging),
        cmocka_unit_test(test_svm_is_off_and_locked),
        cmocka_unit_test(test_vmx_is_off_and_locked),
        cmocka_unit_test(test_what_the_core_can_do_is_told_without_remote_actions),
        cmocka_unit_test(test_the_processor_writes_nowhere_by_itself),
        cmocka_unit_test(test_microcode_is_not_loaded_inside_vmx),
        cmocka_unit_test(test_no_address_gets_another_meaning),
        cmocka_unit_test(test_x2apic_mode_may_have_to_stay),
        cmocka_unit_test(test_the_apic_changes_its_mode_as_it_can),
        cmocka_unit_test(test_the_apic_stays_where_it_is),
        cmocka_unit_test(test_the_first_processor_remains_it),
        cmocka_unit_test(test_messages_are_decided_elsewhere),
        cmocka_unit_test(test_what_the_bitmaps_do_not_cover_is_not_there),
        cmocka_unit_test(test_svms_bitmap),
        cmocka_unit_test(test_vmxs_bitmap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
