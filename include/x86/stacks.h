/* Sizes of the stacks, for assembly (which lays them out) and C (which stays within them). */
#ifndef X86_STACKS_H
#define X86_STACKS_H

#include "x86/const.h"

#define BOOT_STACK_BYTES  0x4000
#define FAULT_STACK_BYTES 0x2000 /* each of #DF, NMI, #MC */

/* What each processor has but the first: a page of data, then its stacks, the ordinary one last. */
#define PROCESSOR_DATA_BYTES        UC(0x1000)
#define PROCESSOR_FAULT_STACK_BYTES UC(0x1000) /* each of #DF, NMI, #MC */
#define PROCESSOR_STACK_BYTES       UC(0x2000)
#define PROCESSOR_AREA_BYTES        UC(0x6000)

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
