/*
 * The identity mapping that the 64-bit protocol promises, read from the loader's own page tables;
 * then the guest's own tables, because the promise covers the kernel, the zero page and the command
 * line only. 32-bit code has no paging. Source: Linux Documentation/arch/x86/boot.rst, "64-bit Boot
 * Protocol"; Intel SDM volume 3A, section 4.5.
 */
#include "guest.h"
#include "guest_io.h"

#ifndef __x86_64__

void check_paging(const struct handover *handover)
{
    (void)handover;
}

bool reach(uint64_t address, uint64_t bytes)
{
    if (address + bytes < address || address + bytes > 0x100000000ull) {
        return false;
    }
    return true;
}

#else

#define PTE_PRESENT 0x001ull
#define PTE_WRITE   0x002ull
#define PTE_LARGE   0x080ull
#define PTE_NX      (1ull << 63)
#define PTE_ADDRESS 0x000ffffffffff000ull
#define ENTRIES     512
#define PAGE        4096ull
#define LARGE_SHIFT 21
#define GIB_SHIFT   30

#define WRITABLE    1u
#define EXECUTABLE  2u

struct mapping {
    bool present;
    bool writable;
    bool executable;
    uint64_t physical;
    uint64_t left; /* bytes to the end of the page */
    bool table_in_kernel;
};

static struct mapping walk(const struct handover *handover, uint64_t address)
{
    struct mapping result = {.writable = true, .executable = true, .left = PAGE};
    uint64_t table = handover->entry->cr3 & PTE_ADDRESS;

    for (int shift = 39; shift >= 12; shift -= 9) {
        struct range page = {table, table + PAGE};
        uint64_t entry = ((const uint64_t *)table)[(address >> shift) % ENTRIES];

        result.table_in_kernel |= overlaps(page, handover->kernel);
        if (!(entry & PTE_PRESENT)) {
            return result;
        }
        result.writable &= (entry & PTE_WRITE) != 0;
        result.executable &= (entry & PTE_NX) == 0;
        if (shift == 12 || (shift <= GIB_SHIFT && (entry & PTE_LARGE))) {
            uint64_t mask = (1ull << shift) - 1;

            result.present = true;
            result.physical = (entry & PTE_ADDRESS & ~mask) | (address & mask);
            result.left = mask + 1 - (address & mask);
            return result;
        }
        table = entry & PTE_ADDRESS;
    }
    return result;
}

/* The name, then the first address that is not mapped as it should be. */
static void check_identity(const struct handover *handover, const char *name, struct range range,
                           unsigned int need)
{
    bool table_in_kernel = false;

    for (uint64_t at = range.start; at < range.end;) {
        struct mapping mapping = walk(handover, at);

        table_in_kernel |= mapping.table_in_kernel;
        if (!mapping.present || mapping.physical != at ||
            ((need & WRITABLE) && !mapping.writable) ||
            ((need & EXECUTABLE) && !mapping.executable)) {
            check(false, name, mapping.present ? mapping.physical : 0, at);
            return;
        }
        at += mapping.left;
    }
    check(true, name, 0, 0);
    check_equal("  its page tables are outside the kernel's room", table_in_kernel, false);
}

static uint64_t level4[ENTRIES] __attribute__((aligned(4096)));
static uint64_t level3[ENTRIES] __attribute__((aligned(4096)));
#define POOL_TABLES 20
static uint64_t pool[POOL_TABLES][ENTRIES] __attribute__((aligned(4096)));
static unsigned int pool_used;

static bool map_gib(uint64_t gib)
{
    uint64_t *level2;

    if (gib >= ENTRIES || ((level3[gib] & PTE_PRESENT) == 0 && pool_used == POOL_TABLES)) {
        return false;
    }
    if (level3[gib] & PTE_PRESENT) {
        return true;
    }
    level2 = pool[pool_used++];
    for (uint64_t i = 0; i < ENTRIES; i++) {
        level2[i] = (gib << GIB_SHIFT) + (i << LARGE_SHIFT) + (PTE_PRESENT | PTE_WRITE | PTE_LARGE);
    }
    level3[gib] = (uint64_t)level2 | PTE_PRESENT | PTE_WRITE;
    return true;
}

bool reach(uint64_t address, uint64_t bytes)
{
    if (address + bytes < address) {
        return false;
    }
    for (uint64_t gib = address >> GIB_SHIFT; gib <= (address + bytes) >> GIB_SHIFT; gib++) {
        if (!map_gib(gib)) {
            return false;
        }
    }
    return true;
}

void check_paging(const struct handover *handover)
{
    check_identity(handover, "kernel's room is mapped one to one", handover->kernel,
                   WRITABLE | EXECUTABLE);
    check_identity(handover, "zero page is mapped one to one", handover->params, WRITABLE);
    check_identity(handover, "command line is mapped one to one", handover->cmdline, 0);

    level4[0] = (uint64_t)level3 | PTE_PRESENT | PTE_WRITE;
    reach(0, 0x100000000ull - 1);
    __asm__ volatile("mov %0, %%cr3" : : "r"(level4) : "memory");
}

#endif
