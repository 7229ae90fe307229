/*
 * What the decoder says of instructions: each kind of operand, each width, in 16-, 32- and 64-bit code; and what is
 * none. Lengths of all others are compared with a disassembler's (tests/lengths).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "insn.h"
#include "random.h"

/* Bytes and their number. */
#define CODE(text) text, sizeof(text) - 1

struct row {
    const char *bytes;
    size_t count;
    uint8_t bits;
    struct insn is; /* but for the length, which is `count` */
};

static void assert_same(const struct insn *insn, const struct insn *wanted)
{
    assert_int_equal(insn->operation, wanted->operation);
    assert_int_equal(insn->width_bytes, wanted->width_bytes);
    assert_int_equal(insn->address_bytes, wanted->address_bytes);
    assert_int_equal(insn->reg, wanted->reg);
    assert_int_equal(insn->reg_high, wanted->reg_high);
    assert_int_equal(insn->has_immediate, wanted->has_immediate);
    assert_int_equal(insn->repeats, wanted->repeats);
    assert_int_equal(insn->immediate, wanted->immediate);
}

static void assert_row(const struct row *row)
{
    struct insn insn;

    if (!insn_decode((const uint8_t *)row->bytes, row->count, row->bits, &insn)) {
        fail_msg("%02x %02x: none", (uint8_t)row->bytes[0], (uint8_t)row->bytes[1]);
    }
    assert_int_equal(insn.length, row->count);
    assert_same(&insn, &row->is);
}

#define assert_rows(rows)                                                                          \
    for (size_t row_ = 0; row_ < sizeof(rows) / sizeof((rows)[0]); row_++) {                       \
        assert_row(&(rows)[row_]);                                                                 \
    }

/* ModRM of mode 3 makes other instructions of the same opcode. */
static void test_what_the_hypervisor_does_itself(void **state)
{
    const struct row rows[] = {
        {CODE("\x0f\xa2"), 64, {.operation = INSN_CPUID, .address_bytes = 8}},
        {CODE("\x0f\xa2"), 32, {.operation = INSN_CPUID, .address_bytes = 4}},
        {CODE("\x0f\xa2"), 16, {.operation = INSN_CPUID, .address_bytes = 2}},
        {CODE("\xf3\x0f\xa2"), 64, {.operation = INSN_CPUID, .address_bytes = 8}},
        {CODE("\x48\x0f\x32"), 64, {.operation = INSN_RDMSR, .address_bytes = 8}},
        {CODE("\x0f\x30"), 64, {.operation = INSN_WRMSR, .address_bytes = 8}},
        {CODE("\x66\x0f\x30"), 32, {.operation = INSN_WRMSR, .address_bytes = 4}},
        {CODE("\x0f\x01\xd9"), 64, {.operation = INSN_VMMCALL, .address_bytes = 8}},
        {CODE("\x0f\x01\xc1"), 64, {.operation = INSN_VMCALL, .address_bytes = 8}},
        {CODE("\x0f\x01\xd8"), 64, {.operation = INSN_OTHER, .address_bytes = 8}},
        {CODE("\x0f\x01\x19"), 64, {.operation = INSN_OTHER, .address_bytes = 8}},
    };

    (void)state;
    assert_rows(rows);
}

static void test_stores(void **state)
{
    const struct row rows[] = {
        {CODE("\x88\x07"), 64, {INSN_MOV, .width_bytes = 1, .address_bytes = 8, .reg = 0}},
        {CODE("\x88\x27"),
         64,
         {INSN_MOV, .width_bytes = 1, .address_bytes = 8, .reg = 0, .reg_high = true}},
        {CODE("\x40\x88\x27"), 64, {INSN_MOV, .width_bytes = 1, .address_bytes = 8, .reg = 4}},
        {CODE("\x44\x88\x27"), 64, {INSN_MOV, .width_bytes = 1, .address_bytes = 8, .reg = 12}},
        {CODE("\x66\x89\x3f"), 64, {INSN_MOV, .width_bytes = 2, .address_bytes = 8, .reg = 7}},
        {CODE("\x66\x4c\x89\x3f"), 64, {INSN_MOV, .width_bytes = 8, .address_bytes = 8, .reg = 15}},
        {CODE("\x4c\x66\x89\x3f"),
         64, /* the REX is void */
         {INSN_MOV, .width_bytes = 2, .address_bytes = 8, .reg = 7}},
        {CODE("\x67\x89\x3f"), 64, {INSN_MOV, .width_bytes = 4, .address_bytes = 4, .reg = 7}},
        {CODE("\x89\x36\x34\x12"), 16, {INSN_MOV, .width_bytes = 2, .address_bytes = 2, .reg = 6}},
        {CODE("\x66\x89\x37"), 16, {INSN_MOV, .width_bytes = 4, .address_bytes = 2, .reg = 6}},
        {CODE("\x67\x89\x35\x78\x56\x34\x12"),
         16,
         {INSN_MOV, .width_bytes = 2, .address_bytes = 4, .reg = 6}},
        {CODE("\xa2\1\2\3\4\5\6\7\10"), 64, {INSN_MOV, .width_bytes = 1, .address_bytes = 8}},
        {CODE("\x48\xa3\1\2\3\4\5\6\7\10"), 64, {INSN_MOV, .width_bytes = 8, .address_bytes = 8}},
        {CODE("\x67\xa3\1\2\3\4"), 64, {INSN_MOV, .width_bytes = 4, .address_bytes = 4}},
        {CODE("\xa3\1\2"), 16, {INSN_MOV, .width_bytes = 2, .address_bytes = 2}},
        {CODE("\x0f\xc3\x0b"), 64, {INSN_MOV, .width_bytes = 4, .address_bytes = 8, .reg = 1}},
        {CODE("\x89\xc7"), 64, {INSN_OTHER, .address_bytes = 8}},
        {CODE("\x8b\x07"), 64, {INSN_OTHER, .address_bytes = 8}},
    };

    (void)state;
    assert_rows(rows);
}

static void test_immediates_are_sign_extended(void **state)
{
    const struct row rows[] = {
        {CODE("\xc6\x07\xfe"),
         64,
         {INSN_MOV, .width_bytes = 1, .address_bytes = 8, .has_immediate = true,
          .immediate = ~1ULL}},
        {CODE("\xc7\x07\x44\x33\x22\x91"),
         64,
         {INSN_MOV, .width_bytes = 4, .address_bytes = 8, .has_immediate = true,
          .immediate = 0xffffffff91223344}},
        {CODE("\x48\xc7\x87\1\2\3\4\x44\x33\x22\x11"),
         64,
         {INSN_MOV, .width_bytes = 8, .address_bytes = 8, .has_immediate = true,
          .immediate = 0x11223344}},
        {CODE("\x66\xc7\x47\x01\x34\x12"),
         32,
         {INSN_MOV, .width_bytes = 2, .address_bytes = 4, .has_immediate = true,
          .immediate = 0x1234}},
        {CODE("\x83\x0f\x80"),
         32,
         {INSN_OR, .width_bytes = 4, .address_bytes = 4, .has_immediate = true,
          .immediate = ~0x7fULL}},
        {CODE("\x82\x2f\x05"),
         32,
         {INSN_SUB, .width_bytes = 1, .address_bytes = 4, .has_immediate = true, .immediate = 5}},
        {CODE("\x0f\xba\x2f\x05"),
         64,
         {INSN_BTS, .width_bytes = 4, .address_bytes = 8, .has_immediate = true, .immediate = 5}},
        {CODE("\xc6\xf8\x01"), 64, {INSN_OTHER, .address_bytes = 8}}, /* XABORT */
        {CODE("\xc7\x0f\1\2\3\4"), 64, {INSN_OTHER, .address_bytes = 8}},
    };

    (void)state;
    assert_rows(rows);
}

static void test_operations_on_memory(void **state)
{
    const struct row rows[] = {
        {CODE("\x00\x07"), 64, {INSN_ADD, .width_bytes = 1, .address_bytes = 8}},
        {CODE("\x09\x07"), 64, {INSN_OR, .width_bytes = 4, .address_bytes = 8}},
        {CODE("\xf0\x11\x07"), 64, {INSN_ADC, .width_bytes = 4, .address_bytes = 8}},
        {CODE("\x19\x07"), 16, {INSN_SBB, .width_bytes = 2, .address_bytes = 2}},
        {CODE("\x21\x07"), 64, {INSN_AND, .width_bytes = 4, .address_bytes = 8}},
        {CODE("\x29\x07"), 64, {INSN_SUB, .width_bytes = 4, .address_bytes = 8}},
        {CODE("\x48\x31\x07"), 64, {INSN_XOR, .width_bytes = 8, .address_bytes = 8}},
        {CODE("\x39\x07"), 64, {INSN_OTHER, .address_bytes = 8}}, /* CMP */
        {CODE("\x81\x3f\1\2\3\4"), 64, {INSN_OTHER, .address_bytes = 8}},
        {CODE("\x87\x1f"), 64, {INSN_XCHG, .width_bytes = 4, .address_bytes = 8, .reg = 3}},
        {CODE("\xff\x07"), 64, {INSN_INC, .width_bytes = 4, .address_bytes = 8}},
        {CODE("\xfe\x0f"), 64, {INSN_DEC, .width_bytes = 1, .address_bytes = 8, .reg = 1}},
        {CODE("\xff\x17"), 64, {INSN_OTHER, .address_bytes = 8}}, /* CALL */
        {CODE("\xf7\x17"), 64, {INSN_NOT, .width_bytes = 4, .address_bytes = 8, .reg = 2}},
        {CODE("\xf7\x1f"), 64, {INSN_NEG, .width_bytes = 4, .address_bytes = 8, .reg = 3}},
        {CODE("\xf7\x27"), 64, {INSN_OTHER, .address_bytes = 8}}, /* MUL */
        {CODE("\xf0\x0f\xc1\x07"), 64, {INSN_XADD, .width_bytes = 4, .address_bytes = 8}},
        {CODE("\xf0\x0f\xb0\x0f"),
         64,
         {INSN_CMPXCHG, .width_bytes = 1, .address_bytes = 8, .reg = 1}},
        {CODE("\x0f\xab\x07"), 64, {INSN_BTS, .width_bytes = 4, .address_bytes = 8}},
        {CODE("\x0f\xb3\x07"), 64, {INSN_BTR, .width_bytes = 4, .address_bytes = 8}},
        {CODE("\x0f\xbb\x07"), 64, {INSN_BTC, .width_bytes = 4, .address_bytes = 8}},
        {CODE("\x0f\xba\x27\x05"), 64, {INSN_OTHER, .address_bytes = 8}}, /* BT */
        {CODE("\x0f\xab\xc7"), 64, {INSN_OTHER, .address_bytes = 8}},
    };

    (void)state;
    assert_rows(rows);
}

static void test_string_instructions(void **state)
{
    const struct row rows[] = {
        {CODE("\xaa"), 64, {INSN_STOS, .width_bytes = 1, .address_bytes = 8}},
        {CODE("\xf3\x48\xab"),
         64,
         {INSN_STOS, .width_bytes = 8, .address_bytes = 8, .repeats = true}},
        {CODE("\xf2\xab"), 16, {INSN_STOS, .width_bytes = 2, .address_bytes = 2, .repeats = true}},
        {CODE("\xa4"), 32, {INSN_MOVS, .width_bytes = 1, .address_bytes = 4}},
        {CODE("\x67\xf3\xa5"),
         64,
         {INSN_MOVS, .width_bytes = 4, .address_bytes = 4, .repeats = true}},
        {CODE("\xf3\xa6"), 64, {INSN_OTHER, .address_bytes = 8}},
    };

    (void)state;
    assert_rows(rows);
}

/* One for each way that an opcode is followed by something. */
static void test_lengths(void **state)
{
    const struct {
        const char *bytes;
        size_t count;
        uint8_t bits;
    } rows[] = {
        {CODE("\x90"), 64},
        {CODE("\xc2\1\2"), 64},
        {CODE("\xc8\1\2\3"), 64},
        {CODE("\xe8\1\2\3\4"), 64},
        {CODE("\x66\xe8\1\2"), 64},
        {CODE("\xe8\1\2"), 16},
        {CODE("\x48\xb8\1\2\3\4\5\6\7\10"), 64},
        {CODE("\xb8\1\2\3\4"), 64},
        {CODE("\x66\xb8\1\2"), 64},
        {CODE("\x9a\1\2\3\4\5\6"), 32},
        {CODE("\xea\1\2\3\4"), 16},
        {CODE("\xf6\x00\x01"), 64},
        {CODE("\xf6\x20"), 64},
        {CODE("\xf7\x00\1\2\3\4"), 64},
        {CODE("\x0f\x84\1\2\3\4"), 64},
        {CODE("\x0f\x22\x05"), 64}, /* MOV to CR0: ModRM.mod is not heeded */
        {CODE("\x0f\x0f\xc1\x9e"), 64},
        {CODE("\x0f\x38\x00\xc0"), 64},
        {CODE("\x0f\x3a\x0f\xc0\x01"), 64},
        {CODE("\x66\x0f\x78\xc0\1\2"), 64},
        {CODE("\xf2\x0f\x78\xc1\1\2"), 64},
        {CODE("\x0f\x78\xc1"), 64},
        {CODE("\x8b\x44\x24\x08"), 64},
        {CODE("\x8b\x04\x25\1\2\3\4"), 64},
        {CODE("\x8b\x84\x24\1\2\3\4"), 64},
        {CODE("\x8b\x05\1\2\3\4"), 64},
        {CODE("\x8b\x47\x01"), 16},
        {CODE("\x8b\x87\1\2"), 16},
        {CODE("\xc5\xf8\x77"), 64},
        {CODE("\xc5\xfd\x6f\x07"), 64},
        {CODE("\xc5\xf1\x71\xf1\x01"), 64},
        {CODE("\xc4\xe2\x7d\x18\x07"), 64},
        {CODE("\xc4\xe3\x7d\x18\xc0\x01"), 64},
        {CODE("\xc4\xe1\x7d\x6f\x07"), 32},
        {CODE("\xc4\x07"), 32}, /* LES */
        {CODE("\xc5\x07"), 16}, /* LDS */
        {CODE("\x62\xf1\x7d\x48\x6f\x07"), 64},
        {CODE("\x62\xf3\x7d\x48\x18\xc0\x01"), 64},
        {CODE("\x62\xf5\x7c\x48\x58\xc1"), 64},
        {CODE("\x62\xf6\x7d\x48\x98\xc1"), 64},
        {CODE("\x62\x07"), 32}, /* BOUND */
        {CODE("\x8f\xe8\x78\xa2\xc1\x10"), 64},
        {CODE("\x8f\xe9\x78\x81\xc0"), 64},
        {CODE("\x8f\xea\x78\x10\xc0\1\2\3\4"), 64},
        {CODE("\x8f\x00"), 64}, /* POP */
        {CODE("\x2e\x36\x3e\x26\x64\x65\xf0\xf2\xf3\x66\x67\x8b\x00"), 64},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct insn insn = {0};

        assert_true(
            insn_decode((const uint8_t *)rows[i].bytes, rows[i].count, rows[i].bits, &insn));
        assert_int_equal(insn.length, rows[i].count);
        assert_int_equal(insn.operation, INSN_OTHER);
        assert_false(
            insn_decode((const uint8_t *)rows[i].bytes, rows[i].count - 1, rows[i].bits, &insn));
    }
}

static void test_what_is_no_instruction(void **state)
{
    const struct {
        const char *bytes;
        size_t count;
        uint8_t bits;
    } rows[] = {
        {CODE(""), 64},
        {CODE("\x06"), 64}, /* PUSH ES */
        {CODE("\x82\x07\x01"), 64},
        {CODE("\x9a\1\2\3\4\5\6"), 64},
        {CODE("\x0f\x04"), 64},
        {CODE("\x0f\x24\xc0"), 32},         /* MOV from a test register of the 80386 */
        {CODE("\xc4\xe0\x7d\x18\x07"), 64}, /* maps that do not exist */
        {CODE("\xc4\xe5\x7d\x18\x07"), 64},
        {CODE("\x62\xf4\x7d\x48\x6f\x07"), 64},
        {CODE("\x8f\xeb\x78\x10\xc0\1\2\3\4"), 64},
        {CODE("\x66\xc5\xfd\x6f\x07"), 64}, /* prefixes that must not be there */
        {CODE("\x48\xc5\xfd\x6f\x07"), 64},
        {CODE("\xf0\x62\xf1\x7d\x48\x6f\x07"), 64},
        {CODE("\xf3\x8f\xe9\x78\x81\xc0"), 64},
        {CODE("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90"), 64}, /* 16 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct insn insn;

        assert_false(
            insn_decode((const uint8_t *)rows[i].bytes, rows[i].count, rows[i].bits, &insn));
    }
}

/* The quick way needs 8 bytes, so that the same instruction without what follows it takes the other one. */
static void test_the_quick_way_says_the_same(void **state)
{
    static const uint8_t first[] = {0x0f, 0x89, 0x40, 0x44, 0x48, 0x4d};
    static const uint8_t second[] = {0xa2, 0x30, 0x32, 0x01, 0x89};
    static const uint8_t modrms[] = {0xd9, 0xc1, 0xd8};
    struct random random = {7};
    unsigned int quick = 0;

    (void)state;
    for (unsigned int i = 0; i < 20000; i++) {
        uint8_t bytes[INSN_BYTES_MOST];
        struct insn all, alone;

        for (unsigned int at = 0; at < sizeof(bytes); at++) {
            bytes[at] = (uint8_t)random_u64(&random);
        }
        bytes[0] = first[random_below(&random, sizeof(first))];
        bytes[1] = random_below(&random, 4) ? second[random_below(&random, 5)] : bytes[1];
        bytes[2] = random_below(&random, 2) ? modrms[random_below(&random, 3)] : bytes[2];
        if (insn_decode(bytes, sizeof(bytes), 64, &all) && all.length < 8) {
            assert_true(insn_decode(bytes, all.length, 64, &alone));
            assert_int_equal(alone.length, all.length);
            assert_same(&alone, &all);
            quick += all.operation == INSN_MOV || all.operation == INSN_VMMCALL;
        }
    }
    assert_true(quick > 2000);
}

/* Memory ends where the bytes end: the sanitizer sees a byte too far. */
static void test_nothing_behind_the_bytes_is_read(void **state)
{
    struct random random = {3};

    (void)state;
    for (unsigned int i = 0; i < 20000; i++) {
        const size_t count = random_below(&random, 18);
        uint8_t *bytes = malloc(count);
        struct insn insn;

        for (size_t at = 0; at < count; at++) {
            bytes[at] = (uint8_t)random_u64(&random);
        }
        if (insn_decode(bytes, count, 16u << random_below(&random, 3), &insn)) {
            assert_in_range(insn.length, 1, count < INSN_BYTES_MOST ? count : INSN_BYTES_MOST);
        }
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_hypervisor_does_itself),
        cmocka_unit_test(test_stores),
        cmocka_unit_test(test_immediates_are_sign_extended),
        cmocka_unit_test(test_operations_on_memory),
        cmocka_unit_test(test_string_instructions),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_what_is_no_instruction),
        cmocka_unit_test(test_the_quick_way_says_the_same),
        cmocka_unit_test(test_nothing_behind_the_bytes_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
