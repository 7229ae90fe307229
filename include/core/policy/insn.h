/*
 * A small decoder of instructions: how long any of them is, and what those do that write to memory and may have to be
 * left out or done for the guest. Needed where there is neither next-RIP save nor decode assists.
 */
#ifndef POLICY_INSN_H
#define POLICY_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest_state.h"
#include "x86/registers.h"

#define INSN_BYTES_MOST 15

enum insn_operation {
    INSN_OTHER, /* its length is known, nothing else */
    INSN_CPUID,
    INSN_RDMSR,
    INSN_WRMSR,
    INSN_VMMCALL,
    INSN_VMCALL,
    INSN_MOV, /* from here on: with a memory operand that is written to */
    INSN_STOS,
    INSN_MOVS,
    INSN_XCHG,
    INSN_ADD,
    INSN_OR,
    INSN_ADC,
    INSN_SBB,
    INSN_AND,
    INSN_SUB,
    INSN_XOR,
    INSN_INC,
    INSN_DEC,
    INSN_NOT,
    INSN_NEG,
    INSN_XADD,
    INSN_CMPXCHG,
    INSN_BTS,
    INSN_BTR,
    INSN_BTC,
};

struct insn {
    enum insn_operation operation;
    uint8_t length;        /* 1 to 15 */
    uint8_t width_bytes;   /* of the memory operand: 1, 2, 4 or 8 */
    uint8_t address_bytes; /* 2, 4 or 8: how wide the registers of a string instruction are */
    uint8_t reg;           /* of the register operand */
    bool reg_high;         /* it is ah, ch, dh or bh */
    bool has_immediate;    /* instead of a register */
    bool repeats;          /* rep, repe, repne before a string instruction */
    uint64_t immediate;    /* sign-extended */
};

/*
 * Decode one instruction: all of x86-64's with legacy, REX, VEX, EVEX and XOP encodings, in 16-, 32- and 64-bit code.
 *
 * What the bytes are is told by opcode and prefixes; operands that the processor refuses with #UD are not looked for:
 * it does so before anybody asks here. 66 before a near branch means what it does on AMD's processors.
 *
 * @count   bytes that can be read; 15 are enough
 * @return  false when these are no instruction, or only the beginning of one
 * Source:  Intel SDM volume 2, chapter 2 and appendix A; AMD APM volume 3, chapter 1 and appendix A
 */
bool insn_decode(const uint8_t *bytes, size_t count, unsigned int code_bits, struct insn *out);

/* What an instruction does to its memory operand. */
struct insn_effect {
    bool writes;
    uint64_t value; /* `width_bytes` of it */
};

/*
 * Do the instruction, with `old` for what its memory operand holds: registers, flags and rip are those of the guest
 * afterwards (rip wraps as the mode wants). A string instruction is done once; with a prefix rip stays until rcx is 0.
 * What INSN_MOVS reads is not known: its value is 0. INSN_OTHER is passed over.
 */
struct insn_effect insn_execute(const struct insn *insn, uint64_t old, struct guest_state *guest);

/*
 * Put rip behind an instruction of so many bytes. In 16-bit code, too, it has 32 bits: the segment's limit decides, not
 * the width of the code.
 */
static inline void insn_pass(uint32_t length, struct guest_state *guest)
{
    const uint64_t next = guest->rip + length;

    guest->rip = guest->code_bits == 64 ? next : (uint32_t)next;
    guest->rflags &= ~EFLAGS_RF;
}

#endif
