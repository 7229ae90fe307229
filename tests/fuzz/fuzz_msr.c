/*
 * Any MSR, value and context, and any message: there is a decision about each, which never lets a guest have SVM, move
 * its APIC, or bring the processor to a state that makes the write itself fault.
 */
#include <stdlib.h>

#include "cursor.h"
#include "ipi.h"
#include "msr_filter.h"

#define EFER          0xc0000080
#define EFER_LME      0x100ULL
#define EFER_LMA      0x400ULL
#define EFER_SVME     0x1000ULL
#define CR0_PG        0x80000000ULL
#define APIC_BASE     0x1b
#define APIC_MODE     0xc00ULL
#define APIC_DISABLED 0x000ULL
#define APIC_X2APIC   0xc00ULL
#define APIC_NO_MODE  0x400ULL
#define APIC_COMMAND  0x830
#define SYSTEM_CONFIG 0xc0010010
#define TYPES         0x7c0000ULL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void require_mode(uint64_t now, uint64_t next, const struct msr_context *context)
{
    require(next != APIC_NO_MODE);
    require(next != APIC_X2APIC || (context->x2apic && now != APIC_DISABLED));
    require(now != APIC_X2APIC || next == APIC_X2APIC ||
            (next == APIC_DISABLED && !context->x2apic_stays));
}

static void require_write(uint32_t msr, uint64_t value, const struct msr_context *context)
{
    const struct msr_decision decision = msr_write_decide(msr, value, context);

    switch (decision.action) {
    case MSR_FAULT:
    case MSR_DROP:
        break;
    case MSR_SET_EFER:
        require(msr == EFER && context->maker == MSR_OF_SVM);
        require(!(decision.value & EFER_SVME));
        require(!((decision.value ^ context->efer) & EFER_LMA));
        require(!(decision.value & ~(context->efer_allowed | EFER_LMA)));
        require(!(context->cr0 & CR0_PG) || !((decision.value ^ context->efer) & EFER_LME));
        break;
    case MSR_DO:
        if (msr == SYSTEM_CONFIG) {
            require(!((decision.value ^ context->system_config) & ~TYPES));
            break;
        }
        require(msr == APIC_BASE && !((decision.value ^ context->apic_base) & ~APIC_MODE));
        require_mode(context->apic_base & APIC_MODE, decision.value & APIC_MODE, context);
        break;
    case MSR_IPI:
        require(msr == APIC_COMMAND && decision.value == value);
        require((context->apic_base & APIC_MODE) == APIC_X2APIC);
        break;
    case MSR_ANSWER:
    default:
        abort();
    }
}

static void require_read(uint32_t msr, const struct msr_context *context)
{
    const struct msr_decision decision = msr_read_decide(msr, context);

    require(decision.action == MSR_FAULT || decision.action == MSR_ANSWER);
    require(msr != EFER || !(decision.value & EFER_SVME));
}

static void require_message(uint64_t icr, bool x2apic, uint32_t sender,
                            const struct ipi_address *who)
{
    const struct ipi ipi = ipi_decode(icr, x2apic);

    require(ipi.kind <= IPI_REFUSED && ipi.target <= IPI_TO_OTHERS);
    require(x2apic || (ipi.kind != IPI_REFUSED && ipi.destination <= 0xff));
    if (ipi_reaches(&ipi, x2apic, sender, who)) {
        require(ipi.target != IPI_TO_SELF || who->apic_id == sender);
        require(ipi.target != IPI_TO_OTHERS || who->apic_id != sender);
    } else {
        require(ipi.target != IPI_TO_ALL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor cursor = cursor_over(data, size);
    const uint8_t shape = cursor_u8(&cursor);
    const uint32_t msr = cursor_u32(&cursor);
    const uint64_t value = cursor_u64(&cursor);
    const struct msr_context context = {
        .maker = shape & 1 ? MSR_OF_VMX : MSR_OF_SVM,
        .x2apic = shape >> 1 & 1,
        .x2apic_stays = shape >> 4 & 1,
        .efer = cursor_u64(&cursor),
        .efer_allowed = cursor_u64(&cursor),
        .cr0 = cursor_u32(&cursor),
        .apic_base = cursor_u64(&cursor),
    };
    const struct ipi_address who = {
        .apic_id = cursor_u32(&cursor),
        .logical_id = cursor_u32(&cursor),
        .flat = shape >> 2 & 1,
    };

    if (cursor.failed) {
        return 0;
    }
    require_write(msr, value, &context);
    require_read(msr, &context);
    require_message(value, shape >> 3 & 1, cursor_u32(&cursor), &who);
    return 0;
}
