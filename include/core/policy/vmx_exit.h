/*
 * What VMX says of an exit, taken apart: of an access that the nested page tables did not allow, of an event that was
 * being delivered, of instructions that are not the guest's.
 */
#ifndef POLICY_VMX_EXIT_H
#define POLICY_VMX_EXIT_H

#include <stdbool.h>
#include <stdint.h>

#include "nested.h"

/*
 * What the processor itself reads or writes, of a page table or to push an event's frame, is NESTED_WALK: there is no
 * instruction that could be done in its stead.
 *
 * @qualification  of an EPT violation. Source: Intel SDM volume 3C, table 27-7 (28-7 in later editions)
 * @is_event       an event was being delivered: vmx_event_again() is not 0
 */
enum nested_access vmx_access_of(uint64_t qualification, bool is_event);

/*
 * The event that an exit came in the midst of, as the next entry is to deliver it again; 0: there was none.
 *
 * @vectoring  IDT-vectoring information. Source: sections 24.9.3 and 27.2.4 (25.9.3 and 28.2.4)
 */
uint32_t vmx_event_again(uint64_t vectoring);

/* What an event's entry needs beside it. Source: section 26.2.1.3 (27.2.1.3). */
bool vmx_event_has_error_code(uint32_t event);
bool vmx_event_has_instruction(uint32_t event);

/*
 * An instruction of VMX, SMX or TDX, of which the guest has none; or XSAVES or XRSTORS of what it has not (xss_exiting
 * in vmx_controls.h). Source: appendix C.
 */
bool vmx_reason_is_hidden(uint32_t basic_reason);

#endif
