/*
 * SVM: whether there is any, switching it on, and the start of each virtual processor.
 */
#include "svm.h"

#include <stddef.h>

#include "a20.h"
#include "abi/linux_entry.h"
#include "abi/svm.h"
#include "apic.h"
#include "instructions.h"
#include "log.h"
#include "mem.h"
#include "physmap.h"
#include "svm_state.h"
#include "x86/paging.h"
#include "x86/registers.h"
#include "x86/segments.h"

/* As the processor was before the guest: that can change what CPUID says of it (AMD's PPR, MSRs 0xc0011002 and on). */
static struct msr_context first_msrs;
static uint64_t nested_control;

INIT struct hvm_support svm_support(void)
{
    struct hvm_support support = {.name = "SVM"};

    if (cpuid(CPUID_EXT_MAX).eax < CPUID_EXT_SVM_FEATURES ||
        (cpuid(CPUID_EXT_FEATURE).ecx >> CPUID_EXT_SVM_BIT & 1) == 0) {
        support.why_not = "the processor has no SVM";
        support.remedy = "use dom0=native";
    } else if ((msr_read(MSR_VM_CR) & VM_CR_SVM_OFF) != 0) {
        support.why_not = "the firmware has switched SVM off";
        support.remedy = "switch SVM on in the firmware's set-up, or use dom0=native";
    } else if ((cpuid(CPUID_EXT_SVM_FEATURES).edx & SVM_FEATURE_NESTED) == 0) {
        support.why_not = "the processor has no nested paging";
        support.remedy = "use dom0=native";
    }
    support.usable = support.why_not == NULL;
    return support;
}

/* Bits that a guest may set in EFER: those that CPUID tells of, but SVME. APM volume 2, section 3.1.7. */
static INIT uint64_t efer_allowed(void)
{
    const struct cpuid_leaf features = cpuid(CPUID_EXT_FEATURE);
    const uint32_t addresses = cpuid(CPUID_EXT_ADDRESS).ebx;
    const uint32_t further =
        cpuid(CPUID_EXT_MAX).eax >= CPUID_EXT_FEATURE_2 ? cpuid(CPUID_EXT_FEATURE_2).eax : 0;
    const struct {
        uint64_t efer;
        uint32_t told;
        unsigned int bit;
    } bits[] = {
        {EFER_SCE, features.edx, CPUID_EXT_SYSCALL_BIT},
        {EFER_NXE, features.edx, CPUID_EXT_NX_BIT},
        {EFER_FFXSR, features.edx, CPUID_EXT_FFXSR_BIT},
        {EFER_TCE, features.ecx, CPUID_EXT_TCE_BIT},
        {EFER_MCOMMIT, addresses, CPUID_EXT_MCOMMIT_BIT},
        {EFER_INTWB, addresses, CPUID_EXT_INTWB_BIT},
        {EFER_UAIE, further, CPUID_EXT_UAI_BIT},
        {EFER_AIBRSE, further, CPUID_EXT_AIBRS_BIT},
    };
    uint64_t allowed = EFER_LME | EFER_LMA;

    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        if ((bits[i].told >> bits[i].bit & 1) != 0) {
            allowed |= bits[i].efer;
        }
    }
    return allowed;
}

static INIT void features_keep(void)
{
    first_msrs = (struct msr_context){
        .maker = MSR_OF_SVM,
        .efer_allowed = efer_allowed(),
        .x2apic = cpuid(CPUID_FEATURE).ecx >> CPUID_X2APIC_BIT & 1,
        .system_config = msr_read(MSR_SYSTEM_CONFIG),
    };
    nested_control = SVM_NESTED_PAGING;
    if ((cpuid(CPUID_EXT_SVM_FEATURES).edx & SVM_FEATURE_INVLPGB) != 0) {
        nested_control |= SVM_NESTED_INVLPGB;
    }
}

/* On each processor: what VMRUN wants, before it is used. */
static void svm_switch_on(const struct vcpu *vcpu)
{
    msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SVME);
    msr_write(MSR_VM_CR, msr_read(MSR_VM_CR) | VM_CR_A20_ON);
    msr_write(MSR_VM_HSAVE_PA, vcpu->own_pa + SVM_PAGE_HSAVE * PAGE_BYTES);
    asm volatile("clgi" : : : "memory");
    /* What is loaded on every exit. */
    asm volatile("vmsave %0" : : "a"(vcpu->own_pa + SVM_PAGE_HOST * PAGE_BYTES) : "memory");
}

/* What does not depend on how a processor starts. */
static struct vmcb *vmcb_begin(struct vcpu *vcpu)
{
    struct vmcb *const vmcb = hvm_own_page(vcpu, SVM_PAGE_VMCB);

    memset(vmcb, 0, sizeof(*vmcb));
    vmcb->intercept_3 = SVM_INTERCEPT_INIT | SVM_INTERCEPT_CPUID | SVM_INTERCEPT_INVD |
                        SVM_INTERCEPT_INVLPGA | SVM_INTERCEPT_MSR | SVM_INTERCEPT_SHUTDOWN;
    vmcb->intercept_4 = SVM_INTERCEPT_VMRUN | SVM_INTERCEPT_VMMCALL | SVM_INTERCEPT_VMLOAD |
                        SVM_INTERCEPT_VMSAVE | SVM_INTERCEPT_STGI | SVM_INTERCEPT_CLGI |
                        SVM_INTERCEPT_SKINIT;
    /* A guest that has bit 20 of addresses masked reaches Berth's memory by others than its own. */
    if ((msr_read(MSR_VM_CR) & VM_CR_A20_ON) == 0) {
        vmcb->intercept_3 |= SVM_INTERCEPT_IO;
    }
    vmcb->msr_map_pa = hvm_shared_pages_pa();
    vmcb->io_map_pa = hvm_shared_pages_pa() + MSR_BITMAP_SVM_BYTES;
    vmcb->asid = 1;
    vmcb->tlb_control = SVM_FLUSH_ALL;
    vmcb->nested_control = nested_control;
    vmcb->nested_cr3 = hvm_nested_root_pa();
    vmcb->rflags = EFLAGS_MBS;
    vmcb->dr6 = DR6_INITIAL;
    vmcb->dr7 = DR7_INITIAL;
    vmcb->pat = msr_read(MSR_PAT);
    memset(vcpu->state.gpr, 0, sizeof(vcpu->state.gpr));
    vcpu->msrs = first_msrs;
    vcpu->fetched = vmcb->fetched;
    return vmcb;
}

static struct svm_segment segment(uint16_t selector, uint64_t base, uint32_t limit,
                                  uint16_t attributes)
{
    return (struct svm_segment){selector, attributes, limit, base};
}

/* The state of a processor behind INIT and a start-up message: SDM volume 3A, table 10-1; APM volume 2, table 14-1. */
static void vmcb_real_mode(struct vcpu *vcpu, struct vmcb *vmcb, uint8_t vector)
{
    const uint64_t base = (uint64_t)vector << PAGE_SHIFT;

    vmcb->cs = segment((uint16_t)(base >> REAL_SEGMENT_SHIFT), base, REAL_LIMIT, SVM_REAL_CODE);
    vmcb->ds = segment(0, 0, REAL_LIMIT, SVM_REAL_DATA);
    vmcb->es = vmcb->fs = vmcb->gs = vmcb->ss = vmcb->ds;
    vmcb->gdtr = segment(0, 0, REAL_LIMIT, 0);
    vmcb->idtr = vmcb->gdtr;
    vmcb->ldtr = segment(0, 0, REAL_LIMIT, SVM_REAL_LDT);
    vmcb->tr = segment(0, 0, REAL_LIMIT, SVM_REAL_TASK);
    vmcb->cr0 = CR0_ET;
    vmcb->efer = EFER_SVME;
    vcpu->state.gpr[GPR_DX] = cpuid(CPUID_FEATURE).eax;
    vcpu->logical_id = 0;
    vcpu->cluster_model = false;
}

/* What Linux wants: boot.rst, "64-bit Boot Protocol" and "32-bit Boot Protocol". */
static INIT void vmcb_kernel(struct vcpu *vcpu, struct vmcb *vmcb, const struct hvm_entry *entry)
{
    const bool is_64bit = entry->page_tables != 0;

    vmcb->cs = segment(LINUX_BOOT_CS, 0, UINT32_MAX, is_64bit ? SVM_CODE64 : SVM_CODE32);
    vmcb->ds = segment(LINUX_BOOT_DS, 0, UINT32_MAX, SVM_DATA);
    vmcb->es = vmcb->fs = vmcb->gs = vmcb->ss = vmcb->ds;
    vmcb->gdtr = segment(0, entry->gdt, entry->gdt_limit, 0);
    vmcb->ldtr = segment(0, 0, 0, SVM_REAL_LDT);
    vmcb->tr = segment(0, 0, REAL_LIMIT, SVM_REAL_TASK);
    vmcb->cr0 = CR0_NE | CR0_ET | CR0_PE;
    vmcb->efer = EFER_SVME;
    if (is_64bit) {
        vmcb->cr0 |= CR0_PG;
        vmcb->cr4 = CR4_PAE;
        vmcb->cr3 = entry->page_tables;
        vmcb->efer |= EFER_LME | EFER_LMA;
    }
    vmcb->rip = entry->rip;
    vcpu->state.gpr[GPR_SI] = entry->zero_page;
}

/* On a processor that the guest has started: it came through Berth's page below 1 MiB. */
static void svm_started(void)
{
    struct vcpu *const vcpu = hvm_vcpu(this_processor()->number);
    uint8_t vector;

    hvm_lines_forget(vcpu);
    svm_switch_on(vcpu);
    if (!start_word_take(&vcpu->start, &vector)) {
        svm_wait_for_init();
    }
    vmcb_real_mode(vcpu, vmcb_begin(vcpu), vector);
    svm_loop(vcpu);
}

INIT NORETURN void svm_start(const struct hvm_entry *entry)
{
    struct vcpu *const first = hvm_vcpu(0);

    features_keep();
    msr_bitmap_svm(hvm_shared_pages());
    memset((uint8_t *)hvm_shared_pages() + MSR_BITMAP_SVM_BYTES, 0, SVM_IO_MAP_BYTES);
    a20_ports((uint8_t *)hvm_shared_pages() + MSR_BITMAP_SVM_BYTES);
    processors_rest(svm_started);
    svm_switch_on(first);
    vmcb_kernel(first, vmcb_begin(first), entry);
    log_set_guard(NULL, NULL); /* lines come one at a time: hvm_lines_print() */
    svm_loop_on(first, first->stack_top);
}
