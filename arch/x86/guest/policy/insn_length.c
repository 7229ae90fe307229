/*
 * How long an instruction is. What each opcode is followed by stands in two tables, laid out as the opcode maps of the
 * manuals are: a row for each upper digit, a column for each lower one.
 *
 * Where makers differ, it is as AMD does it: their processors are those that do not tell the length.
 */
#include "insn.h"
#include "insn_code.h"

#define _0 NO_IMMEDIATE
#define B_ BYTE
#define W_ WORD
#define Z_ OPERAND
#define V_ FULL
#define O_ MOFFS
#define OK (MOFFS | KNOWN)
#define P_ PREFIX
#define E_ ESCAPE
#define K_ KNOWN
#define M_ MODRM
#define MB (MODRM | BYTE)
#define MZ (MODRM | OPERAND)
#define MT (MODRM | TEST | KNOWN)
#define MX (MODRM | EXTRACT)
#define MR (MODRM | REGISTER)
#define MK (MODRM | KNOWN)
#define BK (MODRM | BYTE | KNOWN)
#define ZK (MODRM | OPERAND | KNOWN)
#define N_ NOT_64
#define NB (NOT_64 | BYTE)
#define NF (NOT_64 | FAR)
#define NK (NOT_64 | MODRM | BYTE | KNOWN)
#define EN ENTER
#define X_ NONE

static const uint8_t map_one[256] = {
    /* 0   1   2   3   4   5   6   7   8   9   a   b   c   d   e   f */
    MK, MK, M_, M_, B_, Z_, N_, N_, MK, MK, M_, M_, B_, Z_, N_, E_, /* 0 */
    MK, MK, M_, M_, B_, Z_, N_, N_, MK, MK, M_, M_, B_, Z_, N_, N_, /* 1 */
    MK, MK, M_, M_, B_, Z_, P_, N_, MK, MK, M_, M_, B_, Z_, P_, N_, /* 2 */
    MK, MK, M_, M_, B_, Z_, P_, N_, M_, M_, M_, M_, B_, Z_, P_, N_, /* 3 */
    _0, _0, _0, _0, _0, _0, _0, _0, _0, _0, _0, _0, _0, _0, _0, _0, /* 4: REX in 64-bit code */
    _0, _0, _0, _0, _0, _0, _0, _0, _0, _0, _0, _0, _0, _0, _0, _0, /* 5 */
    N_, N_, E_, M_, P_, P_, P_, P_, Z_, MZ, B_, MB, _0, _0, _0, _0, /* 6 */
    B_, B_, B_, B_, B_, B_, B_, B_, B_, B_, B_, B_, B_, B_, B_, B_, /* 7 */
    BK, ZK, NK, BK, M_, M_, MK, MK, MK, MK, M_, M_, M_, M_, M_, E_, /* 8 */
    _0, _0, _0, _0, _0, _0, _0, _0, _0, _0, NF, _0, _0, _0, _0, _0, /* 9 */
    O_, O_, OK, OK, K_, K_, _0, _0, B_, Z_, K_, K_, _0, _0, _0, _0, /* a */
    B_, B_, B_, B_, B_, B_, B_, B_, V_, V_, V_, V_, V_, V_, V_, V_, /* b */
    MB, MB, W_, _0, E_, E_, BK, ZK, EN, _0, W_, _0, _0, B_, N_, _0, /* c */
    M_, M_, M_, M_, NB, NB, N_, _0, M_, M_, M_, M_, M_, M_, M_, M_, /* d */
    B_, B_, B_, B_, B_, B_, B_, B_, Z_, Z_, NF, B_, _0, _0, _0, _0, /* e */
    P_, _0, P_, P_, _0, _0, MT, MT, _0, _0, _0, _0, _0, _0, MK, MK, /* f */
};

static const uint8_t map_0f[256] = {
    /* 0   1   2   3   4   5   6   7   8   9   a   b   c   d   e   f */
    M_, MK, M_, M_, X_, _0, _0, _0, _0, _0, X_, _0, X_, M_, _0, MB, /* 0 */
    M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, /* 1 */
    MR, MR, MR, MR, X_, X_, X_, X_, M_, M_, M_, M_, M_, M_, M_, M_, /* 2 */
    K_, _0, K_, _0, _0, _0, X_, _0, E_, X_, E_, X_, X_, X_, X_, X_, /* 3 */
    M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, /* 4 */
    M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, /* 5 */
    M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, /* 6 */
    MB, MB, MB, MB, M_, M_, M_, _0, MX, M_, X_, X_, M_, M_, M_, M_, /* 7 */
    Z_, Z_, Z_, Z_, Z_, Z_, Z_, Z_, Z_, Z_, Z_, Z_, Z_, Z_, Z_, Z_, /* 8 */
    M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, /* 9 */
    _0, _0, K_, M_, MB, M_, M_, M_, _0, _0, _0, MK, MB, M_, M_, M_, /* a */
    MK, MK, M_, MK, M_, M_, M_, M_, M_, M_, BK, MK, M_, M_, M_, M_, /* b */
    MK, MK, MB, MK, MB, MB, MB, M_, _0, _0, _0, _0, _0, _0, _0, _0, /* c */
    M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, /* d */
    M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, /* e */
    M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, M_, /* f */
};

/* Maps behind VEX, EVEX and XOP. */
enum { MAP_0F = 1, MAP_0F38, MAP_0F3A, MAP_5 = 5, MAP_6, MAP_8 = 8, MAP_9, MAP_10 };

/* The next byte. Behind the end there are zeros: code_measure() compares `at` with `count` at the end. */
static uint8_t peek(const struct code *code)
{
    return code->at < code->count ? code->bytes[code->at] : 0;
}

static uint8_t take(struct code *code)
{
    const uint8_t byte = peek(code);

    code->at++;
    return byte;
}

static void take_prefix(struct code *code, uint8_t prefix)
{
    switch (prefix) {
    case PREFIX_OPERAND:
        code->other_operand = true;
        break;
    case PREFIX_ADDRESS:
        code->other_address = true;
        break;
    case PREFIX_LOCK:
        code->locked = true;
        break;
    case PREFIX_REP:
    case PREFIX_REPNE:
        code->repeat = prefix;
        break;
    default: /* a segment's */
        break;
    }
}

/* Up to and with the first byte that is no prefix, which is left in `opcode`. A REX before another prefix is void. */
static void take_prefixes(struct code *code)
{
    for (;;) {
        const uint8_t byte = take(code);

        if (code->bits == 64 && (byte & REX_MASK) == REX) {
            code->rex = byte;
        } else if ((map_one[byte] & IMMEDIATE) == PREFIX) {
            code->rex = 0;
            take_prefix(code, byte);
        } else {
            code->opcode = byte;
            return;
        }
    }
}

static void widths(struct code *code)
{
    const bool wide = code->bits != 16;

    code->operand_bytes = code->rex & REX_W ? 8 : wide == code->other_operand ? 2 : 4;
    if (code->bits == 64) {
        code->address_bytes = code->other_address ? 4 : 8;
    } else {
        code->address_bytes = wide == code->other_address ? 2 : 4;
    }
}

/* VEX, EVEX and XOP: the layout of what follows, which is a ModRM byte nearly always. */
static uint8_t vector_layout(struct code *code, unsigned int map)
{
    code->opcode = take(code);
    switch (map) {
    case MAP_0F:
        if (code->opcode == OP2_VZEROUPPER) {
            return NO_IMMEDIATE;
        }
        return (map_0f[code->opcode] & IMMEDIATE) == BYTE ? MODRM | BYTE : MODRM;
    case MAP_0F3A:
    case MAP_8:
        return MODRM | BYTE;
    case MAP_0F38:
    case MAP_5:
    case MAP_6:
    case MAP_9:
        return MODRM;
    case MAP_10:
        return MODRM | DWORD;
    default:
        return NONE;
    }
}

/* No prefix that VEX, EVEX and XOP contain may stand before them. */
static bool takes_no_vector(const struct code *code)
{
    return code->rex || code->other_operand || code->repeat || code->locked;
}

/* In 16- and 32-bit code these are LDS, LES and BOUND when ModRM.mod says memory. */
static bool is_vector(const struct code *code)
{
    return code->bits == 64 || peek(code) >= MODRM_REGISTER;
}

static uint8_t vex_layout(struct code *code)
{
    unsigned int map = MAP_0F;

    if (!is_vector(code)) {
        return MODRM;
    }
    if (takes_no_vector(code)) {
        return NONE;
    }
    if (code->opcode == OP_LES_VEX3) {
        map = take(code) & VEX_MAP;
        if (map > MAP_0F3A) {
            return NONE;
        }
    }
    code->at++;
    return vector_layout(code, map);
}

static uint8_t evex_layout(struct code *code)
{
    unsigned int map;

    if (!is_vector(code)) {
        return MODRM;
    }
    if (takes_no_vector(code)) {
        return NONE;
    }
    map = take(code) & EVEX_MAP;
    code->at += 2;
    return vector_layout(code, map);
}

/* A map below 8 would be POP's ModRM, whose reg is 0. */
static uint8_t xop_layout(struct code *code)
{
    const unsigned int map = peek(code) & VEX_MAP;

    if (map < MAP_8) {
        return MODRM;
    }
    if (takes_no_vector(code)) {
        return NONE;
    }
    code->at += 2;
    return vector_layout(code, map);
}

static uint8_t layout_0f(struct code *code)
{
    code->opcode = take(code);
    code->from_0f = true;
    if (map_0f[code->opcode] != ESCAPE) {
        return map_0f[code->opcode];
    }
    code->at++; /* the opcode of a longer map: none of them is known here */
    return code->opcode == OP2_0F3A ? MODRM | BYTE : MODRM;
}

static uint8_t layout_of(struct code *code)
{
    const uint8_t layout = map_one[code->opcode];

    if (layout != ESCAPE) {
        return layout;
    }
    switch (code->opcode) {
    case OP_0F:
        return layout_0f(code);
    case OP_BOUND_EVEX:
        return evex_layout(code);
    case OP_POP_XOP:
        return xop_layout(code);
    default:
        return vex_layout(code);
    }
}

static void take_operands(struct code *code)
{
    code->modrm = take(code);
    if (code->modrm < MODRM_REGISTER && !(code->layout & REGISTER)) {
        code->at += address_length(code->modrm, peek(code), code->address_bytes);
    }
}

static uint8_t immediate_bytes(const struct code *code)
{
    const uint8_t operand = code->operand_bytes == 2 ? 2 : 4;

    switch (code->layout & IMMEDIATE) {
    case BYTE:
        return 1;
    case WORD:
        return 2;
    case OPERAND:
        return operand;
    case FULL:
        return code->operand_bytes;
    case MOFFS:
        return code->address_bytes;
    case FAR:
        return operand + 2;
    case ENTER:
        return 3;
    case TEST:
        if ((code->modrm >> MODRM_REG_SHIFT & MODRM_REG) > 1) {
            return 0;
        }
        return code->opcode & 1 ? operand : 1;
    case EXTRACT:
        return code->other_operand || code->repeat == PREFIX_REPNE ? 2 : 0;
    case DWORD:
        return 4;
    default:
        return 0;
    }
}

bool code_measure(struct code *code)
{
    take_prefixes(code);
    widths(code);
    code->layout = layout_of(code);
    if (code->layout == NONE || ((code->layout & NOT_64) && code->bits == 64)) {
        return false;
    }
    if (code->layout & MODRM) {
        take_operands(code);
    }
    code->immediate_bytes = immediate_bytes(code);
    code->at += code->immediate_bytes;
    return code->at <= code->count;
}
