/*
 * The end of init sections: code, constants and memory of the image that only the boot needs (INIT_SOURCES in the
 * Makefile, and functions marked INIT). `make init` checks that nothing that stays uses them.
 */
#ifndef CPU_INIT_H
#define CPU_INIT_H

#include <stdint.h>

#include "addr.h"

#define INIT_RANGES 2

/* Physical memory: whole pages, which the direct map still maps. */
struct init_memory {
    struct prange ranges[INIT_RANGES];
};

/*
 * Take the mapping of all init sections away from the final page tables, which are in use. No other processor may be
 * running Berth: those that were have been put back, and so remember nothing. Called once, by code that stays.
 *
 * @image   where Berth is
 * @return  what is free now. The boot tables still map it: they map the image as a whole, for the last jump alone
 */
struct init_memory init_release(paddr_t image);

#endif
