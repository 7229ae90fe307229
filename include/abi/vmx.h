/*
 * Intel's VMX: the fields of a VMCS, the reasons of exits, and the bits that control both. Constants only.
 * Source: Intel SDM volume 3C, appendix A (capability MSRs), appendix B (field encodings), appendix C (exit reasons),
 *         sections 24.4 to 24.9 (what the fields hold; 25.4 to 25.9 in later editions); volume 4, table 2-2 (MSRs).
 */
#ifndef ABI_VMX_H
#define ABI_VMX_H

#include "x86/const.h"
#include "x86/hidden.h"

/* --- CPUID, control registers, MSRs ----------------------------------------------------------- */

#define CR4_VMXE UC(0x2000)

#define FEATURE_CONTROL_OUTSIDE UC(0x4) /* VMXON works outside of SMX */

#define MSR_VMX_PIN          UC(0x481)
#define MSR_VMX_PRIMARY      UC(0x482)
#define MSR_VMX_EXIT         UC(0x483)
#define MSR_VMX_ENTRY        UC(0x484)
#define MSR_VMX_MISC         UC(0x485)
#define MSR_VMX_CR0_FIXED0   UC(0x486)
#define MSR_VMX_CR4_FIXED0   UC(0x488)
#define MSR_VMX_SECONDARY    UC(0x48b)
#define MSR_VMX_EPT_VPID     UC(0x48c)
#define MSR_VMX_TRUE_PIN     UC(0x48d)
#define MSR_VMX_TRUE_PRIMARY UC(0x48e)
#define MSR_VMX_TRUE_EXIT    UC(0x48f)
#define MSR_VMX_TRUE_ENTRY   UC(0x490)

#define VMX_BASIC_REVISION UC(0x7fffffff)
#define VMX_BASIC_TRUE     UC(0x0080000000000000) /* the MSR_VMX_TRUE_ ones are there */

#define VMX_MISC_WAIT_FOR_START UC(0x100) /* a guest can be entered in ACTIVITY_WAIT_FOR_START */

#define EPT_CAP_WALK_4     UC(0x0000000000000040)
#define EPT_CAP_WRITE_BACK UC(0x0000000000004000)
#define EPT_CAP_2MIB       UC(0x0000000000010000)
#define EPT_CAP_1GIB       UC(0x0000000000020000)
#define EPT_CAP_INVEPT     UC(0x0000000004100000) /* the instruction, and its kind INVEPT_ALL */
#define EPT_CAP_INVVPID    UC(0x0000040100000000) /* the instruction, and its kind INVVPID_ALL */

#define INVEPT_ALL  UC(2)
#define INVVPID_ALL UC(2)

/* --- controls --------------------------------------------------------------------------------- */

#define PIN_INTERRUPTS   UC(0x01) /* interrupts and NMIs lead to exits */
#define PIN_NMIS         UC(0x08)
#define PIN_VIRTUAL_NMIS UC(0x20)

#define PRIMARY_INTERRUPT_WINDOW UC(0x00000004)
#define PRIMARY_HLT              UC(0x00000080)
#define PRIMARY_INVLPG           UC(0x00000200)
#define PRIMARY_MWAIT            UC(0x00000400)
#define PRIMARY_RDPMC            UC(0x00000800)
#define PRIMARY_RDTSC            UC(0x00001000)
#define PRIMARY_CR3_LOAD         UC(0x00008000)
#define PRIMARY_CR3_STORE        UC(0x00010000)
#define PRIMARY_CR8_LOAD         UC(0x00080000)
#define PRIMARY_CR8_STORE        UC(0x00100000)
#define PRIMARY_NMI_WINDOW       UC(0x00400000)
#define PRIMARY_MOV_DR           UC(0x00800000)
#define PRIMARY_IO               UC(0x01000000)
#define PRIMARY_MSR_BITMAPS      UC(0x10000000)
#define PRIMARY_MONITOR          UC(0x20000000)
#define PRIMARY_PAUSE            UC(0x40000000)
#define PRIMARY_SECONDARY        UC(0x80000000)

#define SECONDARY_EPT          UC(0x00000002)
#define SECONDARY_RDTSCP       UC(0x00000008)
#define SECONDARY_VPID         UC(0x00000020)
#define SECONDARY_UNRESTRICTED UC(0x00000080)
#define SECONDARY_INVPCID      UC(0x00001000)
#define SECONDARY_XSAVES       UC(0x00100000)
#define SECONDARY_USER_WAIT    UC(0x04000000)
#define SECONDARY_PCONFIG      UC(0x08000000)

#define EXIT_SAVE_DEBUG  UC(0x00000004)
#define EXIT_HOST_64_BIT UC(0x00000200)
#define EXIT_SAVE_PAT    UC(0x00040000)
#define EXIT_LOAD_PAT    UC(0x00080000)
#define EXIT_SAVE_EFER   UC(0x00100000)
#define EXIT_LOAD_EFER   UC(0x00200000)

#define ENTRY_LOAD_DEBUG UC(0x00000004)
#define ENTRY_LONG_MODE  UC(0x00000200) /* follows the guest's EFER.LMA */
#define ENTRY_LOAD_PAT   UC(0x00004000)
#define ENTRY_LOAD_EFER  UC(0x00008000)

/* VMCS_EPT: where the top table is, and how tables are read. */
#define EPT_POINTER_WRITE_BACK UC(0x6)
#define EPT_POINTER_WALK_4     UC(0x18)

/* --- fields of a VMCS ------------------------------------------------------------------------- */

/* 16 bits */
#define VMCS_VPID             UC(0x0000)
#define VMCS_GUEST_SELECTOR   UC(0x0800) /* VMCS_SEGMENT of these */
#define VMCS_HOST_ES_SELECTOR UC(0x0c00)
#define VMCS_HOST_CS_SELECTOR UC(0x0c02)
#define VMCS_HOST_SS_SELECTOR UC(0x0c04)
#define VMCS_HOST_DS_SELECTOR UC(0x0c06)
#define VMCS_HOST_FS_SELECTOR UC(0x0c08)
#define VMCS_HOST_GS_SELECTOR UC(0x0c0a)
#define VMCS_HOST_TR_SELECTOR UC(0x0c0c)

/* 64 bits */
#define VMCS_MSR_BITMAPS            UC(0x2004)
#define VMCS_EPT                    UC(0x201a)
#define VMCS_XSS_EXITING            UC(0x202c)
#define VMCS_PCONFIG_EXITING        UC(0x203e)
#define VMCS_GUEST_PHYSICAL_ADDRESS UC(0x2400)
#define VMCS_LINK                   UC(0x2800)
#define VMCS_GUEST_DEBUGCTL         UC(0x2802)
#define VMCS_GUEST_PAT              UC(0x2804)
#define VMCS_GUEST_EFER             UC(0x2806)
#define VMCS_HOST_PAT               UC(0x2c00)
#define VMCS_HOST_EFER              UC(0x2c02)

/* 32 bits */
#define VMCS_PIN                     UC(0x4000)
#define VMCS_PRIMARY                 UC(0x4002)
#define VMCS_EXCEPTION_BITMAP        UC(0x4004)
#define VMCS_PAGE_FAULT_MASK         UC(0x4006)
#define VMCS_PAGE_FAULT_MATCH        UC(0x4008)
#define VMCS_CR3_TARGETS             UC(0x400a)
#define VMCS_EXIT_CONTROLS           UC(0x400c)
#define VMCS_EXIT_MSR_STORES         UC(0x400e)
#define VMCS_EXIT_MSR_LOADS          UC(0x4010)
#define VMCS_ENTRY_CONTROLS          UC(0x4012)
#define VMCS_ENTRY_MSR_LOADS         UC(0x4014)
#define VMCS_ENTRY_EVENT             UC(0x4016)
#define VMCS_ENTRY_ERROR_CODE        UC(0x4018)
#define VMCS_ENTRY_INSTRUCTION_BYTES UC(0x401a)
#define VMCS_SECONDARY               UC(0x401e)
#define VMCS_INSTRUCTION_ERROR       UC(0x4400)
#define VMCS_EXIT_REASON             UC(0x4402)
#define VMCS_VECTORING_EVENT         UC(0x4408)
#define VMCS_VECTORING_ERROR_CODE    UC(0x440a)
#define VMCS_EXIT_INSTRUCTION_BYTES  UC(0x440c)
#define VMCS_GUEST_LIMIT             UC(0x4800) /* VMCS_SEGMENT of these */
#define VMCS_GUEST_GDTR_LIMIT        UC(0x4810)
#define VMCS_GUEST_IDTR_LIMIT        UC(0x4812)
#define VMCS_GUEST_RIGHTS            UC(0x4814) /* VMCS_SEGMENT of these */
#define VMCS_GUEST_INTERRUPTIBILITY  UC(0x4824)
#define VMCS_GUEST_ACTIVITY          UC(0x4826)
#define VMCS_GUEST_SYSENTER_CS       UC(0x482a)
#define VMCS_HOST_SYSENTER_CS        UC(0x4c00)

/* As wide as registers are */
#define VMCS_CR0_MASK            UC(0x6000)
#define VMCS_CR4_MASK            UC(0x6002)
#define VMCS_CR0_SHADOW          UC(0x6004)
#define VMCS_CR4_SHADOW          UC(0x6006)
#define VMCS_QUALIFICATION       UC(0x6400)
#define VMCS_GUEST_CR0           UC(0x6800)
#define VMCS_GUEST_CR3           UC(0x6802)
#define VMCS_GUEST_CR4           UC(0x6804)
#define VMCS_GUEST_BASE          UC(0x6806) /* VMCS_SEGMENT of these */
#define VMCS_GUEST_GDTR_BASE     UC(0x6816)
#define VMCS_GUEST_IDTR_BASE     UC(0x6818)
#define VMCS_GUEST_DR7           UC(0x681a)
#define VMCS_GUEST_RSP           UC(0x681c)
#define VMCS_GUEST_RIP           UC(0x681e)
#define VMCS_GUEST_RFLAGS        UC(0x6820)
#define VMCS_GUEST_PENDING_DEBUG UC(0x6822)
#define VMCS_GUEST_SYSENTER_ESP  UC(0x6824)
#define VMCS_GUEST_SYSENTER_EIP  UC(0x6826)
#define VMCS_HOST_CR0            UC(0x6c00)
#define VMCS_HOST_CR3            UC(0x6c02)
#define VMCS_HOST_CR4            UC(0x6c04)
#define VMCS_HOST_FS_BASE        UC(0x6c06)
#define VMCS_HOST_GS_BASE        UC(0x6c08)
#define VMCS_HOST_TR_BASE        UC(0x6c0a)
#define VMCS_HOST_GDTR_BASE      UC(0x6c0c)
#define VMCS_HOST_IDTR_BASE      UC(0x6c0e)
#define VMCS_HOST_SYSENTER_ESP   UC(0x6c10)
#define VMCS_HOST_SYSENTER_EIP   UC(0x6c12)
#define VMCS_HOST_RSP            UC(0x6c14)
#define VMCS_HOST_RIP            UC(0x6c16)

/* Segments, in the order of their fields: two numbers apart. */
#define VMCS_SEGMENT(field, segment) ((field) + UC(2) * (segment))
#define VMCS_ES                      0
#define VMCS_CS                      1
#define VMCS_SS                      2
#define VMCS_DS                      3
#define VMCS_FS                      4
#define VMCS_GS                      5
#define VMCS_LDTR                    6
#define VMCS_TR                      7
#define VMCS_SEGMENTS                8

/* Rights of a segment: as in bits 8 to 23 of a descriptor's second doubleword, and a bit of their own. */
#define RIGHTS_CODE64      UC(0xa09b) /* present, code, readable, accessed, long, 4 KiB granularity */
#define RIGHTS_CODE32      UC(0xc09b)
#define RIGHTS_DATA32      UC(0xc093) /* present, data, writable, accessed, 32-bit, 4 KiB granularity */
#define RIGHTS_CODE16      UC(0x009b) /* byte granularity, as real mode has it */
#define RIGHTS_DATA16      UC(0x0093)
#define RIGHTS_LDT         UC(0x0082)
#define RIGHTS_TSS_BUSY    UC(0x008b)
#define RIGHTS_LONG        UC(0x2000)
#define RIGHTS_DEFAULT_32  UC(0x4000)
#define RIGHTS_UNUSABLE    UC(0x10000)
#define RIGHTS_LEVEL_SHIFT 5 /* of the DPL: of ss it is the privilege level */
#define RIGHTS_LEVEL       UC(0x3)

#define ACTIVITY_ACTIVE         0
#define ACTIVITY_WAIT_FOR_START 3

#define INTERRUPTIBILITY_STI    UC(0x1)
#define INTERRUPTIBILITY_MOV_SS UC(0x2)
#define INTERRUPTIBILITY_SMI    UC(0x4)
#define INTERRUPTIBILITY_NMI    UC(0x8)

#define PENDING_DEBUG_STEP UC(0x4000)

/* VMCS_ENTRY_EVENT and VMCS_VECTORING_EVENT: the vector in bits 0 to 7, and what kind of event. */
#define EVENT_KIND           UC(0x00000700)
#define EVENT_KIND_EXCEPTION UC(0x00000300)
#define EVENT_KIND_SOFTWARE  UC(0x00000400) /* from here on the instruction's length is needed */
#define EVENT_ERROR_CODE     UC(0x00000800)
#define EVENT_VALID          UC(0x80000000)
/* What VMCS_ENTRY_EVENT takes of VMCS_VECTORING_EVENT: bit 12 is undefined there. */
#define EVENT_FIELDS UC(0x80000fff)

/* VMCS_INSTRUCTION_ERROR, as far as Berth can meet them */
#define VMX_ERROR_CLEAR_ADDRESS       2
#define VMX_ERROR_LAUNCH_NOT_CLEAR    4
#define VMX_ERROR_RESUME_NOT_LAUNCHED 5
#define VMX_ERROR_CONTROLS            7
#define VMX_ERROR_HOST_STATE          8
#define VMX_ERROR_LOAD_ADDRESS        9
#define VMX_ERROR_LOAD_REVISION       11
#define VMX_ERROR_FIELD               12
#define VMX_ERROR_READ_ONLY           13
#define VMX_ERROR_ON_AGAIN            15
#define VMX_ERROR_MOV_SS              26
#define VMX_ERROR_INVALIDATE          28

/* --- exits -------------------------------------------------------------------------------------- */

#define EXIT_REASON_BASIC  UC(0xffff)
#define EXIT_REASON_FAILED UC(0x80000000) /* no exit: the entry failed */

#define EXIT_TRIPLE_FAULT     2
#define EXIT_INIT             3
#define EXIT_START            4
#define EXIT_TASK_SWITCH      9
#define EXIT_CPUID            10
#define EXIT_GETSEC           11
#define EXIT_INVD             13
#define EXIT_VMCALL           18
#define EXIT_VMCLEAR          19
#define EXIT_VMXON            27
#define EXIT_CONTROL_REGISTER 28
#define EXIT_RDMSR            31
#define EXIT_WRMSR            32
#define EXIT_BAD_GUEST_STATE  33
#define EXIT_BAD_MSR_LOAD     34
#define EXIT_ENTRY_MC         41
#define EXIT_EPT_VIOLATION    48
#define EXIT_EPT_BAD_ENTRY    49
#define EXIT_INVEPT           50
#define EXIT_INVVPID          53
#define EXIT_XSETBV           55
#define EXIT_XSAVES           63
#define EXIT_XRSTORS          64
#define EXIT_SEAMCALL         76
#define EXIT_TDCALL           77

/* VMCS_QUALIFICATION of EXIT_CONTROL_REGISTER */
#define CONTROL_REGISTER(qualification) ((qualification)&0xf)
#define CONTROL_ACCESS(qualification)   ((qualification) >> 4 & 3)
#define CONTROL_GPR(qualification)      ((qualification) >> 8 & 0xf)
#define CONTROL_CR0                     0
#define CONTROL_MOV_TO                  0

/* VMCS_QUALIFICATION of EXIT_EPT_VIOLATION */
#define VIOLATION_WRITE       UC(0x002)
#define VIOLATION_EXECUTE     UC(0x004)
#define VIOLATION_HAS_LINEAR  UC(0x080)
#define VIOLATION_TRANSLATED  UC(0x100) /* with the bit above: not in a page table's entry */
#define VIOLATION_IRET_OF_NMI UC(0x1000)

#endif
