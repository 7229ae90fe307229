/* What the parts of VMX's world switch share. */
#ifndef VMX_VMX_STATE_H
#define VMX_VMX_STATE_H

#include "abi/vmx.h"
#include "compiler.h"
#include "vcpu.h"
#include "vmx_controls.h"

/* Use of a virtual processor's own pages. */
enum {
    VMX_PAGE_VMCS,
    VMX_PAGE_ON, /* the processor's, from VMXON on */
    VMX_PAGES,
};
_Static_assert(VMX_PAGES <= VCPU_OWN_PAGES, "they have room");

/* And of those that all share. */
enum {
    VMX_SHARED_BITMAP,
    VMX_SHARED_IDT, /* Berth's, with another gate for NMIs */
    VMX_SHARED,
};
_Static_assert(VMX_SHARED <= HVM_SHARED_PAGES, "they have room");

/* A field that the processor's VMCS should have and has not. */
NORETURN void vmcs_field_missing(uint64_t field);

static inline uint64_t vmcs_read(uint64_t field)
{
    uint64_t value;

    asm goto("vmread %1, %0; jna %l[missing]" : "=r"(value) : "r"(field) : "cc" : missing);
    return value;
missing:
    vmcs_field_missing(field);
}

static inline void vmcs_write(uint64_t field, uint64_t value)
{
    asm goto("vmwrite %0, %1; jna %l[missing]" : : "r"(value), "r"(field) : "cc" : missing);
    return;
missing:
    vmcs_field_missing(field);
}

/* Translations of the calling processor's guest, of page tables and of nested ones together; wants SECONDARY_VPID. */
static inline void vpids_forget(void)
{
    static const struct {
        uint64_t vpid, address;
    } all = {0, 0};

    asm volatile("invvpid %0, %1" : : "m"(all), "r"(INVVPID_ALL) : "cc", "memory");
}

/* --- vmcs.c: what the fields begin with ------------------------------------------------------- */

/* The calling processor's capabilities. */
struct vmx_capabilities vmx_capabilities_read(void);

/*
 * Fill all fields of the calling processor's VMCS, which is the current one, but for what vmcs_kernel() or
 * vmcs_wait_for_start() fill.
 *
 * @stack  where it is when an exit comes
 */
void vmcs_begin(const struct vmx_controls *controls, uint64_t stack);

/*
 * The guest's state: at a kernel's entry; behind INIT, waiting for a start-up message; waiting for one, and as it was
 * else; behind that message.
 */
void vmcs_kernel(struct vcpu *vcpu, const struct hvm_entry *entry);
void vmcs_wait_for_start(struct vcpu *vcpu);
void vmcs_wait(void);
void vmcs_started(uint8_t vector);

/* EFER is the guest's, and the entry control that follows it. */
void vmcs_efer(uint64_t efer);

/* --- switch.S --------------------------------------------------------------------------------- */

extern const uint8_t vmx_exit_entry[], vmx_nmi_entry[];

/* Where the stack is when an exit comes. */
#define VMX_STACK_BYTES 16

/* Enter the guest for the first time, on a stack of its own: VMX_STACK_BYTES below its top. */
NORETURN void vmx_launch(struct vcpu *vcpu, uint64_t stack);

/* --- apic.c ----------------------------------------------------------------------------------- */

/* The calling processor's takes no interrupts; it is as INIT leaves it. VMX makes an exit of INIT, and nothing else. */
void vmx_apic_off(void);
void vmx_apic_reset(void);

/* --- exits.c, apic.c: called from switch.S alone ------------------------------------------------- */

void vmx_exit(struct vcpu *vcpu);

/* @flags  as VMLAUNCH or VMRESUME left them */
NORETURN void vmx_refused(struct vcpu *vcpu, uint64_t flags);

/* An NMI that came while Berth ran. */
void vmx_nmi(void);

#endif
