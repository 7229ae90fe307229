/* What an instruction does to registers, flags and its operand in memory. Source: Intel SDM volume 2. */
#include "insn.h"

#include "x86/registers.h"

#define ARITHMETIC (EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF)

/* An operand's width, as what the calculations need of it. */
struct width {
    uint64_t mask;
    unsigned int top; /* the number of the upper bit */
};

static struct width width_of(unsigned int bytes)
{
    const unsigned int top = bytes * 8 - 1;

    return (struct width){~0ULL >> (63 - top), top};
}

/* --- registers ------------------------------------------------------------------------------------------------- */

static uint64_t register_read(const struct insn *insn, const struct guest_state *guest)
{
    return guest->gpr[insn->reg] >> (insn->reg_high ? 8 : 0);
}

/* What is narrower than 4 bytes leaves the register's rest; 4 bytes clear it. */
static void write_part(uint64_t *gpr, uint64_t value, unsigned int bytes)
{
    if (bytes >= 4) {
        *gpr = value & width_of(bytes).mask;
    } else {
        const uint64_t mask = width_of(bytes).mask;

        *gpr = (*gpr & ~mask) | (value & mask);
    }
}

static void register_write(const struct insn *insn, uint64_t value, struct guest_state *guest)
{
    uint64_t *gpr = &guest->gpr[insn->reg];

    if (insn->reg_high) {
        *gpr = (*gpr & ~0xff00ULL) | (value & 0xff) << 8;
    } else {
        write_part(gpr, value, insn->width_bytes);
    }
}

/* --- flags ----------------------------------------------------------------------------------------------------- */

static void flags_set(struct guest_state *guest, uint64_t which, uint64_t to)
{
    guest->rflags = (guest->rflags & ~which) | (to & which);
}

static uint64_t flag_if(bool condition, uint64_t flag)
{
    return condition ? flag : 0;
}

static uint64_t flags_of(uint64_t value, struct width width)
{
    return flag_if(value == 0, EFLAGS_ZF) | flag_if(value >> width.top & 1, EFLAGS_SF) |
           flag_if(!__builtin_parity((unsigned int)value & 0xff), EFLAGS_PF);
}

/* @carries  out of each bit */
static uint64_t flags_of_carries(uint64_t carries, struct width width)
{
    const uint64_t out = carries >> width.top & 1;
    const uint64_t into_top = carries >> (width.top - 1) & 1;

    return flag_if(out, EFLAGS_CF) | flag_if(out != into_top, EFLAGS_OF) |
           flag_if(carries >> 3 & 1, EFLAGS_AF);
}

static uint64_t add(uint64_t a, uint64_t b, bool carry, struct width width, uint64_t *flags)
{
    const uint64_t sum = (a + b + carry) & width.mask;

    *flags = flags_of(sum, width) | flags_of_carries((a & b) | ((a | b) & ~sum), width);
    return sum;
}

static uint64_t subtract(uint64_t a, uint64_t b, bool borrow, struct width width, uint64_t *flags)
{
    const uint64_t difference = (a - b - borrow) & width.mask;

    *flags =
        flags_of(difference, width) | flags_of_carries((~a & b) | ((~a | b) & difference), width);
    return difference;
}

/* --- operations ------------------------------------------------------------------------------------------------ */

/* Two operands, both as wide as `width`: the result, and which flags it changes to what. */
static uint64_t calculate(enum insn_operation operation, uint64_t old, uint64_t operand,
                          struct width width, struct guest_state *guest)
{
    const bool carry = guest->rflags & EFLAGS_CF;
    uint64_t changed = ARITHMETIC, flags = 0, value;

    switch (operation) {
    case INSN_ADD:
    case INSN_XADD:
        value = add(old, operand, false, width, &flags);
        break;
    case INSN_ADC:
        value = add(old, operand, carry, width, &flags);
        break;
    case INSN_SUB:
        value = subtract(old, operand, false, width, &flags);
        break;
    case INSN_SBB:
        value = subtract(old, operand, carry, width, &flags);
        break;
    case INSN_NEG:
        value = subtract(0, old, false, width, &flags);
        break;
    case INSN_INC:
        value = add(old, 1, false, width, &flags);
        changed &= ~EFLAGS_CF;
        break;
    case INSN_DEC:
        value = subtract(old, 1, false, width, &flags);
        changed &= ~EFLAGS_CF;
        break;
    case INSN_NOT:
        value = ~old & width.mask;
        changed = 0;
        break;
    case INSN_OR:
        value = old | operand;
        flags = flags_of(value, width);
        break;
    case INSN_AND:
        value = old & operand;
        flags = flags_of(value, width);
        break;
    case INSN_XOR:
        value = old ^ operand;
        flags = flags_of(value, width);
        break;
    default: /* INSN_XCHG */
        value = operand;
        changed = 0;
        break;
    }
    flags_set(guest, changed, flags);
    return value;
}

static uint64_t change_bit(enum insn_operation operation, uint64_t old, uint64_t number,
                           struct width width, struct guest_state *guest)
{
    const uint64_t bit = 1ULL << (number & width.top);

    flags_set(guest, EFLAGS_CF, flag_if(old & bit, EFLAGS_CF));
    switch (operation) {
    case INSN_BTS:
        return old | bit;
    case INSN_BTR:
        return old & ~bit;
    default:
        return old ^ bit;
    }
}

static struct insn_effect compare_exchange(const struct insn *insn, uint64_t old, uint64_t operand,
                                           struct width width, struct guest_state *guest)
{
    uint64_t flags;

    subtract(guest->gpr[GPR_AX] & width.mask, old, false, width, &flags);
    flags_set(guest, ARITHMETIC, flags);
    if (!(flags & EFLAGS_ZF)) {
        write_part(&guest->gpr[GPR_AX], old, insn->width_bytes);
    }
    return (struct insn_effect){flags & EFLAGS_ZF, operand};
}

static void advance(const struct insn *insn, enum gpr gpr, struct guest_state *guest)
{
    const uint64_t step = insn->width_bytes;

    write_part(&guest->gpr[gpr], guest->gpr[gpr] + (guest->rflags & EFLAGS_DF ? 0 - step : step),
               insn->address_bytes);
}

static struct insn_effect string(const struct insn *insn, struct width width,
                                 struct guest_state *guest)
{
    const uint64_t count_mask = width_of(insn->address_bytes).mask;
    uint64_t *count = &guest->gpr[GPR_CX];

    if (insn->repeats && !(*count & count_mask)) {
        insn_pass(insn->length, guest);
        return (struct insn_effect){false, 0};
    }
    advance(insn, GPR_DI, guest);
    if (insn->operation == INSN_MOVS) {
        advance(insn, GPR_SI, guest);
    }
    if (insn->repeats) {
        write_part(count, *count - 1, insn->address_bytes);
    }
    if (!insn->repeats || !(*count & count_mask)) {
        insn_pass(insn->length, guest);
    }
    return (struct insn_effect){true,
                                insn->operation == INSN_STOS ? guest->gpr[GPR_AX] & width.mask : 0};
}

static uint64_t operand_of(const struct insn *insn, struct width width,
                           const struct guest_state *guest)
{
    return (insn->has_immediate ? insn->immediate : register_read(insn, guest)) & width.mask;
}

/* All that reads its operand in memory before it writes to it. */
static struct insn_effect modify(const struct insn *insn, uint64_t old, struct width width,
                                 struct guest_state *guest)
{
    const uint64_t operand = operand_of(insn, width, guest);
    struct insn_effect effect = {true, 0};

    if (insn->operation == INSN_CMPXCHG) {
        effect = compare_exchange(insn, old, operand, width, guest);
    } else if (insn->operation >= INSN_BTS) {
        effect.value = change_bit(insn->operation, old, operand, width, guest);
    } else {
        effect.value = calculate(insn->operation, old, operand, width, guest);
    }
    if (insn->operation == INSN_XCHG || insn->operation == INSN_XADD) {
        register_write(insn, old, guest);
    }
    return effect;
}

struct insn_effect insn_execute(const struct insn *insn, uint64_t old, struct guest_state *guest)
{
    struct insn_effect effect = {false, 0};
    struct width width;

    if (insn->operation < INSN_MOV) {
        insn_pass(insn->length, guest);
        return effect;
    }
    width = width_of(insn->width_bytes);
    if (insn->operation == INSN_STOS || insn->operation == INSN_MOVS) {
        return string(insn, width, guest);
    }
    if (insn->operation == INSN_MOV) {
        effect = (struct insn_effect){true, operand_of(insn, width, guest)};
    } else {
        effect = modify(insn, old & width.mask, width, guest);
    }
    insn_pass(insn->length, guest);
    return effect;
}
