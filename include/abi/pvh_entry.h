/*
 * The numbers that assembly needs of PVH, the way in which Xen, QEMU and other machine monitors start a kernel without
 * firmware. Constants only. Sources: Xen, docs/misc/pvh.pandoc ("x86/HVM direct boot ABI"), and public/elfnote.h.
 */
#ifndef ABI_PVH_ENTRY_H
#define ABI_PVH_ENTRY_H

/* The ELF note that names the physical address of the 32-bit entry; its owner is "Xen". */
#define PVH_NOTE_PHYS32_ENTRY 18
#define PVH_NOTE_ALIGN        4

/* The first word of the start information. No register tells it: the entry puts it where multiboot's magic would be. */
#define PVH_START_MAGIC 0x336ec578

#endif
