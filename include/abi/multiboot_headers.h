/*
 * The numbers that assembly needs from the two multiboot specifications. Constants only.
 * Source: Multiboot specification 0.6.96, section 3.1; Multiboot2 specification 2.0, sections 3.1
 * and 3.3.
 */
#ifndef ABI_MULTIBOOT_HEADERS_H
#define ABI_MULTIBOOT_HEADERS_H

#define MB1_HEADER_MAGIC   0x1badb002
#define MB1_BOOT_MAGIC     0x2badb002 /* eax at entry */
#define MB1_PAGE_ALIGN     0x00000001 /* modules at page boundaries */
#define MB1_MEMORY_INFO    0x00000002
#define MB1_ADDRESS_FIELDS 0x00010000
#define MB1_HEADER_SEARCH  8192 /* bytes from the start of the file */

#define MB2_HEADER_MAGIC      0xe85250d6
#define MB2_BOOT_MAGIC        0x36d76289 /* eax at entry */
#define MB2_ARCHITECTURE_I386 0

#define MB2_HEADER_END               0
#define MB2_HEADER_ADDRESS           2
#define MB2_HEADER_ENTRY             3
#define MB2_HEADER_CONSOLE           4
#define MB2_HEADER_MODULE_ALIGN      6
#define MB2_HEADER_EFI_BOOT_SERVICES 7
#define MB2_HEADER_ENTRY_EFI64       9
#define MB2_HEADER_RELOCATABLE       10
#define MB2_HEADER_TAG_ALIGN         8
#define MB2_OPTIONAL                 1
#define MB2_CONSOLE_EGA_TEXT         2
#define MB2_PREFER_HIGH              2

#endif
