/*
 * What has to be equal on all processors, whatever the firmware left: control registers, EFER, PAT and MTRRs.
 */
#ifndef CPU_PROCESSOR_STATE_H
#define CPU_PROCESSOR_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "mtrr.h"

struct processor_state {
    uint64_t cr0, cr4, efer;
    uint64_t pat; /* 0 where there is none */
    struct mtrrs mtrrs;
};

/* On the first processor, before any other runs: all that control_wanted() says; MTRRs stay as they are. */
void processor_state_establish(void);

/*
 * What a kernel is started with: of CR4 only what 64-bit paging needs, as if none of the above had ever been. PAT
 * stays: its first four types, which are all that a kernel uses before it sets its own, are those that a processor
 * starts with, and all processors have the same.
 */
void processor_state_leave(void);

/* Of the processor that calls. */
void processor_state_read(struct processor_state *out);

bool processor_state_equal(const struct processor_state *a, const struct processor_state *b);

/*
 * Make the calling processor's state this one. Memory types are changed as Intel SDM volume 3A, section 12.11.8, wants
 * it, and only where they differ. Other processors do the same or are idle.
 */
void processor_state_adopt(const struct processor_state *wanted);

/* Of that the control registers and EFER alone: where memory types are a guest's. */
void processor_control_adopt(const struct processor_state *wanted);

#endif
