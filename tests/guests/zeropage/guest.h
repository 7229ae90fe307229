/*
 * What the parts of the zeropage guest share. The guest knows its loader's duties from the
 * documents alone and includes no header of Berth.
 *
 * Words on the kernel's command line tell it what this boot should look like:
 *   initrd=none | BYTES:CRC32       load=ADDRESS          e820=ENTRIES
 *   map=cut (the map is longer than this kernel's protocol can tell)
 *   canary=ADDRESS:BYTES:CRC32      rsdp=none|some        free=ADDRESS:BYTES (kernel and hand-off
 * must not touch it)
 *   cr0=VALUE   cr4=VALUE   dr7=VALUE   msr=NUMBER:VALUE
 * Numbers are decimal or 0x; a CRC32 is hexadecimal.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "variant.h"

struct entry_state {
    uint64_t tsc;
    uint64_t bx, si, di, bp, sp;
    uint64_t flags;
    uint64_t cr0, cr3, cr4;
    uint16_t cs, ds, es, ss;
    struct {
        uint16_t limit;
        uint8_t base[8];
        uint8_t unused[6];
    } gdtr;
    uint64_t scratch;
};

_Static_assert(offsetof(struct entry_state, flags) == ENTRY_FLAGS, "assembly");
_Static_assert(offsetof(struct entry_state, cr4) == ENTRY_CR4, "assembly");
_Static_assert(offsetof(struct entry_state, ss) == ENTRY_SS, "assembly");
_Static_assert(offsetof(struct entry_state, gdtr) == ENTRY_GDTR, "assembly");
_Static_assert(offsetof(struct entry_state, scratch) == ENTRY_SCRATCH, "assembly");
_Static_assert(sizeof(struct entry_state) == ENTRY_BYTES, "assembly");

#ifdef __x86_64__
#define IS_64BIT true
#else
#define IS_64BIT false
#endif

/* A range of physical memory, [start, end). */
struct range {
    uint64_t start;
    uint64_t end;
};

/* All that later checks need to know. Filled by main.c (kernel, params) and params.c (the rest). */
struct handover {
    const struct entry_state *entry;
    struct range kernel;  /* from the load address, init_size long */
    struct range params;  /* the zero page */
    struct range cmdline; /* with its NUL */
    struct range initrd;
    struct range gdt;
    const uint8_t *zero_page;
    const char *words; /* the command line */
    bool has_initrd;
};

/*
 * The labels that assembly and the linker script make. Hidden, because the linker turns a 32-bit
 * access through a global offset table into an absolute address, and the file has none.
 */
#pragma GCC visibility push(hidden)
extern const uint8_t own_header[]; /* HEADER_START .. HEADER_END of the file */
extern const uint8_t
    kernel_start[]; /* the loaded part: its address at run time is the load address */
extern const uint8_t kernel_end[];
extern const uint8_t exception_stubs[];
#pragma GCC visibility pop

/* --- results: one line each --- */
/* PASS name, or FAIL name: found X, expected Y. Returns ok. */
bool check(bool ok, const char *name, uint64_t found, uint64_t expected);
static inline bool check_equal(const char *name, uint64_t found, uint64_t expected)
{
    return check(found == expected, name, found, expected);
}

/* --- memory --- */
static inline bool overlaps(struct range a, struct range b)
{
    return a.start < b.end && b.start < a.end;
}

/*
 * Make physical memory readable at its own address: map it where paging is on. False when it cannot
 * be reached: 32-bit code and memory above 4 GiB, or more than the guest's tables can map.
 */
bool reach(uint64_t address, uint64_t bytes);

static inline const uint8_t *at_address(uint64_t address)
{
    return (const uint8_t *)(uintptr_t)address;
}

static inline uint64_t get_bytes(const uint8_t *at, unsigned int bytes)
{
    uint64_t value = 0;

    while (bytes-- > 0) {
        value = value << 8 | at[bytes];
    }
    return value;
}

/* --- the memory map in the zero page and its extension (params.c) --- */
struct e820_entry {
    uint64_t start;
    uint64_t bytes;
    uint32_t type;
};

#define E820_RAM 1

unsigned int e820_count(const struct handover *handover);
bool e820_entry(const struct handover *handover, unsigned int index, struct e820_entry *out);

/* --- command line words (main.c) --- */
/* The text behind the n-th "key=" (key with its '='), or NULL. */
const char *expectation(const struct handover *handover, const char *key, unsigned int n);
/* Reads a number, decimal or 0x, and steps over it and one ':' behind it. */
uint64_t read_number(const char **text);
uint32_t read_crc(const char **text);
bool starts_with(const char *text, const char *start);

/* --- the checks, in the order they run --- */
void check_cpu(const struct handover *handover, struct range *gdt);
void check_paging(const struct handover *handover); /* ends with the guest's own tables in use */
void check_header(struct handover *handover);
void check_fields(const struct handover *handover);
void check_memory(const struct handover *handover);
/* Of those that the boot protocol says nothing of, what the command line says. */
void check_registers(const struct handover *handover);

/* For the assembly. */
void guest_main(const struct entry_state *entry) __attribute__((noreturn));
void guest_exception(unsigned long vector, const unsigned long *stack) __attribute__((noreturn));
void install_exception_handlers(void);

#endif
