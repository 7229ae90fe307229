/*
 * UEFI's system table as bytes, whatever the firmware's width. Constants only.
 * Source: UEFI specification 2.10, section 4.3.
 */
#ifndef ABI_EFI_LAYOUT_H
#define ABI_EFI_LAYOUT_H

#define EFI_SYSTEM_TABLE_SIGNATURE 0x5453595320494249ULL /* "IBI SYST" */
#define EFI_SYSTEM_TABLE_BYTES_32  72
#define EFI_SYSTEM_TABLE_BYTES_64  120

#endif
