/*
 * Text on a linear framebuffer. Video memory is slow: it is never read but once, to see whether it is there, and only
 * characters that change are written.
 */
#include "framebuffer.h"

#include "compiler.h"
#include "instructions.h"
#include "log.h"
#include "physmap.h"
#include "text_grid.h"

#define PROBE        0x00a55a00 /* neither what an empty bus reads as, nor its opposite */
#define UNKNOWN_CHAR '?'
#define URGENT       0x80 /* in a cell of the grid, beside the character */

/* GLYPH_COUNT glyphs of GLYPH_HEIGHT bytes: tools/font.py. */
extern const uint8_t font_glyphs[];

static struct screen screen;
static struct text_grid grid NOINIT;
static bool in_line; /* else the next character begins one */
static bool urgent;  /* the line that is being written */

static void line_write(uint64_t at, const uint8_t *bytes, size_t count)
{
    volatile uint64_t *to = physmap_device((paddr_t){at});

    for (size_t i = 0; i < count / sizeof(*to); i++) {
        uint64_t part;

        __builtin_memcpy(&part, bytes + i * sizeof(part), sizeof(part));
        to[i] = part;
    }
}

static const uint8_t *glyph_of(char cell)
{
    const unsigned int character = (uint8_t)cell & ~URGENT;

    return font_glyphs + (size_t)(character - GLYPH_FIRST) * GLYPH_HEIGHT;
}

static char cell_of(char character)
{
    const bool known = character >= GLYPH_FIRST && character <= GLYPH_LAST;

    return (char)((known ? character : UNKNOWN_CHAR) | (urgent ? URGENT : 0));
}

static void cell_draw(uint32_t cell)
{
    const uint32_t scale = screen.style.scale;
    const uint8_t *const glyph = glyph_of(grid.wanted[cell]);
    const struct glyph_style *const style =
        ((uint8_t)grid.wanted[cell] & URGENT) != 0 ? &screen.urgent_style : &screen.style;
    const uint64_t left =
        (uint64_t)(cell % grid.columns) * GLYPH_WIDTH * scale * screen.style.pixel_bytes;
    uint64_t at = screen.bytes.start + left +
                  (uint64_t)(cell / grid.columns) * GLYPH_HEIGHT * scale * screen.pitch_bytes;
    uint8_t line[GLYPH_LINE_ROOM];
    size_t bytes = 0;

    for (unsigned int i = 0; i < GLYPH_HEIGHT; i++) {
        if (i == 0 || glyph[i] != glyph[i - 1]) {
            bytes = glyph_line(glyph[i], style, line);
        }
        for (uint32_t again = 0; again < scale; again++) {
            line_write(at, line, bytes);
            at += screen.pitch_bytes;
        }
    }
}

static bool memory_is_there(void)
{
    volatile uint32_t *first = physmap_device((paddr_t){screen.bytes.start});

    *first = PROBE;
    writes_finish();
    return *first == PROBE;
}

static void clear(void)
{
    for (uint32_t y = 0; y < screen.height; y++) {
        const uint64_t line = screen.bytes.start + (uint64_t)y * screen.pitch_bytes;
        volatile uint64_t *words = physmap_device((paddr_t){line});
        const uint32_t whole = screen.line_bytes / sizeof(*words);
        volatile uint8_t *rest = physmap_device((paddr_t){line + whole * sizeof(*words)});

        for (uint32_t i = 0; i < whole; i++) {
            words[i] = 0;
        }
        for (uint32_t i = 0; i < screen.line_bytes % sizeof(*words); i++) {
            rest[i] = 0;
        }
    }
}

bool framebuffer_start(const struct screen *where)
{
    screen = *where;
    if (!memory_is_there()) {
        return false;
    }
    clear();
    text_grid_start(&grid, screen.columns, screen.rows);
    in_line = false;
    return true;
}

void framebuffer_send(const char *text, size_t bytes)
{
    uint32_t cell;

    for (size_t i = 0; i < bytes; i++) {
        char put = '\n';

        if (!in_line) {
            urgent = log_is_urgent(text + i, bytes - i);
        }
        in_line = text[i] != '\n';
        if (in_line) {
            put = cell_of(text[i]);
        }
        text_grid_put(&grid, &put, 1);
    }
    while (text_grid_next_change(&grid, &cell)) {
        cell_draw(cell);
    }
    writes_finish();
}
