/*
 * The guest inside SVM or VMX: whether there can be one, what Berth keeps of the memory for it, and its start.
 */
#include "hvm.h"

#include "abi/svm.h"
#include "console.h"
#include "instructions.h"
#include "iommu.h"
#include "log.h"
#include "mem.h"
#include "pages.h"
#include "processors.h"
#include "report.h"
#include "start.h"
#include "stop.h"
#include "svm.h"
#include "vmx.h"
#include "x86/registers.h"

struct hvm_choice hvm_choose(enum dom0_mode mode)
{
    const bool has_svm = cpuid(CPUID_EXT_MAX).eax >= CPUID_EXT_FEATURE &&
                         (cpuid(CPUID_EXT_FEATURE).ecx >> CPUID_EXT_SVM_BIT & 1) != 0;

    if (mode != DOM0_AUTO && mode != DOM0_HVM) {
        return (struct hvm_choice){.support = {.usable = false}};
    }
    if (has_svm) {
        return (struct hvm_choice){svm_support(), NESTED_NPT};
    }
    if ((cpuid(CPUID_FEATURE).ecx >> CPUID_VMX_BIT & 1) != 0) {
        return (struct hvm_choice){vmx_support(), NESTED_EPT};
    }
    return (struct hvm_choice){
        .support = {.why_not = "the processor has neither SVM nor VMX, or the firmware hides them",
                    .remedy = "enable virtualisation in the firmware's setup, or use dom0=native"},
    };
}

/* The page where processors start has to stay as it is, too. */
static struct status memory_take(const struct hvm_request *request)
{
    const struct prange page = processors_start_page();

    if (page.start < page.end) {
        const struct status reserved = pages_reserve(page);

        if (!is_ok(reserved)) {
            return reserved;
        }
    }
    return hvm_take_memory(request);
}

/* Under VMX the guest's messages to other processors do not go by way of Berth: what is not in VMX, they start. */
static bool can_be_started_outside(const struct hvm_choice *choice,
                                   const struct hvm_request *request)
{
    return choice->format == NESTED_EPT && request->processors < request->processors_enabled;
}

/* Can it be had? Else why not, and what to do about it. */
static struct hvm_support support_settle(const struct hvm_choice *choice,
                                         const struct hvm_request *request)
{
    struct hvm_support support = choice->support;

    if (support.usable && can_be_started_outside(choice, request)) {
        support = (struct hvm_support){
            .why_not = "not all processors run Berth, and the guest could start them outside of it",
            .remedy = "use dom0=native",
        };
    } else if (support.usable && !is_ok(memory_take(request))) {
        support = (struct hvm_support){
            .why_not = "there is no room for Berth beside the guest",
            .remedy = "add memory, or use dom0=native",
        };
    }
    return support;
}

bool guest_choose(enum dom0_mode mode, const struct hvm_choice *choice,
                  const struct hvm_request *request)
{
    struct hvm_support support;

    if (mode == DOM0_NATIVE) {
        return false;
    }
    if (mode == DOM0_PVH || mode == DOM0_PV) {
        fatal("this build cannot run the kernel in the wanted dom0= mode",
              "use dom0=native, dom0=hvm or dom0=auto");
    }
    support = support_settle(choice, request);
    if (mode == DOM0_AUTO && support.usable) {
        log_info("dom0: auto is hvm: %s with nested paging", support.name);
    } else if (mode == DOM0_AUTO) {
        log_info("dom0: auto is native: %s", support.why_not);
    } else if (!support.usable) {
        log_error("dom0=hvm is not possible: %s - %s", support.why_not, support.remedy);
        machine_stop();
    }
    return support.usable;
}

static uint64_t bytes_of(struct busy_list list)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < list.count; i++) {
        bytes += prange_bytes(list.ranges[i]);
    }
    return bytes;
}

struct busy_list hvm_kept(struct prange image, struct prange tables)
{
    static struct prange ranges[HVM_KEPT_MOST];
    uint32_t count = pages_used(ranges, PAGES_USED_MOST);

    ranges[count++] = image;
    ranges[count++] = tables;
    ranges[count++] = processors_start_page();
    return (struct busy_list){ranges, placement_settle(ranges, count)};
}

struct kept_memory hvm_kept_memory(struct busy_list kept, struct prange image, struct prange tables)
{
    struct kept_memory memory = {
        .all = bytes_of(kept),
        .image = prange_bytes(image),
        .tables = prange_bytes(tables),
        .nested = hvm_nested_bytes() + iommu_bytes(),
    };

    memory.processors = memory.all - memory.image - memory.tables - memory.nested;
    return memory;
}

void hvm_close(struct busy_list kept)
{
    static struct prange ranges[HVM_KEPT_MOST + ACPI_IOMMUS_MAX];
    uint32_t count = kept.count;
    struct busy_list closed;

    memcpy(ranges, kept.ranges, count * sizeof(ranges[0]));
    count += iommu_registers(ranges + count);
    closed = (struct busy_list){ranges, placement_settle(ranges, count)};
    require(hvm_build(closed));
    iommu_start(closed);
}

NORETURN void stage_hvm(const struct hvm_choice *choice, const struct guest *guest)
{
    const struct entry_tables tables = entry_tables_at(&guest->entry_tables);
    const struct hvm_entry entry = {
        .rip = native_entry_point(&guest->entry).pa,
        .zero_page = guest->entry.zero_page.pa,
        .page_tables = tables.page_tables,
        .gdt = tables.gdt,
        .gdt_limit = tables.gdt_limit,
    };

    console_leave_screens();
    if (choice->format == NESTED_NPT) {
        svm_start(&entry);
    }
    vmx_start(&entry);
}
