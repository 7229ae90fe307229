/*
 * Any bytes as an instruction, and any registers: nothing behind the bytes is read, an instruction ends within them and
 * is the same whatever follows it, and doing it changes what it may and no more.
 */
#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "insn.h"
#include "x86/registers.h"

#define FLAGS_CHANGED                                                                              \
    (EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF | EFLAGS_RF)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static bool same(const struct insn *a, const struct insn *b)
{
    return a->operation == b->operation && a->length == b->length &&
           a->width_bytes == b->width_bytes && a->address_bytes == b->address_bytes &&
           a->reg == b->reg && a->reg_high == b->reg_high && a->has_immediate == b->has_immediate &&
           a->repeats == b->repeats && a->immediate == b->immediate;
}

/* Fields are in their ranges, so that nobody has to check them. */
static void require_sound(const struct insn *insn, size_t count)
{
    require(insn->length >= 1 && insn->length <= INSN_BYTES_MOST && insn->length <= count);
    require(insn->address_bytes == 2 || insn->address_bytes == 4 || insn->address_bytes == 8);
    require(insn->operation <= INSN_BTC && insn->reg < GPR_COUNT);
    if (insn->operation >= INSN_MOV) {
        require(insn->width_bytes == 1 || insn->width_bytes == 2 || insn->width_bytes == 4 ||
                insn->width_bytes == 8);
        require(!insn->reg_high || (insn->width_bytes == 1 && insn->reg <= GPR_BX));
    } else {
        require(insn->width_bytes == 0 && !insn->has_immediate && !insn->repeats);
    }
}

static bool decode(const uint8_t *bytes, size_t count, unsigned int bits, struct insn *out)
{
    uint8_t *copy = malloc(count); /* ends where they end */
    bool is;

    memcpy(copy, bytes, count);
    is = insn_decode(copy, count, bits, out);
    free(copy);
    return is;
}

static bool may_change(const struct insn *insn, unsigned int reg)
{
    switch (insn->operation) {
    case INSN_STOS:
        return reg == GPR_DI || (insn->repeats && reg == GPR_CX);
    case INSN_MOVS:
        return reg == GPR_DI || reg == GPR_SI || (insn->repeats && reg == GPR_CX);
    case INSN_CMPXCHG:
        return reg == GPR_AX;
    case INSN_XCHG:
    case INSN_XADD:
        return reg == insn->reg;
    default:
        return false;
    }
}

static void require_execution(const struct insn *insn, const struct guest_state *before,
                              uint64_t old)
{
    struct guest_state after = *before;
    const struct insn_effect effect = insn_execute(insn, old, &after);
    const uint64_t next = before->rip + insn->length;

    for (unsigned int i = 0; i < GPR_COUNT; i++) {
        require(after.gpr[i] == before->gpr[i] || may_change(insn, i));
    }
    require(!((after.rflags ^ before->rflags) & ~FLAGS_CHANGED));
    require(after.rip == (before->code_bits == 64 ? next : (uint32_t)next) ||
            (insn->repeats && after.rip == before->rip));
    require(after.cr0 == before->cr0 && after.cr3 == before->cr3 && after.cr4 == before->cr4 &&
            after.efer == before->efer && after.cs_base == before->cs_base &&
            after.cpl == before->cpl && after.code_bits == before->code_bits);
    require(insn->operation >= INSN_MOV || !effect.writes);
    require(!effect.writes || insn->width_bytes == 8 ||
            effect.value >> (insn->width_bytes * 8) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor cursor = cursor_over(data, size);
    const unsigned int bits = 16u << cursor_u8(&cursor) % 3;
    const uint64_t old = cursor_u64(&cursor);
    struct guest_state guest = {.code_bits = (uint8_t)bits};
    const uint8_t *bytes;
    size_t count;
    struct insn insn, alone;

    guest.rip = cursor_u64(&cursor);
    guest.rflags = cursor_u64(&cursor);
    for (unsigned int i = 0; i < GPR_COUNT; i++) {
        guest.gpr[i] = cursor_u8(&cursor) * 0x0101010101010101ULL;
    }
    bytes = data + cursor.position;
    count = size - cursor.position;
    if (cursor.failed || !decode(bytes, count, bits, &insn)) {
        return 0;
    }
    require_sound(&insn, count);
    require(decode(bytes, insn.length, bits, &alone) && same(&insn, &alone));
    require(!decode(bytes, insn.length - 1u, bits, &alone));
    require_execution(&insn, &guest, old);
    return 0;
}
