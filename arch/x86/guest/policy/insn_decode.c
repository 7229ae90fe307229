/*
 * Which instruction it is, of the few that matter, and what its operands are.
 */
#include "compiler.h"
#include "insn.h"
#include "insn_code.h"

static uint64_t immediate_value(const struct code *code)
{
    unsigned int bytes = code->immediate_bytes;
    const uint8_t *from = code->bytes + code->at - bytes;
    uint64_t value = from[bytes - 1] & 0x80 ? ~0ULL : 0;

    while (bytes > 0) {
        value = value << 8 | from[--bytes];
    }
    return value;
}

static enum insn_operation operation_one(const struct code *code, unsigned int reg)
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
static enum insn_operation operation_of(const struct code *code)
{
    const bool register_only = (code->layout & MODRM) && code->modrm >= MODRM_REGISTER;
    const unsigned int reg = code->modrm >> MODRM_REG_SHIFT & MODRM_REG;

    if (code->from_0f) {
        return register_only || !(code->layout & MODRM) ? operation_0f_alone(code)
                                                        : operation_0f(code, reg);
    }
    return register_only ? INSN_OTHER : operation_one(code, reg);
}

/* The register operand, and the immediate one. */
static void describe(const struct code *code, struct insn *out)
{
    const bool byte = !(code->opcode & 1) && !(code->from_0f && code->opcode == OP2_GROUP_8);
    unsigned int reg = code->modrm >> MODRM_REG_SHIFT & MODRM_REG;

    out->width_bytes = byte ? 1 : code->operand_bytes;
    out->repeats = code->repeat != 0;
    if (!(code->layout & MODRM)) {
        return; /* the accumulator */
    }
    if (code->immediate_bytes) {
        out->has_immediate = true;
        out->immediate = immediate_value(code);
        return;
    }
    if (byte && !code->rex && reg >= 4) {
        out->reg_high = true;
        reg -= 4;
    }
    out->reg = (uint8_t)(reg + (code->rex & REX_R ? 8 : 0));
}

static NOINLINE bool decode_any(struct code *code, struct insn *out)
{
    if (!code_measure(code)) {
        return false;
    }
    *out = (struct insn){.length = (uint8_t)code->at, .address_bytes = code->address_bytes};
    if (code->layout & KNOWN) {
        out->operation = operation_of(code);
        if (out->operation >= INSN_MOV) {
            describe(code, out);
        }
    }
    return true;
}

/* --- what exits most, in its usual form: the tables say the same, but take longer --------------------------------- */

/* Bytes that are there: REX, opcode, ModRM, SIB, displacement. */
#define QUICK_BYTES 8

static inline bool decode_quick_0f(const uint8_t *bytes, struct insn *out)
{
    enum insn_operation operation;

    switch (bytes[1]) {
    case OP2_CPUID:
        operation = INSN_CPUID;
        break;
    case OP2_WRMSR:
        operation = INSN_WRMSR;
        break;
    case OP2_RDMSR:
        operation = INSN_RDMSR;
        break;
    default:
        if (bytes[1] != OP2_GROUP_7 || bytes[2] != MODRM_VMMCALL) {
            return false;
        }
        *out = (struct insn){.operation = INSN_VMMCALL, .length = 3, .address_bytes = 8};
        return true;
    }
    *out = (struct insn){.operation = operation, .length = 2, .address_bytes = 8};
    return true;
}

/* The store of a register of 4 or 8 bytes. */
static inline bool decode_quick_mov(const uint8_t *bytes, struct insn *out)
{
    const uint8_t rex = (bytes[0] & REX_MASK) == REX ? bytes[0] : 0;
    const unsigned int at = rex ? 1 : 0;
    const uint8_t modrm = bytes[at + 1];

    if (bytes[at] != (OP_MOV | 1) || modrm >= MODRM_REGISTER) {
        return false;
    }
    *out = (struct insn){
        .operation = INSN_MOV,
        .length = (uint8_t)(at + 2 + address_length(modrm, bytes[at + 2], 8)),
        .width_bytes = rex & REX_W ? 8 : 4,
        .address_bytes = 8,
        .reg = (uint8_t)((modrm >> MODRM_REG_SHIFT & MODRM_REG) | (rex & REX_R) << 1),
    };
    return true;
}

bool insn_decode(const uint8_t *bytes, size_t count, unsigned int code_bits, struct insn *out)
{
    if (count >= QUICK_BYTES && code_bits == 64 &&
        (bytes[0] == OP_0F ? decode_quick_0f(bytes, out) : decode_quick_mov(bytes, out))) {
        return true;
    }
    return decode_any(
        &(struct code){.bytes = bytes,
                       .count = count < INSN_BYTES_MOST ? (unsigned int)count : INSN_BYTES_MOST,
                       .bits = code_bits},
        out);
}
