/*
 * The stacks of every processor: how large they are, and how those of the others than the first are laid out. Below
 * each one is a guard page, which the final page tables leave out. Constants only.
 *
 *   an area, in memory         #DF | NMI | #MC | ordinary | data
 *   the same, as it is mapped  guard | #DF | guard | NMI | guard | #MC | guard | ordinary | data
 *
 * The first processor's are in the image (cpu/tables.S), in the same order, without the data.
 */
#ifndef X86_STACKS_H
#define X86_STACKS_H

#include "x86/const.h"

#define STACK_GUARD_BYTES UC(0x1000)

#define BOOT_STACK_BYTES      UC(0x3000) /* the first processor's ordinary one */
#define PROCESSOR_STACK_BYTES UC(0x2000) /* everybody else's */
#define FAULT_STACK_BYTES     UC(0x1000) /* each of #DF, NMI, #MC; a report takes 2.6 KiB */
#define FAULT_STACK_COUNT     3

/* A processor's stacks go by the number of their IST entry; 0 is the ordinary one. */
#define STACK_ORDINARY 0
#define STACK_COUNT    (1 + FAULT_STACK_COUNT)

#define PROCESSOR_DATA_BYTES UC(0x1000)
#define PROCESSOR_AREA_BYTES                                                                       \
    (FAULT_STACK_COUNT * FAULT_STACK_BYTES + PROCESSOR_STACK_BYTES + PROCESSOR_DATA_BYTES)
#define PROCESSOR_AREA_MAPPED_BYTES (PROCESSOR_AREA_BYTES + STACK_COUNT * STACK_GUARD_BYTES)

/*
 * Of what is put into the page where they start, and put back afterwards: the code (boot/trampoline.S), what an
 * exception finds there (cpu/processors.c), and a few bytes of stack for that.
 */
#define TRAMPOLINE_CODE_MOST  0x100
#define TRAMPOLINE_VECTORS    0x100 /* real mode's, 4 bytes each */
#define TRAMPOLINE_GATES      0x180 /* 32-bit protected mode's, 8 bytes each */
#define TRAMPOLINE_STACK_TOP  0x2c0
#define TRAMPOLINE_BYTES_MOST 0x2c0

#endif
