/*
 * What guests inside SVM and inside VMX have in common: the memory that Berth keeps, the nested tables, and the answers
 * to exits, which the world switches of both call. Start-up calls the functions in this order:
 *
 *   svm_support() or vmx_support() -> hvm_take_memory() -> (the guest is placed) -> hvm_build() -> svm_start() or
 *   vmx_start()
 */
#ifndef HVM_HVM_H
#define HVM_HVM_H

#include <stdbool.h>
#include <stdint.h>

#include "acpi.h"
#include "addr.h"
#include "caps.h"
#include "compiler.h"
#include "memmap.h"
#include "nested.h"
#include "pages.h"
#include "placement.h"
#include "status.h"

/* Whether this processor can do it; else why not, and what a user can do about it. */
struct hvm_support {
    bool usable;
    const char *name;    /* "SVM" or "VMX" */
    const char *why_not; /* NULL when usable */
    const char *remedy;
};

/* Ranges that are kept, at most: those that the page allocator tells of, image, tables, processors_start_page(). */
#define HVM_KEPT_MOST (PAGES_USED_MOST + 3)

/* How it is to be done. */
struct hvm_request {
    enum nested_format format;
    const struct memmap *map;
    const struct cpu_caps *caps;
    const struct acpi_info *firmware; /* its IOMMUs */
    /* Kept, as are processors_start_page() and what pages_used() says: Berth itself, and its page tables. */
    struct prange image;
    struct prange tables;
    uint32_t processors;         /* that run Berth, the first one among them */
    uint32_t processors_enabled; /* that the firmware says are there; 0: it does not say */
    bool halt_on_shutdown; /* a guest's triple fault: halt with a dump; else restart the machine */
};

/*
 * Take all memory that will ever be needed from the page allocator. Afterwards pages_used() says what Berth keeps.
 *
 * @return  STATUS_OK; PAGES_NONE_FREE; HVM_APIC_OUT_OF_REACH
 */
struct status hvm_take_memory(const struct hvm_request *wanted);

/* How the first processor enters the kernel. */
struct hvm_entry {
    uint64_t rip;
    uint64_t zero_page;
    uint64_t
        page_tables; /* the guest's own, identity-mapped: placed beside its zero page; 0: enter without paging, the
                             32-bit way */
    uint64_t gdt;
    uint32_t gdt_limit;
};

/*
 * Build the nested tables, once everything is in its place.
 *
 * @kept  what the guest shall not have: sorted, whole pages, apart from each other; stays where it is
 */
struct status hvm_build(struct busy_list kept);

/* What of that is for the nested tables. */
uint64_t hvm_nested_bytes(void);

#endif
