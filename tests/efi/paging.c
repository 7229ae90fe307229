/*
 * Changes in the firmware's own page tables. Source: Intel SDM volume 3A, chapter 4, "4-level
 * paging and 5-level paging", tables 4-15 to 4-20.
 */
#include "hostile.h"

#if UINTPTR_MAX == UINT64_MAX

#define CR0_WP         ((uint64_t)1 << 16)
#define CR4_PGE        ((uint64_t)1 << 7)
#define CR4_LA57       ((uint64_t)1 << 12)
#define PAGE_ADDRESS   0x000ffffffffff000ull
#define PAGE_LARGE     ((uint64_t)1 << 7)  /* in levels 2 and 3; in level 1 the same bit is PAT */
#define PAGE_PAT_LARGE ((uint64_t)1 << 12) /* PAT, where bit 7 says that the page is large */
#define PAGE_ACCESSED  ((uint64_t)1 << 5)
#define PAGE_DIRTY     ((uint64_t)1 << 6)
#define ENTRIES        512

/* What one entry of this level maps. */
static uint64_t span_bytes(unsigned int level)
{
    return EFI_PAGE_BYTES << 9 * (level - 1);
}

static uint64_t *table_of(uint64_t entry)
{
    return (uint64_t *)(uintptr_t)(entry & PAGE_ADDRESS);
}

/* Tables stay where the firmware's own lie: in boot-services data. */
static void split(uint64_t *entry, unsigned int level)
{
    uint64_t small = *entry & ~(level == 2 ? PAGE_LARGE | PAGE_PAT_LARGE : 0);
    uint64_t address;
    uint64_t *table;

    if (efi_failed(
            firmware.allocate_pages(EFI_ALLOCATE_ANY, EFI_BOOT_SERVICES_DATA, 1, &address))) {
        give_up("no page for a page table");
    }
    if (level == 2 && *entry & PAGE_PAT_LARGE) {
        small |= PAGE_LARGE;
    }
    table = (uint64_t *)(uintptr_t)address;
    for (unsigned int i = 0; i < ENTRIES; i++) {
        table[i] = small + i * span_bytes(level - 1);
    }
    *entry = address | PAGE_PRESENT | PAGE_WRITABLE | PAGE_ACCESSED;
}

/* Changes the leaf at range.start, or a table below it; returns how far the change reached. */
static uint64_t change_one(uint64_t root, unsigned int levels, struct range range, uint64_t set,
                           uint64_t clear)
{
    uint64_t *table = table_of(root);

    for (unsigned int level = levels;; level--) {
        const uint64_t span = span_bytes(level);
        const uint64_t to_next = span - (range.start & (span - 1));
        uint64_t *entry = &table[range.start / span % ENTRIES];
        const bool is_leaf = level == 1 || (*entry & PAGE_LARGE && level <= 3);
        const bool is_changed = ((*entry | set) & ~clear) == *entry;

        if (level > 1 && !(*entry & PAGE_PRESENT)) {
            return to_next;
        }
        if (is_leaf && is_changed) {
            return to_next;
        }
        if (is_leaf && to_next == span && range.end - range.start >= span) {
            *entry = (*entry | set) & ~clear;
            return span;
        }
        if (is_leaf) {
            split(entry, level);
        }
        table = table_of(*entry);
    }
}

/* The entry of a page of 4 KiB, split off where it is a part of a larger one; NULL where nothing is mapped. */
static uint64_t *small_leaf(uint64_t root, unsigned int levels, uint64_t address)
{
    uint64_t *table = table_of(root);

    for (unsigned int level = levels; level > 1; level--) {
        uint64_t *entry = &table[address / span_bytes(level) % ENTRIES];

        if (!(*entry & PAGE_PRESENT)) {
            return NULL;
        }
        if (*entry & PAGE_LARGE && level <= 3) {
            split(entry, level);
        }
        table = table_of(*entry);
    }
    return &table[address / EFI_PAGE_BYTES % ENTRIES];
}

struct tables {
    uint64_t root;
    unsigned int levels;
    uint64_t cr0;
    uint64_t cr4;
};

/* The firmware may have made its tables read-only. */
static struct tables tables_open(void)
{
    struct tables tables;

    __asm__ volatile("mov %%cr0, %0" : "=r"(tables.cr0));
    __asm__ volatile("mov %%cr3, %0" : "=r"(tables.root));
    __asm__ volatile("mov %%cr4, %0" : "=r"(tables.cr4));
    __asm__ volatile("mov %0, %%cr0" : : "r"(tables.cr0 & ~CR0_WP) : "memory");
    tables.levels = tables.cr4 & CR4_LA57 ? 5 : 4;
    return tables;
}

/* The processor forgets what it knows of them, of global entries too. */
static void tables_close(const struct tables *tables)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(tables->cr0 | CR0_WP) : "memory");
    __asm__ volatile("mov %0, %%cr4" : : "r"(tables->cr4 & ~CR4_PGE) : "memory");
    __asm__ volatile("mov %0, %%cr4" : : "r"(tables->cr4) : "memory");
    __asm__ volatile("mov %0, %%cr3" : : "r"(tables->root) : "memory");
}

void paging_change(struct range range, uint64_t set, uint64_t clear)
{
    const struct tables tables = tables_open();

    while (range.start < range.end) {
        range.start += change_one(tables.root, tables.levels, range, set, clear);
    }
    tables_close(&tables);
}

uint64_t paging_forget_writes(struct range range)
{
    const struct tables tables = tables_open();
    uint64_t first = range.end;

    for (uint64_t page = range.start; page < range.end; page += EFI_PAGE_BYTES) {
        uint64_t *entry = small_leaf(tables.root, tables.levels, page);

        if (entry != NULL && *entry & PAGE_DIRTY) {
            *entry &= ~PAGE_DIRTY;
            first = page < first ? page : first;
        }
    }
    tables_close(&tables);
    return first;
}

#else

void paging_change(struct range range, uint64_t set, uint64_t clear)
{
    (void)range;
    (void)set;
    (void)clear;
    give_up("32-bit firmware has no page tables to change");
}

uint64_t paging_forget_writes(struct range range)
{
    (void)range;
    give_up("32-bit firmware has no page tables that tell of writes");
}

#endif
