/*
 * Bytes of instructions by name: opcodes, ModRM, prefixes. Constants only.
 * Source: Intel SDM volume 2, chapter 2 (ModRM, SIB, prefixes) and appendix A (opcode maps); AMD APM volume 3,
 *         appendix A.
 */
#ifndef X86_OPCODES_H
#define X86_OPCODES_H

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
    OP_MOV_IMMEDIATE = 0xc6,
    OP_GROUP_3 = 0xf6,
    OP_GROUP_4_5 = 0xfe,
    OP_0F = 0x0f,

    OP2_GROUP_7 = 0x01,
    OP2_WRMSR = 0x30,
    OP2_RDMSR = 0x32,
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

    MODRM_MODE_SHIFT = 6, /* mod, reg, r/m */
    MODRM_REG_SHIFT = 3,
    MODRM_REG = 7,
    MODRM_BASE = 7,
    SIB_BASE = 7,
    MODRM_REGISTER = 0xc0, /* from here on; below: memory */
    MODRM_VMCALL = 0xc1,
    MODRM_VMMCALL = 0xd9,

    VEX_MAP = 0x1f, /* in the byte behind the first: of XOP, too */
    EVEX_MAP = 0x7,

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

#endif
