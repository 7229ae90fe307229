/*
 * Text on a linear framebuffer. Video memory is slow: it is never read but once, to see whether it is there, and only
 * characters that change are written.
 */
#include "framebuffer.h"

#include "compiler.h"
#include "instructions.h"
#include "physmap.h"
#include "text_grid.h"

#define PROBE        0x00a55a00 /* neither what an empty bus reads as, nor its opposite */
#define UNKNOWN_CHAR '?'

/* GLYPH_COUNT glyphs of GLYPH_HEIGHT bytes: tools/font.py. */
extern const uint8_t font_glyphs[];

static struct screen screen;
static struct text_grid grid NOINIT;

static void line_write(uint64_t at, const uint8_t *bytes, size_t count)
{
    volatile uint64_t *to = physmap_device((paddr_t){at});

    for (size_t i = 0; i < count / sizeof(*to); i++) {
        uint64_t part;

        __builtin_memcpy(&part, bytes + i * sizeof(part), sizeof(part));
        to[i] = part;
    }
}

static const uint8_t *glyph_of(char character)
{
    const bool known = character >= GLYPH_FIRST && character <= GLYPH_LAST;
    const unsigned int number = (unsigned int)((known ? character : UNKNOWN_CHAR) - GLYPH_FIRST);

    return font_glyphs + (size_t)number * GLYPH_HEIGHT;
}

static void cell_draw(uint32_t cell)
{
    const uint32_t scale = screen.style.scale;
    const uint8_t *const glyph = glyph_of(grid.wanted[cell]);
    const uint64_t left =
        (uint64_t)(cell % grid.columns) * GLYPH_WIDTH * scale * screen.style.pixel_bytes;
    uint64_t at = screen.bytes.start + left +
                  (uint64_t)(cell / grid.columns) * GLYPH_HEIGHT * scale * screen.pitch_bytes;
    uint8_t line[GLYPH_LINE_ROOM];
    size_t bytes = 0;

    for (unsigned int i = 0; i < GLYPH_HEIGHT; i++) {
        if (i == 0 || glyph[i] != glyph[i - 1]) {
            bytes = glyph_line(glyph[i], &screen.style, line);
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
    return true;
}

void framebuffer_send(const char *text, size_t bytes)
{
    uint32_t cell;

    text_grid_put(&grid, text, bytes);
    while (text_grid_next_change(&grid, &cell)) {
        cell_draw(cell);
    }
    writes_finish();
}
