/*
 * Four-level paging: entry flags and geometry. Constants only.
 * Source: Intel SDM volume 3A, section 4.5 (4-level paging), table 4-15 and following.
 */
#ifndef X86_PAGING_H
#define X86_PAGING_H

#include "x86/const.h"

#define PAGE_SHIFT 12
#define PAGE_BYTES UC(0x1000)

#define PTE_PRESENT   UC(0x001)
#define PTE_WRITE     UC(0x002)
#define PTE_USER      UC(0x004)
#define PTE_ACCESSED  UC(0x020)
#define PTE_DIRTY     UC(0x040)
#define PTE_LARGE     UC(0x080) /* PS: the entry maps a 2 MiB or 1 GiB page */
#define PTE_GLOBAL    UC(0x100)
#define PTE_ADDRESS   UC(0x000ffffffffff000)
#define PTE_NX        UC(0x8000000000000000)
#define PTE_PAT       UC(0x080)  /* of a 4 KiB page, where other entries have PTE_LARGE */
#define PTE_PAT_LARGE UC(0x1000) /* of a 2 MiB or 1 GiB page */

/*
 * Memory types, by their places in PAT_LAYOUT (x86/registers.h): PAT is bit 2 of the place, PCD bit 1, PWT bit 0. The
 * first is the same in the PAT that a processor starts with; the second is not, and without PAT its bit is reserved.
 * Both are for 4 KiB pages: paging_map() puts PAT where a larger page has it.
 */
#define PTE_UNCACHED        UC(0x018) /* 3 */
#define PTE_WRITE_COMBINING PTE_PAT   /* 4 */

/* A pointer to a lower table, and a writable and executable leaf, as the boot tables use them. */
#define PTE_TABLE (PTE_PRESENT + PTE_WRITE + PTE_ACCESSED)
#define PTE_RWX   (PTE_PRESENT + PTE_WRITE + PTE_ACCESSED + PTE_DIRTY)

/*
 * Leaves of the final tables: nothing is writable and executable, and all is global: loading CR3 does not make a
 * processor forget them (translations_forget in instructions.h does). Without CR4.PGE that bit means nothing.
 */
#define PTE_CODE      (PTE_PRESENT + PTE_ACCESSED + PTE_GLOBAL)
#define PTE_CONSTANTS (PTE_PRESENT + PTE_ACCESSED + PTE_GLOBAL + PTE_NX)
#define PTE_DATA      (PTE_PRESENT + PTE_WRITE + PTE_ACCESSED + PTE_DIRTY + PTE_GLOBAL + PTE_NX)

/* A page fault's error code: SDM volume 3A, section 4.7. */
#define PF_PRESENT  UC(0x01)
#define PF_WRITE    UC(0x02)
#define PF_RESERVED UC(0x08)
#define PF_EXECUTE  UC(0x10)

#define PT_ENTRIES 512
#define PTE_BYTES  8

#define L1_SHIFT 12
#define L2_SHIFT 21
#define L3_SHIFT 30
#define L4_SHIFT 39
#define L5_SHIFT 48 /* with CR4.LA57 */

#define SLOT_BITS 9 /* of an address for each level */

#define L2_PAGE_BYTES UC(0x200000)
#define L3_PAGE_BYTES UC(0x40000000)

/* CR3 of PAE paging outside long mode points to four entries: SDM volume 3A, table 4-7. */
#define CR3_PAE_ADDRESS UC(0xffffffe0)

/*
 * 32-bit paging: SDM volume 3A, section 4.3. A 4 MiB page has bits 39 to 32 of its address in bits 20 to 13 of its
 * entry (PSE-36).
 */
#define PT32_ENTRIES  1024
#define PTE32_BYTES   4
#define PTE32_ADDRESS UC(0xfffff000)
#define L2_32_SHIFT   22
#define L2_32_OFFSET  UC(0x3fffff)
#define PSE36_SHIFT   13
#define PSE36_MASK    UC(0xff)

#define L1_SLOT(va) (((va) >> L1_SHIFT) & 511)
#define L2_SLOT(va) (((va) >> L2_SHIFT) & 511)
#define L3_SLOT(va) (((va) >> L3_SHIFT) & 511)
#define L4_SLOT(va) (((va) >> L4_SHIFT) & 511)

#endif
