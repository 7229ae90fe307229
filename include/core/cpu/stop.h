/* The end of the road, after a fatal error. */
#ifndef CPU_STOP_H
#define CPU_STOP_H

#include <stdbool.h>

#include "compiler.h"

/* Whether machine_stop restarts the machine (the command line's `reboot`). Not called: it stays
 * halted. */
void machine_stop_configure(bool reboot);

/* Print "halted" and halt for good; or restart the machine. */
NORETURN void machine_stop(void);

#endif
