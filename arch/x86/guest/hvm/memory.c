/*
 * The memory that Berth keeps under a guest: one block, taken before the guest is placed, for the nested tables and for
 * the virtual processors. And what of the machine the guest has.
 *
 *   nested tables | page of ones | the same, for page tables | shared pages | virtual processors | stack
 *
 * The stack is the first processor's: the others have one in their areas.
 */
#include "hvm.h"

#include "abi/vmx.h"
#include "apic.h"
#include "compiler.h"
#include "guest_memory.h"
#include "hvm_state.h"
#include "instructions.h"
#include "iommu.h"
#include "log.h"
#include "mem.h"
#include "mtrr.h"
#include "page_tables.h"
#include "pages.h"
#include "paging.h"
#include "physmap.h"
#include "processor_state.h"
#include "vcpu.h"
#include "x86/address_map.h"
#include "x86/paging.h"
#include "x86/registers.h"
#include "x86/stacks.h"

#define ONES_PAGES  2
#define STACK_PAGES (PROCESSOR_STACK_BYTES / PAGE_BYTES)
/* What is taken from the page allocator after it was asked what it has given: this block, and IOMMUs' tables. */
#define LATER_TAKES 2
/* Of the guest's RAM: more cost its instructions a wait only when they lie behind these. */
#define RAM_RANGES_MOST (PAGE_BYTES / sizeof(struct prange))

static struct hvm_request request;
static struct nested nested;
static struct nested_request nested_request;
static struct prange block;
static uint64_t nested_room_bytes;
static struct guest_memory memory;
static uint32_t first_apic_id;

/* Of the block, but for the nested tables. */
static INIT uint64_t other_bytes(void)
{
    return (ONES_PAGES + 1 + HVM_SHARED_PAGES + (uint64_t)request.processors * VCPU_PAGES +
            STACK_PAGES) *
           PAGE_BYTES;
}

/* Physical addresses of the block's parts. */
static uint64_t ones_pa(void)
{
    return block.start + nested_room_bytes;
}

static uint64_t ranges_pa(void)
{
    return ones_pa() + ONES_PAGES * PAGE_BYTES;
}

uint64_t hvm_shared_pages_pa(void)
{
    return ranges_pa() + PAGE_BYTES;
}

static uint64_t vcpu_pa(uint32_t number)
{
    return hvm_shared_pages_pa() + (HVM_SHARED_PAGES + (uint64_t)number * VCPU_PAGES) * PAGE_BYTES;
}

struct vcpu *hvm_vcpu(uint32_t number)
{
    return physmap_low((paddr_t){vcpu_pa(number)});
}

uint32_t hvm_vcpu_count(void)
{
    return request.processors;
}

void *hvm_own_page(const struct vcpu *vcpu, uint32_t page)
{
    return physmap_low((paddr_t){vcpu->own_pa + page * PAGE_BYTES});
}

void *hvm_shared_pages(void)
{
    return physmap_low((paddr_t){hvm_shared_pages_pa()});
}

uint64_t hvm_nested_root_pa(void)
{
    return nested.pa;
}

struct nested *hvm_nested(void)
{
    return &nested;
}

bool hvm_is_apic_page(uint64_t gpa)
{
    return nested_request.has_apic_page && gpa - nested_request.apic_page.pa < PAGE_BYTES;
}

bool hvm_halts_on_shutdown(void)
{
    return request.halt_on_shutdown;
}

/* Above RAM there may be a device somewhere, and in the first 4 GiB there are in any case. */
static INIT uint64_t top_of(const struct memmap *map)
{
    uint64_t top = IDENTITY_MAP_BYTES;
    uint32_t index = 0;
    struct prange ram;

    while (paging_next_ram(map, UINT64_MAX, &index, &ram)) {
        if (ram.end > top) {
            top = align_up(ram.end, L3_PAGE_BYTES);
        }
    }
    return top;
}

/*
 * Its page is mapped in any case, even while it is off or in x2APIC mode: the guest may switch it on, or to xAPIC mode.
 * With other processors it is in use already.
 */
static INIT bool apic_ready(const struct local_apic *apic)
{
    const bool is_mapped = local_apic_is_used() && !apic->x2apic;

    if (apic->registers.pa == 0) {
        return true;
    }
    if (!is_mapped && !page_tables_add_device(apic->registers)) {
        return false;
    }
    if (apic->on && !local_apic_is_used()) {
        local_apic_use(apic);
    }
    return true;
}

/*
 * What the tables take, before all that is kept is known: where this block and IOMMUs' tables will be is not. What the
 * firmware says of IOMMUs is taken as it is: those that cannot be used cost nothing later.
 */
static INIT uint64_t nested_room(void)
{
    static struct prange kept[HVM_KEPT_MOST + ACPI_IOMMUS_MAX];
    const uint64_t iommus =
        iommu_bytes_most(request.firmware, request.map, request.caps, HVM_KEPT_MOST);
    uint32_t count;

    pages_expect(LATER_TAKES); /* no page for extents comes later */
    count = pages_used(kept, PAGES_USED_MOST);
    kept[count++] = request.image;
    kept[count++] = request.tables;
    kept[count++] = processors_start_page();
    count += iommu_registers_told(request.firmware, kept + count);
    nested_request.kept = (struct busy_list){kept, count};
    return nested_bytes_before(&nested_request, &iommus, 1, other_bytes());
}

/*
 * What kind of memory each address is, as Berth finds it in the MTRRs. With EPT these have no say, and the tables say
 * it; with AMD's tables they have, but a page must not be of two kinds.
 */
static INIT const struct memory_types *types_find(unsigned int physical_bits)
{
    static struct memory_types types;
    struct processor_state state;

    processor_state_read(&state);
    if (!memory_types_make(&state.mtrrs, physical_bits, &types)) {
        log_warning("hvm: the MTRRs say more than can be held: the guest's memory above 0x%lx is "
                    "uncached",
                    types.ranges[types.count - 1].bytes.start);
    }
    return &types;
}

INIT struct status hvm_take_memory(const struct hvm_request *wanted)
{
    const struct local_apic apic = local_apic_detect();

    request = *wanted;
    request.processors =
        processors_listed(); /* a place for each, those that never answered included */
    nested_request = (struct nested_request){
        .format = wanted->format,
        .has_1gib_pages = wanted->caps->has_1gib_pages,
        .physical_bits = wanted->caps->physical_bits,
        .top = top_of(wanted->map),
        .has_apic_page = wanted->format == NESTED_NPT && apic.registers.pa != 0,
        .apic_page = apic.registers,
        .types = types_find(wanted->caps->physical_bits),
    };
    if (wanted->format == NESTED_EPT) {
        nested_request.has_1gib_pages = (msr_read(MSR_VMX_EPT_VPID) & EPT_CAP_1GIB) != 0;
    }
    nested_room_bytes = nested_room();
    if (!apic_ready(&apic)) {
        return status_at(HVM_APIC_OUT_OF_REACH, apic.registers.pa);
    }
    first_apic_id = apic.on ? local_apic_id() : 0;
    return pages_take((nested_room_bytes + other_bytes()) / PAGE_BYTES, &block);
}

/* RAM as the guest has it, as far as Berth reaches it: the map's, without what is kept. */
static INIT uint32_t ram_list(struct busy_list kept, struct prange *ranges)
{
    const struct memmap *const map = request.map;
    struct prange ram;
    uint32_t index = 0;
    uint32_t count = 0;
    uint32_t next = 0;

    while (paging_next_ram(map, PHYSMAP_END, &index, &ram)) {
        while (ram.start < ram.end && count < RAM_RANGES_MOST) {
            while (next < kept.count && kept.ranges[next].end <= ram.start) {
                next++;
            }
            const struct prange hole =
                next < kept.count ? kept.ranges[next] : (struct prange){UINT64_MAX, UINT64_MAX};
            const uint64_t end = hole.start < ram.end ? hole.start : ram.end;

            if (ram.start < end) {
                ranges[count++] = (struct prange){ram.start, end};
            }
            ram.start = hole.start < ram.end ? hole.end : ram.end;
        }
    }
    return count;
}

static INIT void vcpu_prepare(uint32_t number)
{
    struct vcpu *const vcpu = hvm_vcpu(number);
    const struct processor *const other = number > 0 ? processor_online(number - 1) : NULL;

    memset(vcpu, 0, sizeof(*vcpu)); /* its own pages are prepared by who uses them */
    vcpu->number = number;
    vcpu->own_pa = vcpu_pa(number) + PAGE_BYTES;
    vcpu->stack_top = (uint64_t)physmap_low((paddr_t){block.end});
    vcpu->memory = memory;
    vcpu->is_there = number == 0 || other != NULL;
    vcpu->apic_id = other != NULL ? other->apic_id : first_apic_id;
}

INIT struct status hvm_build(struct busy_list kept)
{
    struct prange *const ranges = physmap_low((paddr_t){ranges_pa()});

    nested_request.kept = kept;
    nested_request.ones.pa = ones_pa();
    nested_request.walked.pa = ones_pa() + PAGE_BYTES;
    memset(physmap_low(nested_request.ones), 0xff, ONES_PAGES * PAGE_BYTES);
    memory = (struct guest_memory){
        .bytes = physmap_low((paddr_t){0}),
        .ranges = ranges,
        .count = ram_list(kept, ranges),
    };
    for (uint32_t number = 0; number < request.processors; number++) {
        vcpu_prepare(number);
    }
    return nested_build(&nested, &nested_request, physmap_low((paddr_t){block.start}), block.start,
                        nested_room_bytes);
}

INIT uint64_t hvm_nested_bytes(void)
{
    return nested_room_bytes;
}
