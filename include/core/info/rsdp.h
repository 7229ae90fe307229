/*
 * Where the firmware keeps its root system description pointer.
 */
#ifndef INFO_RSDP_H
#define INFO_RSDP_H

#include "addr.h"
#include "boot_info.h"
#include "cursor.h"

/*
 * Search the BIOS's places: the first KiB of the extended BIOS data area, then 0xe0000 to 0xfffff,
 * at every 16 bytes. Where the loader passed a copy, only what equals the copy counts (its own
 * address the loader does not tell).
 *
 * @return  its address, or 0 when it is not there
 * Source:  ACPI specification 6.5, section 5.2.5.1
 */
paddr_t rsdp_locate(const struct physical_view *memory, const struct boot_info *info);

/*
 * The extended BIOS data area of a PC BIOS, as the BIOS data area says: from its start to 640 KiB. Empty where that
 * makes no sense. The memory map should not call it RAM.
 */
struct prange ebda_range(const struct physical_view *memory);

#endif
