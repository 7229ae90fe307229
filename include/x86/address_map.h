/*
 * The virtual address map, shared by C, assembly and the linker script. Constants only.
 *
 *   0xffff800000000000  slot 256: machine-to-physical table, readable by PV guests (reserved)
 *   0xffff82d040000000  __XEN_VIRT_START: the image, linked at +2 MiB
 *   0xffff82d060000000  the other processors' stacks and data, with guard pages
 *   0xffff830000000000  direct map of physical memory
 *
 * Slots 256 to 271 belong to the hypervisor, every other slot to a guest.
 */
#ifndef X86_ADDRESS_MAP_H
#define X86_ADDRESS_MAP_H

#include "x86/const.h"

#define XEN_VIRT_START   UC(0xffff82d040000000)
#define DIRECT_MAP_START UC(0xffff830000000000)

/* The image's own slot: one 2 MiB page, at the same offset virtually and (by suggestion)
 * physically. */
#define IMAGE_SLOT_BYTES UC(0x200000)
#define IMAGE_LINK_PA    UC(0x200000)
#define IMAGE_LINK_VA    (XEN_VIRT_START + IMAGE_LINK_PA)

/* One area behind the other for each processor but the first: x86/stacks.h. */
#define PROCESSOR_AREAS_START (XEN_VIRT_START + UC(0x20000000))
#define PROCESSOR_AREAS_END   (XEN_VIRT_START + UC(0x40000000))

/* The boot page tables identity-map this much physical memory from 0. */
#define IDENTITY_MAP_BYTES UC(0x100000000)

/* Behind all that an entry of a page table can name: SDM volume 3A, section 4.1.4. */
#define PHYSICAL_END UC(0x10000000000000)

/* What real mode reaches, and where a PC's oldest devices are. */
#define LOW_MEMORY_BYTES UC(0x100000)
/* Of that, where other processors can start: SDM volume 3A, section 11.4.4. */
#define START_PAGES_END UC(0xa0000)
/* From here on kernels look for what firmware has put there (iBFT), and a page that stays is in the way of that. */
#define START_PAGES_GOOD_END UC(0x80000)

#endif
