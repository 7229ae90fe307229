/*
 * From the dots of a character to the bytes of its pixels.
 */
#include "glyph.h"

#include "mem.h"

#define INTENSITY_BITS 8
#define LEFTMOST_DOT   0x80

uint32_t pixel_part(struct pixel_field field, uint8_t intensity)
{
    uint64_t value = intensity;
    unsigned int bits = INTENSITY_BITS;

    /* Repeated until it is long enough, so that 255 becomes all ones. */
    while (bits < field.size_bits) {
        value = value << INTENSITY_BITS | intensity;
        bits += INTENSITY_BITS;
    }
    return (uint32_t)(value >> (bits - field.size_bits) << field.position);
}

size_t glyph_line(uint8_t dots, const struct glyph_style *style, uint8_t *out)
{
    uint8_t *at = out;

    for (unsigned int dot = LEFTMOST_DOT; dot != 0; dot >>= 1) {
        const uint32_t pixel = (dots & dot) != 0 ? style->ink : style->paper;

        for (unsigned int i = 0; i < style->scale; i++) {
            memcpy(at, &pixel, sizeof(pixel));
            at += style->pixel_bytes;
        }
    }
    return (size_t)(at - out);
}
