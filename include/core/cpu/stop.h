/* The end of the road: after a fatal error, or because that is what is wanted. */
#ifndef CPU_STOP_H
#define CPU_STOP_H

#include <stdbool.h>
#include <stdint.h>

#include "acpi.h"
#include "boot_info.h"
#include "compiler.h"
#include "options.h"
#include "ways_out.h"

/* What the command line wants to happen after a fatal error. Not called: the machine stays halted. */
void machine_stop_configure(const struct after_error *wanted);

/*
 * What machine_stop tries first: a way back to whoever started Berth. NULL: none, as it is until somebody says so. It
 * returns when there is no way back.
 */
void machine_stop_configure_exit(void (*way_back)(void));

/*
 * What the ways out can be chosen by: to be told again when more is known. Until then there are those that every PC
 * has.
 *
 * @info, @acpi  NULL: not read yet; they stay where they are
 */
void machine_stop_know(const struct boot_info *info, const struct acpi_info *acpi);

/*
 * After a fatal error: stop all processors, and do what the command line wants; print "halted" as the last line and
 * halt for good where that is it.
 */
NORETURN void machine_stop(void);

/* Restart the machine, or switch it off, by one way after the other. Halts where none works. */
NORETURN void machine_leave(enum exit_goal goal);

/*
 * For an exception on the processor that has the word: should it have been leaving the machine, the way that it was
 * trying has failed, and this goes on with the next one. Else it returns.
 */
void machine_leave_failed(uint64_t vector, uint64_t rip);

/* Halt the calling processor alone, for good, without a word. */
NORETURN void processor_halt(void);

#endif
