/* Sizes of the stacks, for assembly (which lays them out) and C (which stays within them). */
#ifndef X86_STACKS_H
#define X86_STACKS_H

#define BOOT_STACK_BYTES  0x4000
#define FAULT_STACK_BYTES 0x2000 /* each of #DF, NMI, #MC */

#endif
