/*
 * Which MSRs a guest reaches only through Berth, and what becomes of it. One table, of which the bitmaps of SVM and VMX
 * are made, too.
 */
#ifndef POLICY_MSR_FILTER_H
#define POLICY_MSR_FILTER_H

#include <stdbool.h>
#include <stdint.h>

enum msr_maker { MSR_OF_SVM, MSR_OF_VMX };

/* What the decisions depend on. */
struct msr_context {
    enum msr_maker maker;
    uint64_t efer;          /* the guest's */
    uint64_t efer_allowed;  /* bits that this processor has and the guest may set; SVME never */
    uint64_t cr0;           /* the guest's */
    uint64_t apic_base;     /* the MSR's value now */
    unsigned int x2apic;    /* 1: the processor has x2APIC mode */
    bool x2apic_stays;      /* whoever is in that mode cannot leave it: the firmware wants it so */
    uint64_t system_config; /* MSR_OF_SVM: as it was at the start */
    uint64_t feature_control;   /* MSR_OF_VMX: the same */
    bool has_core_capabilities; /* MSR_OF_VMX: the processor has that MSR */
    uint64_t core_capabilities; /* and what it says */
};

enum msr_action {
    MSR_FAULT,    /* #GP(0) in the guest */
    MSR_ANSWER,   /* a read: `value` */
    MSR_DROP,     /* a write: nothing happens */
    MSR_SET_EFER, /* a write: the guest's EFER becomes `value` */
    MSR_DO,       /* a write: of `value`, to the MSR itself; it will not fault */
    MSR_IPI,      /* a write to x2APIC's interrupt command: policy/ipi.h */
};

struct msr_decision {
    enum msr_action action;
    uint64_t value;
};

/* For MSRs that the bitmaps intercept or do not cover; of all others these say MSR_FAULT. */
struct msr_decision msr_read_decide(uint32_t msr, const struct msr_context *context);
struct msr_decision msr_write_decide(uint32_t msr, uint64_t value,
                                     const struct msr_context *context);

#define MSR_BITMAP_SVM_BYTES 0x2000
#define MSR_BITMAP_VMX_BYTES 0x1000

/* Fill a permission map: AMD APM volume 2, section 15.11; Intel SDM volume 3C, section 24.6.9. */
void msr_bitmap_svm(uint8_t map[MSR_BITMAP_SVM_BYTES]);
void msr_bitmap_vmx(uint8_t map[MSR_BITMAP_VMX_BYTES]);

#endif
