/*
 * What an EFI system table leads to.
 */
#ifndef INFO_EFI_TABLES_H
#define INFO_EFI_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "cursor.h"

/*
 * The ACPI root pointer in the configuration tables: ACPI 2.0's, else ACPI 1.0's.
 *
 * @return  its address; 0 when there is none, or when the table is damaged
 * Source:  UEFI specification 2.10, sections 4.3 and 4.6
 */
paddr_t efi_tables_rsdp(const struct physical_view *memory, uint64_t system_table_pa,
                        bool is_64bit);

/* The SMBIOS entry point: version 3's, else version 2's. As above. */
paddr_t efi_tables_smbios(const struct physical_view *memory, uint64_t system_table_pa,
                          bool is_64bit);

#endif
