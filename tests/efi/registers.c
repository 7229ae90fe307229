/*
 * Control registers and MSRs as no loader expects them, and five levels of page tables. Source: Intel SDM volume 3A,
 * sections 2.5 and 4.5, "4-level paging and 5-level paging".
 */
#include "hostile.h"

#if UINTPTR_MAX == UINT64_MAX

#define FLAG_IF  ((uint64_t)1 << 9)
#define CR4_LA57 ((uint64_t)1 << 12)

/* stubs-x64.S */
void five_levels_enter(uint64_t top_table);

static uint64_t cr4_read(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

void registers_control(unsigned int number, uint64_t bits)
{
    uint64_t value;

    if (number == 0) {
        __asm__ volatile("mov %%cr0, %0" : "=r"(value));
        value |= bits;
        __asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory");
    } else if (number == 4) {
        value = cr4_read() | bits;
        __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
    } else {
        give_up("no control register %d", (uint64_t)number);
    }
    say("HOSTILE control: cr%d=%x", (uint64_t)number, value);
}

void registers_msr(uint32_t number, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(number), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
    say("HOSTILE msr: %x=%x", (uint64_t)number, value);
}

/* The tables in use become what the first entry of the new level leads to. */
void registers_five_levels(void)
{
    uint64_t at, cr3, flags;

    if (efi_failed(firmware.allocate_pages(EFI_ALLOCATE_ANY, EFI_BOOT_SERVICES_DATA, 1, &at)) ||
        at > UINT32_MAX) {
        give_up("no page for a page table");
    }
    __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
    memset((void *)(uintptr_t)at, 0, EFI_PAGE_BYTES);
    *(uint64_t *)(uintptr_t)at =
        (cr3 & ~(uint64_t)(EFI_PAGE_BYTES - 1)) | PAGE_PRESENT | PAGE_WRITABLE;
    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
    five_levels_enter(at);
    if (flags & FLAG_IF) {
        __asm__ volatile("sti" : : : "memory");
    }
    if (!(cr4_read() & CR4_LA57)) {
        give_up("there are no five levels");
    }
    say("HOSTILE five-levels: cr4=%x", cr4_read());
}

#else

void registers_control(unsigned int number, uint64_t bits)
{
    (void)number;
    (void)bits;
    give_up("control: for 64-bit firmware alone");
}

void registers_msr(uint32_t number, uint64_t value)
{
    (void)number;
    (void)value;
    give_up("msr: for 64-bit firmware alone");
}

void registers_five_levels(void)
{
    give_up("five-levels: for 64-bit firmware alone");
}

#endif
