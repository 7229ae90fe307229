/*
 * printf formatting into a bounded buffer, for the log.
 *
 * Conversions: %d %i %u %x %X %c %s %p %%, lengths l, ll, z, flags 0 - #, width and precision as
 * numbers or *. A conversion that is not in this list is copied as it stands, so a mistake shows.
 * The compiler checks the arguments.
 */
#ifndef LIB_FORMAT_H
#define LIB_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * @return the length the whole text has, which is more than size - 1 when it was cut; the buffer is
 * always terminated unless size is 0
 */
size_t format_text(char *to, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t format_text_va(char *to, size_t size, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

#endif
