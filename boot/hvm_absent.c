/*
 * What stands in for VMX as long as this build has none: it is not offered, so nothing else of it is called.
 */
#include "stop.h"
#include "vmx.h"

#define WEAK __attribute__((weak))

WEAK struct hvm_support vmx_support(void)
{
    return (struct hvm_support){
        .name = "VMX",
        .why_not = "this build does not use VMX",
        .remedy = "use dom0=native",
    };
}

WEAK NORETURN void vmx_start(const struct hvm_entry *entry)
{
    (void)entry;
    machine_stop();
}
