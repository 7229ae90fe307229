/*
 * What the decoder and the interpreter of instructions make of them, against the processor that runs the test: the same
 * bytes, registers, flags and memory for both.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "insn.h"
#include "native_insn.h"
#include "random.h"

#define ROUNDS 150

static uint8_t *code;    /* executable */
static uint8_t *operand; /* two pages; addresses of 4 bytes */
static struct random random = {42};

static int pages_make(void **state)
{
    (void)state;
    code = native_page(PROT_READ | PROT_WRITE | PROT_EXEC);
    operand = native_page(PROT_READ | PROT_WRITE);
    return code == MAP_FAILED || operand == MAP_FAILED;
}

/* Values at which flags change are as likely as any other. */
static uint64_t random_value(void)
{
    static const uint64_t edges[] = {
        0,      1,      0x7f,       0x80,       0xff,       0x7fff,       0x8000,
        0xffff, 0xf0f0, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX,    (uint64_t)INT64_MIN,
        ~0ULL,  0x10,   0xf,        ~0xfULL,    ~1ULL,      0x8080808080, 0x0101010101010101,
    };
    const uint64_t any = random_u64(&random);

    return any & 3 ? any : edges[random_below(&random, sizeof(edges) / sizeof(edges[0]))];
}

static struct guest_state random_state(void)
{
    struct guest_state state = {.code_bits = 64, .rip = random_u64(&random)};

    for (unsigned int i = 0; i < GPR_COUNT; i++) {
        state.gpr[i] = random_value();
    }
    state.gpr[GPR_DI] = (uint64_t)(uintptr_t)operand;
    state.gpr[GPR_SI] = (uint64_t)(uintptr_t)operand + NATIVE_BYTES / 2;
    state.rflags = EFLAGS_MBS | (random_u64(&random) & FLAGS_ARITHMETIC);
    return state;
}

/* Flags that the manual leaves open after an operation are not compared. */
static uint64_t flags_defined(enum insn_operation operation)
{
    switch (operation) {
    case INSN_OR:
    case INSN_AND:
    case INSN_XOR:
        return FLAGS_ARITHMETIC & ~EFLAGS_AF;
    case INSN_BTS:
    case INSN_BTR:
    case INSN_BTC:
        return EFLAGS_CF | EFLAGS_ZF;
    default:
        return FLAGS_ARITHMETIC;
    }
}

static void assert_same(const uint8_t *bytes, uint64_t flags, const struct guest_state *done,
                        const struct guest_state *native)
{
    for (unsigned int i = 0; i < GPR_COUNT; i++) {
        if (done->gpr[i] != native->gpr[i]) {
            fail_msg("%02x %02x %02x %02x: register %u is 0x%lx, not 0x%lx", bytes[0], bytes[1],
                     bytes[2], bytes[3], i, done->gpr[i], native->gpr[i]);
        }
    }
    if ((done->rflags ^ native->rflags) & flags) {
        fail_msg("%02x %02x %02x %02x: flags are 0x%lx, not 0x%lx", bytes[0], bytes[1], bytes[2],
                 bytes[3], done->rflags & flags, native->rflags & flags);
    }
}

/* An instruction whose operand is at (%rdi), once with each of them. */
static void compare(const uint8_t *bytes, size_t count, enum insn_operation operation)
{
    struct guest_state native = random_state(), done;
    struct insn_effect effect;
    struct insn insn;
    uint64_t old = random_value(), memory = 0;

    assert_true(insn_decode(bytes, count, 64, &insn));
    assert_int_equal(insn.length, count);
    assert_int_equal(insn.operation, operation);
    if (operation == INSN_CMPXCHG && random_below(&random, 2)) {
        native.gpr[GPR_AX] = old;
    }
    if (operation >= INSN_BTS && !insn.has_immediate) {
        native.gpr[insn.reg] &= insn.width_bytes * 8u - 1; /* else it would be memory elsewhere */
    }
    done = native;

    memcpy(operand, &old, sizeof(old));
    native_run(code, bytes, count, &native);
    effect = insn_execute(&insn, old, &done);
    memcpy(&memory, operand, sizeof(memory));

    if (effect.writes) {
        memcpy(&old, &effect.value, insn.width_bytes);
        assert_true(insn.width_bytes == 8 || effect.value >> (insn.width_bytes * 8) == 0);
    }
    assert_int_equal(old, memory);
    assert_same(bytes, flags_defined(operation), &done, &native);
}

/* Of each opcode: what it is, and whether bit 0 makes it narrow. */
struct form {
    uint8_t bytes[3]; /* opcode; ModRM follows */
    uint8_t opcode_bytes;
    uint8_t immediate_bytes; /* 4: as wide as the operand, 4 at most */
    int8_t extension;        /* ModRM.reg, or a register when it is -1 */
    bool no_byte;            /* there is none for bytes */
    enum insn_operation operation;
};

static const struct form forms[] = {
    {{0x00}, 1, 0, -1, false, INSN_ADD},
    {{0x08}, 1, 0, -1, false, INSN_OR},
    {{0x10}, 1, 0, -1, false, INSN_ADC},
    {{0x18}, 1, 0, -1, false, INSN_SBB},
    {{0x20}, 1, 0, -1, false, INSN_AND},
    {{0x28}, 1, 0, -1, false, INSN_SUB},
    {{0x30}, 1, 0, -1, false, INSN_XOR},
    {{0x80}, 1, 4, 0, false, INSN_ADD},
    {{0x80}, 1, 4, 1, false, INSN_OR},
    {{0x80}, 1, 4, 2, false, INSN_ADC},
    {{0x80}, 1, 4, 3, false, INSN_SBB},
    {{0x80}, 1, 4, 4, false, INSN_AND},
    {{0x80}, 1, 4, 5, false, INSN_SUB},
    {{0x80}, 1, 4, 6, false, INSN_XOR},
    {{0x83}, 1, 1, 0, true, INSN_ADD},
    {{0x83}, 1, 1, 5, true, INSN_SUB},
    {{0x83}, 1, 1, 2, true, INSN_ADC},
    {{0x86}, 1, 0, -1, false, INSN_XCHG},
    {{0x88}, 1, 0, -1, false, INSN_MOV},
    {{0xc6}, 1, 4, 0, false, INSN_MOV},
    {{0xf6}, 1, 0, 2, false, INSN_NOT},
    {{0xf6}, 1, 0, 3, false, INSN_NEG},
    {{0xfe}, 1, 0, 0, false, INSN_INC},
    {{0xfe}, 1, 0, 1, false, INSN_DEC},
    {{0x0f, 0xb0}, 2, 0, -1, false, INSN_CMPXCHG},
    {{0x0f, 0xc0}, 2, 0, -1, false, INSN_XADD},
    {{0x0f, 0xab}, 2, 0, -1, true, INSN_BTS},
    {{0x0f, 0xb3}, 2, 0, -1, true, INSN_BTR},
    {{0x0f, 0xbb}, 2, 0, -1, true, INSN_BTC},
    {{0x0f, 0xba}, 2, 1, 5, true, INSN_BTS},
    {{0x0f, 0xba}, 2, 1, 6, true, INSN_BTR},
    {{0x0f, 0xba}, 2, 1, 7, true, INSN_BTC},
};

#define RM_RDI 7

/*
 * Put the bytes together: prefixes, opcode, ModRM, immediate.
 *
 * @rex    0: none
 * @reg    0 to 7, without REX's part
 */
static size_t assemble(const struct form *form, uint8_t rex, bool narrow, bool byte, uint8_t reg,
                       uint8_t *out)
{
    size_t count = 0, immediate = form->immediate_bytes;

    if (narrow) {
        out[count++] = 0x66;
    }
    if (rex) {
        out[count++] = rex;
    }
    memcpy(out + count, form->bytes, form->opcode_bytes);
    count += form->opcode_bytes;
    if (!form->no_byte && !byte) {
        out[count - 1] |= 1;
    }
    out[count++] = (uint8_t)((form->extension < 0 ? reg : form->extension) << 3 | RM_RDI);
    if (immediate == 4) {
        immediate = byte ? 1 : narrow && !(rex & 8) ? 2 : 4;
    }
    for (size_t i = 0; i < immediate; i++) {
        out[count++] = (uint8_t)random_u64(&random);
    }
    return count;
}

/*
 * Registers that native_run() has: all but sp, bp and what REX makes of them. The number of a bit must not be the
 * operand's address.
 */
static bool has_register(const struct form *form, uint8_t reg, uint8_t rex, bool byte)
{
    if (form->operation >= INSN_BTS && reg == GPR_DI) {
        return false;
    }
    if (rex & 4) {
        return reg < 2;
    }
    return (reg != 4 && reg != 5) || (byte && !rex);
}

static void test_instructions_do_what_the_processor_does(void **state)
{
    static const uint8_t rexes[] = {0, 0x40, 0x44, 0x48, 0x4c};
    uint8_t bytes[INSN_BYTES_MOST];

    (void)state;
    for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
        for (unsigned int variant = 0; variant < 4 * sizeof(rexes) * 8; variant++) {
            const bool narrow = variant & 1, byte = !forms[f].no_byte && (variant & 2);
            const uint8_t reg = variant >> 2 & 7, rex = rexes[variant >> 5];

            for (unsigned int i = 0; has_register(&forms[f], reg, rex, byte) && i < ROUNDS; i++) {
                compare(bytes, assemble(&forms[f], rex, narrow, byte, reg, bytes),
                        forms[f].operation);
            }
        }
    }
}

/* moffs: the address is in the instruction. */
static void test_stores_to_an_address(void **state)
{
    static const uint8_t opcodes[][3] = {{0xa2}, {0xa3}, {0x66, 0xa3}, {0x48, 0xa3}, {0x67, 0xa3}};
    static const uint8_t opcode_bytes[] = {1, 1, 2, 2, 2};

    (void)state;
    for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
        const uint64_t at = (uint64_t)(uintptr_t)operand;
        const size_t address_bytes = opcodes[i][0] == 0x67 ? 4 : 8;
        uint8_t bytes[INSN_BYTES_MOST];

        memcpy(bytes, opcodes[i], opcode_bytes[i]);
        memcpy(bytes + opcode_bytes[i], &at, address_bytes);
        compare(bytes, opcode_bytes[i] + address_bytes, INSN_MOV);
    }
}

/* --- string instructions --------------------------------------------------------------------------------------- */

/* As far as rip stays, and once more; false when it goes on for longer than it may. */
static bool run_string(const struct insn *insn, struct guest_state *state)
{
    const uint64_t start = state->rip;

    for (unsigned int i = 0; i < 20; i++) {
        const uint64_t at = (uint32_t)state->gpr[GPR_DI];
        const struct insn_effect effect = insn_execute(insn, ~0ULL, state);

        if (effect.writes && insn->operation == INSN_STOS) {
            memcpy((uint8_t *)(uintptr_t)at, &effect.value, insn->width_bytes);
        }
        if (state->rip != start) {
            return state->rip == start + insn->length;
        }
    }
    return false;
}

/*
 * Upper halves that an address of 32 bits does not have go away. When nothing at all is done they stay on AMD's
 * processors and go on Intel's, so that it is not compared.
 */
static void compare_string(const uint8_t *bytes, size_t count, bool narrow_address)
{
    struct guest_state native = random_state(), done;
    uint8_t expected[NATIVE_BYTES];
    struct insn insn;

    assert_true(insn_decode(bytes, count, 64, &insn));
    native.gpr[GPR_DI] += NATIVE_BYTES / 4;
    native.gpr[GPR_CX] = random_below(&random, 10);
    if (narrow_address) {
        native.gpr[GPR_CX] += 1;
        native.gpr[GPR_DI] |= 0xabcULL << 32;
        native.gpr[GPR_SI] |= 0xdefULL << 32;
        native.gpr[GPR_CX] |= 0x123ULL << 32;
    }
    native.rflags |= random_below(&random, 2) ? EFLAGS_DF : 0;
    done = native;

    memset(operand, 0, NATIVE_BYTES);
    native_run(code, bytes, count, &native);
    memcpy(expected, operand, NATIVE_BYTES);
    memset(operand, 0, NATIVE_BYTES);
    assert_true(run_string(&insn, &done));
    assert_memory_equal(operand, expected, NATIVE_BYTES);
    assert_same(bytes, FLAGS_ARITHMETIC | EFLAGS_DF, &done, &native);
}

static void test_string_instructions_once_and_repeated(void **state)
{
    static const uint8_t prefixes[][2] = {{0}, {0xf3}, {0xf2}, {0x67}, {0x67, 0xf3}};
    static const uint8_t prefix_bytes[] = {0, 1, 1, 1, 2};
    static const uint8_t widths[] = {0, 0x66, 0x48};
    static const uint8_t opcodes[] = {0xaa, 0xab, 0xa4, 0xa5};

    (void)state;
    for (unsigned int i = 0; i < 5 * 3 * 4 * 40; i++) {
        const unsigned int p = i % 5, w = i / 5 % 3, o = i / 15 % 4;
        uint8_t bytes[INSN_BYTES_MOST];
        size_t count = prefix_bytes[p];

        memcpy(bytes, prefixes[p], count);
        if (widths[w]) {
            bytes[count++] = widths[w];
        }
        bytes[count++] = opcodes[o];
        compare_string(bytes, count, p >= 3);
    }
}

/* --- the rest of a state --------------------------------------------------------------------------------------- */

static struct insn decoded(const char *bytes, size_t count, unsigned int bits)
{
    struct insn insn = {0};

    assert_true(insn_decode((const uint8_t *)bytes, count, bits, &insn));
    return insn;
}

/* In 16-bit code registers of string instructions have 16 bits, and the rest of them stays. */
static void test_a_string_instruction_of_16_bit_code_wraps(void **state)
{
    const struct insn insn = decoded("\xf3\xab", 2, 16);
    struct guest_state guest = {.code_bits = 16, .rip = 0x100};

    (void)state;
    guest.gpr[GPR_AX] = 0x12345678;
    guest.gpr[GPR_CX] = 0x99990002;
    guest.gpr[GPR_DI] = 0x7777fffe;
    assert_int_equal(insn_execute(&insn, 0, &guest).value, 0x5678);
    assert_int_equal(guest.gpr[GPR_DI], 0x77770000);
    assert_int_equal(guest.gpr[GPR_CX], 0x99990001);
    assert_int_equal(guest.rip, 0x100);
    assert_true(insn_execute(&insn, 0, &guest).writes);
    assert_int_equal(guest.gpr[GPR_DI], 0x77770002);
    assert_int_equal(guest.rip, 0x102);
}

static void test_a_count_of_zero_does_nothing(void **state)
{
    const struct insn insn = decoded("\x67\xf3\xa5", 3, 64);
    const struct guest_state before = {.code_bits = 64, .gpr[GPR_CX] = 7ULL << 32};
    struct guest_state guest = before;

    (void)state;
    assert_false(insn_execute(&insn, 0, &guest).writes);
    assert_memory_equal(guest.gpr, before.gpr, sizeof(guest.gpr));
    assert_int_equal(guest.rip, 3);
}

static void test_what_a_copy_reads_is_not_known(void **state)
{
    const struct insn insn = decoded("\xa5", 1, 32);
    struct guest_state guest = {.code_bits = 32};
    const struct insn_effect effect = insn_execute(&insn, ~0ULL, &guest);

    (void)state;
    assert_true(effect.writes);
    assert_int_equal(effect.value, 0);
}

/* A bit of a string of bits: the operand is the one that holds it, as the processor's fault says. */
static void test_a_bit_far_away_is_one_of_the_operand(void **state)
{
    const struct insn insn = decoded("\x0f\xab\x07", 3, 64);
    struct guest_state guest = {.code_bits = 64};

    (void)state;
    guest.gpr[GPR_AX] = 1000 * 32 + 5;
    assert_int_equal(insn_execute(&insn, 0, &guest).value, 0x20);
    assert_false(guest.rflags & EFLAGS_CF);
    assert_int_equal(insn_execute(&insn, 0x20, &guest).value, 0x20);
    assert_true(guest.rflags & EFLAGS_CF);
}

static void test_what_is_not_known_is_passed_over(void **state)
{
    const char *const bytes[] = {"\x0f\x01\xf8", "\x0f\xa2\x90", "\xff\x07\x90"};
    const bool writes[] = {false, false, true};

    (void)state;
    for (unsigned int i = 0; i < 3; i++) {
        const struct insn insn = decoded(bytes[i], 3, 64);
        struct guest_state guest = {.code_bits = 64, .rip = 0x1000};
        const struct insn_effect effect = insn_execute(&insn, 0, &guest);

        assert_int_equal(effect.writes, writes[i]);
        assert_int_equal(guest.rip, 0x1000 + insn.length);
    }
}

static void test_rip_wraps_as_the_mode_wants(void **state)
{
    const struct {
        uint8_t bits;
        uint64_t from, to;
    } rows[] = {
        {64, 0xffffffff, 0x100000001}, {64, ~0ULL, 1},      {32, 0xffffffff, 1},
        {16, 0xffff, 0x10001},         {16, 0xffffffff, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct insn insn = decoded("\x0f\xa2\x90", 3, rows[i].bits);
        struct guest_state guest = {.code_bits = rows[i].bits, .rip = rows[i].from};

        insn_pass(insn.length, &guest);
        assert_int_equal(guest.rip, rows[i].to);
    }
}

/* A processor clears it behind each instruction: else the next breakpoint would not be seen. */
static void test_the_resume_flag_is_cleared(void **state)
{
    const struct insn insn = decoded("\x0f\xa2\x90", 3, 64);
    struct guest_state guest = {.code_bits = 64, .rflags = EFLAGS_RF | EFLAGS_IF | EFLAGS_MBS};

    (void)state;
    insn_pass(insn.length, &guest);
    assert_int_equal(guest.rflags, EFLAGS_IF | EFLAGS_MBS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_instructions_do_what_the_processor_does),
        cmocka_unit_test(test_stores_to_an_address),
        cmocka_unit_test(test_string_instructions_once_and_repeated),
        cmocka_unit_test(test_a_string_instruction_of_16_bit_code_wraps),
        cmocka_unit_test(test_a_count_of_zero_does_nothing),
        cmocka_unit_test(test_what_a_copy_reads_is_not_known),
        cmocka_unit_test(test_a_bit_far_away_is_one_of_the_operand),
        cmocka_unit_test(test_what_is_not_known_is_passed_over),
        cmocka_unit_test(test_rip_wraps_as_the_mode_wants),
        cmocka_unit_test(test_the_resume_flag_is_cleared),
    };

    return cmocka_run_group_tests(tests, pages_make, NULL);
}
