/* Faults raised on purpose, so that their reports can be seen: the command line's `debug=`. */
#ifndef START_DEBUG_H
#define START_DEBUG_H

#include "options.h"

/* Returns only when no fault is wanted. */
void debug_fault_raise(const struct options *options);

/* The same for DEBUG_LOCKS and what follows it. In builds with DEBUG=1 alone. */
void debug_locks(enum debug_fault test);

#endif
