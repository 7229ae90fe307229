/*
 * Can a framebuffer show text, and how?
 */
#include "screen.h"

#include <stddef.h>

#include "text_grid.h"
#include "x86/address_map.h"

#define PIXELS_MOST    16384 /* in width and height */
#define BYTES_MOST     GIB(1)
#define COLUMNS_LEAST  40
#define ROWS_LEAST     10
#define INK_INTENSITY  0xc0 /* light grey on black */
#define URGENT_YELLOW  0xff /* of errors and warnings, yellow on black: red and green */
#define URGENT_BLUE    0x55
#define BITS_PER_BYTE  8
#define PIXEL_15_BITS  15
#define PIXEL_LEAST    2 /* bytes */
#define FIELD_BITS_MAX 16

static bool field_fits(struct pixel_field field, uint8_t bits_per_pixel)
{
    return field.size_bits > 0 && field.size_bits <= FIELD_BITS_MAX &&
           field.position + field.size_bits <= bits_per_pixel;
}

static bool depth_is_known(uint8_t bits)
{
    return bits == PIXEL_15_BITS ||
           (bits % BITS_PER_BYTE == 0 && bits / BITS_PER_BYTE >= PIXEL_LEAST &&
            bits / BITS_PER_BYTE <= PIXEL_BYTES_MAX);
}

static const char *framebuffer_defect(const struct boot_framebuffer *from)
{
    const uint64_t bytes = (uint64_t)from->pitch_bytes * from->height;

    if (from->kind != FRAMEBUFFER_RGB) {
        return "its pixels are not colours";
    }
    if (!depth_is_known(from->bits_per_pixel)) {
        return "its pixels are not of 15, 16, 24 or 32 bits";
    }
    if (!field_fits(from->red, from->bits_per_pixel) ||
        !field_fits(from->green, from->bits_per_pixel) ||
        !field_fits(from->blue, from->bits_per_pixel)) {
        return "its colours do not fit its pixels";
    }
    if (from->width > PIXELS_MOST || from->height > PIXELS_MOST || bytes > BYTES_MOST) {
        return "it is too large";
    }
    if (from->width / GLYPH_WIDTH < COLUMNS_LEAST || from->height / GLYPH_HEIGHT < ROWS_LEAST) {
        return "it is too small";
    }
    if (from->pitch_bytes < (uint64_t)from->width * ((from->bits_per_pixel + 7U) / 8)) {
        return "its lines overlap";
    }
    if (from->base.pa < LOW_MEMORY_BYTES || from->base.pa >= PHYSICAL_END ||
        bytes > PHYSICAL_END - from->base.pa) {
        return "it has no address that can be";
    }
    return NULL;
}

const char *screen_from(const struct boot_framebuffer *framebuffer, struct screen *screen)
{
    const char *defect = framebuffer_defect(framebuffer);
    const uint32_t pixel_bytes = (framebuffer->bits_per_pixel + 7U) / 8;
    uint32_t scale = 1;

    if (defect != NULL) {
        return defect;
    }
    while ((framebuffer->width / (GLYPH_WIDTH * scale)) *
               (framebuffer->height / (GLYPH_HEIGHT * scale)) >
           TEXT_GRID_CELLS_MAX) {
        scale++;
    }
    *screen = (struct screen){
        .bytes = {framebuffer->base.pa,
                  framebuffer->base.pa + (uint64_t)framebuffer->pitch_bytes * framebuffer->height},
        .line_bytes = framebuffer->width * pixel_bytes,
        .pitch_bytes = framebuffer->pitch_bytes,
        .height = framebuffer->height,
        .columns = framebuffer->width / (GLYPH_WIDTH * scale),
        .rows = framebuffer->height / (GLYPH_HEIGHT * scale),
        .style = {.ink = pixel_part(framebuffer->red, INK_INTENSITY) |
                         pixel_part(framebuffer->green, INK_INTENSITY) |
                         pixel_part(framebuffer->blue, INK_INTENSITY),
                  .paper = 0,
                  .pixel_bytes = (uint8_t)pixel_bytes,
                  .scale = (uint8_t)scale},
    };
    screen->urgent_style = screen->style;
    screen->urgent_style.ink = pixel_part(framebuffer->red, URGENT_YELLOW) |
                               pixel_part(framebuffer->green, URGENT_YELLOW) |
                               pixel_part(framebuffer->blue, URGENT_BLUE);
    return NULL;
}
