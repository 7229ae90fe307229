/* An instruction on its way through the decoder: shared by what measures it and what tells its meaning. */
#ifndef POLICY_INSN_CODE_H
#define POLICY_INSN_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "x86/opcodes.h"

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
    const unsigned int mode = modrm >> MODRM_MODE_SHIFT;
    unsigned int base = modrm & MODRM_BASE;
    unsigned int length = 0;

    if (address_bytes == 2) {
        return mode == 0 ? (base == 6 ? 2 : 0) : mode;
    }
    if (base == 4) {
        base = sib & SIB_BASE;
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
