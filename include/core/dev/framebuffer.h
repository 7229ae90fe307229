/*
 * Text on a linear framebuffer.
 */
#ifndef DEV_FRAMEBUFFER_H
#define DEV_FRAMEBUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "screen.h"

/*
 * Clear the screen.
 *
 * @screen  whose memory is mapped
 * @return  false when there is no memory
 */
bool framebuffer_start(const struct screen *screen);
void framebuffer_send(const char *text, size_t bytes);

#endif
