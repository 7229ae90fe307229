/*
 * How a Linux kernel wants to be entered. Constants only.
 * Source: Linux Documentation/arch/x86/boot.rst, "32-bit Boot Protocol" and "64-bit Boot Protocol".
 */
#ifndef ABI_LINUX_ENTRY_H
#define ABI_LINUX_ENTRY_H

#define LINUX_BOOT_CS 0x10
#define LINUX_BOOT_DS 0x18
#define LINUX_ENTRY_64_OFFSET                                                                      \
    0x200 /* from the load address; the 32-bit entry is the load address itself */

#endif
