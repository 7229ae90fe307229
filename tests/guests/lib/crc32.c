/*
 * CRC-32, reflected, polynomial 0x04c11db7, with a table made at the first call.
 * Source: ISO 3309 / ITU-T V.42, section 8.1.1.6.2.
 */
#include "crc32.h"

#define POLYNOMIAL_REFLECTED 0xedb88320u

static uint32_t table[256];

static void make_table(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t value = byte;

        for (int bit = 0; bit < 8; bit++) {
            value = (value >> 1) ^ ((value & 1) ? POLYNOMIAL_REFLECTED : 0);
        }
        table[byte] = value;
    }
}

uint32_t crc32(const uint8_t *bytes, uint64_t count)
{
    uint32_t value = 0xffffffffu;

    if (table[255] == 0) {
        make_table();
    }
    for (uint64_t i = 0; i < count; i++) {
        value = (value >> 8) ^ table[(value ^ bytes[i]) & 0xff];
    }
    return ~value;
}
