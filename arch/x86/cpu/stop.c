/*
 * Halt, or restart through the keyboard controller.
 */
#include "stop.h"

#include <stddef.h>

#include "console.h"
#include "instructions.h"
#include "log.h"
#include "x86/ports.h"

static bool reboot_wanted;
static void (*exit_first)(void);

void machine_stop_configure(bool reboot)
{
    reboot_wanted = reboot;
}

void machine_stop_configure_exit(void (*way_back)(void))
{
    exit_first = way_back;
}

NORETURN void processor_halt(void)
{
    for (;;) {
        asm volatile("cli; hlt");
    }
}

NORETURN void machine_stop(void)
{
    if (exit_first != NULL) {
        exit_first();
    }
    if (reboot_wanted) {
        log_line(LOG_ERROR, "rebooting");
        console_drain();
        port_write8(KEYBOARD_COMMAND, KEYBOARD_RESET);
    }
    log_line(LOG_ERROR, "halted");
    processor_halt();
}
