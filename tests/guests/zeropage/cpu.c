/*
 * The CPU's state at the entry.
 * Source: Linux Documentation/arch/x86/boot.rst, "32-bit Boot Protocol" and "64-bit Boot Protocol";
 * Intel SDM volume 3A, sections 3.4.5 (descriptors), 2.5 (control registers).
 */
#include "guest.h"

#define FLAG_IF  0x200
#define FLAG_DF  0x400
#define CR0_PE   0x00000001u
#define CR0_NW   0x20000000u
#define CR0_CD   0x40000000u
#define CR0_PG   0x80000000u
#define CR4_PAE  0x20u
#define CR4_LA57 0x1000u

#define MSR_EFER 0xc0000080u
#define EFER_LME 0x100u
#define EFER_LMA 0x400u

/* The second doubleword of a descriptor, without base and limit bits. */
#define DESC_ACCESSED  0x00000100u
#define DESC_RW        0x00000200u /* readable code, writable data */
#define DESC_EXPAND    0x00000400u /* conforming code, expand-down data */
#define DESC_CODE      0x00000800u
#define DESC_S         0x00001000u
#define DESC_DPL       0x00006000u
#define DESC_PRESENT   0x00008000u
#define DESC_LONG      0x00200000u
#define DESC_DEFAULT32 0x00400000u
#define DESC_GRANULAR  0x00800000u
#define DESC_FLAGS                                                                                 \
    (DESC_RW | DESC_EXPAND | DESC_CODE | DESC_S | DESC_DPL | DESC_PRESENT | DESC_LONG |            \
     DESC_DEFAULT32 | DESC_GRANULAR)

static uint64_t read_msr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static uint64_t descriptor_base(uint64_t descriptor)
{
    return ((descriptor >> 16) & 0xffffff) | ((descriptor >> 32) & 0xff000000);
}

static uint64_t descriptor_limit(uint64_t descriptor)
{
    return (descriptor & 0xffff) | ((descriptor >> 32) & 0xf0000);
}

static uint64_t descriptor(const struct range *gdt, unsigned int selector)
{
    if (gdt->start + selector + 8 > gdt->end) {
        return 0;
    }
    return get_bytes((const uint8_t *)(uintptr_t)(gdt->start + selector), 8);
}

static void check_descriptors(const struct range *gdt)
{
    uint64_t code = descriptor(gdt, BOOT_CS);
    uint64_t data = descriptor(gdt, BOOT_DS);
    uint32_t code_flags = (uint32_t)(code >> 32) & DESC_FLAGS;
    uint32_t data_flags = (uint32_t)(data >> 32) & DESC_FLAGS;

    check(gdt->end - gdt->start >= BOOT_DS + 8, "gdt holds both descriptors", gdt->end - gdt->start,
          BOOT_DS + 8);
    check_equal("boot_cs is execute/read, flat mode and width", code_flags,
                DESC_RW | DESC_CODE | DESC_S | DESC_PRESENT | DESC_GRANULAR |
                    (IS_64BIT ? DESC_LONG : DESC_DEFAULT32));
    check_equal("boot_cs base", descriptor_base(code), 0);
    check_equal("boot_cs limit", descriptor_limit(code), 0xfffff);
    /* What D/B says of a data segment counts for a 32-bit stack only. */
    check_equal("boot_ds is read/write", data_flags & ~(IS_64BIT ? DESC_DEFAULT32 | DESC_LONG : 0),
                DESC_RW | DESC_S | DESC_PRESENT | DESC_GRANULAR | (IS_64BIT ? 0 : DESC_DEFAULT32));
    check_equal("boot_ds base", descriptor_base(data), 0);
    check_equal("boot_ds limit", descriptor_limit(data), 0xfffff);
}

static void check_mode(const struct entry_state *entry)
{
    check_equal("interrupts are off", entry->flags & FLAG_IF, 0);
    check_equal("direction flag is clear", entry->flags & FLAG_DF, 0);
    check_equal("caches are on", entry->cr0 & (CR0_CD | CR0_NW), 0);
    if (IS_64BIT) {
        check_equal("paging is on", entry->cr0 & (CR0_PE | CR0_PG), CR0_PE | CR0_PG);
        check_equal("four levels of paging", entry->cr4 & (CR4_PAE | CR4_LA57), CR4_PAE);
        check_equal("long mode is active", read_msr(MSR_EFER) & (EFER_LME | EFER_LMA),
                    EFER_LME | EFER_LMA);
    } else {
        check_equal("paging is off", entry->cr0 & (CR0_PE | CR0_PG), CR0_PE);
        check_equal("ebp is zero", entry->bp, 0);
        check_equal("edi is zero", entry->di, 0);
        check_equal("ebx is zero", entry->bx, 0);
    }
}

void check_cpu(const struct handover *handover, struct range *gdt)
{
    const struct entry_state *entry = handover->entry;

    gdt->start = get_bytes(entry->gdtr.base, sizeof(unsigned long));
    gdt->end = gdt->start + entry->gdtr.limit + 1u;
    check_equal("cs", entry->cs, BOOT_CS);
    check_equal("ds", entry->ds, BOOT_DS);
    check_equal("es", entry->es, BOOT_DS);
    check_equal("ss", entry->ss, BOOT_DS);
    check_descriptors(gdt);
    check_mode(entry);
}

static void check_register(const struct handover *handover, const char *key, const char *name,
                           uint64_t found)
{
    const char *text = expectation(handover, key, 0);

    if (text != NULL) {
        check_equal(name, found, read_number(&text));
    }
}

void check_registers(const struct handover *handover)
{
    unsigned long dr7;
    const char *text;

    __asm__ volatile("mov %%dr7, %0" : "=r"(dr7));
    check_register(handover, "cr0=", "cr0", handover->entry->cr0);
    check_register(handover, "cr4=", "cr4", handover->entry->cr4);
    check_register(handover, "dr7=", "dr7", dr7);
    for (unsigned int i = 0; (text = expectation(handover, "msr=", i)) != NULL; i++) {
        uint32_t number = (uint32_t)read_number(&text);

        check_equal("msr", read_msr(number), read_number(&text));
    }
}
