/*
 * The zero page (struct boot_params) and what hangs on it: set-up data and the command line, as one
 * block of bytes. Written from scratch: every byte that has no documented meaning here is zero.
 * Source: Linux Documentation/arch/x86/zero-page.rst and boot.rst.
 */
#ifndef IMAGE_ZEROPAGE_H
#define IMAGE_ZEROPAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "boot_info.h"
#include "bzimage.h"
#include "memmap.h"
#include "placement.h"
#include "status.h"

struct zeropage_request {
    const void *kernel_file; /* the bytes that `kernel` was parsed from */
    size_t kernel_file_bytes;
    const struct bzimage *kernel;
    const char *cmdline;      /* cut to kernel->cmdline_bytes, which the caller reports */
    struct prange initrd;     /* empty: none */
    const struct memmap *map; /* handed on whole, as e820; boot services are RAM there */
    struct busy_list
        kept; /* what the kernel shall not have: sorted, whole pages, apart from each other. It is
                                 reserved, in the e820 table and in the firmware's memory map */
    paddr_t rsdp; /* 0: not known, the kernel searches itself */
    const struct boot_framebuffer *framebuffer;
    const struct boot_efi *efi; /* NULL, or a system table of 0: no UEFI */
    paddr_t kernel_load;        /* where the kernel is put: code32_start */
    paddr_t block;              /* where the block will be */
};

/*
 * Entries of the e820 table: fewer than map->count where neighbours become alike, more where something is kept.
 *
 * @kept  as in the request
 */
uint32_t zeropage_e820_entries(const struct memmap *map, struct busy_list kept);

/*
 * Is the kernel told of the firmware's tables and memory map? 32-bit firmware only where it says
 * that it can use it (efi_32), and no firmware whose memory map is missing. (Secure Boot and the
 * kind of screen are told in any case.)
 */
bool zeropage_hands_on_efi(const struct bzimage *kernel, const struct boot_efi *efi);

/* Size of the block for this request (whose `block`, `initrd`, `kernel_load` and `rsdp` are not
 * looked at). */
uint64_t zeropage_bytes(const struct zeropage_request *request);

/*
 * Fill the block. The zero page is its first 4096 bytes.
 *
 * @block        zeropage_bytes() bytes, which appear at request->block in physical memory; need not
 * be cleared. With fewer than that nothing is written
 */
void zeropage_build(const struct zeropage_request *request, void *block, uint64_t block_bytes);

#endif
