/* Messages between processors: what a command says, and whom it is for. */
#include "ipi.h"

#include "x86/apic.h"

static enum ipi_kind kind_of(uint32_t command, bool x2apic)
{
    if (x2apic && ((command & X2APIC_COMMAND_RESERVED) ||
                   (command & APIC_COMMAND_KIND) == APIC_REMOTE_READ)) {
        return IPI_REFUSED;
    }
    switch (command & APIC_COMMAND_KIND) {
    case APIC_INIT:
        return (command & APIC_COMMAND_LEVEL) && !(command & APIC_ASSERT) ? IPI_NOTHING : IPI_INIT;
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
        .vector = command & APIC_COMMAND_VECTOR,
        .target =
            (enum ipi_target)((command >> APIC_COMMAND_SHORTHAND_SHIFT) & APIC_COMMAND_SHORTHAND),
        .logical = command & APIC_COMMAND_LOGICAL,
        .destination = (uint32_t)(icr >> (x2apic ? X2APIC_ID_SHIFT : APIC_DESTINATION_SHIFT)),
    };
}

uint32_t ipi_x2apic_logical_id(uint32_t apic_id)
{
    return apic_id >> X2APIC_ID_CLUSTER_SHIFT << X2APIC_LOGICAL_CLUSTER_SHIFT |
           1u << (apic_id & X2APIC_ID_MEMBER);
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
        return meets(ipi->destination, who->logical_id, X2APIC_LOGICAL_CLUSTER_SHIFT,
                     X2APIC_LOGICAL_MEMBERS);
    }
    return who->flat ? ipi->destination & (who->logical_id >> APIC_LOGICAL_SHIFT)
                     : meets(ipi->destination, who->logical_id >> APIC_LOGICAL_SHIFT,
                             APIC_LOGICAL_CLUSTER_SHIFT, APIC_LOGICAL_MEMBERS);
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
