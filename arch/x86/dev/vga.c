/*
 * The VGA text screen. What is on it is kept in ordinary memory too, so that scrolling never reads
 * video memory, which is slow. Source: IBM VGA, text modes; graphics controller, miscellaneous
 * register.
 */
#include "console.h"

#include "instructions.h"
#include "log.h"
#include "mem.h"
#include "physmap.h"
#include "x86/ports.h"

static uint16_t shadow[VGA_TEXT_ROWS][VGA_TEXT_COLUMNS];
static volatile uint16_t *screen;
static unsigned int row;
static unsigned int column;
static bool in_line; /* else the next character begins one */
static unsigned int style = VGA_NORMAL_STYLE;

static uint16_t cell(char character)
{
    return (uint16_t)(style << 8 | (uint8_t)character);
}

static void row_show(unsigned int which)
{
    for (unsigned int i = 0; i < VGA_TEXT_COLUMNS; i++) {
        screen[which * VGA_TEXT_COLUMNS + i] = shadow[which][i];
    }
}

static void row_clear(unsigned int which)
{
    for (unsigned int i = 0; i < VGA_TEXT_COLUMNS; i++) {
        shadow[which][i] = cell(' ');
    }
}

static void cursor_show(void)
{
    const unsigned int position = row * VGA_TEXT_COLUMNS + column;

    port_write8(VGA_CRTC_INDEX, VGA_CURSOR_HIGH);
    port_write8(VGA_CRTC_DATA, (uint8_t)(position >> 8));
    port_write8(VGA_CRTC_INDEX, VGA_CURSOR_LOW);
    port_write8(VGA_CRTC_DATA, (uint8_t)position);
}

bool vga_start(void)
{
    port_write8(VGA_GRAPHICS_INDEX, VGA_MISCELLANEOUS);
    if ((port_read8(VGA_GRAPHICS_DATA) & VGA_MISC_MASK) != VGA_MISC_TEXT_B8) {
        return false;
    }
    screen = physmap_low((paddr_t){VGA_TEXT_PA});
    for (unsigned int i = 0; i < VGA_TEXT_ROWS; i++) {
        row_clear(i);
        row_show(i);
    }
    row = 0;
    column = 0;
    in_line = false;
    return true;
}

static void line_feed(void)
{
    column = 0;
    if (row + 1 < VGA_TEXT_ROWS) {
        row++;
        return;
    }
    memmove(shadow[0], shadow[1], sizeof(shadow) - sizeof(shadow[0]));
    row_clear(row);
    for (unsigned int i = 0; i < VGA_TEXT_ROWS; i++) {
        row_show(i);
    }
}

void vga_send(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (!in_line) {
            style = log_is_urgent(text + i, bytes - i) ? VGA_URGENT_STYLE : VGA_NORMAL_STYLE;
        }
        in_line = text[i] != '\n';
        if (!in_line) {
            line_feed();
            continue;
        }
        if (column == VGA_TEXT_COLUMNS) {
            line_feed();
        }
        shadow[row][column] = cell(text[i]);
        screen[row * VGA_TEXT_COLUMNS + column] = shadow[row][column];
        column++;
    }
    cursor_show();
}
