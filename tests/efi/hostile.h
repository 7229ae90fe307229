/*
 * What the files of the hostile firmware program share.
 *
 * Every line it prints is one of these; the test reads them (tests/qemu/hostile.py):
 *   HOSTILE what ...                                  what was done, for a reader
 *   CANARY type start-end step=S seed=X               a page at start, start + S, ... below end
 *   KEPT type start-end crc32=X|unchecked             the firmware's own, as it was left behind
 *   VIOLATION what ...                                then QEMU is left: NEXT.EFI broke a rule
 * Numbers are hexadecimal with 0x, counts are decimal.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uefi.h"

struct range {
    uint64_t start;
    uint64_t end;
};

/* What lies in both; the end is not above the start where nothing does. */
static inline struct range range_common(struct range a, struct range b)
{
    struct range common = {a.start > b.start ? a.start : b.start, a.end < b.end ? a.end : b.end};

    return common;
}

/* The firmware's own services as they were before anything was hooked: what this program calls. */
extern struct efi_boot_services firmware;
extern struct efi_system_table *efi_system;
extern efi_handle own_image;

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* --- text.c ------------------------------------------------------------------------------------- */
/* A line on COM1 by port access. %s text, %x a uint64_t in hexadecimal, %d one below 2^32. */
void say(const char *format, ...);
/* The same behind the word VIOLATION; then the end. */
void violation(const char *format, ...) __attribute__((noreturn));
/* A defect of this program, of its script or of the machine: never NEXT.EFI's fault. */
void give_up(const char *format, ...) __attribute__((noreturn));
/* Leave QEMU through its debug exit device with this value, or halt where there is none. */
void leave(uint8_t value) __attribute__((noreturn));
#define LEAVE_VIOLATION 0x20
#define LEAVE_GIVEN_UP  0x21
#define LEAVE_RETURNED  0x22

void *memset(void *to, int value, size_t bytes);
void *memcpy(void *to, const void *from, size_t bytes);

/* --- script.c ----------------------------------------------------------------------------------- */
/* Does what the lines say, down to a line `cue`; script_cue does the rest. */
void script_run(char *text);
/*
 * At NEXT.EFI's first GetTime, which a GRUB script causes by `date`. False when nothing waits for it.
 * Calls of services are counted from here on.
 */
bool script_cue(void);

/* --- map.c -------------------------------------------------------------------------------------- */
struct memory_map {
    const uint8_t *bytes;
    efi_uint count;
    efi_uint descriptor_bytes;
};
/* The firmware's true map. There is one copy: the next call overwrites it. */
struct memory_map map_read(void);
const struct efi_memory_descriptor *map_entry(const struct memory_map *map, efi_uint index);
static inline struct range map_range(const struct efi_memory_descriptor *entry)
{
    struct range range = {entry->physical_start,
                          entry->physical_start + entry->pages * EFI_PAGE_BYTES};
    return range;
}
uint64_t map_free_pages(void);

enum map_lie {
    MAP_REVERSED = 1, /* from the highest address to the lowest */
    MAP_ZERO = 2,     /* a descriptor of no page behind each one */
    MAP_FAR = 4,      /* descriptors at 0xfd00000000 and at the end of 64 bits */
};
void map_tell_lies(unsigned int lies);
/* In the map that NEXT.EFI gets, this range has another type; attributes are added. */
void map_show(struct range range, uint32_t type, uint64_t attribute);
efi_get_memory_map map_hook;

/* --- exit.c ------------------------------------------------------------------------------------- */
/* Fail this often, and let the map grow by `growth` descriptors or one more each time. */
void exit_arrange(unsigned int failures, unsigned int growth, bool strict);
/* The service that may be called once ExitBootServices has failed is one of two. */
bool exit_forbids_services(void);
efi_exit_boot_services exit_hook;

/* --- take.c ------------------------------------------------------------------------------------- */
#define HOLES_MAX 8
struct taking {
    uint32_t type;      /* as it is allocated */
    struct range range; /* every free page of it ... */
    uint64_t step;      /* ... that is a multiple of this power of 2 from its start ... */
    struct range holes[HOLES_MAX];
    unsigned int hole_count; /* ... and in no hole */
    bool shown_differently;
    uint32_t shown_type;
    uint64_t shown_attribute;
};
void take(const struct taking *taking);
/*
 * What is the firmware's own in this range is shown as another type: it will be nobody's memory.
 * What is in it when boot services have ended must stay: keep_report prints a line for each range.
 * Not so (`is_checked` is false) where it holds the stack or the page tables that the CPU still uses.
 */
void keep(uint32_t type, struct range range, uint64_t attribute, bool is_checked);
void keep_report(void);
/* Pages taken that nobody may write before boot services have ended, whatever their type. */
void take_check(const char *when);

/* --- services.c --------------------------------------------------------------------------------- */
void services_install(void);
/* Runtime services as they were: for the time behind ExitBootServices. */
void services_restore_runtime(void);
void services_hook_runtime(void);
/* From now on check the calling convention at each call, and poison what a callee may change. */
void services_check_rules(void);
/* AllocateAddress of 0x40 to 0x2000 pages fails this often. */
void services_refuse_pages(unsigned int times);
void services_report(void);
void services_seal(struct efi_table_header *header);

/* What NEXT.EFI's kernel calls behind ExitBootServices. Returns what it was. */
void *services_replace_virtual_map(void *replacement);

/* --- tables.c ----------------------------------------------------------------------------------- */
/* An ESRT of two entries, each of its numbers different, in a page of boot-services data. */
void esrt_install(uint64_t address);
/*
 * SetVirtualAddressMap begins in a page of boot-services code, and writes into the ESRT, which is there already: the
 * first entry's last_attempt_status becomes VIRTUAL_MAP_CALLED (stubs-*.S).
 */
void virtual_map_pass_through(uint64_t address);

/* --- protect.c ---------------------------------------------------------------------------------- */
enum no_execute {
    NX_OFF,
    NX_LATER, /* what is allocated as EfiLoaderData from now on */
    NX_ALL,   /* all EfiLoaderData, now and from now on */
};
void protect_no_execute(enum no_execute what);
/* NEXT.EFI, and every image that it starts: sections are writable or executable, as they say. */
void protect_images(void);
void protect_allocated(uint32_t type, struct range range);
void protect_freed(struct range range);
void protect_started(efi_handle image);
/* Checksums of the code of every image that is loaded now, compared by checksum_check. */
void checksum_begin(void);
void checksum_check(void);

/* --- paging.c ----------------------------------------------------------------------------------- */
#define PAGE_PRESENT    ((uint64_t)1 << 0)
#define PAGE_WRITABLE   ((uint64_t)1 << 1)
#define PAGE_NO_EXECUTE ((uint64_t)1 << 63)
/* Change bits of the page-table entries that map [start, end), splitting large pages. */
void paging_change(struct range range, uint64_t set, uint64_t clear);
/*
 * The first page of [start, end) that has been written since the last call, or the end. The first call of all splits
 * large pages, and may allocate.
 */
uint64_t paging_forget_writes(struct range range);

/* --- watch.c ------------------------------------------------------------------------------------ */
/*
 * From NEXT.EFI's first call of a service on, its own writes to pages that are nobody's are seen, by the processor's
 * dirty bits, at its next call. What the firmware does with free pages inside of a service is its own affair; inside of
 * a protocol (files, say) it is taken for NEXT.EFI's, which must use none meanwhile.
 */
void watch_begin(void);
bool watch_is_on(void);
/* At a call of a service by NEXT.EFI, and when it returns. */
void watch_check(const char *service, uint64_t caller);
void watch_forget(void);
/* Boot services have ended: all memory is NEXT.EFI's. */
void watch_end(void);

/* --- registers.c -------------------------------------------------------------------------------- */
/* Bits that are set in CR0 or CR4 besides. */
void registers_control(unsigned int number, uint64_t bits);
void registers_msr(uint32_t number, uint64_t value);
/* CR4.LA57, and one more level above the firmware's page tables. */
void registers_five_levels(void);

/* --- next.c ------------------------------------------------------------------------------------- */
enum next_source {
    NEXT_FROM_FILE,   /* LoadImage(DevicePath, no buffer) */
    NEXT_FROM_BUFFER, /* LoadImage(no DevicePath, buffer): no device, no file system */
};
void next_load(enum next_source source);
/* The LoadOptions of NEXT.EFI in one of the forms of next.c's table. */
void next_options(const char *form, const char *text);
/* Its EFI_LOADED_IMAGE_PROTOCOL tells of an image one page behind. */
void next_is_another(void);
/* The list of keys in mok.esl becomes shim's own: a shim as NEXT.EFI trusts them. */
void next_enrol_key(void);
void next_start(void) __attribute__((noreturn));
/* Reads a file of the volume that this program came from; NULL if there is none. */
void *read_file(const efi_char16 *name, efi_uint *bytes);

/* --- devices.c ---------------------------------------------------------------------------------- */
void frame_buffer_move(uint64_t address);
void console_remove(const char *which);

#endif
