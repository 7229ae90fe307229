/*
 * The command list: the module's first bytes, 32-bit words, little-endian. Offsets count from the
 * module's start; addresses are physical and below 4 GiB.
 *
 *   COPY offset, address, bytes   bytes of the module to memory
 *   FILL address, bytes, value    one value to all bytes of an area
 *   CRC  address, bytes, text     CRC-32 of an area, as eight hexadecimal digits to address `text`
 *   OUT  port, value              one byte to an I/O port
 *   MSR  number, low, high        a model-specific register
 *   CONTROL which, value          cr0 (which: 0) or cr4 (4)
 *   DEBUG which, value            dr0, dr1, dr6 or dr7
 *   JUMP offset                   become what the struct at `offset` says; does not return
 *
 * tests/qemu/berth_shim.py writes it.
 */
#ifndef SHIM_H
#define SHIM_H

#define SHIM_COPY    1
#define SHIM_FILL    2
#define SHIM_CRC     3
#define SHIM_JUMP    4
#define SHIM_OUT     5
#define SHIM_MSR     6
#define SHIM_CONTROL 7
#define SHIM_DEBUG   8

/*
 * The struct. A GDT pointer is limit (2 bytes), base (8) and padding to 16 bytes: the first is in
 * force while selectors are loaded, the second is left behind in GDTR. DS goes into all data
 * selectors. CR3, if not 0, are page tables for long mode; CS is then a 64-bit segment.
 */
#define LAUNCH_GDT       0
#define LAUNCH_GDT_AFTER 16
#define LAUNCH_CS        32
#define LAUNCH_DS        36
#define LAUNCH_CR3       40
#define LAUNCH_EFLAGS    44
#define LAUNCH_TARGET    48 /* 8 bytes */
#define LAUNCH_EAX       56
#define LAUNCH_EBX       60
#define LAUNCH_ECX       64
#define LAUNCH_EDX       68
#define LAUNCH_ESI       72
#define LAUNCH_EDI       76
#define LAUNCH_EBP       80
#define LAUNCH_ESP       84
#define LAUNCH_BYTES     88

#ifndef __ASSEMBLER__
#include <stdint.h>

/* What QEMU says about the one module: start and end. Does not return. */
void run_commands(const uint32_t *multiboot_info) __attribute__((noreturn));
/* Becomes the world that the structure describes. */
void launch(const uint8_t *how) __attribute__((noreturn));
#endif

#endif
