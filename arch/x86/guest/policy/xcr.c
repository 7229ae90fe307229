/*
 * Which values of XCR0 a processor takes.
 */
#include "xcr.h"

#include <stddef.h>

#include "x86/registers.h"

bool xcr0_is_valid(uint64_t value, uint64_t supported)
{
    /* What is only there as a whole, and what it is an extension of. */
    static const struct {
        uint64_t whole, needs;
    } rows[] = {
        {XCR0_AVX, XCR0_SSE},
        {XCR0_MPX, 0},
        {XCR0_AVX_512, XCR0_AVX},
        {XCR0_AMX, 0},
    };

    if ((value & XCR0_X87) == 0 || (value & ~supported) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const uint64_t whole = rows[i].whole | rows[i].needs;

        if ((value & rows[i].whole) != 0 && (value & whole) != whole) {
            return false;
        }
    }
    return true;
}
