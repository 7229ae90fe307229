/*
 * The guest's own tables: paging one to one below 4 GiB, open to ring 3; segments; gates, all on a
 * stack of their own. Source: Intel SDM volume 3A, sections 3.4.5, 4.5, 6.14, 7.7.
 */
#include "guest_io.h"
#include "probe.h"
#include "variant.h"

#define PRESENT     0x1u
#define WRITABLE    0x2u
#define USER        0x4u
#define LARGE       0x80u
#define TABLE       (PRESENT | WRITABLE | USER)
#define ENTRIES     512u
#define LARGE_BYTES 0x200000u
#define GIB_TABLES  4u

#define CR0_MP        0x2u
#define CR0_EM        0x4u
#define CR0_TS        0x8u
#define CR4_PAE       0x20u
#define CR4_OSFXSR    0x200u
#define CR4_KEPT_BITS 0x40u /* machine checks */

#define GATE_INTERRUPT 0x8e01u /* present, ring 0, interrupt gate, stack 1 */
#define GATE_RING3     0x6000u
#define GATES          (VECTOR_FINISHED + 1)

#pragma GCC visibility push(hidden)
extern uint8_t exception_stack_top[];
#pragma GCC visibility pop

/* The top table, the one below, one for each GiB; then one of each level for map_by(). */
static uint64_t tables[2 + GIB_TABLES + 2][ENTRIES] __attribute__((aligned(PAGE_BYTES)));
enum { TOP, BELOW, FIRST_GIB, SPARE_3 = FIRST_GIB + GIB_TABLES, SPARE_2 };

struct gate {
    uint16_t offset_0;
    uint16_t selector;
    uint16_t attributes;
    uint16_t offset_16;
    uint32_t offset_32;
    uint32_t reserved;
};
static struct gate gates[GATES] __attribute__((aligned(PAGE_BYTES)));

struct task {
    uint32_t reserved;
    uint32_t stacks[6]; /* rsp0 to rsp2 */
    uint32_t reserved2[2];
    uint32_t own_stacks[14];
    uint32_t reserved3[2];
    uint32_t ports;
} __attribute__((packed));
static struct task task;

static uint64_t segments[TASK_SELECTOR / 8 + 2] = {
    [CODE_SELECTOR / 8] = 0x00af9b000000ffff,
    [DATA_SELECTOR / 8] = 0x00cf93000000ffff,
    [USER_DATA_SELECTOR / 8] = 0x00cff3000000ffff,
    [USER_CODE_SELECTOR / 8] = 0x00affb000000ffff,
};

static void write_cr3(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

uint64_t *own_tables(void)
{
    return tables[TOP];
}

static void own_paging(void)
{
    tables[TOP][0] = (uintptr_t)tables[BELOW] | TABLE;
    for (unsigned int gib = 0; gib < GIB_TABLES; gib++) {
        tables[BELOW][gib] = (uintptr_t)tables[FIRST_GIB + gib] | TABLE;
        for (unsigned int i = 0; i < ENTRIES; i++) {
            tables[FIRST_GIB + gib][i] =
                (uint64_t)(gib * ENTRIES + i) * LARGE_BYTES | LARGE | TABLE;
        }
    }
    write_cr3((uintptr_t)tables[TOP]);
}

uint64_t map_by(uint64_t table, unsigned int level)
{
    tables[SPARE_3][0] = level == 2 ? table | TABLE : (uintptr_t)tables[SPARE_2] | TABLE;
    tables[SPARE_2][0] = table | TABLE;
    tables[TOP][1] = level == 3 ? table | TABLE : (uintptr_t)tables[SPARE_3] | TABLE;
    write_cr3((uintptr_t)tables[TOP]);
    return (uint64_t)1 << 39;
}

/* The stack of exceptions; back to the guest's own with 0. */
void set_exception_stack(uint64_t top)
{
    const uint64_t stack = top != 0 ? top : (uintptr_t)exception_stack_top;

    task.stacks[0] = task.own_stacks[0] = (uint32_t)stack;
    task.stacks[1] = task.own_stacks[1] = (uint32_t)(stack >> 32);
}

static void own_segments(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) gdtr;
    uint64_t base = (uintptr_t)&task;

    /* Assigned, not initialised: a constant structure would hold the link-time address. */
    gdtr.limit = sizeof(segments) - 1;
    gdtr.base = (uintptr_t)segments;
    set_exception_stack(0);
    task.ports = sizeof(task) << 16;
    segments[TASK_SELECTOR / 8] =
        (sizeof(task) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base & 0xff000000) << 32;
    segments[TASK_SELECTOR / 8 + 1] = base >> 32;
    __asm__ volatile("lgdt %0\n\t"
                     "mov %1, %%eax\n\t"
                     "mov %%eax, %%ds\n\t"
                     "mov %%eax, %%es\n\t"
                     "mov %%eax, %%ss\n\t"
                     "xor %%eax, %%eax\n\t"
                     "mov %%eax, %%fs\n\t"
                     "mov %%eax, %%gs\n\t"
                     "push %2\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "mov %3, %%eax\n\t"
                     "ltr %%ax"
                     :
                     : "m"(gdtr), "i"(DATA_SELECTOR), "i"(CODE_SELECTOR), "i"(TASK_SELECTOR)
                     : "rax", "memory");
}

const void *own_gates(size_t *bytes)
{
    *bytes = sizeof(gates);
    return gates;
}

void load_gates(const void *at)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idtr;

    idtr.limit = sizeof(gates) - 1;
    idtr.base = (uintptr_t)(at != NULL ? at : gates);
    __asm__ volatile("lidt %0" : : "m"(idtr));
}

static void set_gate(unsigned int vector, uint64_t stub, uint16_t attributes)
{
    gates[vector] = (struct gate){.offset_0 = (uint16_t)stub,
                                  .selector = CODE_SELECTOR,
                                  .attributes = attributes,
                                  .offset_16 = (uint16_t)(stub >> 16),
                                  .offset_32 = (uint32_t)(stub >> 32)};
}

void own_state(void)
{
    uint64_t cr0, cr4;

    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    cr4 = (cr4 & CR4_KEPT_BITS) | CR4_PAE | CR4_OSFXSR;
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4));
    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    cr0 = (cr0 & ~(uint64_t)(CR0_EM | CR0_TS)) | CR0_MP;
    __asm__ volatile("mov %0, %%cr0" : : "r"(cr0));
    own_paging();
    own_segments();
    for (unsigned int vector = 0; vector < 32; vector++) {
        set_gate(vector, (uintptr_t)stubs + vector * STUB_BYTES, GATE_INTERRUPT);
    }
    set_gate(VECTOR_FINISHED, (uintptr_t)stubs + 32 * STUB_BYTES, GATE_INTERRUPT | GATE_RING3);
    load_gates(NULL);
}
