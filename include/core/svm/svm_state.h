/* What the parts of SVM's world switch share. */
#ifndef SVM_SVM_STATE_H
#define SVM_SVM_STATE_H

#include "compiler.h"
#include "vcpu.h"

/* Use of a virtual processor's own pages. */
enum {
    SVM_PAGE_VMCB,
    SVM_PAGE_HSAVE, /* the processor's */
    SVM_PAGE_HOST,  /* what VMSAVE and VMLOAD deal with of Berth's own */
    SVM_PAGES,
};
_Static_assert(SVM_PAGES <= VCPU_OWN_PAGES, "they have room");

/* switch.S */
void svm_switch(struct vcpu *vcpu, uint64_t vmcb_pa, uint64_t host_pa);
NORETURN void svm_loop_on(struct vcpu *vcpu, uint64_t stack_top);

/* Run the guest on the calling processor, from what its VMCB says. */
NORETURN void svm_loop(struct vcpu *vcpu);

/* Let the INIT come that is on its way, or that will be sent. */
NORETURN void svm_wait_for_init(void);

#endif
