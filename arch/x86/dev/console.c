/*
 * Which consoles the log goes to.
 */
#include "console.h"

#include "log.h"

static bool started;
static bool on_com1;
static bool on_vga;

static void send(const char *text, size_t bytes)
{
    if (on_vga) {
        vga_send(text, bytes);
    }
    if (on_com1) {
        com1_send(text, bytes);
    }
}

void console_start(const struct options *options, const struct boot_framebuffer *framebuffer)
{
    const bool text = framebuffer != NULL && framebuffer->kind != FRAMEBUFFER_RGB &&
                      framebuffer->kind != FRAMEBUFFER_INDEXED;

    started = true;
    log_set_level(options->log_level);
    on_com1 = options->com1 && com1_start(options->com1_baud);
    on_vga = options->vga && text && vga_start();
    log_set_sink(on_com1 || on_vga ? send : NULL);
}

void console_emergency(void)
{
    if (started) {
        return;
    }
    started = true;
    on_com1 = com1_start(OPTION_BAUD_DEFAULT);
    on_vga = vga_start();
    log_set_sink(send);
}
