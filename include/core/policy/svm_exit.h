/*
 * What SVM says of an exit, in the terms that SVM and VMX share.
 * Source: AMD APM volume 2, sections 15.7 and 15.25.6.
 */
#ifndef POLICY_SVM_EXIT_H
#define POLICY_SVM_EXIT_H

#include <stdbool.h>
#include <stdint.h>

#include "insn.h"
#include "nested.h"

/* Which instruction an exit is for; INSN_OTHER: none that Berth does for the guest. */
enum insn_operation svm_operation_of(uint64_t exit_code, uint64_t exit_info_1);

/*
 * What kind of access a nested page fault is.
 *
 * @error_code  exit_info_1
 * @is_event    it came while an event was being delivered: the processor's own write, not an instruction's
 */
enum nested_access svm_access_of(uint64_t error_code, bool is_event);

/* The event for an exception; without protected mode none has an error code, else it is 0. */
uint64_t svm_exception(uint8_t vector, bool has_error_code, uint64_t cr0);

/*
 * The event to deliver behind an exit: one that was being delivered when the exit came is delivered again, whatever
 * else there is. Not so software interrupts: the guest is still at their instruction.
 *
 * @event  what the answer to the exit asks for; 0: nothing
 */
uint64_t svm_event_next(uint64_t exit_interrupt, uint64_t event);

#endif
