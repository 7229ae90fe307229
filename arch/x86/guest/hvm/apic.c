/*
 * What a guest writes to its local APIC, where it gets there through Berth: all of it goes on to the hardware, but a
 * processor that is started begins in Berth's own page below 1 MiB, and comes to the guest's from there.
 */
#include "apic_guest.h"

#include "apic_registers.h"
#include "ipi.h"
#include "stop.h"

#define APIC_PAGE (PAGE_BYTES - 1)

/* A message as the guest wrote it: bits 63:32 are written first. */
static void send(volatile uint32_t *page, uint64_t icr)
{
    if (page == NULL) {
        msr_write(MSR_X2APIC(APIC_COMMAND), icr);
        return;
    }
    apic_wait_sent(page);
    apic_write(page, APIC_COMMAND_HIGH, (uint32_t)(icr >> 32));
    apic_write(page, APIC_COMMAND, (uint32_t)icr);
}

static void send_to(volatile uint32_t *page, const struct vcpu *target, uint32_t command)
{
    const unsigned int shift = page == NULL ? X2APIC_ID_SHIFT : X2APIC_ID_SHIFT + APIC_ID_SHIFT;

    send(page, (uint64_t)target->apic_id << shift | command);
}

static void address_of(const struct vcpu *vcpu, bool x2apic, struct ipi_address *out)
{
    *out = (struct ipi_address){vcpu->apic_id, vcpu->logical_id, !vcpu->cluster_model};
    if (x2apic) {
        out->logical_id = ipi_x2apic_logical_id(vcpu->apic_id);
    }
}

/* The first processor would begin where the firmware does: nothing that Berth or the guest has lives on. */
static void init_send(volatile uint32_t *page, struct vcpu *target)
{
    if (target->number == 0) {
        hvm_start_over("the guest sent INIT to the first processor");
    }
    start_word_init(&target->start);
    send_to(page, target, APIC_INIT | APIC_ASSERT);
}

/* The first processor runs, and heeds none. */
static void start_send(volatile uint32_t *page, struct vcpu *target, uint8_t vector)
{
    if (target->number == 0) {
        return;
    }
    start_word_send(&target->start, vector);
    send_to(page, target,
            APIC_START | APIC_ASSERT | (uint32_t)(processors_start_page().start / PAGE_BYTES));
}

enum hvm_answer hvm_ipi(struct vcpu *vcpu, uint64_t icr)
{
    volatile uint32_t *const page = apic_page();
    const bool x2apic = page == NULL;
    const struct ipi ipi = ipi_decode(icr, x2apic);

    switch (ipi.kind) {
    case IPI_ORDINARY:
        send(page, icr);
        return HVM_DONE;
    case IPI_NOTHING:
        return HVM_DONE;
    case IPI_REFUSED:
        return HVM_GP;
    case IPI_INIT:
    case IPI_START:
        break;
    }
    /* The sender itself comes last: it does not come back from INIT. */
    for (uint32_t i = 1; i <= hvm_vcpu_count(); i++) {
        struct vcpu *const target = hvm_vcpu((vcpu->number + i) % hvm_vcpu_count());
        struct ipi_address address;

        address_of(target, x2apic, &address);
        if (!target->is_there || !ipi_reaches(&ipi, x2apic, vcpu->apic_id, &address)) {
            continue;
        }
        if (ipi.kind == IPI_INIT) {
            init_send(page, target);
        } else {
            start_send(page, target, ipi.vector);
        }
    }
    if (!x2apic) {
        apic_write(page, APIC_COMMAND_HIGH, (uint32_t)(icr >> 32)); /* as the guest left it */
    }
    return HVM_DONE;
}

uint32_t hvm_apic_read(uint64_t gpa)
{
    volatile uint32_t *const page = apic_page();

    return page == NULL ? UINT32_MAX : apic_read(page, gpa & APIC_PAGE);
}

enum hvm_answer hvm_apic_write(struct vcpu *vcpu, uint64_t gpa, uint32_t value)
{
    const uint32_t offset = gpa & APIC_PAGE;
    volatile uint32_t *const page = apic_page();

    if (page == NULL) {
        return HVM_DONE; /* the page is nobody's then */
    }
    switch (offset) {
    case APIC_ID: /* by it Berth sends to processors, and finds their stacks */
        return HVM_DONE;
    case APIC_COMMAND:
        return hvm_ipi(vcpu, (uint64_t)apic_read(page, APIC_COMMAND_HIGH) << 32 | value);
    case APIC_LOGICAL_ID:
        vcpu->logical_id = value;
        break;
    case APIC_MODEL:
        vcpu->cluster_model = (value & APIC_MODEL_FLAT) != APIC_MODEL_FLAT;
        break;
    default:
        break;
    }
    if (offset % sizeof(uint32_t) == 0) {
        apic_write(page, offset, value);
    }
    return HVM_DONE;
}
