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
#include "memmap.h"
#include "native.h"
#include "options.h"
#include "placement.h"
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

/* Put them back, for the guest to start them, and free their stacks. */
void stage_processors_end(void);

/* What is about to be started: everything decided, nothing written. */
struct native_guest {
    const struct bzimage *kernel;
    struct prange kernel_payload; /* where the protected-mode part is now */
    struct prange initrd;         /* where it is now; empty: none */
    struct guest_placement place;
    struct zeropage_request page;
    struct native_entry entry;
};

/* Stop with an error when the wanted mode is not in this build. */
void guest_choose(enum dom0_mode mode);

/*
 * The firmware's own ACPI root pointer: as it is told, from the EFI tables, or where a BIOS keeps it. Reads the
 * firmware's memory, which the final page tables do not map. pa 0: there is none.
 */
paddr_t guest_rsdp(const struct boot_info *info);

/*
 * Read the kernel (module 0) and the initrd (module 1), and decide where everything goes. Stops with an error when that
 * cannot be done.
 *
 * @rsdp   as guest_rsdp() found it
 * @image   where Berth is, not to be overwritten
 * @others  nor its page tables, and what it has taken of the memory
 */
struct native_guest guest_prepare(const struct boot_info *info, paddr_t rsdp,
                                  const struct memmap *map, struct prange image,
                                  struct busy_list others);

/* Write the zero page, and move kernel and initrd to their places. The loader's copies may be overwritten. */
void guest_put_in_place(const struct native_guest *guest);

/* Give back the memory of all stages before, and start the guest. No other processor runs any more. */
NORETURN void stage_handover(const struct native_entry *entry);

#endif
