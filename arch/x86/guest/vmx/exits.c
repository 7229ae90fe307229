/*
 * Exits of VMX: what the hardware says of one is put into the terms of guest/hvm, and the answer back.
 * Source: Intel SDM volume 3C, chapters 25 (what exits), 26.6 (events on entry), 27 (what an exit says).
 */
#include "abi/vmx.h"
#include "instructions.h"
#include "log.h"
#include "nested.h"
#include "stop.h"
#include "vmx_exit.h"
#include "vmx_state.h"
#include "x86/registers.h"
#include "x86/vectors.h"
#include "xcr.h"

/* In 64-bit mode, 32 or 16 bits: the code segment's default. */
static uint8_t code_bits(uint64_t efer)
{
    const uint64_t rights = vmcs_read(VMCS_SEGMENT(VMCS_GUEST_RIGHTS, VMCS_CS));

    if ((efer & EFER_LMA) != 0 && (rights & RIGHTS_LONG) != 0) {
        return 64;
    }
    return (rights & RIGHTS_DEFAULT_32) != 0 ? 32 : 16;
}

static uint8_t privilege(void)
{
    return vmcs_read(VMCS_SEGMENT(VMCS_GUEST_RIGHTS, VMCS_SS)) >> RIGHTS_LEVEL_SHIFT & RIGHTS_LEVEL;
}

/* All of it: for what looks at the guest's memory, and for reports. */
static void state_take(struct guest_state *state)
{
    state->gpr[GPR_SP] = vmcs_read(VMCS_GUEST_RSP);
    state->rip = vmcs_read(VMCS_GUEST_RIP);
    state->rflags = vmcs_read(VMCS_GUEST_RFLAGS);
    state->cr0 = vmcs_read(VMCS_GUEST_CR0);
    state->cr3 = vmcs_read(VMCS_GUEST_CR3);
    state->cr4 = vmcs_read(VMCS_GUEST_CR4) & ~CR4_VMXE;
    state->efer = vmcs_read(VMCS_GUEST_EFER);
    state->cpl = privilege();
    state->code_bits = code_bits(state->efer);
    state->cs_base = state->code_bits == 64 ? 0 : vmcs_read(VMCS_SEGMENT(VMCS_GUEST_BASE, VMCS_CS));
}

/*
 * Outside of system-management mode an entry does not take it that SMIs are blocked. Processors do not say so; Bochs
 * 2.7 does, on a processor that has been started inside VMX.
 */
static void blocked_smi_forget(void)
{
    const uint64_t held_off = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);

    if ((held_off & INTERRUPTIBILITY_SMI) != 0) {
        vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, held_off & ~INTERRUPTIBILITY_SMI);
    }
}

/* What holds interrupts or traps off for an instruction has had its instruction. */
static void held_off_end(void)
{
    const uint64_t held_off = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);

    if ((held_off & (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS)) != 0) {
        vmcs_write(VMCS_GUEST_INTERRUPTIBILITY,
                   held_off & ~(INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS));
    }
}

/* The instruction that caused the exit is done: traps that it would have caused come now. */
static void finish(void)
{
    held_off_end();
    if ((vmcs_read(VMCS_GUEST_RFLAGS) & EFLAGS_TF) != 0 &&
        (vmcs_read(VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BRANCH) == 0) {
        vmcs_write(VMCS_GUEST_PENDING_DEBUG,
                   vmcs_read(VMCS_GUEST_PENDING_DEBUG) | PENDING_DEBUG_STEP);
    }
}

/* Go on behind the instruction; outside of 64-bit mode rip ends at 4 GiB. */
static void pass(void)
{
    const uint64_t rip = vmcs_read(VMCS_GUEST_RIP);
    uint64_t next = rip + vmcs_read(VMCS_EXIT_INSTRUCTION_BYTES);

    if ((rip ^ next) > UINT32_MAX && code_bits(vmcs_read(VMCS_GUEST_EFER)) != 64) {
        next = (uint32_t)next;
    }
    vmcs_write(VMCS_GUEST_RIP, next);
    finish();
}

/* An exception; without protected mode none has an error code. */
static void inject(unsigned int vector, bool has_error_code)
{
    uint64_t event = EVENT_VALID | EVENT_KIND_EXCEPTION | vector;

    if (has_error_code && (vmcs_read(VMCS_GUEST_CR0) & CR0_PE) != 0) {
        event |= EVENT_ERROR_CODE;
        vmcs_write(VMCS_ENTRY_ERROR_CODE, 0);
    }
    vmcs_write(VMCS_ENTRY_EVENT, event);
}

/*
 * An event that was being delivered when the exit came is delivered again. Its delivery ends what STI or MOV SS hold
 * off; an entry that still finds it, and TF, refuses a state in which no trap is pending (section 26.3.1.5).
 */
static void vectoring_finish(uint32_t event, uint64_t qualification)
{
    if (event == 0) {
        /* An IRET that ends the handling of an NMI is tried again: until it is done none may come. */
        if ((qualification & VIOLATION_IRET_OF_NMI) != 0) {
            vmcs_write(VMCS_GUEST_INTERRUPTIBILITY,
                       vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) | INTERRUPTIBILITY_NMI);
        }
        return;
    }
    if (vmx_event_has_error_code(event)) {
        vmcs_write(VMCS_ENTRY_ERROR_CODE, vmcs_read(VMCS_VECTORING_ERROR_CODE));
    }
    if (vmx_event_has_instruction(event)) {
        vmcs_write(VMCS_ENTRY_INSTRUCTION_BYTES, vmcs_read(VMCS_EXIT_INSTRUCTION_BYTES));
    }
    held_off_end();
    vmcs_write(VMCS_ENTRY_EVENT, event);
}

static enum hvm_answer memory_exit(struct vcpu *vcpu)
{
    struct guest_state *const state = &vcpu->state;
    const uint64_t qualification = vmcs_read(VMCS_QUALIFICATION);
    const uint32_t event = vmx_event_again(vmcs_read(VMCS_VECTORING_EVENT));
    enum hvm_answer answer;
    uint64_t rip, count;

    state_take(state);
    rip = state->rip;
    count = state->gpr[GPR_CX];
    answer = hvm_memory(vcpu, vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS),
                        vmx_access_of(qualification, event != 0));
    if (answer != HVM_AGAIN) {
        return answer;
    }
    vmcs_write(VMCS_GUEST_RIP, state->rip);
    vmcs_write(VMCS_GUEST_RSP, state->gpr[GPR_SP]);
    vmcs_write(VMCS_GUEST_RFLAGS, state->rflags);
    if (state->rip != rip || state->gpr[GPR_CX] != count) {
        finish();
    }
    vectoring_finish(event, qualification);
    return HVM_AGAIN;
}

/*
 * Only bits that are Berth's own come here, when the guest writes others than it has read there. In CR0 it may have
 * what it likes: it will read that, and the instruction, tried again, does all the rest itself. CR4.VMXE it may not
 * set.
 */
static enum hvm_answer control_exit(struct vcpu *vcpu)
{
    const uint64_t qualification = vmcs_read(VMCS_QUALIFICATION);
    const uint64_t gpr = CONTROL_GPR(qualification);

    vcpu->exits[VMEXIT_CONTROL]++;
    if (CONTROL_ACCESS(qualification) != CONTROL_MOV_TO) {
        hvm_fail(vcpu, "an exit of a control register that was not asked for", qualification);
    }
    if (CONTROL_REGISTER(qualification) != CONTROL_CR0) {
        return HVM_GP;
    }
    vmcs_write(VMCS_CR0_SHADOW, gpr == GPR_SP ? vmcs_read(VMCS_GUEST_RSP) : vcpu->state.gpr[gpr]);
    return HVM_AGAIN;
}

static enum hvm_answer xsetbv_exit(struct vcpu *vcpu)
{
    const uint64_t *const gpr = vcpu->state.gpr;
    const uint32_t low = (uint32_t)gpr[GPR_AX], high = (uint32_t)gpr[GPR_DX];

    vcpu->exits[VMEXIT_CONTROL]++;
    if ((uint32_t)gpr[GPR_CX] != 0 || !xcr0_is_valid((uint64_t)high << 32 | low, vcpu->xcr0_bits)) {
        return HVM_GP;
    }
    asm volatile("xsetbv" : : "c"(0), "a"(low), "d"(high) : "memory");
    return HVM_DONE;
}

/* INVD would throw away what Berth has written, too: SDM volume 2A, INVD. */
static enum hvm_answer caches_exit(struct vcpu *vcpu)
{
    vcpu->exits[VMEXIT_OTHER]++;
    asm volatile("wbinvd" : : : "memory");
    return HVM_DONE;
}

/* From one entry to the exit that an INIT causes at once: some microseconds. */
#define AT_ONCE_TICKS (1 << 16)

/*
 * While a processor waits for a start-up message INIT is held off, and some keep it until the wait is over: then it
 * would undo the start. Nobody sends another one so soon.
 */
static bool is_left_over(const struct vcpu *vcpu)
{
    return vcpu->started_tsc != 0 && tsc_read() - vcpu->started_tsc < AT_ONCE_TICKS;
}

/*
 * The others wait for a start-up message; the first one would begin where the firmware does, and nothing lives on. The
 * message may be on its way, and a second one is sent some microseconds behind the first; those that come before the
 * wait begins are lost. So all that can be done when one has come is done then.
 */
static enum hvm_answer init_exit(struct vcpu *vcpu)
{
    vcpu->exits[VMEXIT_INIT]++;
    if (vcpu->number == 0) {
        log_warning("hvm: INIT came to the first processor: the machine starts over");
        machine_leave(EXIT_RESTART);
    }
    if (!is_left_over(vcpu)) {
        vmcs_wait();
        vmx_apic_off();
    }
    vcpu->started_tsc = 0;
    return HVM_AGAIN;
}

static enum hvm_answer start_exit(struct vcpu *vcpu)
{
    const uint8_t vector = (uint8_t)vmcs_read(VMCS_QUALIFICATION);

    vcpu->exits[VMEXIT_START]++;
    vmcs_wait_for_start(vcpu);
    vmx_apic_reset();
    vmcs_started(vector);
    vcpu->started_tsc = tsc_read();
    return HVM_AGAIN;
}

static enum hvm_answer cpuid_exit(struct vcpu *vcpu)
{
    vcpu->state.cr4 = vmcs_read(VMCS_GUEST_CR4);
    return hvm_cpuid(vcpu);
}

static enum hvm_answer msr_exit(struct vcpu *vcpu, bool is_write)
{
    vcpu->state.efer = vmcs_read(VMCS_GUEST_EFER);
    vcpu->state.cr0 = vmcs_read(VMCS_GUEST_CR0);
    return is_write ? hvm_msr_write(vcpu) : hvm_msr_read(vcpu);
}

static enum hvm_answer hypercall_exit(struct vcpu *vcpu)
{
    vcpu->state.cpl = privilege();
    return hvm_hypercall(vcpu);
}

/* What is none of the guest's business, and none of the answers either. */
static enum hvm_answer other_exit(struct vcpu *vcpu, uint32_t reason)
{
    if (vmx_reason_is_hidden(reason)) {
        vcpu->exits[VMEXIT_VIRTUAL]++;
        return HVM_UD;
    }
    state_take(&vcpu->state);
    switch (reason) {
    case EXIT_TRIPLE_FAULT:
        hvm_shutdown(vcpu);
    case EXIT_EPT_BAD_ENTRY:
        hvm_fail(vcpu, "the nested page tables are wrong", vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS));
    case EXIT_TASK_SWITCH:
        hvm_fail(vcpu, "the guest switches tasks by hardware, which is not done inside VMX",
                 vmcs_read(VMCS_QUALIFICATION));
    default:
        hvm_fail(vcpu, "an exit that was not asked for", reason);
    }
}

static enum hvm_answer exit_answer(struct vcpu *vcpu, uint32_t reason)
{
    switch (reason) {
    case EXIT_CPUID:
        return cpuid_exit(vcpu);
    case EXIT_EPT_VIOLATION:
        return memory_exit(vcpu);
    case EXIT_RDMSR:
        return msr_exit(vcpu, false);
    case EXIT_WRMSR:
        return msr_exit(vcpu, true);
    case EXIT_VMCALL:
        return hypercall_exit(vcpu);
    case EXIT_CONTROL_REGISTER:
        return control_exit(vcpu);
    case EXIT_XSETBV:
        return xsetbv_exit(vcpu);
    case EXIT_INVD:
        return caches_exit(vcpu);
    case EXIT_INIT:
        return init_exit(vcpu);
    case EXIT_START:
        return start_exit(vcpu);
    default:
        return other_exit(vcpu, reason);
    }
}

static void answer_give(struct vcpu *vcpu, enum hvm_answer answer)
{
    switch (answer) {
    case HVM_EFER:
        vmcs_efer(vcpu->state.efer);
        pass();
        break;
    case HVM_DONE:
        pass();
        break;
    case HVM_UD:
        inject(VECTOR_UD, false);
        break;
    case HVM_GP:
        inject(VECTOR_GP, true);
        break;
    case HVM_AGAIN:
        break;
    }
}

/* --- entries that fail ------------------------------------------------------------------------ */

static void fields_report(void)
{
    static const char names[VMCS_SEGMENTS][5] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};

    for (unsigned int i = 0; i < VMCS_SEGMENTS; i++) {
        log_line(LOG_ERROR, "  %s 0x%lx base 0x%lx limit 0x%lx rights 0x%lx", names[i],
                 vmcs_read(VMCS_SEGMENT(VMCS_GUEST_SELECTOR, i)),
                 vmcs_read(VMCS_SEGMENT(VMCS_GUEST_BASE, i)),
                 vmcs_read(VMCS_SEGMENT(VMCS_GUEST_LIMIT, i)),
                 vmcs_read(VMCS_SEGMENT(VMCS_GUEST_RIGHTS, i)));
    }
    log_line(LOG_ERROR, "  activity 0x%lx interruptibility 0x%lx pending 0x%lx event 0x%lx",
             vmcs_read(VMCS_GUEST_ACTIVITY), vmcs_read(VMCS_GUEST_INTERRUPTIBILITY),
             vmcs_read(VMCS_GUEST_PENDING_DEBUG), vmcs_read(VMCS_ENTRY_EVENT));
    log_line(LOG_ERROR, "  controls 0x%lx 0x%lx 0x%lx exit 0x%lx entry 0x%lx", vmcs_read(VMCS_PIN),
             vmcs_read(VMCS_PRIMARY), vmcs_read(VMCS_SECONDARY), vmcs_read(VMCS_EXIT_CONTROLS),
             vmcs_read(VMCS_ENTRY_CONTROLS));
}

static NORETURN void entry_failed(struct vcpu *vcpu, uint32_t reason)
{
    log_error("hvm: processor %u cannot enter the guest: %s (qualification 0x%lx) - report this "
              "with the lines below",
              vcpu->number, vmx_entry_failure_words(reason), vmcs_read(VMCS_QUALIFICATION));
    fields_report();
    state_take(&vcpu->state);
    hvm_fail(vcpu, vmx_entry_failure_words(reason), reason);
}

NORETURN void vmx_refused(struct vcpu *vcpu, uint64_t flags)
{
    /* With a carry there is no VMCS that could hold an error: section 30.2. */
    const bool has_error = (flags & EFLAGS_CF) == 0;

    if (!has_error) {
        hvm_fail(vcpu, "no VMCS is current", flags);
    }
    fields_report();
    state_take(&vcpu->state);
    hvm_fail(vcpu, vmx_error_words((uint32_t)vmcs_read(VMCS_INSTRUCTION_ERROR)),
             vmcs_read(VMCS_INSTRUCTION_ERROR));
}

void vmx_exit(struct vcpu *vcpu)
{
    const uint32_t reason = (uint32_t)vmcs_read(VMCS_EXIT_REASON);

    if (processors_are_stopping()) {
        processor_halt();
    }
    if ((reason & EXIT_REASON_FAILED) != 0) {
        entry_failed(vcpu, reason & EXIT_REASON_BASIC);
    }
    answer_give(vcpu, exit_answer(vcpu, reason & EXIT_REASON_BASIC));
    blocked_smi_forget();
    hvm_lines_print(vcpu);
}
