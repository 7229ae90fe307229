/*
 * What a guest writes to its local APIC, where it gets there through Berth: all of it goes on to the hardware, but a
 * processor that is started begins in Berth's own page below 1 MiB, and comes to the guest's from there.
 */
#include "apic_guest.h"

#include "instructions.h"
#include "ipi.h"
#include "physmap.h"
#include "stop.h"
#include "x86/apic.h"
#include "x86/paging.h"

#define APIC_PAGE (PAGE_BYTES - 1)

static bool is_x2apic(void)
{
    return (msr_read(MSR_APIC_BASE) & APIC_BASE_X2APIC) != 0;
}

static volatile uint32_t *page_register(uint32_t offset)
{
    const paddr_t page = {msr_read(MSR_APIC_BASE) & PTE_ADDRESS};

    return (volatile uint32_t *)physmap_low(page) + offset / sizeof(uint32_t);
}

/* Before the next message: until the one before has left, or seems never to. */
static void wait_sent(volatile const uint32_t *command)
{
    for (uint32_t i = 0; i < APIC_SEND_READS_MOST && (*command & APIC_BUSY) != 0; i++) {
        processor_pause();
    }
}

/* A message as the guest wrote it: bits 63:32 are written first. */
static void send(uint64_t icr)
{
    if (is_x2apic()) {
        msr_write(MSR_X2APIC(APIC_COMMAND), icr);
        return;
    }
    wait_sent(page_register(APIC_COMMAND));
    *page_register(APIC_COMMAND_HIGH) = (uint32_t)(icr >> 32);
    *page_register(APIC_COMMAND) = (uint32_t)icr;
}

static void send_to(const struct vcpu *target, uint32_t command)
{
    const unsigned int shift = is_x2apic() ? X2APIC_ID_SHIFT : X2APIC_ID_SHIFT + APIC_ID_SHIFT;

    send((uint64_t)target->apic_id << shift | command);
}

static void address_of(const struct vcpu *vcpu, bool x2apic, struct ipi_address *out)
{
    *out = (struct ipi_address){vcpu->apic_id, vcpu->logical_id, !vcpu->cluster_model};
    if (x2apic) {
        out->logical_id = ipi_x2apic_logical_id(vcpu->apic_id);
    }
}

/* The first processor would begin where the firmware does: nothing that Berth or the guest has lives on. */
static void init_send(struct vcpu *target)
{
    if (target->number == 0) {
        hvm_start_over("the guest sent INIT to the first processor");
    }
    start_word_init(&target->start);
    send_to(target, APIC_INIT | APIC_ASSERT);
}

/* The first processor runs, and heeds none. */
static void start_send(struct vcpu *target, uint8_t vector)
{
    if (target->number == 0) {
        return;
    }
    start_word_send(&target->start, vector);
    send_to(target,
            APIC_START | APIC_ASSERT | (uint32_t)(processors_start_page().start / PAGE_BYTES));
}

enum hvm_answer hvm_ipi(struct vcpu *vcpu, uint64_t icr)
{
    const bool x2apic = is_x2apic();
    const struct ipi ipi = ipi_decode(icr, x2apic);

    switch (ipi.kind) {
    case IPI_ORDINARY:
        send(icr);
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
            init_send(target);
        } else {
            start_send(target, ipi.vector);
        }
    }
    if (!x2apic) {
        *page_register(APIC_COMMAND_HIGH) = (uint32_t)(icr >> 32); /* as the guest left it */
    }
    return HVM_DONE;
}

uint32_t hvm_apic_read(uint64_t gpa)
{
    return is_x2apic() ? UINT32_MAX : *page_register(gpa & APIC_PAGE);
}

enum hvm_answer hvm_apic_write(struct vcpu *vcpu, uint64_t gpa, uint32_t value)
{
    const uint32_t offset = gpa & APIC_PAGE;

    if (is_x2apic()) {
        return HVM_DONE; /* the page is nobody's then */
    }
    switch (offset) {
    case APIC_ID: /* by it Berth sends to processors, and finds their stacks */
        return HVM_DONE;
    case APIC_COMMAND:
        return hvm_ipi(vcpu, (uint64_t)*page_register(APIC_COMMAND_HIGH) << 32 | value);
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
        *page_register(offset) = value;
    }
    return HVM_DONE;
}
