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

/* Of what is put into the page where they start (boot/trampoline.S), and put back afterwards. */
#define TRAMPOLINE_BYTES_MOST 0x200

#endif
