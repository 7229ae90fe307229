/*
 * The setup header's values: defaults of a current 64-bit kernel; each variant overrides some on
 * the compiler's command line. Also the offsets that assembly and C share. Source: Linux
 * Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".
 */
#ifndef VARIANT_H
#define VARIANT_H

#ifndef PROTOCOL
#define PROTOCOL 0x020f
#endif
/* XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G; before protocol 2.12 these bytes mean nothing,
 * whatever they hold */
#ifndef XLOADFLAGS
#define XLOADFLAGS 0x0003
#endif
#ifndef RELOCATABLE
#define RELOCATABLE 1
#endif
#ifndef PREF_ADDRESS
#define PREF_ADDRESS 0x1000000
#endif
#ifndef KERNEL_ALIGNMENT
#define KERNEL_ALIGNMENT 0x200000
#endif
#ifndef INIT_SIZE
#define INIT_SIZE 0x600000
#endif
#ifndef INITRD_ADDR_MAX
#define INITRD_ADDR_MAX 0x7fffffff
#endif
#ifndef CMDLINE_SIZE
#define CMDLINE_SIZE 2047
#endif
#ifndef VARIANT_NAME
#define VARIANT_NAME "zeropage"
#endif

/* Where the header ends, by protocol: it grew at the end only. */
#if PROTOCOL >= 0x020f
#define HEADER_END 0x26c
#elif PROTOCOL >= 0x020b
#define HEADER_END 0x268
#elif PROTOCOL >= 0x020a
#define HEADER_END 0x264
#elif PROTOCOL >= 0x0209
#define HEADER_END 0x258
#elif PROTOCOL >= 0x0208
#define HEADER_END 0x250
#elif PROTOCOL >= 0x0207
#define HEADER_END 0x248
#else
#define HEADER_END 0x23c
#endif

#define HEADER_START 0x1f1
#define SECTOR_BYTES 0x200
#define SETUP_SECTORS                                                                              \
    7 /* after the boot sector: 4 KiB in all, so that a page in the file is a page in memory */
#define SETUP_BYTES 0x1000
#define VERSION_AT  0x380
#define ENTRY_64_AT 0x200

#define BOOT_CS 0x10
#define BOOT_DS 0x18

/* From one exception stub to the next. */
#define STUB_BYTES 32

/* struct entry_state; guest.h asserts these. */
#define ENTRY_TSC     0x00
#define ENTRY_BX      0x08
#define ENTRY_SI      0x10
#define ENTRY_DI      0x18
#define ENTRY_BP      0x20
#define ENTRY_SP      0x28
#define ENTRY_FLAGS   0x30
#define ENTRY_CR0     0x38
#define ENTRY_CR3     0x40
#define ENTRY_CR4     0x48
#define ENTRY_CS      0x50
#define ENTRY_DS      0x52
#define ENTRY_ES      0x54
#define ENTRY_SS      0x56
#define ENTRY_GDTR    0x58 /* limit, then the base */
#define ENTRY_SCRATCH 0x68 /* 32-bit: boot_params.scratch as it was found */
#define ENTRY_BYTES   0x70

#endif
