/*
 * What the fields of a VMCS begin with.
 * Source: Intel SDM volume 3C, sections 24.4 to 24.8 (fields), 26.2 and 26.3 (what has to fit); volume 3A, table 9-1
 *         (a processor behind INIT; 10-1 in later editions).
 */
#include "abi/linux_entry.h"
#include "abi/vmx.h"
#include "instructions.h"
#include "log.h"
#include "mem.h"
#include "stop.h"
#include "vmx_state.h"
#include "x86/paging.h"
#include "x86/registers.h"
#include "x86/segments.h"

/* Every processor has translations of its own, so all guests can have the same number. */
#define OWN_VPID 1

NORETURN void vmcs_field_missing(uint64_t field)
{
    log_error("hvm: the processor has no VMCS field 0x%lx - use dom0=native, and report this",
              field);
    machine_stop();
}

INIT struct vmx_capabilities vmx_capabilities_read(void)
{
    const bool are_true = (msr_read(MSR_VMX_BASIC) & VMX_BASIC_TRUE) != 0;
    struct vmx_capabilities has = {
        .pin = msr_read(are_true ? MSR_VMX_TRUE_PIN : MSR_VMX_PIN),
        .primary = msr_read(are_true ? MSR_VMX_TRUE_PRIMARY : MSR_VMX_PRIMARY),
        .exit = msr_read(are_true ? MSR_VMX_TRUE_EXIT : MSR_VMX_EXIT),
        .entry = msr_read(are_true ? MSR_VMX_TRUE_ENTRY : MSR_VMX_ENTRY),
        .misc = msr_read(MSR_VMX_MISC),
        .cr0_fixed0 = msr_read(MSR_VMX_CR0_FIXED0),
        .cr4_fixed0 = msr_read(MSR_VMX_CR4_FIXED0),
    };

    /* Each of these MSRs is there when the one before says so: appendices A.3.3 and A.10. */
    if ((has.primary >> 32 & PRIMARY_SECONDARY) != 0) {
        has.secondary = msr_read(MSR_VMX_SECONDARY);
    }
    if ((has.secondary >> 32 & (SECONDARY_EPT | SECONDARY_VPID)) != 0) {
        has.ept_vpid = msr_read(MSR_VMX_EPT_VPID);
    }
    return has;
}

static INIT void controls_write(const struct vmx_controls *controls)
{
    vmcs_write(VMCS_PIN, controls->pin);
    vmcs_write(VMCS_PRIMARY, controls->primary);
    vmcs_write(VMCS_SECONDARY, controls->secondary);
    vmcs_write(VMCS_EXIT_CONTROLS, controls->exit);
    vmcs_write(VMCS_ENTRY_CONTROLS, controls->entry);
    vmcs_write(VMCS_EXCEPTION_BITMAP, 0);
    vmcs_write(VMCS_PAGE_FAULT_MASK, 0);
    vmcs_write(VMCS_PAGE_FAULT_MATCH, 0);
    vmcs_write(VMCS_CR3_TARGETS, 0);
    vmcs_write(VMCS_EXIT_MSR_STORES, 0);
    vmcs_write(VMCS_EXIT_MSR_LOADS, 0);
    vmcs_write(VMCS_ENTRY_MSR_LOADS, 0);
    vmcs_write(VMCS_ENTRY_EVENT, 0);
    vmcs_write(VMCS_CR0_MASK, controls->cr0_kept);
    vmcs_write(VMCS_CR4_MASK, controls->cr4_kept);
    vmcs_write(VMCS_MSR_BITMAPS, hvm_shared_pages_pa() + VMX_SHARED_BITMAP * PAGE_BYTES);
    vmcs_write(VMCS_EPT, hvm_nested_root_pa() | EPT_POINTER_WRITE_BACK | EPT_POINTER_WALK_4);
    if ((controls->secondary & SECONDARY_VPID) != 0) {
        vmcs_write(VMCS_VPID, OWN_VPID);
    }
    if ((controls->secondary & SECONDARY_XSAVES) != 0) {
        vmcs_write(VMCS_XSS_EXITING, controls->xss_exiting);
    }
    if ((controls->secondary & SECONDARY_PCONFIG) != 0) {
        vmcs_write(VMCS_PCONFIG_EXITING, 0);
    }
}

/* What sgdt and sidt store. */
struct PACKED table_pointer {
    uint16_t limit;
    uint64_t base;
};

/* Where the task state is that a descriptor names: SDM volume 3A, figure 7-4. */
static INIT uint64_t task_base(const struct table_pointer *gdt, uint16_t selector)
{
    uint64_t descriptor[2];

    memcpy(descriptor, (const void *)(gdt->base + selector), sizeof(descriptor));
    return (descriptor[0] >> DESC_BASE_LOW_SHIFT & DESC_BASE_LOW) |
           (descriptor[0] >> DESC_BASE_HIGH_SHIFT & DESC_BASE_HIGH) |
           descriptor[1] << DESC_BASE_UPPER_SHIFT;
}

/* XSETBV is done for the guest, and wants this. */
static INIT uint64_t host_cr4(void)
{
    const bool has_xsave = (cpuid(CPUID_FEATURE).ecx >> CPUID_XSAVE_BIT & 1) != 0;

    return cr4_read() | (has_xsave ? CR4_OSXSAVE : 0);
}

/* As the calling processor is now; it goes on at vmx_exit_entry. */
static INIT void host_write(const struct vmx_controls *controls, uint64_t stack)
{
    struct table_pointer gdt;
    uint16_t code, data, task;

    asm volatile("sgdt %0; mov %%cs, %1; mov %%ss, %2; str %3"
                 : "=m"(gdt), "=r"(code), "=r"(data), "=r"(task));
    vmcs_write(VMCS_HOST_CR0, cr0_read());
    vmcs_write(VMCS_HOST_CR3, page_tables_in_use());
    vmcs_write(VMCS_HOST_CR4, host_cr4());
    vmcs_write(VMCS_HOST_EFER, msr_read(MSR_EFER));
    if ((controls->exit & EXIT_LOAD_PAT) != 0) {
        vmcs_write(VMCS_HOST_PAT, msr_read(MSR_PAT));
    }
    vmcs_write(VMCS_HOST_CS_SELECTOR, code);
    vmcs_write(VMCS_HOST_SS_SELECTOR, data);
    vmcs_write(VMCS_HOST_DS_SELECTOR, data);
    vmcs_write(VMCS_HOST_ES_SELECTOR, data);
    vmcs_write(VMCS_HOST_FS_SELECTOR, 0);
    vmcs_write(VMCS_HOST_GS_SELECTOR, 0);
    vmcs_write(VMCS_HOST_TR_SELECTOR, task);
    vmcs_write(VMCS_HOST_FS_BASE, 0);
    vmcs_write(VMCS_HOST_GS_BASE, msr_read(MSR_GS_BASE));
    vmcs_write(VMCS_HOST_TR_BASE, task_base(&gdt, task));
    vmcs_write(VMCS_HOST_GDTR_BASE, gdt.base);
    vmcs_write(VMCS_HOST_IDTR_BASE, (uint64_t)hvm_shared_pages() + VMX_SHARED_IDT * PAGE_BYTES);
    vmcs_write(VMCS_HOST_SYSENTER_CS, 0);
    vmcs_write(VMCS_HOST_SYSENTER_ESP, 0);
    vmcs_write(VMCS_HOST_SYSENTER_EIP, 0);
    vmcs_write(VMCS_HOST_RSP, stack);
    vmcs_write(VMCS_HOST_RIP, (uint64_t)vmx_exit_entry);
}

INIT void vmcs_begin(const struct vmx_controls *controls, uint64_t stack)
{
    controls_write(controls);
    host_write(controls, stack);
    vmcs_write(VMCS_LINK, UINT64_MAX);
    vmcs_write(VMCS_GUEST_DEBUGCTL, 0);
    if ((controls->entry & ENTRY_LOAD_PAT) != 0) {
        vmcs_write(VMCS_GUEST_PAT, msr_read(MSR_PAT));
    }
    vmcs_write(VMCS_GUEST_SYSENTER_CS, 0);
    vmcs_write(VMCS_GUEST_SYSENTER_ESP, 0);
    vmcs_write(VMCS_GUEST_SYSENTER_EIP, 0);
}

static void segment_write(unsigned int segment, uint16_t selector, uint64_t base, uint32_t limit,
                          uint32_t rights)
{
    vmcs_write(VMCS_SEGMENT(VMCS_GUEST_SELECTOR, segment), selector);
    vmcs_write(VMCS_SEGMENT(VMCS_GUEST_BASE, segment), base);
    vmcs_write(VMCS_SEGMENT(VMCS_GUEST_LIMIT, segment), limit);
    vmcs_write(VMCS_SEGMENT(VMCS_GUEST_RIGHTS, segment), rights);
}

static void data_segments_write(uint16_t selector, uint32_t limit, uint32_t rights)
{
    static const uint8_t segments[] = {VMCS_ES, VMCS_SS, VMCS_DS, VMCS_FS, VMCS_GS};

    for (size_t i = 0; i < sizeof(segments); i++) {
        segment_write(segments[i], selector, 0, limit, rights);
    }
}

static void tables_write(uint64_t gdt, uint32_t gdt_limit, uint32_t idt_limit)
{
    vmcs_write(VMCS_GUEST_GDTR_BASE, gdt);
    vmcs_write(VMCS_GUEST_GDTR_LIMIT, gdt_limit);
    vmcs_write(VMCS_GUEST_IDTR_BASE, 0);
    vmcs_write(VMCS_GUEST_IDTR_LIMIT, idt_limit);
}

/* The guest reads what is given here; the bits that VMX wants are set all the same. */
static void control_write(uint64_t cr0, uint64_t cr3, uint64_t cr4)
{
    vmcs_write(VMCS_GUEST_CR0, cr0 | vmcs_read(VMCS_CR0_MASK));
    vmcs_write(VMCS_CR0_SHADOW, cr0);
    vmcs_write(VMCS_GUEST_CR3, cr3);
    vmcs_write(VMCS_GUEST_CR4, cr4 | vmcs_read(VMCS_CR4_MASK));
    vmcs_write(VMCS_CR4_SHADOW, cr4);
}

void vmcs_efer(uint64_t efer)
{
    const uint64_t entry = vmcs_read(VMCS_ENTRY_CONTROLS) & ~ENTRY_LONG_MODE;

    vmcs_write(VMCS_GUEST_EFER, efer);
    vmcs_write(VMCS_ENTRY_CONTROLS, entry | ((efer & EFER_LMA) != 0 ? ENTRY_LONG_MODE : 0));
}

/* Nothing is pending, and nothing is held off. */
static void rest_write(uint64_t activity)
{
    vmcs_write(VMCS_GUEST_RFLAGS, EFLAGS_MBS);
    vmcs_write(VMCS_GUEST_RSP, 0);
    vmcs_write(VMCS_GUEST_DR7, DR7_INITIAL);
    vmcs_write(VMCS_GUEST_PENDING_DEBUG, 0);
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmcs_write(VMCS_GUEST_ACTIVITY, activity);
}

INIT void vmcs_kernel(struct vcpu *vcpu, const struct hvm_entry *entry)
{
    const bool is_64bit = entry->page_tables != 0;

    segment_write(VMCS_CS, LINUX_BOOT_CS, 0, UINT32_MAX, is_64bit ? RIGHTS_CODE64 : RIGHTS_CODE32);
    data_segments_write(LINUX_BOOT_DS, UINT32_MAX, RIGHTS_DATA32);
    segment_write(VMCS_LDTR, 0, 0, 0, RIGHTS_UNUSABLE);
    segment_write(VMCS_TR, 0, 0, REAL_LIMIT, RIGHTS_TSS_BUSY);
    tables_write(entry->gdt, entry->gdt_limit, 0);
    control_write(CR0_NE | CR0_ET | CR0_PE | (is_64bit ? CR0_PG : 0), entry->page_tables,
                  is_64bit ? CR4_PAE : 0);
    vmcs_efer(is_64bit ? EFER_LME | EFER_LMA : 0);
    rest_write(ACTIVITY_ACTIVE);
    vmcs_write(VMCS_GUEST_RIP, entry->rip);
    memset(vcpu->state.gpr, 0, sizeof(vcpu->state.gpr));
    vcpu->state.gpr[GPR_SI] = entry->zero_page;
}

void vmcs_wait_for_start(struct vcpu *vcpu)
{
    segment_write(VMCS_CS, 0, 0, REAL_LIMIT, RIGHTS_CODE16);
    data_segments_write(0, REAL_LIMIT, RIGHTS_DATA16);
    segment_write(VMCS_LDTR, 0, 0, REAL_LIMIT, RIGHTS_LDT);
    segment_write(VMCS_TR, 0, 0, REAL_LIMIT, RIGHTS_TSS_BUSY);
    tables_write(0, REAL_LIMIT, REAL_LIMIT);
    control_write(CR0_ET, 0, 0);
    vmcs_efer(0);
    rest_write(ACTIVITY_WAIT_FOR_START);
    vmcs_write(VMCS_GUEST_RIP, 0);
    asm volatile("mov %0, %%cr2; mov %0, %%dr0; mov %0, %%dr1; mov %0, %%dr2; mov %0, %%dr3; "
                 "mov %1, %%dr6"
                 :
                 : "r"(0UL), "r"(DR6_INITIAL));
    memset(vcpu->state.gpr, 0, sizeof(vcpu->state.gpr));
    vcpu->state.gpr[GPR_DX] = cpuid(CPUID_FEATURE).eax;
    /* INIT leaves no translations; with VPIDs entries and exits keep them. */
    if ((vmcs_read(VMCS_SECONDARY) & SECONDARY_VPID) != 0) {
        vpids_forget();
    }
}

void vmcs_wait(void)
{
    vmcs_write(VMCS_GUEST_PENDING_DEBUG, 0);
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmcs_write(VMCS_GUEST_ACTIVITY, ACTIVITY_WAIT_FOR_START);
}

void vmcs_started(uint8_t vector)
{
    const uint64_t base = (uint64_t)vector << PAGE_SHIFT;

    segment_write(VMCS_CS, (uint16_t)(base >> REAL_SEGMENT_SHIFT), base, REAL_LIMIT, RIGHTS_CODE16);
    vmcs_write(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
}
