/*
 * ACPI's tables in memory, as far as they are read: where each field is, and what its values mean. All values are
 * little-endian and may lie at any address.
 *
 * Source: ACPI specification 6.5 ("ACPI"); IA-PC HPET specification 1.0a; PCI Firmware specification 3.3 ("PCI FW");
 * Microsoft's "Serial Port Console Redirection Table" and "Debug Port Table 2 (DBG2)"; AMD I/O Virtualization
 * Technology (IOMMU) Specification, document 48882, revision 3 ("IOMMU").
 */
#ifndef ABI_ACPI_H
#define ABI_ACPI_H

/* --- the root pointer: ACPI 5.2.5.3 ----------------------------------------------------------------------------- */

#define RSDP_SIGNATURE       "RSD PTR "
#define RSDP_SIGNATURE_BYTES 8
#define RSDP_V1_BYTES        20 /* what the first checksum covers */
#define RSDP_V2_BYTES        36
#define RSDP_ALIGNMENT       16
#define RSDP_REVISION        15
#define RSDP_REVISION_XSDT   2 /* from this revision on, what follows the first 20 bytes is there */
#define RSDP_RSDT            16
#define RSDP_LENGTH          20 /* what the second checksum covers */
#define RSDP_XSDT            24

#define RSDP_AREA_START 0xe0000
#define RSDP_AREA_END   0x100000
#define RSDP_EBDA_BYTES 1024

/* --- what all tables have: ACPI 5.2.6 --------------------------------------------------------------------------- */

#define ACPI_SIGNATURE_BYTES 4
#define ACPI_HEADER_LENGTH   4 /* of the whole table */
#define ACPI_HEADER_REVISION 8
#define ACPI_HEADER_CHECKSUM 9
#define ACPI_HEADER_BYTES    36

/* Four letters as the number that they are in memory. */
#define ACPI_SIGNATURE(a, b, c, d)                                                                 \
    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

#define ACPI_SIGNATURE_RSDT ACPI_SIGNATURE('R', 'S', 'D', 'T')
#define ACPI_SIGNATURE_XSDT ACPI_SIGNATURE('X', 'S', 'D', 'T')
#define ACPI_SIGNATURE_MADT ACPI_SIGNATURE('A', 'P', 'I', 'C')
#define ACPI_SIGNATURE_SRAT ACPI_SIGNATURE('S', 'R', 'A', 'T')
#define ACPI_SIGNATURE_FADT ACPI_SIGNATURE('F', 'A', 'C', 'P')
#define ACPI_SIGNATURE_DSDT ACPI_SIGNATURE('D', 'S', 'D', 'T')
#define ACPI_SIGNATURE_HPET ACPI_SIGNATURE('H', 'P', 'E', 'T')
#define ACPI_SIGNATURE_MCFG ACPI_SIGNATURE('M', 'C', 'F', 'G')
#define ACPI_SIGNATURE_SPCR ACPI_SIGNATURE('S', 'P', 'C', 'R')
#define ACPI_SIGNATURE_DBG2 ACPI_SIGNATURE('D', 'B', 'G', '2')
#define ACPI_SIGNATURE_IVRS ACPI_SIGNATURE('I', 'V', 'R', 'S')
#define ACPI_SIGNATURE_DMAR ACPI_SIGNATURE('D', 'M', 'A', 'R')

/* One of those that ACPI leaves to vendors, "OEMx" (table 5.5): no system looks for it by itself. */
#define ACPI_NAME_OF_NOBODY "OEM0"

/* Generic address structure: ACPI 5.2.3.2 */
#define GAS_SPACE       0
#define GAS_BIT_WIDTH   1
#define GAS_ACCESS_SIZE 3 /* 0: not told; n: 1 << (n - 1) bytes */
#define GAS_ADDRESS     4
#define GAS_ACCESS_MAX  4

/* Of an address in configuration space: ACPI table 5.1. Above the device's number there are zeroes. */
#define ACPI_PCI_DEVICE(address)   ((unsigned int)((address) >> 32))
#define ACPI_PCI_FUNCTION(address) ((unsigned int)((address) >> 16 & 0xffff))
#define ACPI_PCI_OFFSET(address)   ((unsigned int)((address)&0xffff))

#define ACPI_SPACE_MEMORY 0
#define ACPI_SPACE_IO     1
#define ACPI_SPACE_PCI    2 /* configuration space of segment 0, bus 0 */

#define ACPI_IO_PORTS 0x10000

/* Entries of MADT and SRAT: a type, a length that counts itself, and the rest. */
#define ACPI_ENTRY_TYPE   0
#define ACPI_ENTRY_LENGTH 1
#define ACPI_ENTRY_BYTES  2

/* --- MADT: ACPI 5.2.12 ------------------------------------------------------------------------------------------ */

#define MADT_LOCAL_APIC_PA 36
#define MADT_ENTRIES       44

#define MADT_LOCAL_APIC       0 /* 5.2.12.2 */
#define MADT_LOCAL_APIC_UID   2
#define MADT_LOCAL_APIC_ID    3
#define MADT_LOCAL_APIC_FLAGS 4
#define MADT_LOCAL_APIC_BYTES 8
#define MADT_LOCAL_APIC_ALL   0xff /* the id that means all processors: of none */

#define MADT_IO_APIC          1 /* 5.2.12.3 */
#define MADT_IO_APIC_ID       2
#define MADT_IO_APIC_PA       4
#define MADT_IO_APIC_GSI_BASE 8
#define MADT_IO_APIC_BYTES    12

#define MADT_OVERRIDE       5 /* 5.2.12.8: the local APIC's address in 64 bits */
#define MADT_OVERRIDE_PA    4
#define MADT_OVERRIDE_BYTES 12

#define MADT_X2APIC       9 /* 5.2.12.12 */
#define MADT_X2APIC_ID    4
#define MADT_X2APIC_FLAGS 8
#define MADT_X2APIC_UID   12
#define MADT_X2APIC_BYTES 16
#define MADT_X2APIC_ALL   0xffffffff

#define MADT_ENABLED        0x1
#define MADT_ONLINE_CAPABLE 0x2

/* --- SRAT: ACPI 5.2.16 ------------------------------------------------------------------------------------------ */

#define SRAT_ENTRIES               48
#define SRAT_REVISION_WIDE_DOMAINS 2 /* before, a domain had 8 bits */
#define SRAT_NARROW_DOMAIN         0xff

#define SRAT_LOCAL_APIC             0 /* 5.2.16.1 */
#define SRAT_LOCAL_APIC_DOMAIN_LOW  2
#define SRAT_LOCAL_APIC_ID          3
#define SRAT_LOCAL_APIC_FLAGS       4
#define SRAT_LOCAL_APIC_DOMAIN_HIGH 8 /* behind the SAPIC EID in the lowest byte */
#define SRAT_LOCAL_APIC_DOMAIN_MASK 0xffffff00
#define SRAT_LOCAL_APIC_BYTES       16

#define SRAT_MEMORY        1 /* 5.2.16.2 */
#define SRAT_MEMORY_DOMAIN 2
#define SRAT_MEMORY_BASE   8
#define SRAT_MEMORY_LENGTH 16
#define SRAT_MEMORY_FLAGS  28
#define SRAT_MEMORY_BYTES  40

#define SRAT_X2APIC        2 /* 5.2.16.3 */
#define SRAT_X2APIC_DOMAIN 4
#define SRAT_X2APIC_ID     8
#define SRAT_X2APIC_FLAGS  12
#define SRAT_X2APIC_BYTES  24

#define SRAT_ENABLED       0x1
#define SRAT_HOT_PLUGGABLE 0x2 /* of memory */

/* --- FADT: ACPI 5.2.9 ------------------------------------------------------------------------------------------- */

#define FADT_DSDT           40
#define FADT_SMI_COMMAND    48
#define FADT_ACPI_ENABLE    52
#define FADT_PM1A_CONTROL   64
#define FADT_PM1B_CONTROL   68
#define FADT_PM_TIMER       76
#define FADT_PM_TIMER_BYTES 91
#define FADT_BOOT_FLAGS     109
#define FADT_FLAGS          112
#define FADT_V1_BYTES       116 /* of ACPI 1.0 */
#define FADT_RESET_REGISTER 116
#define FADT_RESET_VALUE    128
#define FADT_X_DSDT         140
#define FADT_X_PM1A_CONTROL 172
#define FADT_X_PM1B_CONTROL 184
#define FADT_X_PM_TIMER     208
#define FADT_SLEEP_CONTROL  244

#define FADT_TIMER_32BIT      (1U << 8)  /* TMR_VAL_EXT */
#define FADT_RESET_SUPPORTED  (1U << 10) /* RESET_REG_SUP */
#define FADT_HARDWARE_REDUCED (1U << 20) /* HW_REDUCED_ACPI: no PM1 registers, no timer */

/* PM1 control: ACPI 4.8.3.2.1. The sleep control register of hardware-reduced ACPI: 4.8.3.7 */
#define PM1_ACPI_MODE       0x0001 /* SCI_EN */
#define PM1_SLEEP_TYPE      0x1c00
#define PM1_SLEEP_SHIFT     10
#define PM1_SLEEP_NOW       0x2000
#define SLEEP_CONTROL_SHIFT 2
#define SLEEP_CONTROL_NOW   0x20

/* The only width of the timer's block: ACPI 4.8.3.3 */
#define PM_TIMER_BYTES 4

/* --- the sleep type in AML: ACPI 7.4.2 (_Sx), 20.2.3 to 20.2.5 (encodings) --------------------------------------- */

#define AML_ZERO         0x00
#define AML_ONE          0x01
#define AML_NAME         0x08
#define AML_BYTE         0x0a
#define AML_WORD         0x0b
#define AML_DWORD        0x0c
#define AML_QWORD        0x0e
#define AML_PACKAGE      0x12
#define AML_ROOT         0x5c
#define AML_NAME_BYTES   4
#define AML_LENGTH_BYTES 6    /* shift: how many bytes follow the first of a package length */
#define AML_LENGTH_SHORT 0x3f /* the length when none follow */
#define AML_LENGTH_LONG  0x0f /* its lowest bits when some do */
#define AML_LENGTH_BITS  4
#define SLEEP_TYPE_MAX   7 /* SLP_TYP has three bits: ACPI 4.8.3.2.1 */

/* --- HPET: IA-PC HPET 3.2.4 ------------------------------------------------------------------------------------- */

#define HPET_ADDRESS 40
#define HPET_BYTES   56

/* --- MCFG: PCI FW 4.1.2 ----------------------------------------------------------------------------------------- */

#define MCFG_ENTRIES         44
#define MCFG_ENTRY_PA        0
#define MCFG_ENTRY_SEGMENT   8
#define MCFG_ENTRY_FIRST_BUS 10
#define MCFG_ENTRY_LAST_BUS  11
#define MCFG_ENTRY_BYTES     16

/* --- SPCR: Microsoft, "Serial Port Console Redirection Table" ----------------------------------------------------- */

#define SPCR_INTERFACE        36
#define SPCR_ADDRESS          40 /* 0: the firmware redirects no console */
#define SPCR_BAUD             58
#define SPCR_PCI_DEVICE       64 /* SPCR_PCI_NONE: it is on no PCI bus */
#define SPCR_PCI_VENDOR       66
#define SPCR_PCI_BUS          68
#define SPCR_PCI_DEVICE_SLOT  69
#define SPCR_PCI_FUNCTION     70
#define SPCR_PCI_SEGMENT      75
#define SPCR_CLOCK            76 /* in Hz; 0: not told */
#define SPCR_PRECISE_BAUD     80 /* 0: the code counts */
#define SPCR_REVISION_CLOCK   3
#define SPCR_REVISION_PRECISE 4
#define SPCR_BYTES            80

#define SPCR_PCI_NONE 0xffff

#define SPCR_BAUD_9600   3
#define SPCR_BAUD_19200  4
#define SPCR_BAUD_57600  6
#define SPCR_BAUD_115200 7

/* --- DBG2: Microsoft, "Debug Port Table 2 (DBG2)" ----------------------------------------------------------------- */

#define DBG2_DEVICES_AT   36
#define DBG2_DEVICE_COUNT 40
#define DBG2_BYTES        44

/* of a device */
#define DBG2_DEVICE_LENGTH    1
#define DBG2_DEVICE_ADDRESSES 3 /* how many */
#define DBG2_DEVICE_TYPE      12
#define DBG2_DEVICE_SUBTYPE   14
#define DBG2_DEVICE_ADDRESS   18 /* the offset of the first */
#define DBG2_DEVICE_BYTES     22

#define DBG2_TYPE_SERIAL 0x8000

/* Table 3, "debug port types and subtypes"; SPCR's interface types since its revision 2 */
#define SERIAL_16550        0x00
#define SERIAL_16550_SUBSET 0x01
#define SERIAL_16550_GAS    0x12 /* laid out as the generic address structure says */

/* --- IVRS: IOMMU 5.2.1 ------------------------------------------------------------------------------------------ */

#define IVRS_BLOCKS 48

/* what all blocks begin with */
#define IVRS_BLOCK_TYPE   0
#define IVRS_BLOCK_FLAGS  1
#define IVRS_BLOCK_LENGTH 2
#define IVRS_BLOCK_DEVICE 4
#define IVRS_BLOCK_BYTES  4 /* type, flags and length */

/* An IOMMU, "IVHD": IOMMU 5.2.2. The later types say more, and may stand beside the first for the same IOMMU. */
#define IVHD_10               0x10
#define IVHD_11               0x11
#define IVHD_40               0x40
#define IVHD_CAPABILITY       6
#define IVHD_REGISTERS        8
#define IVHD_SEGMENT          16
#define IVHD_ENTRIES_OF_10    24
#define IVHD_ENTRIES_OF_LATER 40

/* Its flags are what belongs into the control register: IOMMU table 97 */
#define IVHD_TUNNEL      0x01
#define IVHD_PASS_PW     0x02
#define IVHD_RESULT_PW   0x04
#define IVHD_ISOCHRONOUS 0x08
#define IVHD_COHERENT    0x20

/* Its device entries: IOMMU 5.2.2.1 to 5.2.2.8. How long they are is told by the type's upper bits. */
#define IVHD_ENTRY_TYPE        0
#define IVHD_ENTRY_DEVICE      1
#define IVHD_ENTRY_SETTING     3
#define IVHD_ENTRY_SOURCE      5 /* of those of 8 bytes: under which number it speaks */
#define IVHD_ENTRY_SHORTEST    4
#define IVHD_ENTRY_CLASS_SHIFT 6 /* 4 bytes, then 8, 16 and 32, by the type's upper two bits */

#define IVHD_ALL            1
#define IVHD_SELECT         2
#define IVHD_RANGE_START    3
#define IVHD_RANGE_END      4
#define IVHD_ALIAS          0x42
#define IVHD_ALIAS_START    0x43
#define IVHD_EXTENDED       0x46
#define IVHD_EXTENDED_START 0x47
#define IVHD_SPECIAL        0x48
#define IVHD_ACPI_DEVICE    0xf0 /* the one whose length varies */
#define IVHD_ACPI_UID_BYTES 21
#define IVHD_ACPI_BYTES     22 /* without the unique id */

/* Memory that devices need whatever a system does, "IVMD": IOMMU 5.2.3 */
#define IVMD_ALL    0x20
#define IVMD_SELECT 0x21
#define IVMD_RANGE  0x22
#define IVMD_START  16
#define IVMD_LENGTH 24
#define IVMD_BYTES  32

#endif
