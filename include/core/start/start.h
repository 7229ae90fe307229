/*
 * The stages of start-up that boot/start.c calls one after the other.
 */
#ifndef START_START_H
#define START_START_H

#include "acpi.h"
#include "boot_info.h"
#include "bzimage.h"
#include "compiler.h"
#include "efi_handoff.h"
#include "entry_tables.h"
#include "hvm.h"
#include "memmap.h"
#include "native.h"
#include "options.h"
#include "placement.h"
#include "report.h"
#include "zeropage.h"

/*
 * The C entry, on the boot stack with own GDT, TSS and IDT, bss cleared and the low 4 GiB
 * identity-mapped.
 *
 * @regs  what head.S gathered
 */
NORETURN void __start_xen(const struct entry_regs *regs);

/*
 * Go through all stages up to the guest's placement without writing anything but Berth's own structures. Stops with an
 * error where __start_xen would: for the EFI stage, as long as there is a firmware to return to.
 *
 * @regs  with the EFI stage's findings, a memory map among them, in efi_handoff_storage
 */
void start_rehearse(const struct entry_regs *regs);

/*
 * Where the loader's information and the EFI stage's findings are kept. The EFI stage writes the second, and borrows
 * the first; from __start_xen on both are const.
 */
extern struct boot_info boot_info_storage;
extern struct efi_handoff efi_handoff_storage;

/*
 * Start the processors that the tables name; what is in the way of that is a warning. They wait until
 * processors_put_back(). Their stacks come from the page allocator.
 *
 * @busy    the image, the page tables and the modules
 * @return  how many run, the first one among them
 */
uint32_t stage_processors(const struct acpi_info *acpi, const struct memmap *map,
                          struct busy_list busy);

/* Put them back, for a native guest to start them, and free their stacks. */
void stage_processors_end(void);

/* --- how the kernel runs: boot/hvm.c --- */

/* What the processor offers to guests. */
struct hvm_choice {
    struct hvm_support support;
    enum nested_format format; /* NESTED_NPT: SVM, NESTED_EPT: VMX */
};

/* Ask the processor, where the wanted mode makes that matter; else nothing is usable. Prints nothing. */
struct hvm_choice hvm_choose(enum dom0_mode mode);

/*
 * Settle the mode, and say which: for a guest inside SVM or VMX that all memory is taken which Berth will ever need.
 * Stops with an error when the wanted mode cannot be had.
 *
 * @request  how it would be done
 * @return   whether the guest is one inside SVM or VMX; else it is native
 */
bool guest_choose(enum dom0_mode mode, const struct hvm_choice *choice,
                  const struct hvm_request *request);

/*
 * List what Berth keeps of the memory: what everybody who deals with the guest's memory leaves out. The page allocator
 * has been asked for the last time.
 *
 * @tables  the room of the page tables
 * @return  sorted, whole pages, apart from each other; stays
 */
struct busy_list hvm_kept(struct prange image, struct prange tables);

/*
 * Close that to the guest and its devices, and the registers of IOMMUs beside it: nested tables, and IOMMUs. Those
 * registers are no memory that a map could be told of.
 *
 * @kept  hvm_kept()
 */
void hvm_close(struct busy_list kept);

/* How much that is, and for what. */
struct kept_memory hvm_kept_memory(struct busy_list kept, struct prange image,
                                   struct prange tables);

/* --- the guest: boot/guest.c --- */

/* What a guest is to be put into. */
struct guest_setting {
    const struct boot_info *info;
    paddr_t rsdp; /* as guest_rsdp() found it */
    const struct memmap *map;
    struct prange image;     /* where Berth is, not to be overwritten */
    struct busy_list others; /* nor its page tables, and what it has taken of the memory */
    bool is_virtual; /* inside SVM or VMX: `others` is hvm_kept(), and it is never to have that */
    bool has_1gib_pages;
};

/* What is about to be started: everything decided, nothing written. */
struct guest {
    const struct bzimage *kernel;
    struct prange kernel_payload; /* where the protected-mode part is now */
    struct prange initrd;         /* where it is now; empty: none */
    struct guest_placement place;
    struct zeropage_request page;
    bool is_virtual;
    struct entry_tables_request entry_tables; /* of a virtual one */
    struct native_entry entry;
};

/*
 * The firmware's own ACPI root pointer: as it is told, from the EFI tables, or where a BIOS keeps it. Reads the
 * firmware's memory, which the final page tables do not map. pa 0: there is none.
 */
paddr_t guest_rsdp(const struct boot_info *info);

/*
 * Read the kernel (module 0) and the initrd (module 1), and decide where everything goes. Stops with an error when that
 * cannot be done.
 */
struct guest guest_prepare(const struct guest_setting *setting);

/*
 * Write the zero page, and move kernel and initrd to their places. The loader's copies may be overwritten. For a
 * virtual guest, its tables and the nested ones, too.
 */
void guest_put_in_place(const struct guest *guest);

/* Give back the memory of all stages before, and start the guest. No other processor runs any more. */
NORETURN void stage_handover(const struct native_entry *entry);

/* Start the guest inside SVM or VMX, and stay. */
NORETURN void stage_hvm(const struct hvm_choice *choice, const struct guest *guest);

#endif
