/*
 * Each processor's own data; starting the other processors, what they do until they are needed, and putting them back.
 */
#include "processors.h"

#include "compiler.h"

#include <stddef.h>

#include "instructions.h"
#include "log.h"
#include "mem.h"
#include "page_tables.h"
#include "physmap.h"
#include "processor_state.h"
#include "spinlock.h"
#include "stop.h"
#include "x86/address_map.h"
#include "x86/apic.h"
#include "x86/paging.h"
#include "x86/registers.h"
#include "x86/stacks.h"
#include "x86/vectors.h"

/* MultiProcessor Specification 1.4, section B.4: after so long a second start-up message is sent. */
#define SECOND_START_US 200
#define PATIENCE_US     3000000 /* an overloaded host can stop a virtual processor for that long */
/* Between two looks at the clock, which may be a slow port. */
#define POLLS_FOR_EACH_LOOK 16
/* Of a report for the others to stop: an NMI takes some microseconds. */
#define FREEZE_POLLS 100000

_Static_assert(sizeof(struct processor) <= PROCESSOR_DATA_BYTES, "it is a part of the area");
_Static_assert(PROCESSOR_AREAS_START + ACPI_PROCESSORS_MAX * PROCESSOR_AREA_MAPPED_BYTES <=
                   PROCESSOR_AREAS_END,
               "all areas lie within their window");
_Static_assert(offsetof(struct processor, self) == 0, "this_processor() reads it there");
_Static_assert(offsetof(struct processors_start_info, idt) ==
                   offsetof(struct processors_start_info, idt_limit) + sizeof(uint16_t),
               "lidt reads both in one piece");

extern const uint8_t trampoline_start[], trampoline_end[], trampoline_cr3[], trampoline_efer[];
extern const uint8_t trampoline_park16[], trampoline_park32[];
extern const uint64_t boot_idt[];
extern const uint8_t idt_pointer_va[10];
extern const uint32_t __trampoline_rel_start[], __trampoline_rel_end[];
extern uint64_t boot_gdt[];
extern const uint8_t gdt_pointer_va[10];

extern const uint8_t boot_stack[], boot_stack_top[], stack_df[], stack_df_top[];
extern const uint8_t stack_nmi[], stack_nmi_top[], stack_mc[], stack_mc_top[];

struct processors_start_info processors_start_info;

/* Data, because it is needed as soon as there is a descriptor table: boot/head.S lets GS base point to it. */
struct processor first_processor = {
    .self = &first_processor,
    .stacks = {[STACK_ORDINARY] = {(uint64_t)boot_stack, (uint64_t)boot_stack_top},
               [IST_DF] = {(uint64_t)stack_df, (uint64_t)stack_df_top},
               [IST_NMI] = {(uint64_t)stack_nmi, (uint64_t)stack_nmi_top},
               [IST_MC] = {(uint64_t)stack_mc, (uint64_t)stack_mc_top}},
};

static const struct bringup *listed; /* NULL: none was started, or all were put back */
static struct clock clock;
static uint32_t answers;
static uint64_t stamps[BRINGUP_PARTS + 1];
static uint32_t frozen;
static bool resting; /* guests run on them, not Berth */
bool processors_stopping;

/* Who has not come to its own data: one of them can have something to report. */
static struct processor starting_processor = {.self = &starting_processor,
                                              .number = PROCESSOR_STARTING};

/* Another one that leaves the machine, on the first one's stacks. */
static struct processor leaving_processor = {.self = &leaving_processor,
                                             .number = PROCESSOR_LEAVING};

/* As boot_idt, but on the stack in use: who is being started has no TSS. Two quadwords a gate. */
static uint64_t start_idt[2 * (VECTOR_WAKE + 1)] NOINIT;

/* Where the data begin in the first of the areas: above its stacks. */
#define FIRST_AREA_DATA (PROCESSOR_AREAS_START + PROCESSOR_AREA_MAPPED_BYTES - PROCESSOR_DATA_BYTES)

static struct processor *processor_at(uint32_t index)
{
    return (struct processor *)(FIRST_AREA_DATA + index * PROCESSOR_AREA_MAPPED_BYTES);
}

static bool has_stacks(uint32_t index)
{
    return __atomic_load_n(&processor_at(index)->answered, __ATOMIC_ACQUIRE);
}

static bool processor_answered(uint32_t index)
{
    return has_stacks(index) && !processor_at(index)->given_up;
}

const struct processor *processor_online(uint32_t index)
{
    return listed != NULL && index < listed->count && processor_answered(index)
               ? processor_at(index)
               : NULL;
}

/* --- on the first processor ------------------------------------------------------------------ */

/* The trampoline in its page, for as long as others start there. */
static struct start_page {
    paddr_t pa;
    uint8_t *bytes;
    uint8_t saved[TRAMPOLINE_BYTES_MOST];
} start_page;

static void word_write(uint8_t *place, uint32_t value)
{
    memcpy(place, &value, sizeof(value));
}

/* What an exception finds in the page, before there is 64-bit mode: a halt. Source: SDM volume 3A, 6.11 and 21.1.4. */
static INIT void start_page_vectors(uint32_t at)
{
    const uint32_t park16 = (uint32_t)(trampoline_park16 - trampoline_start);
    const uint32_t park32 = at + (uint32_t)(trampoline_park32 - trampoline_start);

    for (size_t vector = 0; vector < VECTOR_COUNT; vector++) {
        uint8_t *const gate = start_page.bytes + TRAMPOLINE_GATES + vector * GATE32_BYTES;

        word_write(start_page.bytes + TRAMPOLINE_VECTORS + vector * VECTOR16_BYTES,
                   (at >> REAL_SEGMENT_SHIFT) << VECTOR16_SEGMENT_SHIFT | park16);
        word_write(gate, SEL_CODE32 << GATE32_SELECTOR_SHIFT | (park32 & GATE32_OFFSET_LOW));
        word_write(gate + sizeof(uint32_t),
                   (park32 & GATE32_OFFSET_HIGH) | GATE_INTERRUPT << GATE32_KIND_SHIFT);
    }
}

static INIT void start_idt_fill(void)
{
    for (size_t vector = 0; vector <= VECTOR_WAKE; vector++) {
        start_idt[2 * vector] = boot_idt[2 * vector] & ~GATE_STACK;
        start_idt[2 * vector + 1] = boot_idt[2 * vector + 1];
    }
}

static INIT void start_page_fill(void)
{
    const uint32_t at = (uint32_t)start_page.pa.pa;
    uint8_t *const bytes = physmap_low(start_page.pa);

    start_page.bytes = bytes;
    memcpy(start_page.saved, bytes, sizeof(start_page.saved));
    memcpy(bytes, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    start_page_vectors(at);
    for (const uint32_t *listed_at = __trampoline_rel_start; listed_at < __trampoline_rel_end;
         listed_at++) {
        uint32_t offset;

        memcpy(&offset, bytes + *listed_at, sizeof(offset));
        word_write(bytes + *listed_at, at + offset);
    }
    word_write(bytes + (trampoline_cr3 - trampoline_start), (uint32_t)page_tables_in_use());
    word_write(bytes + (trampoline_efer - trampoline_start),
               (uint32_t)first_processor.state.efer & ~EFER_LMA);
    page_tables_lend(start_page.pa);
}

static INIT void start_page_give_back(void)
{
    page_tables_take_back();
    memcpy(start_page.bytes, start_page.saved, sizeof(start_page.saved));
}

struct prange processors_start_page(void)
{
    return listed != NULL ? (struct prange){start_page.pa.pa, start_page.pa.pa + PAGE_BYTES}
                          : (struct prange){0, 0};
}

/*
 * To those that have not answered, without a wait between them. One message to all would start those, too, that no list
 * names; nobody waits for them, and they would run in a page that is given back.
 */
static INIT void send_to_silent(uint32_t command)
{
    for (uint32_t i = 0; i < listed->count; i++) {
        if (!processor_answered(i)) {
            local_apic_send(listed->apic_ids[i], command);
        }
    }
}

/* Until all have answered, or for so long after the last answer. */
static INIT bool wait_for_answers(uint64_t patience_us)
{
    uint32_t seen = 0;

    clock_start(&clock);
    while (seen < listed->count && clock_us(&clock) < patience_us) {
        for (unsigned int poll = 0; poll < POLLS_FOR_EACH_LOOK && seen < listed->count; poll++) {
            const uint32_t now = __atomic_load_n(&answers, __ATOMIC_ACQUIRE);

            if (now != seen) {
                seen = now;
                clock_start(&clock);
            }
            processor_pause();
        }
    }
    return seen == listed->count;
}

/* Should one come late, it must not find another page than it was sent to. */
static INIT void give_up_silent(void)
{
    for (uint32_t i = 0; i < listed->count; i++) {
        if (!processor_answered(i)) {
            processor_at(i)->given_up = true;
            local_apic_send(listed->apic_ids[i], APIC_INIT | APIC_ASSERT);
        }
    }
}

static INIT void wait_us(uint32_t us)
{
    clock_start(&clock);
    while (us > 0 && clock_us(&clock) < us) {
        processor_pause();
    }
}

static INIT uint32_t count_answered(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < listed->count; i++) {
        count += processor_answered(i);
    }
    return count;
}

/* The memory of its area holds anything. */
static INIT void processor_prepare(uint32_t index, uint32_t apic_id)
{
    struct processor *const processor = processor_at(index);

    processor->self = processor;
    processor->number = index + 1;
    processor->apic_id = apic_id;
    stacks_of_area(PROCESSOR_AREAS_START + index * PROCESSOR_AREA_MAPPED_BYTES, processor->stacks);
    processor->answered = false;
    processor->held = NULL;
    processor->given_up = false;
    processor->frozen = false;
    processor->work = NULL;
}

static INIT void part_end(enum bringup_part part)
{
    stamps[part + 1] = tsc_read();
}

const uint64_t *processors_stamps(void)
{
    return stamps[0] != 0 ? stamps : NULL;
}

INIT uint32_t processors_start(const struct processors_request *request)
{
    const uint32_t start = APIC_START | (uint32_t)(request->start_page.pa / PAGE_BYTES);

    stamps[0] = tsc_read();
    clock = request->clock;
    first_processor.apic_id = local_apic_id();
    processor_state_read(&first_processor.state);
    start_idt_fill();
    processors_start_info = (struct processors_start_info){
        .apic_ids = request->who->apic_ids,
        .apic_registers = (uint64_t)physmap_low(request->apic->registers),
        .count = request->who->count,
        .x2apic = request->apic->x2apic,
        .idt_limit = sizeof(start_idt) - 1,
        .idt = (uint64_t)start_idt,
    };
    for (uint32_t i = 0; i < request->who->count; i++) {
        processor_prepare(i, request->who->apic_ids[i]);
    }
    listed = request->who;
    start_page.pa = request->start_page;
    start_page_fill();
    part_end(BRINGUP_PREPARED);

    send_to_silent(APIC_INIT | APIC_ASSERT);
    wait_us(request->init_delay_us);
    part_end(BRINGUP_INIT);
    send_to_silent(start);
    if (!wait_for_answers(SECOND_START_US)) {
        send_to_silent(start);
    }
    if (!wait_for_answers(PATIENCE_US)) {
        give_up_silent();
        wait_us(SECOND_START_US);
    }
    part_end(BRINGUP_ANSWERED);
    start_page_give_back();
    part_end(BRINGUP_GIVEN_BACK);
    return count_answered();
}

static void work_begin(uint32_t index, processor_work_fn *work)
{
    __atomic_store_n(&processor_at(index)->work, work, __ATOMIC_RELEASE);
    local_apic_send(listed->apic_ids[index], APIC_FIXED | APIC_ASSERT | VECTOR_WAKE);
}

static bool work_wait(uint32_t index)
{
    clock_start(&clock);
    while (__atomic_load_n(&processor_at(index)->work, __ATOMIC_ACQUIRE) != NULL) {
        if (clock_us(&clock) >= PATIENCE_US) {
            processor_at(index)->given_up = true;
            return false;
        }
        processor_pause();
    }
    return true;
}

bool processor_call(uint32_t index, processor_work_fn *work)
{
    if (listed == NULL || index >= listed->count || !processor_answered(index)) {
        return false;
    }
    work_begin(index, work);
    return work_wait(index);
}

bool processors_call(processor_work_fn *work)
{
    const uint32_t count = listed != NULL ? listed->count : 0;
    bool all_done = true;

    for (uint32_t i = 0; i < count; i++) {
        if (processor_answered(i)) {
            work_begin(i, work);
        }
    }
    work();
    for (uint32_t i = 0; i < count; i++) {
        all_done = (!processor_answered(i) || work_wait(i)) && all_done;
    }
    return all_done;
}

void processors_put_back(void)
{
    if (listed == NULL) {
        return;
    }
    for (uint32_t i = 0; i < listed->count; i++) {
        local_apic_send(listed->apic_ids[i], APIC_INIT | APIC_ASSERT);
    }
    /* No need to wait: asleep as they are, they touch no memory before it arrives. */
    listed = NULL;
}

uint32_t processors_listed(void)
{
    return 1 + (listed != NULL ? listed->count : 0);
}

INIT void processors_rest(processor_work_fn *work)
{
    resting = true;
    if (listed == NULL) {
        return;
    }
    start_page_fill();
    /* In whichever mode the guest has put their APICs, they stay. */
    processors_start_info.x2apic = false;
    for (uint32_t i = 0; i < listed->count; i++) {
        processor_at(i)->work = work;
        local_apic_send(listed->apic_ids[i], APIC_INIT | APIC_ASSERT);
    }
}

INIT void processors_lend(void)
{
    resting = true;
}

/* --- on any processor ------------------------------------------------------------------------ */

/* INIT takes them out of a guest. Not the first one: it would begin at the firmware; it stops when it exits. */
static void guests_interrupt(uint32_t self)
{
    for (uint32_t i = 0; i < listed->count; i++) {
        if (listed->apic_ids[i] != self && has_stacks(i)) {
            local_apic_send(listed->apic_ids[i], APIC_INIT | APIC_ASSERT);
        }
    }
}

/*
 * Nobody gets this who is not known to have stacks for it: a message to all would reach those that are being started,
 * and those that no list names.
 */
void processors_freeze(void)
{
    const struct local_apic apic = local_apic_detect();
    uint32_t expected = 0;

    __atomic_store_n(&processors_stopping, true, __ATOMIC_RELEASE);
    if (listed == NULL || apic.x2apic != local_apic_in_x2apic_mode()) {
        return;
    }
    const uint32_t self = local_apic_id();

    if (resting) {
        guests_interrupt(self);
        return;
    }

    if (self != first_processor.apic_id) {
        local_apic_send(first_processor.apic_id, APIC_NMI | APIC_ASSERT);
        expected++;
    }
    for (uint32_t i = 0; i < listed->count; i++) {
        /* One that has been given up later on may still run. */
        if (listed->apic_ids[i] != self && has_stacks(i)) {
            local_apic_send(listed->apic_ids[i], APIC_NMI | APIC_ASSERT);
            expected++;
        }
    }
    for (uint32_t poll = 0;
         poll < FREEZE_POLLS && __atomic_load_n(&frozen, __ATOMIC_ACQUIRE) < expected; poll++) {
        processor_pause();
    }
}

NORETURN void processor_become_first(processor_work_fn *function)
{
    if (processor_self() != &first_processor) {
        memcpy(leaving_processor.stacks, first_processor.stacks, sizeof(first_processor.stacks));
        leaving_processor.apic_id = processor_self()->apic_id;
        msr_write(MSR_GS_BASE, (uint64_t)&leaving_processor);
    }
    boot_gdt[SEL_TSS / DESC_BYTES] &= ~((uint64_t)DESC_TSS_BUSY << DESC_ATTRIBUTES_SHIFT);
    asm volatile("lgdt %0; ltr %w1; lidt %2; mov %3, %%rsp; xor %%ebp, %%ebp; call *%4"
                 :
                 : "m"(gdt_pointer_va), "r"(SEL_TSS), "m"(idt_pointer_va), "r"(boot_stack_top),
                   "r"(function)
                 : "memory");
    __builtin_unreachable();
}

void processor_frozen(void)
{
    struct processor *const self = processor_self();

    if (!self->frozen) {
        self->frozen = true;
        __atomic_add_fetch(&frozen, 1, __ATOMIC_RELEASE);
    }
}

struct processor *processor_self(void)
{
    return listed != NULL ? this_processor() : &first_processor;
}

uint32_t processor_number(void)
{
    return processor_self()->number;
}

/* In whose area a place is; NULL: in nobody's. */
static const struct processor *area_owner(uint64_t place)
{
    const uint64_t index = (place - PROCESSOR_AREAS_START) / PROCESSOR_AREA_MAPPED_BYTES;

    return listed != NULL && index < listed->count ? processor_at((uint32_t)index) : NULL;
}

/* As the processor itself says, whatever mode its APIC is in. Source: SDM volume 2A, CPUID, leaves 1 and 0xb. */
static uint32_t cpuid_apic_id(void)
{
    const struct cpuid_leaf topology =
        cpuid(CPUID_VENDOR).eax >= CPUID_TOPOLOGY ? cpuid(CPUID_TOPOLOGY) : (struct cpuid_leaf){0};

    return topology.ebx != 0 ? topology.edx : cpuid(CPUID_FEATURE).ebx >> CPUID_ID_SHIFT;
}

static struct processor *starting_claim(void)
{
    static bool claimed;

    if (__atomic_test_and_set(&claimed, __ATOMIC_ACQ_REL)) {
        processor_halt();
    }
    starting_processor.apic_id = cpuid_apic_id();
    return &starting_processor;
}

const struct processor *processor_that_reports(const void *frame)
{
    const uint64_t base = msr_read(MSR_GS_BASE);
    const struct processor *owner = area_owner(base);

    if (base == (uint64_t)&first_processor || base == (uint64_t)&starting_processor ||
        base == (uint64_t)&leaving_processor || (owner != NULL && base == (uint64_t)owner)) {
        return (const struct processor *)base;
    }
    owner = area_owner((uint64_t)frame);
    if (owner == NULL) {
        owner = listed == NULL || cpuid_apic_id() == first_processor.apic_id ? &first_processor
                                                                             : starting_claim();
    }
    msr_write(MSR_GS_BASE, (uint64_t)owner);
    return owner;
}

/* --- on the others --------------------------------------------------------------------------- */

/* A segment with this base and limit in the two quadwords that a 64-bit system descriptor takes. */
static void descriptor_write(uint64_t descriptor[2], uint64_t base, uint32_t limit)
{
    descriptor[0] = (uint64_t)DESC_TSS64 << DESC_ATTRIBUTES_SHIFT |
                    (base & DESC_BASE_LOW) << DESC_BASE_LOW_SHIFT |
                    (base & DESC_BASE_HIGH) << DESC_BASE_HIGH_SHIFT | limit;
    descriptor[1] = base >> DESC_BASE_UPPER_SHIFT;
}

/* One of a segment that is all of memory. */
static uint64_t flat_descriptor(uint64_t attributes)
{
    return attributes << DESC_ATTRIBUTES_SHIFT | DESC_LIMIT_4GIB;
}

static void tables_load(struct processor *self)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) const pointer = {sizeof(self->gdt) - 1, (uint64_t)self->gdt};

    self->task = (struct task_state){.io_map = sizeof(self->task)};
    for (unsigned int ist = 1; ist < STACK_COUNT; ist++) {
        self->task.ist[ist - 1] = self->stacks[ist].top;
    }
    memset(self->gdt, 0, sizeof(self->gdt));
    self->gdt[SEL_CODE32 / DESC_BYTES] = flat_descriptor(DESC_CODE32);
    self->gdt[SEL_CODE64 / DESC_BYTES] = flat_descriptor(DESC_CODE64);
    self->gdt[SEL_DATA / DESC_BYTES] = flat_descriptor(DESC_DATA);
    descriptor_write(&self->gdt[SEL_TSS / DESC_BYTES], (uint64_t)&self->task,
                     sizeof(self->task) - 1);
    asm volatile("lgdt %0; ltr %w1; lidt %2"
                 :
                 : "m"(pointer), "r"(SEL_TSS), "m"(idt_pointer_va)
                 : "memory");
}

/* Asleep, but for what it is asked to do. Between the look and hlt no interrupt is taken, so none is missed. */
static NORETURN void wait_for_work(struct processor *self)
{
    for (;;) {
        processor_work_fn *const work = __atomic_load_n(&self->work, __ATOMIC_ACQUIRE);

        if (work == NULL) {
            spin_check_sleep();
            asm volatile("sti; hlt; cli" : : : "memory");
            local_apic_end();
        } else {
            /* The page that it started in is no longer mapped, but may still be remembered. */
            translations_forget();
            work();
            __atomic_store_n(&self->work, NULL, __ATOMIC_RELEASE);
        }
    }
}

NORETURN void processor_main(struct processor *self)
{
    tables_load(self);
    if (resting) {
        /* A guest has started it: memory types and the APIC are the guest's by now. */
        processor_control_adopt(&first_processor.state);
        wait_for_work(self);
    }
    processor_state_adopt(&first_processor.state);
    processor_state_read(&self->state);
    self->differs = !processor_state_equal(&self->state, &first_processor.state);
    local_apic_open(VECTOR_WAKE);
    __atomic_store_n(&self->answered, true, __ATOMIC_RELEASE);
    __atomic_add_fetch(&answers, 1, __ATOMIC_RELEASE);
    wait_for_work(self);
}
