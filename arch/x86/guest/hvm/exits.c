/*
 * The answers to exits that SVM and VMX have in common. What is decided is pure (guest/policy); here it is done.
 */
#include "vcpu.h"

#include "abi/hypercall.h"
#include "apic_guest.h"
#include "cpuid_filter.h"
#include "hvm_state.h"
#include "instructions.h"
#include "log_lock.h"
#include "mem.h"
#include "msr_filter.h"
#include "stop.h"
#include "x86/apic.h"
#include "x86/opcodes.h"
#include "x86/paging.h"

static uint64_t low_pair(const struct guest_state *guest)
{
    return guest->gpr[GPR_DX] << 32 | (uint32_t)guest->gpr[GPR_AX];
}

/* The bytes 0F and what follows it, the first one lowest. */
#define PLAIN_0F(rest) (OP_0F | (rest) << 8)

/* Instructions as compilers write them, without a prefix: most of all exits, so they are not decoded. */
static const struct plain {
    uint32_t bytes;
    uint32_t mask;
    uint32_t length;
} plain_forms[] = {
    [INSN_CPUID] = {PLAIN_0F(OP2_CPUID), 0xffff, 2},
    [INSN_RDMSR] = {PLAIN_0F(OP2_RDMSR), 0xffff, 2},
    [INSN_WRMSR] = {PLAIN_0F(OP2_WRMSR), 0xffff, 2},
    [INSN_VMMCALL] = {PLAIN_0F(OP2_GROUP_7 | MODRM_VMMCALL << 8), 0xffffff, 3},
    [INSN_VMCALL] = {PLAIN_0F(OP2_GROUP_7 | MODRM_VMCALL << 8), 0xffffff, 3},
};

#define PLAIN_READ_BYTES sizeof(uint32_t)

static uint32_t decoded_length(struct vcpu *vcpu, enum insn_operation wanted)
{
    uint8_t bytes[INSN_BYTES_MOST];
    struct insn insn;
    const size_t count = guest_fetch(&vcpu->memory, &vcpu->state, bytes, sizeof(bytes));

    /* Firmware's memory cannot be read; nobody puts a prefix before these. */
    if (count == 0) {
        return plain_forms[wanted].length;
    }
    return insn_decode(bytes, count, vcpu->state.code_bits, &insn) && insn.operation == wanted
               ? insn.length
               : 0;
}

/* The guest's page with the code at an address; NULL: not to be read. */
static NOINLINE const uint8_t *code_find(struct vcpu *vcpu, uint64_t page_va)
{
    const struct guest_state *const guest = &vcpu->state;
    const uint8_t *page = NULL;
    uint64_t pa;

    if (guest_translate(&vcpu->memory, guest, page_va, &pa)) {
        page = guest_memory_at(&vcpu->memory, pa, PAGE_BYTES);
    }
    vcpu->code = (struct vcpu_code){page_va, guest->cr0, guest->cr3, guest->cr4, guest->efer, page};
    return page;
}

/*
 * The same, where it was found the last time. The guest may have another page there by now; should it hold the same
 * instruction in a longer form, the guest goes on inside that: no harm to anyone else, and not worth a walk each
 * time.
 */
static inline const uint8_t *code_page(struct vcpu *vcpu, uint64_t page_va)
{
    const struct guest_state *const guest = &vcpu->state;
    const struct vcpu_code *const code = &vcpu->code;

    return code->page != NULL && code->page_va == page_va && code->cr3 == guest->cr3 &&
                   code->cr0 == guest->cr0 && code->cr4 == guest->cr4 && code->efer == guest->efer
               ? code->page
               : code_find(vcpu, page_va);
}

uint32_t hvm_instruction(struct vcpu *vcpu, enum insn_operation wanted)
{
    const struct plain *const plain = &plain_forms[wanted];
    const uint64_t va = vcpu->state.cs_base + vcpu->state.rip;
    const uint64_t offset = va % PAGE_BYTES;
    const uint8_t *const page =
        offset <= PAGE_BYTES - PLAIN_READ_BYTES ? code_page(vcpu, va - offset) : NULL;

    uint32_t bytes;

    if (page == NULL) {
        return decoded_length(vcpu, wanted);
    }
    /* At any address, and in one piece. */
    __builtin_memcpy(&bytes, page + offset, sizeof(bytes));
    if ((bytes & plain->mask) == plain->bytes) {
        return plain->length;
    }
    return decoded_length(vcpu, wanted);
}

enum hvm_answer hvm_cpuid(struct vcpu *vcpu)
{
    uint64_t *const gpr = vcpu->state.gpr;
    const uint32_t leaf = (uint32_t)gpr[GPR_AX];
    const uint32_t subleaf = (uint32_t)gpr[GPR_CX];
    const struct cpuid_leaf told =
        cpuid_filter(leaf, subleaf, cpuid_sub(leaf, subleaf), vcpu->state.cr4);

    vcpu->exits[VMEXIT_CPUID]++;
    gpr[GPR_AX] = told.eax;
    gpr[GPR_BX] = told.ebx;
    gpr[GPR_CX] = told.ecx;
    gpr[GPR_DX] = told.edx;
    return HVM_DONE;
}

/* --- MSRs ------------------------------------------------------------------------------------ */

static void msr_context_fill(struct vcpu *vcpu)
{
    vcpu->msrs.efer = vcpu->state.efer;
    vcpu->msrs.cr0 = vcpu->state.cr0;
    vcpu->msrs.apic_base = msr_read(MSR_APIC_BASE);
}

enum hvm_answer hvm_msr_read(struct vcpu *vcpu)
{
    struct msr_decision decision;

    vcpu->exits[VMEXIT_MSR_READ]++;
    msr_context_fill(vcpu);
    decision = msr_read_decide((uint32_t)vcpu->state.gpr[GPR_CX], &vcpu->msrs);
    if (decision.action != MSR_ANSWER) {
        return HVM_GP;
    }
    vcpu->state.gpr[GPR_AX] = (uint32_t)decision.value;
    vcpu->state.gpr[GPR_DX] = decision.value >> 32;
    return HVM_DONE;
}

enum hvm_answer hvm_msr_write(struct vcpu *vcpu)
{
    const uint32_t msr = (uint32_t)vcpu->state.gpr[GPR_CX];
    struct msr_decision decision;

    vcpu->exits[VMEXIT_MSR_WRITE]++;
    msr_context_fill(vcpu);
    decision = msr_write_decide(msr, low_pair(&vcpu->state), &vcpu->msrs);
    switch (decision.action) {
    case MSR_DROP:
        return HVM_DONE;
    case MSR_SET_EFER:
        vcpu->state.efer = decision.value;
        return HVM_EFER;
    case MSR_DO:
        msr_write(msr, decision.value);
        return HVM_DONE;
    case MSR_IPI:
        return hvm_ipi(vcpu, decision.value);
    case MSR_FAULT:
    case MSR_ANSWER:
        break;
    }
    return HVM_GP;
}

/* --- hypercalls ------------------------------------------------------------------------------ */

/* What can be read of the text as a line: others than printable characters would change the log's form. */
static int64_t call_log(struct vcpu *vcpu, uint64_t pa, uint64_t bytes)
{
    char text[HYPERCALL_LOG_MOST + 1];
    const volatile char *guest_text; /* each byte is read once, whatever the guest does meanwhile */

    if (bytes == 0 || bytes > HYPERCALL_LOG_MOST) {
        return HYPERCALL_BAD_SIZE;
    }
    guest_text = guest_memory_at(&vcpu->memory, pa, bytes);
    if (guest_text == NULL) {
        return HYPERCALL_BAD_POINTER;
    }
    for (uint64_t i = 0; i < bytes; i++) {
        const char letter = guest_text[i];
        const bool is_shown = letter >= ' ' && letter <= '~';

        text[i] = '?';
        if (is_shown) {
            text[i] = letter;
        }
    }
    text[bytes] = '\0';
    hvm_line(vcpu, LOG_INFO, "hvm: guest: %s", text);
    return 0;
}

static int64_t call_statistics(struct vcpu *vcpu, uint64_t pa, uint64_t room)
{
    struct exit_statistics total = {.version = 1, .processors = hvm_vcpu_count()};
    void *to;

    if (room < sizeof(total)) {
        return HYPERCALL_BAD_SIZE;
    }
    to = guest_memory_at(&vcpu->memory, pa, sizeof(total));
    if (to == NULL) {
        return HYPERCALL_BAD_POINTER;
    }
    for (uint32_t number = 0; number < hvm_vcpu_count(); number++) {
        const struct vcpu *const other = hvm_vcpu(number);

        for (unsigned int reason = 0; reason < VMEXIT_REASONS; reason++) {
            total.exits[reason] += __atomic_load_n(&other->exits[reason], __ATOMIC_RELAXED);
        }
    }
    memcpy(to, &total, sizeof(total));
    return (int64_t)sizeof(total);
}

static int64_t call(struct vcpu *vcpu)
{
    const uint64_t *const gpr = vcpu->state.gpr;

    if (vcpu->state.cpl != 0) {
        return HYPERCALL_DENIED;
    }
    switch (gpr[GPR_AX]) {
    case HYPERCALL_VERSION:
        return (int64_t)BERTH_MAJOR << 32 | BERTH_MINOR << 16 | BERTH_PATCH;
    case HYPERCALL_LOG:
        return call_log(vcpu, gpr[GPR_DI], gpr[GPR_SI]);
    case HYPERCALL_STATISTICS:
        return call_statistics(vcpu, gpr[GPR_DI], gpr[GPR_SI]);
    default:
        return HYPERCALL_UNKNOWN;
    }
}

enum hvm_answer hvm_hypercall(struct vcpu *vcpu)
{
    vcpu->exits[VMEXIT_HYPERCALL]++;
    vcpu->state.gpr[GPR_AX] = (uint64_t)call(vcpu);
    return HVM_DONE;
}

/* --- memory that is not there ---------------------------------------------------------------- */

/*
 * The instruction of a memory exit: out of the guest's RAM; where it lies elsewhere, as firmware's does, as the
 * processor tells it.
 *
 * @return  false: there is none; `count` is how many bytes were read
 */
static bool insn_of(struct vcpu *vcpu, struct insn *insn, size_t *count)
{
    const unsigned int code_bits = vcpu->state.code_bits;
    uint8_t bytes[INSN_BYTES_MOST];

    *count = guest_fetch(&vcpu->memory, &vcpu->state, bytes, sizeof(bytes));
    return insn_decode(bytes, *count, code_bits, insn) ||
           (*count == 0 && vcpu->fetched != NULL &&
            insn_decode(vcpu->fetched + 1, vcpu->fetched[0] & INSN_BYTES_MOST, code_bits, insn));
}

/*
 * Do what writes to the APIC, or leave out what writes to nothing: it reads ones there. What only reads is passed over.
 */
static enum hvm_answer write_do(struct vcpu *vcpu, uint64_t gpa, bool is_apic)
{
    struct insn insn;
    struct insn_effect effect;
    size_t count;

    if (!insn_of(vcpu, &insn, &count)) {
        /* Either it is another one by now, or it cannot be read at all: then the guest is told. */
        return count == INSN_BYTES_MOST ? HVM_AGAIN : HVM_GP;
    }
    effect =
        insn_execute(&insn, is_apic && insn.operation > INSN_MOVS ? hvm_apic_read(gpa) : UINT64_MAX,
                     &vcpu->state);
    if (is_apic && effect.writes) {
        hvm_apic_write(vcpu, gpa, (uint32_t)effect.value);
    }
    return HVM_AGAIN;
}

static const char *verb_of(enum nested_access access)
{
    switch (access) {
    case NESTED_READ:
        return "read";
    case NESTED_WRITE:
        return "wrote to";
    case NESTED_EXECUTE:
        return "executed";
    case NESTED_WALK:
        break;
    }
    return "walked";
}

enum hvm_answer hvm_memory(struct vcpu *vcpu, uint64_t gpa, enum nested_access access)
{
    const enum nested_outcome outcome = access == NESTED_WRITE && hvm_is_apic_page(gpa)
                                            ? NESTED_APIC
                                            : nested_fault(hvm_nested(), gpa, access);

    vcpu->exits[outcome == NESTED_APIC ? VMEXIT_APIC_WRITE : VMEXIT_MEMORY]++;
    switch (outcome) {
    case NESTED_MAPPED:
        return HVM_AGAIN;
    case NESTED_KEPT:
        hvm_line(vcpu, LOG_WARNING,
                 "warning: hvm: processor %u %s Berth's memory at 0x%lx, rip 0x%lx", vcpu->number,
                 verb_of(access), gpa, vcpu->state.rip);
        return HVM_AGAIN;
    case NESTED_DROP:
        return write_do(vcpu, gpa, false);
    case NESTED_APIC:
        return write_do(vcpu, gpa, true);
    }
    return HVM_AGAIN;
}

/* --- the end --------------------------------------------------------------------------------- */

static void state_report(const struct vcpu *vcpu)
{
    const struct guest_state *const guest = &vcpu->state;

    for (unsigned int i = 0; i < GPR_COUNT; i += 4) {
        log_line(LOG_ERROR, "  r%u-r%u 0x%016lx 0x%016lx 0x%016lx 0x%016lx", i, i + 3,
                 guest->gpr[i], guest->gpr[i + 1], guest->gpr[i + 2], guest->gpr[i + 3]);
    }
    log_line(LOG_ERROR, "  rip 0x%016lx rflags 0x%lx cs.base 0x%lx code %u cpl %u", guest->rip,
             guest->rflags, guest->cs_base, guest->code_bits, guest->cpl);
    log_line(LOG_ERROR, "  cr0 0x%lx cr3 0x%lx cr4 0x%lx efer 0x%lx", guest->cr0, guest->cr3,
             guest->cr4, guest->efer);
}

NORETURN void hvm_shutdown(struct vcpu *vcpu)
{
    vcpu->exits[VMEXIT_SHUTDOWN]++;
    log_lock_seize();
    log_error("hvm: triple fault of the guest on processor %u at 0x%lx - %s", vcpu->number,
              vcpu->state.rip,
              hvm_halts_on_shutdown() ? "see the guest's own log"
                                      : "triple-fault=halt shows its registers");
    if (hvm_halts_on_shutdown()) {
        state_report(vcpu);
        machine_stop();
    }
    machine_leave(EXIT_RESTART);
}

NORETURN void hvm_start_over(const char *why)
{
    log_lock_seize();
    log_warning("hvm: %s: the machine starts over", why);
    machine_leave(EXIT_RESTART);
}

NORETURN void hvm_fail(struct vcpu *vcpu, const char *what, uint64_t code)
{
    log_lock_seize();
    log_error("hvm: processor %u: %s (0x%lx) - report this with the lines below", vcpu->number,
              what, code);
    state_report(vcpu);
    machine_stop();
}
