/*
 * The last jump: into a Linux kernel that runs on the bare machine. Nothing of Berth runs
 * afterwards.
 */
#ifndef NATIVE_NATIVE_H
#define NATIVE_NATIVE_H

#include <stdbool.h>

#include "addr.h"
#include "compiler.h"

struct native_entry {
    paddr_t image;     /* where Berth is now */
    paddr_t zero_page; /* below 4 GiB */
    paddr_t kernel;    /* load address of the protected-mode kernel */
    bool entry_64;     /* by the 64-bit boot protocol, else by the 32-bit one */
};

/* The address that is jumped to. */
paddr_t native_entry_point(const struct native_entry *entry);

/* Source: Linux Documentation/arch/x86/boot.rst, "32-bit Boot Protocol" and "64-bit Boot Protocol".
 */
NORETURN void native_start(const struct native_entry *entry);

#endif
