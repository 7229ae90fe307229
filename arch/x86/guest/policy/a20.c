/* A20 stays on, whatever a guest sends to the keyboard controller and to the system's control port. */
#include "a20.h"

#include <stddef.h>

#include "x86/ports.h"

static const uint16_t ports[] = {KEYBOARD_COMMAND, SYSTEM_CONTROL};

void a20_ports(uint8_t *map)
{
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        map[ports[i] / 8] |= (uint8_t)(1u << ports[i] % 8);
    }
}

static bool command_passes(uint8_t *command)
{
    if (*command == KEYBOARD_WRITE_OUTPUT || *command == KEYBOARD_A20_OFF) {
        return false;
    }
    if (*command >= KEYBOARD_PULSE) {
        *command |= KEYBOARD_OUTPUT_A20;
    }
    return true;
}

bool a20_passes(uint16_t port, uint8_t *value)
{
    if (port == KEYBOARD_COMMAND) {
        return command_passes(value);
    }
    if (port == SYSTEM_CONTROL) {
        *value |= SYSTEM_CONTROL_A20;
    }
    return true;
}
