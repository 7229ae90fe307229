/*
 * How long an instruction is, and which one it is of the few that matter. What each opcode is followed by stands in two
 * tables, laid out as the opcode maps of the manuals are: a row for each upper digit, a column for each lower one.
 *
 * Where makers differ, it is as AMD does it: their processors are those that do not tell the length.
 */
#include "insn.h"

/* What follows an opcode: an immediate, in the lower bits, */
enum {
    NO_IMMEDIATE,
    BYTE,
    WORD,
    OPERAND, /* 2 bytes or 4, as wide as the operand */
    FULL,    /* 2, 4 or 8 */
    MOFFS,   /* an address */
    FAR,     /* an address with its segment */
    ENTER,   /* a word and a byte */
    TEST,    /* F6 and F7: as wide as the operand, but for ModRM.reg 0 and 1 alone */
    EXTRACT, /* 0F 78: two bytes behind 66 or F2 */
    DWORD,
    PREFIX,
    ESCAPE, /* another map, or not: what comes next decides */
    IMMEDIATE = 0xf,
    /* and this. */
    MODRM = 0x10,
    REGISTER = 0x20,          /* with MODRM: never memory, whatever ModRM.mod says */
    NOT_64 = 0x40,            /* none in 64-bit code */
    KNOWN = 0x80,             /* operation_of() tells more */
    NONE = NOT_64 | REGISTER, /* no instruction */
};

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

/* Opcodes by name, where the code speaks of them; of pairs the one for bytes, of which bit 0 makes the other. */
enum {
    OP_ALU_END = 0x40, /* below: a row of columns for each operation */
    OP_BOUND_EVEX = 0x62,
    OP_GROUP_1 = 0x80,
    OP_GROUP_1_SHORT = 0x82,
    OP_XCHG = 0x86,
    OP_MOV = 0x88,
    OP_POP_XOP = 0x8f,
    OP_MOV_MOFFS = 0xa2,
    OP_MOVS = 0xa4,
    OP_STOS = 0xaa,
    OP_LES_VEX3 = 0xc4,
    OP_LDS_VEX2 = 0xc5,
    OP_MOV_IMMEDIATE = 0xc6,
    OP_GROUP_3 = 0xf6,
    OP_GROUP_4_5 = 0xfe,
    OP_0F = 0x0f,

    OP2_GROUP_7 = 0x01,
    OP2_WRMSR = 0x30,
    OP2_RDMSR = 0x32,
    OP2_0F38 = 0x38,
    OP2_0F3A = 0x3a,
    OP2_VZEROUPPER = 0x77,
    OP2_CPUID = 0xa2,
    OP2_BTS = 0xab,
    OP2_CMPXCHG = 0xb0,
    OP2_BTR = 0xb3,
    OP2_GROUP_8 = 0xba,
    OP2_BTC = 0xbb,
    OP2_XADD = 0xc0,
    OP2_MOVNTI = 0xc3,

    MODRM_VMCALL = 0xc1,
    MODRM_VMMCALL = 0xd9,

    PREFIX_OPERAND = 0x66,
    PREFIX_ADDRESS = 0x67,
    PREFIX_LOCK = 0xf0,
    PREFIX_REPNE = 0xf2,
    PREFIX_REP = 0xf3,

    REX = 0x40,
    REX_MASK = 0xf0,
    REX_W = 0x8,
    REX_R = 0x4,
};

/* Maps behind VEX, EVEX and XOP. */
enum { MAP_0F = 1, MAP_0F38, MAP_0F3A, MAP_5 = 5, MAP_6, MAP_8 = 8, MAP_9, MAP_10 };

/* An instruction on its way through the decoder. */
struct code {
    const uint8_t *bytes;
    unsigned int count; /* 15 at most */
    unsigned int at;    /* how many have been taken; beyond `count`: too many */
    unsigned int bits;
    uint8_t rex;
    uint8_t repeat;     /* the last of F2 and F3 */
    bool other_operand; /* 66 */
    bool other_address; /* 67 */
    bool locked;
    bool from_0f; /* the opcode is from that map */
    uint8_t opcode;
    uint8_t modrm;
    uint8_t operand_bytes; /* 2, 4, 8 */
    uint8_t address_bytes; /* 2, 4, 8 */
};

/* The next byte. Behind the end there are zeros: insn_decode() compares `at` with `count` at the end. */
static inline uint8_t peek(const struct code *code)
{
    return code->at < code->count ? code->bytes[code->at] : 0;
}

static inline uint8_t take(struct code *code)
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
static inline void take_prefixes(struct code *code)
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

static inline void widths(struct code *code)
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
    return code->bits == 64 || peek(code) >> 6 == 3;
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
        map = take(code) & 0x1f;
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
    map = take(code) & 0x7;
    code->at += 2;
    return vector_layout(code, map);
}

/* A map below 8 would be POP's ModRM, whose reg is 0. */
static uint8_t xop_layout(struct code *code)
{
    const unsigned int map = peek(code) & 0x1f;

    if (map < MAP_8) {
        return MODRM;
    }
    if (takes_no_vector(code)) {
        return NONE;
    }
    code->at += 2;
    return vector_layout(code, map);
}

static inline uint8_t layout_0f(struct code *code)
{
    code->opcode = take(code);
    code->from_0f = true;
    if (map_0f[code->opcode] != ESCAPE) {
        return map_0f[code->opcode];
    }
    code->at++; /* the opcode of a longer map: none of them is known here */
    return code->opcode == OP2_0F3A ? MODRM | BYTE : MODRM;
}

static inline uint8_t layout_of(struct code *code)
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

/* ModRM, SIB and displacement. */
static inline void take_operands(struct code *code, uint8_t layout)
{
    unsigned int mode, base;

    code->modrm = take(code);
    mode = code->modrm >> 6;
    base = code->modrm & 7;
    if (mode == 3 || (layout & REGISTER)) {
        return;
    }
    if (code->address_bytes == 2) {
        code->at += mode == 0 ? (base == 6 ? 2 : 0) : mode;
        return;
    }
    if (base == 4) {
        base = take(code) & 7;
    }
    if (mode == 1) {
        code->at += 1;
    } else if (mode == 2 || base == 5) {
        code->at += 4;
    }
}

static unsigned int immediate_bytes(const struct code *code, uint8_t layout)
{
    const unsigned int operand = code->operand_bytes == 2 ? 2 : 4;

    switch (layout & IMMEDIATE) {
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
        if ((code->modrm >> 3 & 7) > 1) {
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

static uint64_t immediate_value(const struct code *code, unsigned int bytes)
{
    const uint8_t *from = code->bytes + code->at - bytes;
    uint64_t value = from[bytes - 1] & 0x80 ? ~0ULL : 0;

    while (bytes > 0) {
        value = value << 8 | from[--bytes];
    }
    return value;
}

static inline enum insn_operation operation_one(const struct code *code, unsigned int reg)
{
    if (code->opcode < OP_ALU_END) {
        return (enum insn_operation)(INSN_ADD + (code->opcode >> 3));
    }
    switch (code->opcode & ~1u) {
    case OP_MOV:
    case OP_MOV_MOFFS:
        return INSN_MOV;
    case OP_MOV_IMMEDIATE:
        return reg == 0 ? INSN_MOV : INSN_OTHER;
    case OP_STOS:
        return INSN_STOS;
    case OP_MOVS:
        return INSN_MOVS;
    case OP_XCHG:
        return INSN_XCHG;
    case OP_GROUP_1:
    case OP_GROUP_1_SHORT: /* the last of the group compares */
        return reg < 7 ? (enum insn_operation)(INSN_ADD + reg) : INSN_OTHER;
    case OP_GROUP_3:
        return reg == 2 ? INSN_NOT : reg == 3 ? INSN_NEG : INSN_OTHER;
    default: /* OP_GROUP_4_5 */
        return reg == 0 ? INSN_INC : reg == 1 ? INSN_DEC : INSN_OTHER;
    }
}

static enum insn_operation operation_0f(const struct code *code, unsigned int reg)
{
    switch (code->opcode) {
    case OP2_MOVNTI:
        return INSN_MOV;
    case OP2_CMPXCHG:
    case OP2_CMPXCHG + 1:
        return INSN_CMPXCHG;
    case OP2_XADD:
    case OP2_XADD + 1:
        return INSN_XADD;
    case OP2_BTS:
        return INSN_BTS;
    case OP2_BTR:
        return INSN_BTR;
    case OP2_BTC:
        return INSN_BTC;
    case OP2_GROUP_8: /* 4 only tests */
        return reg > 4 ? (enum insn_operation)(INSN_BTS + reg - 5) : INSN_OTHER;
    default:
        return INSN_OTHER;
    }
}

/* What has no operand in memory. */
static enum insn_operation operation_0f_alone(const struct code *code)
{
    switch (code->opcode) {
    case OP2_CPUID:
        return INSN_CPUID;
    case OP2_RDMSR:
        return INSN_RDMSR;
    case OP2_WRMSR:
        return INSN_WRMSR;
    case OP2_GROUP_7:
        return code->modrm == MODRM_VMMCALL  ? INSN_VMMCALL
               : code->modrm == MODRM_VMCALL ? INSN_VMCALL
                                             : INSN_OTHER;
    default:
        return INSN_OTHER;
    }
}

/* Of a layout that is KNOWN. */
static inline enum insn_operation operation_of(const struct code *code, uint8_t layout)
{
    const bool register_only = (layout & MODRM) && code->modrm >> 6 == 3;
    const unsigned int reg = code->modrm >> 3 & 7;

    if (code->from_0f) {
        return register_only || !(layout & MODRM) ? operation_0f_alone(code)
                                                  : operation_0f(code, reg);
    }
    return register_only ? INSN_OTHER : operation_one(code, reg);
}

/* The register operand, and the immediate one. */
static inline void describe(const struct code *code, uint8_t layout, unsigned int immediate,
                            struct insn *out)
{
    const bool byte = !(code->opcode & 1) && !(code->from_0f && code->opcode == OP2_GROUP_8);
    unsigned int reg = code->modrm >> 3 & 7;

    out->width_bytes = byte ? 1 : code->operand_bytes;
    out->repeats = code->repeat != 0;
    if (!(layout & MODRM)) {
        return; /* the accumulator */
    }
    if (immediate) {
        out->has_immediate = true;
        out->immediate = immediate_value(code, immediate);
        return;
    }
    if (byte && !code->rex && reg >= 4) {
        out->reg_high = true;
        reg -= 4;
    }
    out->reg = (uint8_t)(reg + (code->rex & REX_R ? 8 : 0));
}

/* What exits most often, in its usual form. */
static inline bool decode_quickly(const uint8_t *bytes, size_t count, struct insn *out)
{
    enum insn_operation operation;
    uint8_t length = 2;

    if (count < 3 || bytes[0] != OP_0F) {
        return false;
    }
    if (bytes[1] == OP2_CPUID) {
        operation = INSN_CPUID;
    } else if (bytes[1] == OP2_WRMSR) {
        operation = INSN_WRMSR;
    } else if (bytes[1] == OP2_RDMSR) {
        operation = INSN_RDMSR;
    } else if (bytes[1] == OP2_GROUP_7 && bytes[2] == MODRM_VMMCALL) {
        operation = INSN_VMMCALL;
        length = 3;
    } else {
        return false;
    }
    *out = (struct insn){.operation = operation, .length = length};
    return true;
}

bool insn_decode(const uint8_t *bytes, size_t count, unsigned int code_bits, struct insn *out)
{
    struct code code = {.bytes = bytes,
                        .count = count < INSN_BYTES_MOST ? (unsigned int)count : INSN_BYTES_MOST,
                        .bits = code_bits};
    unsigned int immediate;
    uint8_t layout;

    if (decode_quickly(bytes, count, out)) {
        return true;
    }
    take_prefixes(&code);
    widths(&code);
    layout = layout_of(&code);
    if (layout == NONE || ((layout & NOT_64) && code_bits == 64)) {
        return false;
    }
    if (layout & MODRM) {
        take_operands(&code, layout);
    }
    immediate = immediate_bytes(&code, layout);
    code.at += immediate;
    if (code.at > code.count) {
        return false;
    }
    *out = (struct insn){.length = (uint8_t)code.at, .address_bytes = code.address_bytes};
    if (layout & KNOWN) {
        out->operation = operation_of(&code, layout);
        if (out->operation >= INSN_MOV) {
            describe(&code, layout, immediate, out);
        }
    }
    return true;
}
