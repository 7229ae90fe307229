/*
 * The 64-bit task state segment. Source: Intel SDM volume 3A, section 8.7.
 */
#ifndef ABI_TASK_STATE_H
#define ABI_TASK_STATE_H

#include <stdint.h>

struct task_state {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7]; /* ist[0] is IST 1 */
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map; /* offset; at the end: none */
} __attribute__((packed));
_Static_assert(sizeof(struct task_state) == 104, "a 64-bit TSS has 104 bytes");

#endif
