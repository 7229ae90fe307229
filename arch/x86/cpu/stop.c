/*
 * Halt, or restart through the keyboard controller.
 */
#include "stop.h"

#include "instructions.h"
#include "log.h"
#include "x86/ports.h"

static bool reboot_wanted;

void machine_stop_configure(bool reboot)
{
    reboot_wanted = reboot;
}

NORETURN void machine_stop(void)
{
    if (reboot_wanted) {
        log_line(LOG_ERROR, "rebooting");
        port_write8(KEYBOARD_COMMAND, KEYBOARD_RESET);
    }
    log_line(LOG_ERROR, "halted");
    for (;;) {
        asm volatile("cli; hlt");
    }
}
