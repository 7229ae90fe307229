/*
 * XCR0, which a guest writes through Berth under VMX: whether the processor would take a value. Berth has no exception
 * handler that could find out by trying.
 */
#ifndef POLICY_XCR_H
#define POLICY_XCR_H

#include <stdbool.h>
#include <stdint.h>

/*
 * @supported  what CPUID leaf 0xd says: eax, and edx above it
 * Source:     Intel SDM volume 1, section 13.3
 */
bool xcr0_is_valid(uint64_t value, uint64_t supported);

#endif
