/*
 * Numbers of the PE format, for the header written in assembly. Constants only.
 * Source: Microsoft PE Format; for NX_COMPAT and the section flags also Microsoft's requirements for signing
 *         UEFI images.
 */
#ifndef ABI_PE_H
#define ABI_PE_H

#define PE_DOS_MAGIC        0x5a4d /* "MZ" */
#define PE_DOS_BYTES        0x40 /* of the DOS header, whose last word says where the PE header is */
#define PE_SIGNATURE        0x00004550
#define PE_MACHINE_AMD64    0x8664
#define PE_EXECUTABLE_IMAGE 0x0002
#define PE_LARGE_ADDRESSES  0x0020
#define PE_OPTIONAL_MAGIC   0x020b /* PE32+ */
#define PE_SUBSYSTEM_EFI    10     /* EFI application */
#define PE_NX_COMPAT        0x0100
#define PE_DIRECTORIES      16
#define PE_RELOCATIONS      5 /* index of the base relocation directory */
#define PE_SECTION_BYTES    40
#define PE_SPARE_SECTIONS   8 /* room for sections added later: .config, .kernel, .ramdisk, ... */

#define PE_SECTION_CODE    0x00000020
#define PE_SECTION_DATA    0x00000040
#define PE_SECTION_EXECUTE 0x20000000
#define PE_SECTION_READ    0x40000000
#define PE_SECTION_WRITE   0x80000000

#endif
