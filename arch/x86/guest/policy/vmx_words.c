/*
 * What a processor says by number when it refuses to enter a guest.
 */
#include "vmx_controls.h"

#include "abi/vmx.h"

const char *vmx_error_words(uint32_t number)
{
    switch (number) {
    case VMX_ERROR_CLEAR_ADDRESS:
        return "VMCLEAR of an address that is none for a VMCS";
    case VMX_ERROR_LAUNCH_NOT_CLEAR:
        return "VMLAUNCH of a VMCS that is in use";
    case VMX_ERROR_RESUME_NOT_LAUNCHED:
        return "VMRESUME of a VMCS that was never launched";
    case VMX_ERROR_CONTROLS:
        return "entry with control fields that do not fit each other";
    case VMX_ERROR_HOST_STATE:
        return "entry with host fields that do not fit each other";
    case VMX_ERROR_LOAD_ADDRESS:
        return "VMPTRLD of an address that is none for a VMCS";
    case VMX_ERROR_LOAD_REVISION:
        return "VMPTRLD of a VMCS of another revision";
    case VMX_ERROR_FIELD:
        return "a field that this processor's VMCS does not have";
    case VMX_ERROR_READ_ONLY:
        return "a write to a field that can only be read";
    case VMX_ERROR_ON_AGAIN:
        return "VMXON while VMX is on";
    case VMX_ERROR_MOV_SS:
        return "entry right behind a load of ss";
    case VMX_ERROR_INVALIDATE:
        return "INVEPT or INVVPID of something that is not there";
    default:
        return "an error of VMX";
    }
}

const char *vmx_entry_failure_words(uint32_t basic_reason)
{
    switch (basic_reason) {
    case EXIT_BAD_GUEST_STATE:
        return "the processor does not take the guest's state";
    case EXIT_BAD_MSR_LOAD:
        return "the processor does not take the guest's MSRs";
    case EXIT_ENTRY_MC:
        return "a machine check on the way into the guest";
    default:
        return "the entry into the guest failed";
    }
}
