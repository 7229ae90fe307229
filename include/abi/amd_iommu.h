/*
 * AMD's IOMMU: registers, the device table, page tables, commands. Constants, and the layout of what it reads.
 *
 * Source: AMD I/O Virtualization Technology (IOMMU) Specification, document 48882, revision 3 ("IOMMU")
 */
#ifndef ABI_AMD_IOMMU_H
#define ABI_AMD_IOMMU_H

#include <stdint.h>

/* --- in PCI configuration space: IOMMU 3.2 ------------------------------------------------------------------------ */

#define IOMMU_CAPABILITY_ID 0x0f /* in the lowest byte of the capability's first word */
#define IOMMU_CAPABILITY_LOW                                                                       \
    4 /* where the registers are; with the lowest bit set all that is locked until a reset */
#define IOMMU_CAPABILITY_ON 0x1

/* --- registers: IOMMU 3.4. Each has 64 bits ----------------------------------------------------------------------- */

#define IOMMU_REGISTERS_BYTES 0x4000

#define IOMMU_DEVICE_TABLE    0x0000 /* | its pages less one */
#define IOMMU_COMMANDS        0x0008 /* | IOMMU_RING_256 */
#define IOMMU_EVENTS          0x0010 /* the same */
#define IOMMU_CONTROL         0x0018
#define IOMMU_EXCLUSION_BASE  0x0020
#define IOMMU_EXCLUSION_LIMIT 0x0028
#define IOMMU_FEATURES        0x0030
#define IOMMU_COMMAND_HEAD    0x2000 /* an offset in the ring */
#define IOMMU_COMMAND_TAIL    0x2008
#define IOMMU_EVENT_TAIL      0x2018
#define IOMMU_STATUS          0x2020

#define IOMMU_RING_256     (8ULL << 56)
#define IOMMU_RING_ENTRIES 256
#define IOMMU_RING_BYTES   0x1000

#define IOMMU_CONTROL_ON          (1ULL << 0)
#define IOMMU_CONTROL_TUNNEL      (1ULL << 1)
#define IOMMU_CONTROL_EVENTS      (1ULL << 2)
#define IOMMU_CONTROL_PASS_PW     (1ULL << 8)
#define IOMMU_CONTROL_RESULT_PW   (1ULL << 9)
#define IOMMU_CONTROL_COHERENT    (1ULL << 10)
#define IOMMU_CONTROL_ISOCHRONOUS (1ULL << 11)
#define IOMMU_CONTROL_COMMANDS    (1ULL << 12)

#define IOMMU_FEATURES_INVALIDATE_ALL (1ULL << 6)

#define IOMMU_STATUS_EVENTS   (1ULL << 3) /* they are still being written */
#define IOMMU_STATUS_COMMANDS (1ULL << 4) /* they are still being read */

/* --- the device table: IOMMU 2.2.2 -------------------------------------------------------------------------------- */

struct iommu_device {
    uint64_t words[4];
};
_Static_assert(sizeof(struct iommu_device) == 32, "an entry of the device table");

#define IOMMU_DEVICE_VALID       0x1 /* in words[0]: the entry counts */
#define IOMMU_DEVICE_TRANSLATES  0x2 /* ... and what it says of page tables, too */
#define IOMMU_DEVICE_LEVEL_SHIFT 9   /* how many levels these have */
#define IOMMU_READS              (1ULL << 61)
#define IOMMU_WRITES             (1ULL << 62)

/* In words[1]: the domain, and system management messages. No bit means that a device may translate by itself. */
#define IOMMU_DEVICE_MANAGEMENT_SHIFT 40

/* In words[2]: interrupts are not remapped, whatever else is said of them here. */
#define IOMMU_DEVICE_INIT_SHIFT 56 /* and external interrupts and NMIs in the next bits */
#define IOMMU_DEVICE_LINT_SHIFT 62

/* The setting of a device in IVRS: IOMMU table 98 */
#define IOMMU_SETTING_INTERRUPTS       0x7 /* INIT, ExtInt, NMI */
#define IOMMU_SETTING_MANAGEMENT_SHIFT 4
#define IOMMU_SETTING_MANAGEMENT       0x3
#define IOMMU_SETTING_LINT_SHIFT       6

/* --- page tables: IOMMU 2.2.3 ------------------------------------------------------------------------------------- */

#define IOMMU_ENTRY_PRESENT 0x1
#define IOMMU_ENTRY_LEVEL_SHIFT                                                                    \
    9 /* of the table that it points to; 0: it maps a page, as large as its own level has */

#define IOMMU_LEVELS_MOST 6
#define IOMMU_LEVEL_BITS  9
/* The largest pages that are used, of 1 GiB: those of 512 GiB do not work on some IOMMUs. */
#define IOMMU_LEVEL_OF_LARGEST 3

/* --- commands: IOMMU 2.4 ------------------------------------------------------------------------------------------ */

struct iommu_command {
    uint64_t words[2];
};
_Static_assert(sizeof(struct iommu_command) == 16, "a command");

#define IOMMU_COMMAND_SHIFT 60 /* in words[0]: which */

/* 2.4.1: once all before it are done, write words[1] to the address in words[0] */
#define IOMMU_COMPLETION_WAIT  (1ULL << IOMMU_COMMAND_SHIFT)
#define IOMMU_COMPLETION_STORE 0x1
/* 2.4.2: forget a device's entry of the table; its number is in words[0] */
#define IOMMU_INVALIDATE_DEVICE (2ULL << IOMMU_COMMAND_SHIFT)
/* 2.4.3: forget pages of the domain in words[0] from bit 32 on; words[1] as follows is all of them */
#define IOMMU_INVALIDATE_PAGES     (3ULL << IOMMU_COMMAND_SHIFT)
#define IOMMU_INVALIDATE_DOMAIN_AT 32
#define IOMMU_INVALIDATE_ALL_PAGES 0x7ffffffffffff003ULL
/* 2.4.5: forget the table of interrupts of the device in words[0] */
#define IOMMU_INVALIDATE_INTERRUPTS (5ULL << IOMMU_COMMAND_SHIFT)
/* 2.4.8: forget everything; only with IOMMU_FEATURES_INVALIDATE_ALL */
#define IOMMU_INVALIDATE_ALL (8ULL << IOMMU_COMMAND_SHIFT)

#endif
