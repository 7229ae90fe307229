/*
 * Characters as pixels, for any layout of a linear framebuffer. Pixels are little-endian numbers of 2, 3 or 4 bytes.
 */
#ifndef LIB_GLYPH_H
#define LIB_GLYPH_H

#include <stddef.h>
#include <stdint.h>

/* A glyph is GLYPH_HEIGHT bytes, one for each line; the leftmost pixel is the highest bit. */
#define GLYPH_WIDTH     8
#define GLYPH_HEIGHT    16
#define GLYPH_FIRST     ' ' /* the font's characters */
#define GLYPH_LAST      '~'
#define GLYPH_SCALE_MAX 16
#define PIXEL_BYTES_MAX 4

/* Room for a line: pixels are written as 4 bytes, of which the next pixel overwrites what is too much. */
#define GLYPH_LINE_ROOM ((GLYPH_WIDTH * GLYPH_SCALE_MAX + 1) * PIXEL_BYTES_MAX)

/* How characters look. */
struct glyph_style {
    uint32_t ink; /* pixels of the character, and around it */
    uint32_t paper;
    uint8_t pixel_bytes; /* 2 to 4 */
    uint8_t scale;       /* each dot is a square of so many pixels: 1 to GLYPH_SCALE_MAX */
};

/* A colour's part of a pixel. */
struct pixel_field {
    uint8_t position; /* of the lowest bit */
    uint8_t size_bits;
};

/*
 * One part of a pixel.
 *
 * @intensity  0 to 255
 * @return     the field's highest bits where it is shorter than 8; 0 and 255 are darkest and brightest in any field
 */
uint32_t pixel_part(struct pixel_field field, uint8_t intensity);

/*
 * One line of dots as pixels.
 *
 * @dots    the highest bit is the leftmost dot
 * @out     GLYPH_LINE_ROOM bytes; what is behind the line is rubbish
 * @return  the line's bytes: GLYPH_WIDTH * scale * pixel_bytes, a multiple of 8
 */
size_t glyph_line(uint8_t dots, const struct glyph_style *style, uint8_t *out);

#endif
