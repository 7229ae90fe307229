/*
 * What happens at the end: halting, restarting, or switching off, and in what order that is tried.
 */
#include "stop.h"

#include <stddef.h>

#include "console.h"
#include "instructions.h"
#include "log.h"
#include "log_lock.h"
#include "page_tables.h"
#include "physmap.h"
#include "processors.h"
#include "tsc.h"
#include "ways.h"

/* In the order of enum way_out. */
static const char way_names[WAYS_OUT][24] = {
    "acpi", "efi", "keyboard controller", "pci reset port", "triple fault",
};

static struct after_error after_error;
static void (*exit_first)(void);
static struct exit_known known;
static bool leaving;
static enum exit_goal leaving_goal;
static enum way_out next_way;

void machine_stop_configure(const struct after_error *wanted)
{
    after_error = *wanted;
}

void machine_stop_configure_exit(void (*way_back)(void))
{
    exit_first = way_back;
}

void machine_stop_know(const struct boot_info *info, const struct acpi_info *acpi)
{
    known = (struct exit_known){info, acpi};
}

NORETURN void processor_halt(void)
{
    for (;;) {
        asm volatile("cli; hlt");
    }
}

static NORETURN void halt(void)
{
    log_line(LOG_ERROR, "halted");
    processor_halt();
}

/* One way, if it is there. Returns when it was of no use. */
static void way_try(enum way_out way)
{
    const bool restart = leaving_goal == EXIT_RESTART;
    const struct physical_view memory = physmap_view();
    struct way_check check;

    /* The firmware's tables are to be read. */
    if (way == WAY_EFI && known.info != NULL && known.info->efi.system_table_pa != 0) {
        console_retreat();
        page_tables_retreat();
    }
    check = way_out_check(way, leaving_goal, &known, &memory);
    if (!check.exists) {
        return;
    }
    if (check.bar != NULL) {
        log_warning("%s cannot %s: %s", way_names[way],
                    restart ? "restart the machine" : "switch the machine off", check.bar);
        return;
    }
    log_line(LOG_ERROR, "%s: %s", restart ? "rebooting" : "powering off", way_names[way]);
    console_drain();
    way_out_take(way, leaving_goal, &known);
    log_warning("%s did not %s", way_names[way],
                restart ? "restart the machine" : "switch the machine off");
}

/* All ways from the next one on; an exception in one of them comes back here for those that follow. */
static NORETURN void ways_try(void)
{
    log_lock_keep();
    while (next_way < WAYS_OUT) {
        way_try(next_way++);
    }
    leaving = false;
    if (leaving_goal == EXIT_POWER_OFF) {
        log_line(LOG_ERROR, "the machine can be switched off now");
    }
    halt();
}

NORETURN void machine_leave(enum exit_goal goal)
{
    log_lock_seize();
    leaving = true;
    leaving_goal = goal;
    next_way = WAY_ACPI;
    processor_become_first(ways_try);
}

void machine_leave_failed(uint64_t vector, uint64_t rip)
{
    if (leaving) {
        log_warning("exception %lu at 0x%lx on the way out", vector, rip);
        processor_become_first(ways_try);
    }
}

NORETURN void machine_stop(void)
{
    if (exit_first != NULL) {
        exit_first();
    }
    log_lock_seize();
    switch (after_error.action) {
    case AFTER_ERROR_REBOOT:
        if (after_error.delay_s != 0) {
            log_line(LOG_ERROR, "rebooting in %u seconds", after_error.delay_s);
            way_out_wait(known.acpi, after_error.delay_s * US_PER_SECOND);
        }
        machine_leave(EXIT_RESTART);
    case AFTER_ERROR_POWER_OFF:
        machine_leave(EXIT_POWER_OFF);
    case AFTER_ERROR_HALT:
        break;
    }
    halt();
}
