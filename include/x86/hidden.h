/*
 * What a guest is not told of the processor, because Berth uses it: MSRs and CPUID bits of SVM and VMX; or because the
 * processor would write to where the guest says, whatever the nested page tables say. Constants only.
 * Source: AMD APM volume 2, sections 3.1.7 (EFER), 7.10 (memory encryption) and 15.30 (SVM's MSRs), volume 3,
 *         appendix E; Intel SDM volume 4, tables 2-2 and 2-52, volume 2A, CPUID, volume 3D, appendix A (VMX
 *         capabilities); volume 3C, section 32.2.6 (PT's output) and "Microcode Update Facility" of VMX, volume 3B,
 *         sections 14.6 (hardware feedback) and 17.4.9 (debug store); volume 1, section 13.5.6 (PT and XSAVES).
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
#define MSR_SMM_CTL     0xc0010116u /* this and the next two are SVM's */
#define MSR_VM_HSAVE_PA 0xc0010117u
#define MSR_SVM_KEY     0xc0010118u

/* What an address means: those that are not memory's own bits choose a key, and the same memory appears once more. */
#define MSR_SYSTEM_CONFIG        0xc0010010u
#define SYSTEM_CONFIG_TYPES      0x7c0000u /* memory types, which are the guest's */
#define SYSTEM_CONFIG_ENCRYPTION 23        /* addresses have a bit for it */

#define MSR_FEATURE_CONTROL     0x3au
#define FEATURE_CONTROL_LOCKED  0x1u
#define FEATURE_CONTROL_VIRTUAL 0xff06u /* VMX, inside and outside of SMX, and SENTER */

#define MSR_MICROCODE    0x79u /* a write loads an update: inside VMX with unforeseeable results */
#define MSR_TME_ACTIVATE 0x982u
#define TME_LOCKED_ON    0x3u /* both: it is on, and stays as it is */
#define TME_KEY_BITS_AT  32   /* how many bits of an address choose the key */
#define TME_KEY_BITS     0xfu

/* Remote actions: other processors write to physical addresses and to MSRs, whatever nested tables and bitmaps say. */
#define MSR_REMOTE_CONTROL 0xedu
#define MSR_REMOTE_INFO    0xf0u
/* Of what it says remote actions are hidden; it is there where CPUID says so. */
#define MSR_CORE_CAPABILITIES   0xcfu
#define CORE_HAS_REMOTE_ACTIONS 0x2u

#define MSR_VMX_BASIC      0x480u /* the first and the last of VMX's capabilities */
#define MSR_VMX_EXIT_CTLS2 0x493u

/* Where the processor itself writes to, and from when on. */
#define MSR_PEBS_ENABLE      0x3f1u
#define MSR_TRACE_OUTPUT     0x560u /* and the next: Intel PT's */
#define MSR_TRACE_CONTROL    0x570u /* and the next two */
#define MSR_TRACE_ADDRESS    0x580u /* and the next seven */
#define MSR_DS_AREA          0x600u
#define MSR_FEEDBACK_POINTER 0x17d0u
#define MSR_FEEDBACK_CONFIG  0x17d1u

#define APIC_BASE_FIRST_PROCESSOR                                                                  \
    UC(0x100) /* in MSR_APIC_BASE: after a reset it was the one to start */

#define CPUID_OSXSAVE_BIT           27 /* 1, ecx: what CR4 says */
#define CPUID_OSPKE_BIT             4  /* 7.0, ecx: what CR4 says */
#define CPUID_DTES64_BIT            2  /* 1, ecx: debug store with 64-bit fields */
#define CPUID_DS_CPL_BIT            4  /* 1, ecx: debug store told apart by privilege */
#define CPUID_SMX_BIT               6  /* 1, ecx: GETSEC */
#define CPUID_DS_BIT                21 /* 1, edx: debug store */
#define CPUID_POWER                 6u
#define CPUID_FEEDBACK_BIT          19 /* 6, eax: hardware feedback interface */
#define CPUID_DIRECTOR_BIT          23 /* 6, eax: thread director, which writes to the same place */
#define CPUID_TRACE_BIT             25 /* 7.0, ebx: Intel PT */
#define CPUID_CORE_CAPABILITIES_BIT 30 /* 7.0, edx: MSR_CORE_CAPABILITIES */
#define CPUID_MSRLIST_BIT           27 /* 7.1, eax: RDMSRLIST, WRMSRLIST */
#define CPUID_MSR_IMMEDIATE_BIT     5 /* 7.1, ecx: RDMSR and WRMSRNS of a number in the instruction */
#define CPUID_USER_MSR_BIT          15 /* 7.1, edx: URDMSR, UWRMSR */
#define CPUID_TRACE                 0x14u
#define XSTATE_TRACE_BIT            8 /* 0xd.1, ecx, of XSS, and a subleaf: XRSTORS writes PT's MSRs */
#define CPUID_TME_BIT               13 /* 7.0, ecx */
#define CPUID_EXT_ENCRYPTION        0x8000001fu
#define ENCRYPTION_IS_THERE         0x1u /* eax */
#define ENCRYPTION_BITS_AT          6    /* ebx: how many bits of an address it takes */
#define ENCRYPTION_BITS             0x3fu
#define CPUID_EXT_KEYS              0x80000023u /* encryption with several keys */
#define CPUID_EXT_SVM_BIT           2           /* 0x80000001, ecx */
#define CPUID_EXT_SMCA_BIT          3 /* 0x80000007, ebx: scalable machine-check architecture */
#define CPUID_EXT_SVM_FEATURES      0x8000000au
#define CR4_OSXSAVE                 UC(0x00040000)
#define CR4_PKE                     UC(0x00400000)

/* All leaves that start with this digit are a hypervisor's: SDM volume 2A, CPUID, "CPUID leaves above 2FFFFFFFH". */
#define CPUID_HYPERVISOR_DIGIT_SHIFT 28

#endif
