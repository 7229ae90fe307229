/*
 * The local APIC of whichever processor calls: found in the mode that the firmware left it in, and used in that mode.
 */
#ifndef CPU_APIC_H
#define CPU_APIC_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

struct local_apic {
    bool on;
    bool x2apic;
    paddr_t registers; /* of its page, where it is not in x2APIC mode */
};

/* Look at CPUID and the APIC's base: nothing is changed. */
struct local_apic local_apic_detect(void);

/* Use an APIC like that one from now on. Its page has been mapped as a device, unless it is in x2APIC mode. */
void local_apic_use(const struct local_apic *apic);

/* Has that been called? With one in x2APIC mode? */
bool local_apic_is_used(void);
bool local_apic_in_x2apic_mode(void);

/* All of the following need local_apic_use() before. */

uint32_t local_apic_id(void);

/* Let it take interrupts; unwanted ones come as `vector`, too, and want no end. */
void local_apic_open(uint8_t vector);
/* The end of an interrupt. */
void local_apic_end(void);

/*
 * Send a message: an APIC_* command of x86/apic.h, to one processor. Returns when it is sent, or when it seems that it
 * never will be.
 */
void local_apic_send(uint32_t apic_id, uint32_t command);

#endif
