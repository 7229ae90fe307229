/*
 * The switch that masks bit 20 of addresses, as the first PCs had it: whoever has it off reaches other memory than page
 * tables say, and Berth would lose its own. Needed where the processor cannot be told to ignore it.
 */
#ifndef POLICY_A20_H
#define POLICY_A20_H

#include <stdbool.h>
#include <stdint.h>

/* Set the bits of the ports with a say in it: AMD APM volume 2, section 15.10.1. */
void a20_ports(uint8_t *map);

/*
 * What becomes of a byte that a guest sends to such a port. The switch stays on; all else is as the guest wants it.
 *
 * @value   changed where it would have switched
 * @return  false: it is not to be sent
 * Source:  8042, commands; PS/2 system control port A
 */
bool a20_passes(uint16_t port, uint8_t *value);

#endif
