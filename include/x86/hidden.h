/*
 * What a guest is not told of the processor, because Berth uses it: MSRs and CPUID bits of SVM and VMX. Constants only.
 * Source: AMD APM volume 2, sections 3.1.7 (EFER) and 15.30 (SVM's MSRs), volume 3, appendix E; Intel SDM volume 4,
 *         table 2-2, volume 2A, CPUID, volume 3D, appendix A (VMX capabilities).
 */
#ifndef X86_HIDDEN_H
#define X86_HIDDEN_H

#include "x86/const.h"

#define EFER_SVME       0x1000u
#define MSR_VM_CR       0xc0010114u
#define VM_CR_A20_ON    0x4u  /* DIS_A20M: nobody can have bit 20 of addresses masked */
#define VM_CR_LOCK      0x8u  /* SVM_OFF stays as it is; writes of both have no effect */
#define VM_CR_SVM_OFF   0x10u /* SVMDIS */
#define VM_CR_DEFINED   0x1fu
#define MSR_VM_HSAVE_PA 0xc0010117u
#define MSR_SVM_KEY     0xc0010118u

#define MSR_FEATURE_CONTROL    0x3au
#define FEATURE_CONTROL_LOCKED 0x1u
#define MSR_VMX_BASIC          0x480u /* the first and the last of VMX's capabilities */
#define MSR_VMX_EXIT_CTLS2     0x493u

#define APIC_BASE_FIRST_PROCESSOR                                                                  \
    UC(0x100) /* in MSR_APIC_BASE: after a reset it was the one to start */

#define CPUID_VMX_BIT          5  /* 1, ecx */
#define CPUID_OSXSAVE_BIT      27 /* 1, ecx: what CR4 says */
#define CPUID_OSPKE_BIT        4  /* 7.0, ecx: what CR4 says */
#define CPUID_EXT_SVM_BIT      2  /* 0x80000001, ecx */
#define CPUID_EXT_SMCA_BIT     3  /* 0x80000007, ebx: scalable machine-check architecture */
#define CPUID_EXT_SVM_FEATURES 0x8000000au
#define CR4_OSXSAVE            UC(0x00040000)
#define CR4_PKE                UC(0x00400000)

/* All leaves that start with this digit are a hypervisor's: SDM volume 2A, CPUID, "CPUID leaves above 2FFFFFFFH". */
#define CPUID_HYPERVISOR_DIGIT_SHIFT 28

#endif
