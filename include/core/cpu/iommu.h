/*
 * AMD's IOMMUs, which keep the devices of a guest that has all of them from Berth's memory. Called once each, in this
 * order, by the first processor alone:
 *
 *   iommu_hide() -> (final page tables) -> iommu_take_memory() -> iommu_registers() -> iommu_start()
 *
 * They stay on, and nobody looks at them again: what they refuse is written to their logs, where it stays.
 */
#ifndef CPU_IOMMU_H
#define CPU_IOMMU_H

#include <stdint.h>

#include "acpi.h"
#include "caps.h"
#include "memmap.h"
#include "placement.h"

/* The guest shall not find them: their table gets another name. While the firmware's tables are mapped. */
void iommu_hide(const struct acpi_info *firmware);

/* Pages of the final page tables for the registers, at most. */
uint32_t iommu_table_pages(const struct acpi_info *firmware);

/*
 * How much memory iommu_take_memory() takes at most, in one range.
 *
 * @ranges  that are kept, at most, but for that one and the registers
 */
uint64_t iommu_bytes_most(const struct acpi_info *firmware, const struct memmap *map,
                          const struct cpu_caps *caps, uint32_t ranges);

/*
 * Where the firmware says that their registers are, in any order and not checked: iommu_registers() has all of these or
 * fewer.
 *
 * @return  how many ranges; at most ACPI_IOMMUS_MAX
 */
uint32_t iommu_registers_told(const struct acpi_info *firmware, struct prange *ranges);

/*
 * Map their registers, and take the memory that they need from the page allocator. What cannot be used is a warning.
 *
 * @firmware  stays
 * @kept      what Berth keeps until now: sorted, whole pages, apart from each other
 */
void iommu_take_memory(const struct acpi_info *firmware, const struct memmap *map,
                       const struct cpu_caps *caps, struct busy_list kept);

/* How much was taken. */
uint64_t iommu_bytes(void);

/*
 * Where the registers are: the guest shall not reach those either.
 *
 * @return  how many ranges; at most ACPI_IOMMUS_MAX
 */
uint32_t iommu_registers(struct prange *ranges);

/*
 * Start them, so that devices reach everything but what is kept; and say in one line whether all of them run.
 *
 * @kept  as above, now with all that was taken, and with the registers
 */
void iommu_start(struct busy_list kept);

#endif
