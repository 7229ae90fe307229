/* The world switch of Intel's VMX, and what it does on an exit. Source: Intel SDM volume 3C. */
#ifndef VMX_VMX_H
#define VMX_VMX_H

#include "hvm.h"

/* Can this processor do it? Nothing is changed. */
struct hvm_support vmx_support(void);

/* Start the guest, on the first processor; the others wait for the guest to start them. */
NORETURN void vmx_start(const struct hvm_entry *entry);

#endif
