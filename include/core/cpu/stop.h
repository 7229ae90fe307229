/* The end of the road, after a fatal error. */
#ifndef CPU_STOP_H
#define CPU_STOP_H

#include <stdbool.h>

#include "compiler.h"

/* Whether machine_stop restarts the machine (the command line's `reboot`). Not called: it stays
 * halted. */
void machine_stop_configure(bool reboot);

/*
 * What machine_stop tries first: a way back to whoever started Berth. NULL: none, as it is until somebody says so. It
 * returns when there is no way back.
 */
void machine_stop_configure_exit(void (*way_back)(void));

/* Stop all processors, print "halted" as the last line, and halt for good; or restart the machine. */
NORETURN void machine_stop(void);

/* Halt the calling processor alone, for good, without a word. */
NORETURN void processor_halt(void);

#endif
