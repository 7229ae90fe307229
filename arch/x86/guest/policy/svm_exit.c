/* SVM's words for an exit, and what they mean. */
#include "svm_exit.h"

#include "abi/svm.h"
#include "x86/paging.h"
#include "x86/registers.h"
#include "x86/vectors.h"

enum insn_operation svm_operation_of(uint64_t exit_code, uint64_t exit_info_1)
{
    switch (exit_code) {
    case SVM_EXIT_CPUID:
        return INSN_CPUID;
    case SVM_EXIT_VMMCALL:
        return INSN_VMMCALL;
    case SVM_EXIT_MSR:
        return exit_info_1 == SVM_MSR_WRITE ? INSN_WRMSR : INSN_RDMSR;
    default:
        return INSN_OTHER;
    }
}

/* What the processor itself writes, to mark a table's entry or to push an event's frame, cannot be left out. */
enum nested_access svm_access_of(uint64_t error_code, bool is_event)
{
    if ((error_code & SVM_NPF_TABLE) != 0 || ((error_code & PF_WRITE) != 0 && is_event)) {
        return NESTED_WALK;
    }
    if ((error_code & PF_EXECUTE) != 0) {
        return NESTED_EXECUTE;
    }
    return (error_code & PF_WRITE) != 0 ? NESTED_WRITE : NESTED_READ;
}

uint64_t svm_exception(uint8_t vector, bool has_error_code, uint64_t cr0)
{
    const bool pushes = has_error_code && (cr0 & CR0_PE) != 0;

    return SVM_EVENT_VALID | SVM_EVENT_EXCEPTION | (pushes ? SVM_EVENT_ERROR : 0) | vector;
}

/* INT n, INT3 and INTO are instructions that have not been done, and are tried again by themselves. */
static bool is_delivered_again(uint64_t event)
{
    const uint64_t type = event & SVM_EVENT_TYPE;
    const uint8_t vector = (uint8_t)event;

    return (event & SVM_EVENT_VALID) != 0 && type != SVM_EVENT_SOFTWARE &&
           !(type == SVM_EVENT_EXCEPTION && (vector == VECTOR_BP || vector == VECTOR_OF));
}

uint64_t svm_event_next(uint64_t exit_interrupt, uint64_t event)
{
    return is_delivered_again(exit_interrupt) ? exit_interrupt : event;
}
