/*
 * Which of the other processors are started, and how: what the ACPI tables name, as far as the first one's local APIC
 * can reach it.
 */
#ifndef INFO_BRINGUP_H
#define INFO_BRINGUP_H

#include <stdbool.h>
#include <stdint.h>

#include "acpi.h"

/* Writer: bringup_decide. Const afterwards. */
struct bringup {
    uint32_t count; /* 0: there is nobody else */
    uint32_t apic_ids[ACPI_PROCESSORS_MAX];
    uint32_t
        unreachable; /* left out: only x2APIC mode, which the first one is not in, can name them */
};

/*
 * @own_id  APIC id of the first processor, which is left out, wherever it is in the list
 * @x2apic  its APIC is in x2APIC mode; else ids end before 0xff
 */
void bringup_decide(const struct acpi_info *acpi, uint32_t own_id, bool x2apic,
                    struct bringup *out);

/*
 * How long a processor is left alone between its INIT and its start-up message. Old ones need the time.
 *
 * @vendor     CPUID leaf 0: ebx, edx, ecx
 * @signature  CPUID leaf 1: eax
 * @return     microseconds
 * Source:     MultiProcessor Specification 1.4, section B.4; Intel SDM volume 2A, CPUID (family and extended family)
 */
uint32_t bringup_init_delay_us(const uint32_t vendor[3], uint32_t signature);

#endif
