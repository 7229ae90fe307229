/*
 * What a decision about a guest's instruction may look at and change: the registers of one virtual processor. The world
 * switch fills it from hardware on each exit and puts back what the guest may change: gpr, rip and rflags.
 */
#ifndef LIB_GUEST_STATE_H
#define LIB_GUEST_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* General registers by the number that instructions use: Intel SDM volume 2A, table 3-1. */
enum gpr {
    GPR_AX,
    GPR_CX,
    GPR_DX,
    GPR_BX,
    GPR_SP,
    GPR_BP,
    GPR_SI,
    GPR_DI,
    GPR_8,
    GPR_COUNT = 16,
};

struct guest_state {
    uint64_t gpr[GPR_COUNT];
    uint64_t rip;
    uint64_t rflags;
    uint64_t cr0;
    uint64_t cr3;
    uint64_t cr4;
    uint64_t efer;     /* as the guest sees it */
    uint64_t cs_base;  /* to be added to rip outside 64-bit mode */
    uint8_t cpl;       /* 0 to 3 */
    uint8_t code_bits; /* 16, 32 or 64: the code segment's default */
};

#endif
