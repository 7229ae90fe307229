/*
 * The exit loop of SVM: what the hardware says of an exit is put into the terms of guest/hvm, and the answer back.
 */
#include "svm_state.h"

#include "a20.h"
#include "abi/svm.h"
#include "instructions.h"
#include "log.h"
#include "mem.h"
#include "nested.h"
#include "stop.h"
#include "svm_exit.h"
#include "x86/paging.h"
#include "x86/registers.h"
#include "x86/vectors.h"

NORETURN void svm_wait_for_init(void)
{
    for (;;) {
        asm volatile("cli; stgi; hlt" : : : "memory");
    }
}

static void state_take(struct vcpu *vcpu, const struct vmcb *vmcb)
{
    struct guest_state *const state = &vcpu->state;

    state->gpr[GPR_AX] = vmcb->rax;
    state->gpr[GPR_SP] = vmcb->rsp;
    state->rip = vmcb->rip;
    state->rflags = vmcb->rflags;
    state->cr0 = vmcb->cr0;
    state->cr3 = vmcb->cr3;
    state->cr4 = vmcb->cr4;
    state->efer = vmcb->efer & ~(uint64_t)EFER_SVME;
    state->cs_base = vmcb->cs.base;
    state->cpl = vmcb->cpl;
    if ((vmcb->efer & EFER_LMA) != 0 && (vmcb->cs.attributes & SVM_SEGMENT_LONG) != 0) {
        state->code_bits = 64;
        state->cs_base = 0;
    } else {
        state->code_bits = (vmcb->cs.attributes & SVM_SEGMENT_BIG) != 0 ? 32 : 16;
    }
}

static void state_give(const struct vcpu *vcpu, struct vmcb *vmcb)
{
    const struct guest_state *const state = &vcpu->state;

    vmcb->rax = state->gpr[GPR_AX];
    vmcb->rsp = state->gpr[GPR_SP];
    vmcb->rip = state->rip;
    vmcb->rflags = state->rflags;
}

/* Apart, because nearly no exit comes here. */
static NOINLINE void step_finish(struct vmcb *vmcb)
{
    if ((msr_read(MSR_DEBUG_CONTROL) & DEBUGCTL_BRANCH) == 0) {
        vmcb->dr6 |= DR6_STEP;
        vmcb->event = svm_exception(VECTOR_DB, false, vmcb->cr0);
    }
}

/* The instruction that caused the exit is done: traps that it would have caused come now. */
static inline void finish(struct vmcb *vmcb, const struct guest_state *state)
{
    vmcb->interrupt_shadow = 0;
    if ((state->rflags & EFLAGS_TF) != 0) {
        step_finish(vmcb);
    }
}

static enum hvm_answer instruction_do(struct vcpu *vcpu, enum insn_operation operation)
{
    switch (operation) {
    case INSN_CPUID:
        return hvm_cpuid(vcpu);
    case INSN_VMMCALL:
        return hvm_hypercall(vcpu);
    case INSN_RDMSR:
        return hvm_msr_read(vcpu);
    default:
        return hvm_msr_write(vcpu);
    }
}

/* Some processors say where the next instruction is: APM volume 2, section 15.7.1. 0: this is none of them. */
static inline uint32_t instruction_length(struct vcpu *vcpu, const struct vmcb *vmcb,
                                          enum insn_operation operation)
{
    if (__builtin_expect(vmcb->next_rip == 0, 1)) {
        return hvm_instruction(vcpu, operation);
    }
    return (uint32_t)(vmcb->next_rip - vcpu->state.rip);
}

static enum hvm_answer instruction_exit(struct vcpu *vcpu, struct vmcb *vmcb,
                                        enum insn_operation operation)
{
    const uint32_t length = instruction_length(vcpu, vmcb, operation);
    enum hvm_answer answer;

    if (length == 0) {
        return HVM_AGAIN;
    }
    answer = instruction_do(vcpu, operation);
    if (answer == HVM_EFER) {
        vmcb->efer = vcpu->state.efer | EFER_SVME;
        answer = HVM_DONE;
    }
    if (answer == HVM_DONE) {
        insn_pass(length, &vcpu->state);
        finish(vmcb, &vcpu->state);
    }
    return answer;
}

static enum hvm_answer memory_exit(struct vcpu *vcpu, struct vmcb *vmcb)
{
    const uint64_t rip = vcpu->state.rip;
    const uint64_t count = vcpu->state.gpr[GPR_CX];
    const bool is_event = (vmcb->exit_interrupt & SVM_EVENT_VALID) != 0;
    const enum hvm_answer answer =
        hvm_memory(vcpu, vmcb->exit_info_2, svm_access_of(vmcb->exit_info_1, is_event));

    if (vcpu->state.rip != rip || vcpu->state.gpr[GPR_CX] != count) {
        finish(vmcb, &vcpu->state);
    }
    return answer;
}

/* INVD would throw away what Berth has written, too: SDM volume 2A, INVD. */
static enum hvm_answer caches_exit(struct vcpu *vcpu, struct vmcb *vmcb)
{
    vcpu->exits[VMEXIT_OTHER]++;
    asm volatile("wbinvd" : : : "memory");
    insn_pass(INVD_BYTES, &vcpu->state);
    finish(vmcb, &vcpu->state);
    return HVM_DONE;
}

/* The ports that have a say in A20; nobody sends strings there. */
static enum hvm_answer port_exit(struct vcpu *vcpu, struct vmcb *vmcb)
{
    const uint64_t info = vmcb->exit_info_1;
    const uint16_t port = (uint16_t)(info >> SVM_IO_PORT_SHIFT);
    const unsigned int bytes = info >> SVM_IO_BYTES_SHIFT & SVM_IO_BYTES;
    uint8_t value[sizeof(uint32_t)];

    vcpu->exits[VMEXIT_OTHER]++;
    if ((info & SVM_IO_STRING) != 0) {
        return HVM_GP;
    }
    memcpy(value, &vcpu->state.gpr[GPR_AX], sizeof(value));
    for (unsigned int i = 0; i < bytes && i < sizeof(value); i++) {
        if ((info & SVM_IO_IN) != 0) {
            value[i] = port_read8((uint16_t)(port + i));
        } else if (a20_passes((uint16_t)(port + i), &value[i])) {
            port_write8((uint16_t)(port + i), value[i]);
        }
    }
    if ((info & SVM_IO_IN) != 0) {
        vcpu->state.gpr[GPR_AX] = bytes == sizeof(value) ? 0 : vcpu->state.gpr[GPR_AX];
        memcpy(&vcpu->state.gpr[GPR_AX], value, bytes);
    }
    vcpu->state.rip = vmcb->exit_info_2;
    vcpu->state.rflags &= ~EFLAGS_RF;
    finish(vmcb, &vcpu->state);
    return HVM_DONE;
}

/* Whoever sent it: the others are started anew by the guest, through Berth; the first one begins at the firmware. */
static NORETURN void init_exit(struct vcpu *vcpu)
{
    vcpu->exits[VMEXIT_INIT]++;
    if (vcpu->number == 0) {
        hvm_start_over("INIT came to the first processor");
    }
    start_word_stopped(&vcpu->start);
    svm_wait_for_init();
}

static enum hvm_answer exit_answer(struct vcpu *vcpu, struct vmcb *vmcb)
{
    const enum insn_operation operation = svm_operation_of(vmcb->exit_code, vmcb->exit_info_1);

    if (operation != INSN_OTHER) {
        return instruction_exit(vcpu, vmcb, operation);
    }
    switch (vmcb->exit_code) {
    case SVM_EXIT_NPF:
        return memory_exit(vcpu, vmcb);
    case SVM_EXIT_INVD:
        return caches_exit(vcpu, vmcb);
    case SVM_EXIT_IO:
        return port_exit(vcpu, vmcb);
    case SVM_EXIT_INVLPGA:
    case SVM_EXIT_VMRUN:
    case SVM_EXIT_VMLOAD:
    case SVM_EXIT_VMSAVE:
    case SVM_EXIT_STGI:
    case SVM_EXIT_CLGI:
    case SVM_EXIT_SKINIT:
        vcpu->exits[VMEXIT_VIRTUAL]++;
        return HVM_UD;
    case SVM_EXIT_INIT:
        init_exit(vcpu);
    case SVM_EXIT_SHUTDOWN:
        hvm_shutdown(vcpu);
    case SVM_EXIT_INVALID:
        hvm_fail(vcpu, "the processor refuses the guest's state", vmcb->exit_code);
    default:
        hvm_fail(vcpu, "an exit that was not asked for", vmcb->exit_code);
    }
}

/* What the guest gets with the next entry. */
static void exit_finish(struct vmcb *vmcb, enum hvm_answer answer)
{
    if (answer == HVM_UD || answer == HVM_GP) {
        vmcb->event =
            svm_exception(answer == HVM_GP ? VECTOR_GP : VECTOR_UD, answer == HVM_GP, vmcb->cr0);
    }
    if ((vmcb->exit_interrupt & SVM_EVENT_VALID) != 0) {
        vmcb->event = svm_event_next(vmcb->exit_interrupt, vmcb->event);
    }
    vmcb->tlb_control = 0;
}

NORETURN void svm_loop(struct vcpu *vcpu)
{
    struct vmcb *const vmcb = hvm_own_page(vcpu, SVM_PAGE_VMCB);
    const uint64_t vmcb_pa = vcpu->own_pa + SVM_PAGE_VMCB * PAGE_BYTES;
    const uint64_t host_pa = vcpu->own_pa + SVM_PAGE_HOST * PAGE_BYTES;

    for (;;) {
        svm_switch(vcpu, vmcb_pa, host_pa);
        if (processors_are_stopping()) {
            svm_wait_for_init(); /* and let SMIs come */
        }
        state_take(vcpu, vmcb);
        vmcb->event = 0;
        exit_finish(vmcb, exit_answer(vcpu, vmcb));
        state_give(vcpu, vmcb);
        if (hvm_has_lines(vcpu)) {
            hvm_lines_print(vcpu);
        }
    }
}
