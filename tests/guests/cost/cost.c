/*
 * The cost guest: each instruction many times, the cheapest time of each.
 * Source: docs/hvm.md for hypercalls; Intel SDM volume 3A, section 4.5 (paging), table 10-1 (local APIC).
 */
#include "guest.h"
#include "guest_io.h"

#define ROUNDS 16

#define MSR_EFER      0xc0000080u
#define MSR_FS_BASE   0xc0000100u
#define MSR_APIC_BASE 0x1bu
#define APIC_X2APIC   0x400u
#define APIC_PAGE     0xfee00000u
#define APIC_EOI      0x0b0
#define APIC_TIMER    0x320
#define APIC_COUNT    0x380
#define TIMER_MASKED  0x10000u

#define LEAF_VENDOR     0u
#define LEAF_FEATURES   1u
#define LEAF_HYPERVISOR 0x40000000u
#define VENDOR_INTEL    0x756e6547u /* ebx: "Genu" */
#define BERTH           0x74726542u /* ebx: "Bert" */

#define CALL_VERSION    0
#define CALL_STATISTICS 2
#define CALL_NONE       0xffffffff
#define REASONS_MOST    16

struct registers {
    uint32_t a, b, c, d;
};

static inline __attribute__((always_inline)) struct registers cpuid(uint32_t leaf)
{
    struct registers out;

    __asm__ volatile("cpuid"
                     : "=a"(out.a), "=b"(out.b), "=c"(out.c), "=d"(out.d)
                     : "a"(leaf), "c"(0));
    return out;
}

static inline __attribute__((always_inline)) uint64_t read_msr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static uint64_t clock(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* --- hypercalls, by the instruction that the processor has --- */
static bool is_intel;
static bool has_berth;

static int64_t hypercall(uint64_t number, uint64_t first, uint64_t second)
{
    uint64_t answer = number;

    if (is_intel) {
        __asm__ volatile("vmcall" : "+a"(answer) : "D"(first), "S"(second) : "memory");
    } else {
        __asm__ volatile("vmmcall" : "+a"(answer) : "D"(first), "S"(second) : "memory");
    }
    return (int64_t)answer;
}

static void statistics_print(void)
{
    struct {
        uint32_t version;
        uint32_t processors;
        uint64_t exits[REASONS_MOST];
    } statistics;
    int64_t bytes = hypercall(CALL_STATISTICS, (uintptr_t)&statistics, sizeof(statistics));

    print("EXITS");
    for (int64_t i = 0; i < (bytes - 8) / 8; i++) {
        print_char(' ');
        print_decimal(statistics.exits[i]);
    }
    print("\n");
}

/* --- memory: 4 GiB at their own addresses, in pages of 2 MiB --- */
#define PTE_PRESENT_WRITE 0x3u
#define PTE_LARGE         0x80u
#define LARGE_BYTES       0x200000u
#define ENTRIES           512

static uint64_t tables[6][ENTRIES] __attribute__((aligned(4096)));

static void map_memory(void)
{
    for (unsigned int i = 0; i < 4 * ENTRIES; i++) {
        tables[2 + i / ENTRIES][i % ENTRIES] =
            (uint64_t)i * LARGE_BYTES | PTE_LARGE | PTE_PRESENT_WRITE;
    }
    for (unsigned int i = 0; i < 4; i++) {
        tables[1][i] = (uintptr_t)tables[2 + i] | PTE_PRESENT_WRITE;
    }
    tables[0][0] = (uintptr_t)tables[1] | PTE_PRESENT_WRITE;
    __asm__ volatile("mov %0, %%cr3" : : "r"(tables) : "memory");
}

static void apic_write(unsigned int offset, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)(APIC_PAGE + offset) = value;
}

/* --- the instructions measured --- */

/* Prints the least of ROUNDS times that `code` takes, each with `before` before it. */
#define MEASURE_AFTER(name, before, code)                                                          \
    do {                                                                                           \
        uint64_t least = UINT64_MAX;                                                               \
                                                                                                   \
        for (unsigned int round = 0; round < ROUNDS; round++) {                                    \
            before;                                                                                \
            const uint64_t start = clock();                                                        \
            code;                                                                                  \
            const uint64_t ticks = clock() - start;                                                \
                                                                                                   \
            least = ticks < least ? ticks : least;                                                 \
        }                                                                                          \
        print("COST " name " ");                                                                   \
        print_decimal(least);                                                                      \
        print("\n");                                                                               \
    } while (0)
#define MEASURE(name, code) MEASURE_AFTER(name, , code)

/* Each in a page of its own: for a hypervisor that remembers where the last exit's code was. */
#define OWN_PAGE __attribute__((noinline, aligned(4096)))

static OWN_PAGE void cpuid_elsewhere(void)
{
    (void)cpuid(LEAF_FEATURES);
}

static OWN_PAGE void measure_plain(void)
{
    MEASURE("nothing", );
    MEASURE("cpuid", (void)cpuid(LEAF_FEATURES));
    MEASURE_AFTER("cpuid-after-another-page", cpuid_elsewhere(), (void)cpuid(LEAF_FEATURES));
    MEASURE("rdmsr-efer", (void)read_msr(MSR_EFER));
    MEASURE("rdmsr-fs-base", (void)read_msr(MSR_FS_BASE));
    MEASURE("out", outb(0x80, 0));
}

static void measure_apic(void)
{
    if (read_msr(MSR_APIC_BASE) & APIC_X2APIC) {
        return;
    }
    MEASURE("apic-eoi", apic_write(APIC_EOI, 0));
    apic_write(APIC_TIMER, TIMER_MASKED);
    MEASURE("apic-timer", apic_write(APIC_COUNT, 0xffffffff));
    apic_write(APIC_COUNT, 0);
}

static void measure_hypercalls(void)
{
    MEASURE("hypercall-none", (void)hypercall(CALL_NONE, 0, 0));
    MEASURE("hypercall-version", (void)hypercall(CALL_VERSION, 0, 0));
}

void guest_exception(unsigned long vector, const unsigned long *stack)
{
    print("GUEST-FAIL exception ");
    print_decimal(vector);
    for (int i = 0; i < 4; i++) {
        print(" ");
        print_hex(stack[i]);
    }
    print("\n");
    leave(VERDICT_FAIL);
}

void guest_main(const struct entry_state *entry)
{
    (void)entry;
    serial_open();
    install_exception_handlers();
    map_memory();
    is_intel = cpuid(LEAF_VENDOR).b == VENDOR_INTEL;
    has_berth = cpuid(LEAF_HYPERVISOR).b == BERTH;
    print(has_berth ? "\nGUEST cost under Berth\n" : "\nGUEST cost\n");
    if (has_berth) {
        statistics_print();
        measure_hypercalls();
    }
    measure_plain();
    measure_apic();
    if (has_berth) {
        statistics_print();
    }
    print("GUEST-OK\n");
    leave(VERDICT_PASS);
}
