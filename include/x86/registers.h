/*
 * Control registers, flags, MSRs and CPUID bits that the boot path touches. Constants only.
 * Source: Intel SDM volume 3A, section 2.5 (control registers) and volume 4 (MSRs);
 *         AMD APM volume 3, appendix E (CPUID).
 */
#ifndef X86_REGISTERS_H
#define X86_REGISTERS_H

#include "x86/const.h"

#define EFLAGS_CF  UC(0x1)
#define EFLAGS_MBS UC(0x2) /* bit 1 always reads as one */
#define EFLAGS_PF  UC(0x4)
#define EFLAGS_AF  UC(0x10)
#define EFLAGS_ZF  UC(0x40)
#define EFLAGS_SF  UC(0x80)
#define EFLAGS_TF  UC(0x100)
#define EFLAGS_IF  UC(0x200)
#define EFLAGS_DF  UC(0x400)
#define EFLAGS_OF  UC(0x800)
#define EFLAGS_RF  UC(0x10000)
#define EFLAGS_ID  UC(0x200000)

#define CR0_PE UC(0x00000001)
#define CR0_ET UC(0x00000010)
#define CR0_NE UC(0x00000020)
#define CR0_WP UC(0x00010000)
#define CR0_NW UC(0x20000000)
#define CR0_CD UC(0x40000000)
#define CR0_PG UC(0x80000000)

#define CR4_PSE        UC(0x00000010)
#define CR4_PAE        UC(0x00000020)
#define CR4_MCE        UC(0x00000040)
#define CR4_PGE        UC(0x00000080)
#define CR4_OSFXSR     UC(0x00000200)
#define CR4_OSXMMEXCPT UC(0x00000400)
#define CR4_UMIP       UC(0x00000800)
#define CR4_LA57       UC(0x00001000)
#define CR4_SMEP       UC(0x00100000)
#define CR4_SMAP       UC(0x00200000)

/* Debug registers behind a reset: SDM volume 3A, table 10-1. */
#define DR6_INITIAL UC(0xffff0ff0)
#define DR6_STEP    UC(0x4000)
#define DR7_INITIAL UC(0x400)

/* Parts of a processor's state that XSAVE deals with: SDM volume 1, section 13.1. */
#define XCR0_X87     UC(0x1)
#define XCR0_SSE     UC(0x2)
#define XCR0_AVX     UC(0x4)
#define XCR0_MPX     UC(0x18)
#define XCR0_AVX_512 UC(0xe0)
#define XCR0_AMX     UC(0x60000)
/* IA32_DEBUGCTL, AMD's DebugCtl: SDM volume 3B, section 17.4.1; APM volume 2, section 13.1.1. */
#define MSR_DEBUG_CONTROL UC(0x1d9)
#define DEBUGCTL_BRANCH   UC(0x2) /* TF traps branches, not instructions */

#define REAL_LIMIT UC(0xffff) /* of a segment in real mode */

#define INVD_BYTES 2 /* the instruction's */

#define MXCSR_DEFAULT 0x1f80 /* all exceptions masked */

#define MSR_EFER     UC(0xc0000080)
#define EFER_SCE     UC(0x1)
#define EFER_LME     UC(0x100)
#define EFER_LMA     UC(0x400)
#define EFER_NXE     UC(0x800)
#define EFER_FFXSR   UC(0x4000)
#define EFER_TCE     UC(0x8000)
#define EFER_MCOMMIT UC(0x20000)
#define EFER_INTWB   UC(0x40000)
#define EFER_UAIE    UC(0x100000)
#define EFER_AIBRSE  UC(0x200000)

#define MSR_GS_BASE UC(0xc0000101)

/* Intel's switch that hides NX: IA32_MISC_ENABLE bit 34, bit 2 of edx (SDM volume 4, table 2-2). */
#define MSR_MISC_ENABLE    UC(0x1a0)
#define MISC_ENABLE_XD_OFF 2

/*
 * Eight memory types, SDM volume 3A, section 12.12: write-back, write-through, UC-, uncacheable as a processor starts
 * with them; then write-combining and write-protected, UC-, uncacheable.
 */
#define MSR_PAT            UC(0x277)
#define PAT_LAYOUT         UC(0x0007050100070406)
#define PAT_4_SHIFT        32 /* the type of which PTE_PAT alone is the number */
#define PAT_TYPE_MASK      7
#define PAT_TYPE_COMBINING 1

/* Memory types of physical ranges: SDM volume 3A, section 12.11. */
#define MSR_MTRR_CAP       UC(0xfe)
#define MTRR_CAP_VARIABLE  UC(0xff)
#define MTRR_CAP_FIXED     UC(0x100)
#define MSR_MTRR_DEFAULT   UC(0x2ff)
#define MTRR_ENABLED       UC(0x800)
#define MTRR_FIXED_ENABLED UC(0x400)
#define MTRR_TYPE_MASK     UC(0xff)
#define MTRR_MASK_VALID    UC(0x800)
#define MSR_MTRR_VARIABLE  UC(0x200) /* base and mask of the first pair */
#define MSR_MTRR_FIX_64K   UC(0x250)
#define MSR_MTRR_FIX_16K   UC(0x258) /* two */
#define MSR_MTRR_FIX_4K    UC(0x268) /* eight */
/* What the fixed ones are for, from 0 on: each of eight equal parts. */
#define MTRR_FIX_16K_START UC(0x80000)
#define MTRR_FIX_4K_START  UC(0xc0000)
#define MTRR_FIX_END       UC(0x100000)
#define MTRR_FIX_PARTS     8
#define MTRR_TYPE_BITS     8

/* Memory types, as MTRRs and EPT have them: SDM volume 3A, table 12-2. */
#define MEMORY_TYPE_UNCACHEABLE     0
#define MEMORY_TYPE_WRITE_COMBINING 1
#define MEMORY_TYPE_WRITE_THROUGH   4
#define MEMORY_TYPE_WRITE_PROTECTED 5
#define MEMORY_TYPE_WRITE_BACK      6

#define CPUID_VENDOR         UC(0)
#define CPUID_INTEL_ECX      UC(0x6c65746e) /* 0, ecx: the end of "GenuineIntel" */
#define CPUID_FEATURE        UC(1)
#define CPUID_VMX_BIT        5  /* 1, ecx */
#define CPUID_X2APIC_BIT     21 /* 1, ecx */
#define CPUID_XSAVE_BIT      26 /* 1, ecx */
#define CPUID_HYPERVISOR_BIT 31 /* 1, ecx */
#define CPUID_APIC_BIT       9  /* 1, edx */
#define CPUID_MTRR_BIT       12 /* 1, edx */
#define CPUID_PGE_BIT        13 /* 1, edx */
#define CPUID_PAT_BIT        16 /* 1, edx */
#define CPUID_ID_SHIFT       24 /* 1, ebx: of the APIC's id */
#define CPUID_STRUCTURED     UC(7)
#define CPUID_SMEP_BIT       7       /* 7, ebx */
#define CPUID_SMAP_BIT       20      /* 7, ebx */
#define CPUID_UMIP_BIT       2       /* 7, ecx */
#define CPUID_TOPOLOGY       UC(0xb) /* ebx 0: there is none; edx: the APIC's id */
#define CPUID_XSTATE         UC(0xd) /* eax and edx: bits of XCR0 */
#define CPUID_TSC            UC(0x15)
#define CPUID_FREQUENCY      UC(0x16)
#define CPUID_FREQUENCY_MHZ  UC(0xffff) /* eax: the base frequency */
/* A hypervisor's leaves: the highest one, and kHz of the time-stamp counter (VMware, "Hypervisor CPUID interface"). */
#define CPUID_HYPERVISOR        UC(0x40000000)
#define CPUID_HYPERVISOR_TIMING UC(0x40000010)
#define CPUID_EXT_MAX           UC(0x80000000)
#define CPUID_EXT_FEATURE       UC(0x80000001)
#define CPUID_EXT_POWER         UC(0x80000007)
#define CPUID_EXT_ADDRESS       UC(0x80000008)
#define CPUID_EXT_ADDRESS_BITS  UC(0xff) /* eax: of a physical address */
#define CPUID_EXT_MCOMMIT_BIT   8        /* 0x80000008, ebx */
#define CPUID_EXT_INTWB_BIT     13       /* 0x80000008, ebx */
#define CPUID_EXT_FEATURE_2     UC(0x80000021)
#define CPUID_EXT_UAI_BIT       7  /* 0x80000021, eax */
#define CPUID_EXT_AIBRS_BIT     8  /* 0x80000021, eax */
#define CPUID_EXT_NX_BIT        20 /* 0x80000001, edx */
#define CPUID_EXT_1GIB_BIT      26 /* 0x80000001, edx */
#define CPUID_EXT_SYSCALL_BIT   11 /* 0x80000001, edx */
#define CPUID_EXT_FFXSR_BIT     25 /* 0x80000001, edx */
#define CPUID_EXT_TCE_BIT       17 /* 0x80000001, ecx */
#define CPUID_EXT_LM_BIT        29 /* 0x80000001, edx */
#define CPUID_EXT_INVARIANT_BIT                                                                    \
    8 /* 0x80000007, edx: the time-stamp counter never changes its speed */

#endif
