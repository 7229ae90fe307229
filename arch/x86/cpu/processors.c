/*
 * Starting the other processors, what they do until they are needed, and putting them back.
 */
#include "processors.h"

#include <stddef.h>

#include "instructions.h"
#include "log.h"
#include "mem.h"
#include "page_tables.h"
#include "physmap.h"
#include "processor_state.h"
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

_Static_assert(sizeof(struct processor) <= PROCESSOR_DATA_BYTES, "it lies below the stacks");
_Static_assert(offsetof(struct processors_start_info, idt) ==
                   offsetof(struct processors_start_info, idt_limit) + sizeof(uint16_t),
               "lidt reads both in one piece");
_Static_assert(PROCESSOR_DATA_BYTES + 3 * PROCESSOR_FAULT_STACK_BYTES + PROCESSOR_STACK_BYTES ==
                   PROCESSOR_AREA_BYTES,
               "an area is its data and its stacks");

extern const uint8_t trampoline_start[], trampoline_end[], trampoline_cr3[];
extern const uint8_t trampoline_park16[], trampoline_park32[];
extern const uint64_t boot_idt[];
extern const uint8_t idt_pointer_va[10];
extern const uint32_t __trampoline_rel_start[], __trampoline_rel_end[];

struct processors_start_info processors_start_info;

static struct processor_state first_state;
static const struct bringup *listed; /* NULL: none was started, or all were put back */
static struct clock clock;
static uint32_t answers;
static uint32_t frozen;
static uint32_t first_apic_id;

/* As boot_idt, but on the stack in use: who is being started has no TSS. Two quadwords a gate. */
static uint64_t start_idt[2 * (VECTOR_WAKE + 1)] NOINIT;

static struct processor *processor_at(uint32_t index)
{
    return (struct processor *)(processors_start_info.areas +
                                (uint64_t)index * PROCESSOR_AREA_BYTES);
}

static bool processor_answered(uint32_t index)
{
    const struct processor *processor = processor_at(index);

    return __atomic_load_n(&processor->answered, __ATOMIC_ACQUIRE) && !processor->given_up;
}

const struct processor *processor_online(uint32_t index)
{
    return listed != NULL && index < listed->count && processor_answered(index)
               ? processor_at(index)
               : NULL;
}

/* --- on the first processor ------------------------------------------------------------------ */

/* The trampoline in its page, for as long as others start there. */
struct start_page {
    uint8_t *bytes;
    uint8_t saved[TRAMPOLINE_BYTES_MOST];
};

static void word_write(uint8_t *place, uint32_t value)
{
    memcpy(place, &value, sizeof(value));
}

/* What an exception finds in the page, before there is 64-bit mode: a halt. Source: SDM volume 3A, 6.11 and 21.1.4. */
static void start_page_vectors(const struct start_page *page, uint32_t at)
{
    const uint32_t park16 = (uint32_t)(trampoline_park16 - trampoline_start);
    const uint32_t park32 = at + (uint32_t)(trampoline_park32 - trampoline_start);

    for (size_t vector = 0; vector < VECTOR_COUNT; vector++) {
        uint8_t *const gate = page->bytes + TRAMPOLINE_GATES + vector * GATE32_BYTES;

        word_write(page->bytes + TRAMPOLINE_VECTORS + vector * VECTOR16_BYTES,
                   (at >> 4) << 16 | park16);
        word_write(gate, SEL_CODE32 << 16 | (park32 & 0xffff));
        word_write(gate + sizeof(uint32_t), (park32 & 0xffff0000) | GATE_INTERRUPT << 8);
    }
}

static void start_idt_fill(void)
{
    for (size_t vector = 0; vector <= VECTOR_WAKE; vector++) {
        start_idt[2 * vector] = boot_idt[2 * vector] & ~GATE_STACK;
        start_idt[2 * vector + 1] = boot_idt[2 * vector + 1];
    }
}

static void start_page_fill(struct start_page *page, paddr_t at)
{
    page->bytes = physmap_low(at);
    memcpy(page->saved, page->bytes, sizeof(page->saved));
    memcpy(page->bytes, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    start_page_vectors(page, (uint32_t)at.pa);
    for (const uint32_t *listed_at = __trampoline_rel_start; listed_at < __trampoline_rel_end;
         listed_at++) {
        uint32_t offset;

        memcpy(&offset, page->bytes + *listed_at, sizeof(offset));
        word_write(page->bytes + *listed_at, (uint32_t)at.pa + offset);
    }
    word_write(page->bytes + (trampoline_cr3 - trampoline_start), (uint32_t)page_tables_in_use());
    page_tables_lend(at);
}

static void start_page_give_back(const struct start_page *page)
{
    page_tables_take_back();
    memcpy(page->bytes, page->saved, sizeof(page->saved));
}

/* To those that have not answered; in one message where these are all others. */
static void send_to_silent(uint32_t command)
{
    if (listed->broadcast && __atomic_load_n(&answers, __ATOMIC_ACQUIRE) == 0) {
        local_apic_send(0, APIC_OTHERS | command);
        return;
    }
    for (uint32_t i = 0; i < listed->count; i++) {
        if (!processor_answered(i)) {
            local_apic_send(listed->apic_ids[i], command);
        }
    }
}

/* Until all have answered, or for so long after the last answer. */
static bool wait_for_answers(uint64_t patience_us)
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
static void give_up_silent(void)
{
    for (uint32_t i = 0; i < listed->count; i++) {
        if (!processor_answered(i)) {
            processor_at(i)->given_up = true;
            local_apic_send(listed->apic_ids[i], APIC_INIT | APIC_ASSERT);
        }
    }
}

static void wait_us(uint32_t us)
{
    clock_start(&clock);
    while (us > 0 && clock_us(&clock) < us) {
        processor_pause();
    }
}

static uint32_t count_answered(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < listed->count; i++) {
        count += processor_answered(i);
    }
    return count;
}

uint32_t processors_start(const struct processors_request *request)
{
    static struct start_page page;
    const uint32_t start = APIC_START | (uint32_t)(request->start_page.pa / PAGE_BYTES);

    listed = request->who;
    clock = request->clock;
    first_apic_id = local_apic_id();
    processor_state_read(&first_state);
    start_idt_fill();
    processors_start_info = (struct processors_start_info){
        .apic_ids = listed->apic_ids,
        .apic_registers = (uint64_t)physmap_low(request->apic->registers),
        .areas = (uint64_t)physmap_low(request->areas),
        .count = listed->count,
        .x2apic = request->apic->x2apic,
        .idt_limit = sizeof(start_idt) - 1,
        .idt = (uint64_t)start_idt,
    };
    for (uint32_t i = 0; i < listed->count; i++) {
        processor_at(i)->answered = false;
        processor_at(i)->given_up = false;
        processor_at(i)->work = NULL;
    }
    start_page_fill(&page, request->start_page);

    send_to_silent(APIC_INIT | APIC_ASSERT);
    wait_us(request->init_delay_us);
    send_to_silent(start);
    if (!wait_for_answers(SECOND_START_US)) {
        send_to_silent(start);
    }
    if (!wait_for_answers(PATIENCE_US)) {
        give_up_silent();
        wait_us(SECOND_START_US);
    }
    start_page_give_back(&page);
    return count_answered();
}

bool processor_call(uint32_t index, processor_work_fn *work)
{
    struct processor *const processor = processor_at(index);

    if (listed == NULL || index >= listed->count || !processor_answered(index)) {
        return false;
    }
    __atomic_store_n(&processor->work, work, __ATOMIC_RELEASE);
    local_apic_send(listed->apic_ids[index], APIC_FIXED | APIC_ASSERT | VECTOR_WAKE);
    clock_start(&clock);
    while (__atomic_load_n(&processor->work, __ATOMIC_ACQUIRE) != NULL) {
        if (clock_us(&clock) >= PATIENCE_US) {
            processor->given_up = true;
            log_warning("processor %u, APIC id 0x%x, has stopped answering: it is not used",
                        index + 1, listed->apic_ids[index]);
            return false;
        }
        processor_pause();
    }
    return true;
}

void processors_put_back(void)
{
    if (listed == NULL) {
        return;
    }
    if (listed->broadcast) {
        local_apic_send(0, APIC_OTHERS | APIC_INIT | APIC_ASSERT);
    } else {
        for (uint32_t i = 0; i < listed->count; i++) {
            local_apic_send(listed->apic_ids[i], APIC_INIT | APIC_ASSERT);
        }
    }
    /* No need to wait: asleep as they are, they touch no memory before it arrives. */
    listed = NULL;
}

/* --- on any processor ------------------------------------------------------------------------ */

/*
 * Nobody gets this who is not known to have stacks for it: a message to all would reach those that are being started,
 * and those that no list names.
 */
void processors_freeze(void)
{
    const struct local_apic apic = local_apic_detect();
    uint32_t expected = 0;

    if (listed == NULL || apic.x2apic != processors_start_info.x2apic) {
        return;
    }
    const uint32_t self = local_apic_id();

    if (self != first_apic_id) {
        local_apic_send(first_apic_id, APIC_NMI | APIC_ASSERT);
        expected++;
    }
    for (uint32_t i = 0; i < listed->count; i++) {
        if (listed->apic_ids[i] != self && processor_answered(i)) {
            local_apic_send(listed->apic_ids[i], APIC_NMI | APIC_ASSERT);
            expected++;
        }
    }
    for (uint32_t poll = 0;
         poll < FREEZE_POLLS && __atomic_load_n(&frozen, __ATOMIC_ACQUIRE) < expected; poll++) {
        processor_pause();
    }
}

void processor_frozen(void)
{
    __atomic_add_fetch(&frozen, 1, __ATOMIC_RELEASE);
}

const struct processor *processor_of_stack(const void *place)
{
    const uint64_t distance = (uint64_t)place - processors_start_info.areas;
    const uint64_t index = distance / PROCESSOR_AREA_BYTES;

    return listed != NULL && index < listed->count ? processor_at((uint32_t)index) : NULL;
}

/* As the processor itself says, whatever mode its APIC is in. Source: SDM volume 2A, CPUID, leaves 1 and 0xb. */
static uint32_t cpuid_apic_id(void)
{
    const struct cpuid_leaf topology =
        cpuid(CPUID_VENDOR).eax >= CPUID_TOPOLOGY ? cpuid(CPUID_TOPOLOGY) : (struct cpuid_leaf){0};

    return topology.ebx != 0 ? topology.edx : cpuid(CPUID_FEATURE).ebx >> CPUID_ID_SHIFT;
}

struct processor_name processor_name(const void *place)
{
    const struct processor *const processor = processor_of_stack(place);
    uint32_t index;
    uint32_t id;

    if (processor != NULL) {
        index =
            (uint32_t)(((uint64_t)processor - processors_start_info.areas) / PROCESSOR_AREA_BYTES);
        return (struct processor_name){index + 1, listed->apic_ids[index]};
    }
    id = cpuid_apic_id();
    return listed == NULL || id == first_apic_id ? (struct processor_name){0, id}
                                                 : (struct processor_name){PROCESSOR_STARTING, id};
}

/* --- on the others --------------------------------------------------------------------------- */

/* A segment with this base and limit in the two quadwords that a 64-bit system descriptor takes. */
static void descriptor_write(uint64_t descriptor[2], uint64_t base, uint32_t limit)
{
    descriptor[0] =
        (uint64_t)DESC_TSS64 << 32 | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56 | limit;
    descriptor[1] = base >> 32;
}

/* The top of the last of so many fault stacks. */
static uint64_t stacks_end(const struct processor *self, uint64_t stacks)
{
    return (uint64_t)self + PROCESSOR_DATA_BYTES + stacks * PROCESSOR_FAULT_STACK_BYTES;
}

static void tables_load(struct processor *self)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) const pointer = {sizeof(self->gdt) - 1, (uint64_t)self->gdt};

    self->task = (struct task_state){.io_map = sizeof(self->task)};
    self->task.ist[IST_DF - 1] = stacks_end(self, 1);
    self->task.ist[IST_NMI - 1] = stacks_end(self, 2);
    self->task.ist[IST_MC - 1] = stacks_end(self, 3);
    memset(self->gdt, 0, sizeof(self->gdt));
    self->gdt[SEL_CODE32 / 8] = (uint64_t)DESC_CODE32 << 32 | DESC_LIMIT_4GIB;
    self->gdt[SEL_CODE64 / 8] = (uint64_t)DESC_CODE64 << 32 | DESC_LIMIT_4GIB;
    self->gdt[SEL_DATA / 8] = (uint64_t)DESC_DATA << 32 | DESC_LIMIT_4GIB;
    descriptor_write(&self->gdt[SEL_TSS / 8], (uint64_t)&self->task, sizeof(self->task) - 1);
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
            asm volatile("sti; hlt; cli" : : : "memory");
            local_apic_end();
        } else {
            /* The page that it started in is no longer mapped, but may still be remembered. */
            page_tables_use(page_tables_in_use());
            work();
            __atomic_store_n(&self->work, NULL, __ATOMIC_RELEASE);
        }
    }
}

NORETURN void processor_main(struct processor *self, uint32_t index)
{
    tables_load(self);
    processor_state_adopt(&first_state);
    processor_state_read(&self->state);
    self->differs = !processor_state_equal(&self->state, &first_state);
    self->number = index + 1;
    self->apic_id = processors_start_info.apic_ids[index];
    local_apic_open(VECTOR_WAKE);
    __atomic_store_n(&self->answered, true, __ATOMIC_RELEASE);
    __atomic_add_fetch(&answers, 1, __ATOMIC_RELEASE);
    wait_for_work(self);
}
