/*
 * What VMX says of an exit, taken apart.
 */
#include "vmx_exit.h"

#include "abi/vmx.h"

enum nested_access vmx_access_of(uint64_t qualification, bool is_event)
{
    const bool is_write = (qualification & VIOLATION_WRITE) != 0;

    if (((qualification & VIOLATION_HAS_LINEAR) != 0 &&
         (qualification & VIOLATION_TRANSLATED) == 0) ||
        (is_write && is_event)) {
        return NESTED_WALK;
    }
    if ((qualification & VIOLATION_EXECUTE) != 0) {
        return NESTED_EXECUTE;
    }
    return is_write ? NESTED_WRITE : NESTED_READ;
}

uint32_t vmx_event_again(uint64_t vectoring)
{
    return (vectoring & EVENT_VALID) != 0 ? (uint32_t)(vectoring & EVENT_FIELDS) : 0;
}

bool vmx_event_has_error_code(uint32_t event)
{
    return (event & EVENT_ERROR_CODE) != 0;
}

bool vmx_event_has_instruction(uint32_t event)
{
    return (event & EVENT_KIND) >= EVENT_KIND_SOFTWARE;
}

bool vmx_reason_is_hidden(uint32_t basic_reason)
{
    return basic_reason == EXIT_GETSEC || basic_reason == EXIT_INVEPT ||
           basic_reason == EXIT_INVVPID || basic_reason == EXIT_SEAMCALL ||
           basic_reason == EXIT_TDCALL || basic_reason == EXIT_XSAVES ||
           basic_reason == EXIT_XRSTORS ||
           (basic_reason >= EXIT_VMCLEAR && basic_reason <= EXIT_VMXON);
}
