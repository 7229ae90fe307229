/*
 * A linear framebuffer as a screen of characters.
 */
#ifndef INFO_SCREEN_H
#define INFO_SCREEN_H

#include "addr.h"
#include "boot_info.h"
#include "glyph.h"

/* Writer: screen_from. */
struct screen {
    struct prange bytes; /* physical memory */
    uint32_t line_bytes; /* of a line of pixels, what is seen of it */
    uint32_t pitch_bytes;
    uint32_t height; /* in lines of pixels */
    uint32_t columns;
    uint32_t rows;
    struct glyph_style style;
    struct glyph_style urgent_style; /* of errors and warnings */
};

/*
 * Nothing of what the loader says is trusted. The characters are as small as they can be without being more than
 * TEXT_GRID_CELLS_MAX.
 *
 * @screen       filled only on success
 * @return       NULL, or in a few words why it cannot be used
 */
const char *screen_from(const struct boot_framebuffer *framebuffer, struct screen *screen);

#endif
