/*
 * What stands in for a world switch that is not in this build: it is not offered, so nothing else of it is called.
 */
#include "stop.h"
#include "svm.h"
#include "vmx.h"

#define WEAK __attribute__((weak))

static struct hvm_support absent(const char *name)
{
    return (struct hvm_support){
        .name = name,
        .why_not = "this build has no support for this processor's virtualisation",
        .remedy = "use dom0=native",
    };
}

WEAK struct hvm_support svm_support(void)
{
    return absent("SVM");
}

WEAK struct hvm_support vmx_support(void)
{
    return absent("VMX");
}

WEAK NORETURN void svm_start(const struct hvm_entry *entry)
{
    (void)entry;
    machine_stop();
}

WEAK NORETURN void vmx_start(const struct hvm_entry *entry)
{
    (void)entry;
    machine_stop();
}

WEAK struct status hvm_take_memory(const struct hvm_request *request)
{
    (void)request;
    return status_ok();
}

WEAK struct status hvm_build(struct busy_list kept)
{
    (void)kept;
    return status_ok();
}

WEAK struct hvm_footprint hvm_footprint(void)
{
    return (struct hvm_footprint){0, 0};
}
