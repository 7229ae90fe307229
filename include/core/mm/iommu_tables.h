/*
 * What AMD's IOMMU reads: page tables that map every address to itself, but for what Berth keeps; and a device table
 * whose entries all point to these.
 */
#ifndef MM_IOMMU_TABLES_H
#define MM_IOMMU_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/amd_iommu.h"
#include "acpi.h"
#include "addr.h"
#include "memmap.h"
#include "placement.h"

/* --- page tables -------------------------------------------------------------------------------------------------- */

struct iommu_mapping {
    uint64_t top; /* what devices reach ends here: a multiple of 1 GiB, not 0, at most 1 << 57 */
    struct busy_list kept; /* whole pages, sorted, apart from each other: absent */
};

/*
 * Where the map is to end: behind all RAM, and not below 1 TiB, or what the processor can address, so that most of the
 * devices' own memory is in it, too. What devices want from each other above that is refused.
 *
 * @physical_bits  32 to 52
 */
uint64_t iommu_map_top(const struct memmap *map, unsigned int physical_bits);

/* How many levels the tables have: 3 up to 512 GiB, one more for each factor of 512. */
unsigned int iommu_map_levels(const struct iommu_mapping *mapping);

/* How many pages the tables take. Cost, as of building them: linear in their entries. */
uint32_t iommu_map_pages(const struct iommu_mapping *mapping);

/* How many more they take at most for each further range that is kept and is shorter than 1 GiB. */
#define IOMMU_PAGES_FOR_RANGE 4

/*
 * @tables    where the first table, which is the top one, can be written; need not be cleared
 * @pa        of it
 * @capacity  in pages
 * @return    false when that is not enough
 * Source:    IOMMU 2.2.3
 */
bool iommu_map_build(const struct iommu_mapping *mapping, uint64_t *tables, uint64_t pa,
                     uint32_t capacity);

/* --- device table ------------------------------------------------------------------------------------------------- */

struct iommu_device_request {
    uint32_t count; /* of entries, 1 to 65536 */
    uint64_t tables_pa;
    unsigned int levels;
    const struct acpi_iommu_setting
        *settings; /* what the firmware wants for some: the last one counts */
    uint32_t setting_count;
};

/* All devices are in one domain. Its number is not 0, which some IOMMUs keep for what they remember of nothing. */
#define IOMMU_DOMAIN 1

/*
 * Each device reads and writes what the page tables map. Interrupts pass as they are. Devices that would translate by
 * themselves (ATS) are refused: they would send addresses that nobody looks at.
 *
 * Source:  IOMMU 2.2.2.1
 */
void iommu_devices_build(const struct iommu_device_request *request, struct iommu_device *table);

/*
 * How many buses the table is for: what is beyond its end is refused by the IOMMU, whoever speaks under such a number.
 * There are some more than exist, for a guest that numbers buses anew.
 *
 * @highest_device  that there is, on a bus or by the firmware's tables
 */
uint32_t iommu_buses(uint16_t highest_device);
#define IOMMU_BUSES_SPARE     16
#define IOMMU_DEVICES_PER_BUS 256
/* For all 256 it is 2 MiB: for machines with so much RAM that it is all the same. */
#define IOMMU_ALL_BUSES_FROM GIB(4)

#endif
