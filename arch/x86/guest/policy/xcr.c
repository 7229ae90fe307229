/*
 * Which values of XCR0 a processor takes.
 */
#include "xcr.h"

#include <stddef.h>

#include "x86/const.h"

#define XCR0_X87     UC(0x1)
#define XCR0_SSE     UC(0x2)
#define XCR0_AVX     UC(0x4)
#define XCR0_MPX     UC(0x18)
#define XCR0_AVX_512 UC(0xe0)
#define XCR0_AMX     UC(0x60000)

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
