/*
 * VMX: whether there is any, switching it on, and the start of each virtual processor.
 */
#include "vmx.h"

#include "abi/vmx.h"
#include "instructions.h"
#include "log.h"
#include "mem.h"
#include "msr_filter.h"
#include "stop.h"
#include "vmx_state.h"
#include "x86/apic.h"
#include "x86/paging.h"
#include "x86/registers.h"
#include "x86/segments.h"
#include "x86/vectors.h"

#define NATIVE_REMEDY "use dom0=native"

extern const uint8_t idt_pointer_va[];

static bool firmware_forbids(void)
{
    const uint64_t control = msr_read(MSR_FEATURE_CONTROL);

    return (control & FEATURE_CONTROL_LOCKED) != 0 && (control & FEATURE_CONTROL_OUTSIDE) == 0;
}

struct hvm_support vmx_support(void)
{
    struct hvm_support support = {.name = "VMX", .remedy = NATIVE_REMEDY};

    if ((cpuid(CPUID_FEATURE).ecx >> CPUID_VMX_BIT & 1) == 0) {
        support.why_not = "the processor has no VMX";
    } else if (firmware_forbids()) {
        support.why_not = "the firmware has switched VMX off";
        support.remedy = "switch VMX (VT-x) on in the firmware's set-up, or use dom0=native";
    } else {
        const struct vmx_capabilities has = vmx_capabilities_read();
        struct vmx_controls controls;

        support.why_not = vmx_lack_words(vmx_controls_choose(&has, &controls));
    }
    support.usable = support.why_not == NULL;
    return support;
}

static NORETURN void refuse(const char *what)
{
    log_error("hvm: processor %u: %s - " NATIVE_REMEDY ", and report this",
              this_processor()->number, what);
    machine_stop();
}

static void vmx_on(uint64_t pa)
{
    asm goto("vmxon %0; jna %l[failed]" : : "m"(pa) : "cc", "memory" : failed);
    return;
failed:
    refuse("VMXON fails");
}

static void vmcs_use(uint64_t pa)
{
    asm goto("vmclear %0; jna %l[failed]; vmptrld %0; jna %l[failed]"
             :
             : "m"(pa)
             : "cc", "memory"
             : failed);
    return;
failed:
    refuse("the VMCS cannot be used");
}

/* Whoever used VMX before, a boot loader perhaps, may have left translations. */
static void nested_forget(const struct vmx_controls *controls)
{
    static const struct {
        uint64_t what, address;
    } all = {0, 0};

    asm volatile("invept %0, %1" : : "m"(all), "r"(INVEPT_ALL) : "cc", "memory");
    if ((controls->secondary & SECONDARY_VPID) != 0) {
        vpids_forget();
    }
}

/* Bits that XCR0 can have. */
static uint64_t xcr0_bits(void)
{
    const struct cpuid_leaf state = cpuid(CPUID_VENDOR).eax >= CPUID_XSTATE
                                        ? cpuid(CPUID_XSTATE)
                                        : (struct cpuid_leaf){0, 0, 0, 0};

    return (uint64_t)state.edx << 32 | state.eax;
}

/* The firmware can have locked the APIC's mode: SDM volume 4, table 2-2; each of these says that the next is there. */
static bool x2apic_stays(void)
{
    return cpuid(CPUID_VENDOR).eax >= CPUID_STRUCTURED &&
           (cpuid(CPUID_STRUCTURED).edx >> CPUID_ARCH_CAPABILITIES_BIT & 1) != 0 &&
           (msr_read(MSR_ARCH_CAPABILITIES) & ARCH_HAS_XAPIC_STATUS) != 0 &&
           (msr_read(MSR_XAPIC_STATUS) & XAPIC_DISABLED) != 0;
}

static bool has_core_capabilities(void)
{
    return cpuid(CPUID_VENDOR).eax >= CPUID_STRUCTURED &&
           (cpuid(CPUID_STRUCTURED).edx >> CPUID_CORE_CAPABILITIES_BIT & 1) != 0;
}

/* As the processor is before the guest. */
static void features_keep(struct vcpu *vcpu)
{
    vcpu->msrs = (struct msr_context){
        .maker = MSR_OF_VMX,
        .x2apic = cpuid(CPUID_FEATURE).ecx >> CPUID_X2APIC_BIT & 1,
        .x2apic_stays = x2apic_stays(),
        .feature_control = msr_read(MSR_FEATURE_CONTROL),
        .has_core_capabilities = has_core_capabilities(),
        .core_capabilities = has_core_capabilities() ? msr_read(MSR_CORE_CAPABILITIES) : 0,
    };
    vcpu->xcr0_bits = xcr0_bits();
}

/* On each processor: VMX on, and a VMCS that is complete but for the guest's state. Returns the stack of exits. */
static uint64_t vmx_switch_on(struct vcpu *vcpu, uint64_t stack_top)
{
    const uint64_t stack = stack_top - VMX_STACK_BYTES;
    const uint32_t revision = (uint32_t)(msr_read(MSR_VMX_BASIC) & VMX_BASIC_REVISION);
    const uint64_t allowed = msr_read(MSR_FEATURE_CONTROL);
    const struct vmx_capabilities has = vmx_capabilities_read();
    struct vmx_controls controls;
    const enum vmx_lack lack = vmx_controls_choose(&has, &controls);

    if (lack != VMX_LACKS_NOTHING) {
        refuse(vmx_lack_words(lack));
    }
    if (firmware_forbids()) {
        refuse("the firmware has switched VMX off on this one alone");
    }
    if ((allowed & FEATURE_CONTROL_LOCKED) == 0) {
        msr_write(MSR_FEATURE_CONTROL, allowed | FEATURE_CONTROL_OUTSIDE | FEATURE_CONTROL_LOCKED);
    }
    cr4_write(cr4_read() | CR4_VMXE);
    memset(hvm_own_page(vcpu, VMX_PAGE_VMCS), 0, PAGE_BYTES);
    memcpy(hvm_own_page(vcpu, VMX_PAGE_ON), &revision, sizeof(revision));
    memcpy(hvm_own_page(vcpu, VMX_PAGE_VMCS), &revision, sizeof(revision));
    vmx_on(vcpu->own_pa + VMX_PAGE_ON * PAGE_BYTES);
    vmcs_use(vcpu->own_pa + VMX_PAGE_VMCS * PAGE_BYTES);
    nested_forget(&controls);
    vmcs_begin(&controls, stack);
    features_keep(vcpu);
    return stack;
}

/* On another processor: it waits, inside the guest, for the guest's start-up message. */
static void other_start(void)
{
    struct processor *const self = this_processor();
    struct vcpu *const vcpu = hvm_vcpu(self->number);
    const uint64_t stack = vmx_switch_on(vcpu, self->stacks[STACK_ORDINARY].top);

    vmcs_wait_for_start(vcpu);
    vmx_apic_reset();
    /* The first one need not wait until this is done, which is never. */
    __atomic_store_n(&self->work, NULL, __ATOMIC_RELEASE);
    vmx_launch(vcpu, stack);
}

static uint8_t *shared_page(uint32_t page)
{
    return (uint8_t *)hvm_shared_pages() + page * PAGE_BYTES;
}

/* The tables of traps that are in force, but for the gate of NMIs. Its stack stays the one that it has of its own. */
static void idt_build(void)
{
    struct PACKED {
        uint16_t limit;
        uint64_t base;
    } pointer;
    const uint64_t entry = (uint64_t)vmx_nmi_entry;
    uint8_t *const gate = shared_page(VMX_SHARED_IDT) + (size_t)VECTOR_NMI * GATE64_BYTES;

    asm volatile("sidt %0" : "=m"(pointer));
    memcpy(shared_page(VMX_SHARED_IDT), (const void *)pointer.base, (size_t)pointer.limit + 1);
    memcpy(gate + GATE64_OFFSET_0_15, &entry, sizeof(uint16_t));
    memcpy(gate + GATE64_OFFSET_16_63, (const uint8_t *)&entry + sizeof(uint16_t),
           sizeof(entry) - sizeof(uint16_t));
}

NORETURN void vmx_start(const struct hvm_entry *entry)
{
    struct vcpu *const first = hvm_vcpu(0);
    uint64_t stack;

    memset(hvm_shared_pages(), 0, VMX_SHARED * PAGE_BYTES);
    msr_bitmap_vmx(shared_page(VMX_SHARED_BITMAP));
    idt_build();
    for (uint32_t number = 1; number < hvm_vcpu_count(); number++) {
        if (hvm_vcpu(number)->is_there && !processor_call(number - 1, other_start)) {
            log_error("hvm: processor %u does not get into VMX, and the guest could start it "
                      "outside of Berth - " NATIVE_REMEDY,
                      number);
            machine_stop();
        }
    }
    processors_lend();
    stack = vmx_switch_on(first, first->stack_top);
    vmcs_kernel(first, entry);
    log_set_guard(NULL, NULL); /* lines come one at a time: hvm_lines_print() */
    vmx_launch(first, stack);
}
