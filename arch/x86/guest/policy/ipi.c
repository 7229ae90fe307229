/* Messages between processors: what a command says, and whom it is for. */
#include "ipi.h"

#include "x86/apic.h"

/* The fields of a command: SDM volume 3A, figures 11-12 (xAPIC) and 11-28 (x2APIC). */
#define VECTOR_MASK     0xff
#define KIND_MASK       0x700
#define REMOTE_READ     0x300 /* AMD's xAPIC has it; in x2APIC mode the kind is reserved */
#define LOGICAL         0x800
#define LEVEL_TRIGGERED 0x8000
#define SHORTHAND_SHIFT 18
#define SHORTHAND_MASK  3
#define X2APIC_RESERVED                                                                            \
    0xfff33000 /* bits 31:20, 17:16, 13, and 12, which xAPIC has for APIC_BUSY */
#define XAPIC_DESTINATION_SHIFT 56

/* Logical addresses: a group, and in it a bit for each member. */
#define LOGICAL_SHIFT          24 /* xAPIC: of a logical address in its register */
#define CLUSTER_SHIFT          4
#define CLUSTER_MEMBERS        0xf
#define X2APIC_CLUSTER_SHIFT   16
#define X2APIC_CLUSTER_MEMBERS 0xffff

static enum ipi_kind kind_of(uint32_t command, bool x2apic)
{
    if (x2apic && ((command & X2APIC_RESERVED) || (command & KIND_MASK) == REMOTE_READ)) {
        return IPI_REFUSED;
    }
    switch (command & KIND_MASK) {
    case APIC_INIT:
        return (command & LEVEL_TRIGGERED) && !(command & APIC_ASSERT) ? IPI_NOTHING : IPI_INIT;
    case APIC_START:
        return IPI_START;
    default:
        return IPI_ORDINARY;
    }
}

struct ipi ipi_decode(uint64_t icr, bool x2apic)
{
    const uint32_t command = (uint32_t)icr;

    return (struct ipi){
        .kind = kind_of(command, x2apic),
        .vector = command & VECTOR_MASK,
        .target = (enum ipi_target)((command >> SHORTHAND_SHIFT) & SHORTHAND_MASK),
        .logical = command & LOGICAL,
        .destination = (uint32_t)(icr >> (x2apic ? X2APIC_ID_SHIFT : XAPIC_DESTINATION_SHIFT)),
    };
}

/* Both have a group and share a bit in it. */
static bool meets(uint32_t a, uint32_t b, unsigned int group_shift, uint32_t members)
{
    return a >> group_shift == b >> group_shift && (a & b & members);
}

static bool reaches_one(const struct ipi *ipi, bool x2apic, const struct ipi_address *who)
{
    if (ipi->destination == (x2apic ? X2APIC_ID_ALL : APIC_ID_ALL)) {
        return true;
    }
    if (!ipi->logical) {
        return ipi->destination == who->apic_id;
    }
    if (x2apic) {
        return meets(ipi->destination, who->logical_id, X2APIC_CLUSTER_SHIFT,
                     X2APIC_CLUSTER_MEMBERS);
    }
    return who->flat ? ipi->destination & (who->logical_id >> LOGICAL_SHIFT)
                     : meets(ipi->destination, who->logical_id >> LOGICAL_SHIFT, CLUSTER_SHIFT,
                             CLUSTER_MEMBERS);
}

bool ipi_reaches(const struct ipi *ipi, bool x2apic, uint32_t sender, const struct ipi_address *who)
{
    switch (ipi->target) {
    case IPI_TO_SELF:
        return who->apic_id == sender;
    case IPI_TO_ALL:
        return true;
    case IPI_TO_OTHERS:
        return who->apic_id != sender;
    case IPI_TO_ONE:
    default:
        return reaches_one(ipi, x2apic, who);
    }
}
