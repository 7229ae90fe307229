/*
 * The words of the log that start-up prints. Each line's form is a contract: docs/log.md.
 */
#ifndef START_REPORT_H
#define START_REPORT_H

#include "acpi.h"
#include "boot_info.h"
#include "bzimage.h"
#include "compiler.h"
#include "memmap.h"
#include "options.h"
#include "placement.h"
#include "status.h"
#include "times.h"
#include "tsc.h"

enum image_mover {
    MOVED_BY_NONE,
    MOVED_BY_LOADER,
    MOVED_BY_SELF,
};

void report_banner(void);
void report_options(const struct options *options);
void report_protection(void);
void report_boot(const struct boot_info *info, paddr_t base, enum image_mover mover);
void report_memory(const struct boot_info *info, const struct memmap *map);
void report_modules(const struct boot_info *info);
void report_acpi(const struct acpi_info *acpi);
/* What the page allocator has, at loglevel debug. */
void report_pages(void);
void report_cpu(uint32_t online);
/* @mode  "native" or "hvm" */
void report_dom0(const char *mode, const struct bzimage *kernel, paddr_t entry,
                 const struct guest_placement *place);

/* What Berth keeps of the memory when it stays below a guest, in bytes. */
struct kept_memory {
    uint64_t all; /* the sum of the others */
    uint64_t image;
    uint64_t tables;     /* its own page tables */
    uint64_t processors; /* stacks and control blocks, the page where they start, and all else */
    uint64_t nested;     /* the tables that say what the guest and its devices reach */
};
/* @name  "SVM" or "VMX" */
void report_hvm(const char *name, uint32_t processors, const struct kept_memory *kept);
/*
 * Where the time went.
 *
 * @boot, @bringup  stamps of the phases, and of the parts of starting the other processors (NULL: there are none)
 * @invariant       whether the time-stamp counter has the same speed in every state
 */
void report_times(const uint64_t boot[BOOT_PHASES + 1], const uint64_t *bringup,
                  const struct tsc_rate *rate, bool invariant);

/* Unless the status is STATUS_OK, print what went wrong and what to do about it, then stop the
 * machine. */
void require(struct status status);
/* The same for what has no status. */
NORETURN void fatal(const char *what, const char *remedy);

#endif
