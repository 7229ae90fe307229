/* An instruction on its way through the decoder: shared by what measures it and what tells its meaning. */
#ifndef POLICY_INSN_CODE_H
#define POLICY_INSN_CODE_H

#include <stdbool.h>
#include <stdint.h>

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

    MODRM_REGISTER = 0xc0, /* from here on; below: memory */
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
    uint8_t layout;
    uint8_t modrm;
    uint8_t immediate_bytes; /* the last ones of the instruction */
    uint8_t operand_bytes;   /* 2, 4, 8 */
    uint8_t address_bytes;   /* 2, 4, 8 */
};

/*
 * Walk over all of an instruction, which fills what is behind `bits`.
 *
 * @return  false: there is none, or only the beginning of one
 */
bool code_measure(struct code *code);

/*
 * Bytes behind a ModRM byte that says memory: SIB and displacement.
 *
 * @sib  the next byte, which may be one
 */
static inline unsigned int address_length(uint8_t modrm, uint8_t sib, unsigned int address_bytes)
{
    const unsigned int mode = modrm >> 6;
    unsigned int base = modrm & 7;
    unsigned int length = 0;

    if (address_bytes == 2) {
        return mode == 0 ? (base == 6 ? 2 : 0) : mode;
    }
    if (base == 4) {
        base = sib & 7;
        length = 1;
    }
    if (mode == 1) {
        length += 1;
    } else if (mode == 2 || base == 5) {
        length += 4;
    }
    return length;
}

#endif
