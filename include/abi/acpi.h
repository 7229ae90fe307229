/*
 * ACPI's root system description pointer. Source: ACPI specification 6.5, section 5.2.5.3.
 */
#ifndef ABI_ACPI_H
#define ABI_ACPI_H

#define RSDP_SIGNATURE       "RSD PTR "
#define RSDP_SIGNATURE_BYTES 8
#define RSDP_V1_BYTES        20 /* what the first checksum covers */
#define RSDP_ALIGNMENT       16

#define RSDP_AREA_START 0xe0000
#define RSDP_AREA_END   0x100000
#define RSDP_EBDA_BYTES 1024

#endif
