/* Single instructions that C has no word for. Each is privileged or reads a processor's own
 * register. */
#ifndef CPU_INSTRUCTIONS_H
#define CPU_INSTRUCTIONS_H

#include <stdint.h>

#include "cpuid_leaf.h"
#include "x86/registers.h"

static inline void port_write8(uint16_t port, uint8_t value)
{
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t port_read8(uint16_t port)
{
    uint8_t value;

    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline void port_write16(uint16_t port, uint16_t value)
{
    asm volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint16_t port_read16(uint16_t port)
{
    uint16_t value;

    asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline void port_write32(uint16_t port, uint32_t value)
{
    asm volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint32_t port_read32(uint16_t port)
{
    uint32_t value;

    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint64_t tsc_read(void)
{
    uint32_t low;
    uint32_t high;

    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static inline uint64_t msr_read(uint32_t msr)
{
    uint32_t low;
    uint32_t high;

    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void msr_write(uint32_t msr, uint64_t value)
{
    asm volatile("wrmsr"
                 :
                 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                 : "memory");
}

static inline uint64_t cr0_read(void)
{
    uint64_t value;

    asm volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static inline void cr0_write(uint64_t value)
{
    asm volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

static inline uint64_t cr4_read(void)
{
    uint64_t value;

    asm volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

static inline void cr4_write(uint64_t value)
{
    asm volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

/* While something is waited for that another processor does. */
static inline void processor_pause(void)
{
    asm volatile("pause" : : : "memory");
}

static inline struct cpuid_leaf cpuid_sub(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_leaf out;

    asm volatile("cpuid"
                 : "=a"(out.eax), "=b"(out.ebx), "=c"(out.ecx), "=d"(out.edx)
                 : "a"(leaf), "c"(subleaf));
    return out;
}

static inline struct cpuid_leaf cpuid(uint32_t leaf)
{
    return cpuid_sub(leaf, 0);
}

/* The physical address of the top page table (SDM volume 3A, section 4.5); no flag of CR3 is ever
 * set. */
static inline uint64_t page_tables_in_use(void)
{
    uint64_t top_table_pa;

    asm volatile("mov %%cr3, %0" : "=r"(top_table_pa));
    return top_table_pa;
}

/* Use these tables, and forget all that was remembered of others. */
static inline void page_tables_use(uint64_t top_table_pa)
{
    asm volatile("mov %0, %%cr3" : : "r"(top_table_pa) : "memory");
}

/* All that was written to write-combining memory is there (SDM volume 3A, section 12.3.1). */
static inline void writes_finish(void)
{
    asm volatile("sfence" : : : "memory");
}

/* All that was written is in memory, for who reads it past the caches. */
static inline void caches_write_back(void)
{
    asm volatile("wbinvd" : : : "memory");
}

/* Forget all that was remembered of page tables, global pages too (SDM volume 3A, section 4.10.4.1). */
static inline void translations_forget(void)
{
    const uint64_t cr4 = cr4_read();

    if ((cr4 & CR4_PGE) != 0) {
        cr4_write(cr4 & ~CR4_PGE);
        cr4_write(cr4);
    } else {
        page_tables_use(page_tables_in_use());
    }
}

#endif
