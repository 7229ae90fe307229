/*
 * Where a boot's time went, as text. Stamps of the time-stamp counter are taken by boot/start.c and
 * arch/x86/cpu/processors.c: the first when something begins, one more at the end of each of its parts.
 */
#ifndef INFO_TIMES_H
#define INFO_TIMES_H

#include <stddef.h>
#include <stdint.h>

/* The phases of a boot, in their order: docs/log.md tells what each is. */
enum boot_phase {
    PHASE_ENTRY,
    PHASE_LOADER,
    PHASE_MEMMAP,
    PHASE_IMAGE,
    PHASE_ACPI,
    PHASE_LOG,
    PHASE_PAGING,
    PHASE_PROCESSORS,
    PHASE_KERNEL,
    PHASE_PLACE,
    PHASE_CLOCK,
    BOOT_PHASES,
};

/* The parts of the start of the other processors, which is the most of PHASE_PROCESSORS. */
enum bringup_part {
    BRINGUP_PREPARED,
    BRINGUP_INIT,
    BRINGUP_ANSWERED,
    BRINGUP_GIVEN_BACK,
    BRINGUP_PARTS,
};

#define TIMES_NAME_BYTES 12
extern const char boot_phase_names[BOOT_PHASES][TIMES_NAME_BYTES];
extern const char bringup_part_names[BRINGUP_PARTS][TIMES_NAME_BYTES];

/* Room for every text below. */
#define TIMES_TEXT_BYTES 800

struct times {
    const uint64_t *stamps; /* count + 1 */
    const char (*names)[TIMES_NAME_BYTES];
    uint32_t count;
    uint64_t hz; /* of the counter; 0: not known, and there are ticks alone */
};

/*
 * "entry=1 loader=20 ... unit=us": whole microseconds that add up to the whole, or ticks with unit=tsc.
 *
 * @return  bytes written, without the 0 behind them; what does not fit is left out
 */
size_t times_line(char *to, size_t size, const struct times *times);

/* [{"name": "entry", "tsc": 906, "us": 1}, ...], without "us" where the frequency is not known. */
size_t times_json(char *to, size_t size, const struct times *times);

#endif
