/*
 * Numbers in text.
 */
#include "number.h"

/* `base` or more for what is no digit. */
static unsigned int digit_value(char c, unsigned int base)
{
    if (c >= '0' && c <= '9') {
        return (unsigned int)(c - '0');
    }
    if (c >= 'a' && c <= 'f') {
        return NUMBER_DECIMAL + (unsigned int)(c - 'a');
    }
    if (c >= 'A' && c <= 'F') {
        return NUMBER_DECIMAL + (unsigned int)(c - 'A');
    }
    return base;
}

bool number_take(const char **at, unsigned int base, uint64_t most, uint64_t *number)
{
    const char *const start = *at;
    uint64_t value = 0;

    for (; digit_value(**at, base) < base; (*at)++) {
        const unsigned int digit = digit_value(**at, base);

        if (digit > most || value > (most - digit) / base) {
            return false;
        }
        value = value * base + digit;
    }
    if (*at == start) {
        return false;
    }
    *number = value;
    return true;
}
