/*
 * Nested page tables: what of the machine a guest reaches. Every physical address is mapped to itself in the largest
 * pages there are, devices included, and Berth's own memory is not there. Both formats: AMD's (as ordinary page tables)
 * and Intel's EPT.
 *
 * Nothing is allocated after nested_build(): what lies above `top` is mapped when it is touched, in tables kept for
 * that. nested_fault() takes no lock and may be called by all processors at once.
 */
#ifndef MM_NESTED_H
#define MM_NESTED_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "mtrr.h"
#include "placement.h"
#include "status.h"

enum nested_format {
    NESTED_NPT, /* AMD APM volume 2, section 15.25 */
    NESTED_EPT, /* Intel SDM volume 3C, section 28.3 (29.3 in later editions) */
};

struct nested_request {
    enum nested_format format;
    bool has_1gib_pages;
    unsigned int physical_bits;
    uint64_t top;          /* a multiple of 1 GiB, 4 GiB or more: mapped from the start below */
    struct busy_list kept; /* whole pages, in any order: absent */
    bool has_apic_page;    /* the page that may be read, but not be written to */
    paddr_t apic_page;
    paddr_t ones;   /* a page full of ones: what is read where nothing is */
    paddr_t walked; /* the same, which a processor may write to when it takes it for a page table */

    /*
     * What no page may mix. NESTED_EPT has to have it; NESTED_NPT, where MTRRs have their say anyway, may do without
     * (NULL). It is used as long as the tables are.
     */
    const struct memory_types *types;
};

/* Writer: nested.c. */
struct nested {
    struct nested_request request; /* `kept` is not used after nested_build() */
    uint64_t *tables;
    uint64_t pa; /* of the first table: the top one */
    uint32_t capacity_pages;
    uint32_t
        used_pages; /* taken by one processor or another, without a lock; may pass the capacity */
};

/* Tables for what is touched above `top`: one for each GiB there without 1 GiB pages, else for each 512 GiB. */
#define NESTED_SPARE_TABLES 32

/* Memory for the tables, those for what is touched later included: whole pages. */
uint64_t nested_bytes(const struct nested_request *request);

/*
 * The same, while some of what is to be kept is not in request->kept yet: enough wherever that will be.
 *
 * @later   how long such ranges are at most, in bytes; 0: there is none
 * @beside  what is kept in one range with the tables themselves, in bytes: where that is is not known either
 */
uint64_t nested_bytes_before(const struct nested_request *request, const uint64_t *later,
                             uint32_t count, uint64_t beside);

/*
 * @tables  nested_bytes() of memory or more, page-aligned, which need not be cleared; it is at physical address `pa`
 * @return  STATUS_OK; NESTED_NO_ROOM; NESTED_BAD_RANGE when what is to be kept, or the APIC's page, is not made of
 *          whole pages below `top`, or `top` is not as it should be
 */
struct status nested_build(struct nested *nested, const struct nested_request *request,
                           uint64_t *tables, uint64_t pa, uint64_t bytes);

enum nested_access {
    NESTED_READ,
    NESTED_WRITE,
    NESTED_EXECUTE,
    /* The processor reads a page table there, or pushes the frame of an event: it has to be able to write. */
    NESTED_WALK
};

enum nested_outcome {
    NESTED_MAPPED, /* it is mapped now: go on */
    NESTED_KEPT, /* Berth's memory, touched for the first time in this page: worth a line; a read can go on now */
    NESTED_DROP, /* a write to Berth's memory, or anything where nothing can be: to be left out */
    NESTED_APIC, /* a write to the local APIC's page */
};

/*
 * What to do about an access that the tables did not allow. After NESTED_KEPT and NESTED_MAPPED the instruction is
 * tried again, and for a write to Berth's memory NESTED_DROP follows. Only one processor is told NESTED_KEPT of a page.
 *
 * When no table is left for what is touched above `top`, it reads as ones, and writes are NESTED_DROP. A guest that
 * lets the processor take the APIC's page for a page table loses the APIC: it is a page of memory then.
 *
 * @gpa  any. Above the processor's physical width, and above the 256 TiB that four levels reach, nothing is:
 *       NESTED_DROP whatever the access
 */
enum nested_outcome nested_fault(struct nested *nested, uint64_t gpa, enum nested_access access);

#endif
