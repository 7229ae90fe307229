/*
 * Private to lib: formatting into a buffer that is emptied whenever it is full, so that a text has
 * no longest length.
 */
#ifndef LIB_FORMAT_OUTPUT_H
#define LIB_FORMAT_OUTPUT_H

#include <stdarg.h>
#include <stddef.h>

struct format_output {
    char *to;
    size_t size;
    size_t used;  /* of `to`, at most `size` */
    size_t total; /* of the whole text so far, whether kept or dropped */
    /* Called with the buffer full: makes room by taking what is in it. NULL: what does not fit is
     * dropped. */
    void (*empty)(struct format_output *output);
};

void format_output(struct format_output *output, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

#endif
