/*
 * printf formatting: one pass over the format; each conversion is parsed into a spec and then
 * written as blanks, prefix, zeros, body, blanks.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "format.h"
#include "format_output.h"
#include "mem.h"

#define DECIMAL      10
#define HEXADECIMAL  16
#define DIGITS_MAX   20 /* of a 64-bit number in decimal */
#define NO_PRECISION (-1)

enum length {
    LENGTH_INT,
    LENGTH_LONG,
    LENGTH_LONG_LONG,
    LENGTH_SIZE,
};

struct spec {
    bool left;
    bool zero;
    bool alternate;
    int width;
    int precision;
    enum length length;
    char conversion;
};

/* The analyzer loses sight of a va_list that is passed by its address. */
/* NOLINTBEGIN(clang-analyzer-valist.Uninitialized) */

/* How many of so many bytes find room, which is made if there is none; 0: the rest is dropped. */
static size_t room_for(struct format_output *output, size_t count)
{
    size_t room;

    if (output->used == output->size && output->empty) {
        output->empty(output);
    }
    room = output->size - output->used;
    return count < room ? count : room;
}

/* In as few pieces as the buffer allows: all that a boot prints passes here. */
static void put_bytes(struct format_output *output, const char *bytes, size_t count)
{
    size_t piece;

    output->total += count;
    while (count > 0 && (piece = room_for(output, count)) > 0) {
        memcpy(output->to + output->used, bytes, piece);
        output->used += piece;
        bytes += piece;
        count -= piece;
    }
}

static void put_repeated(struct format_output *output, char c, size_t count)
{
    size_t piece;

    output->total += count;
    while (count > 0 && (piece = room_for(output, count)) > 0) {
        memset(output->to + output->used, c, piece);
        output->used += piece;
        count -= piece;
    }
}

/* The one place that knows about widths: [blanks][prefix][zeros][body][blanks]. */
static void put_field(struct format_output *output, const struct spec *spec, const char *prefix,
                      size_t zeros, const char *body, size_t body_bytes)
{
    size_t prefix_bytes = strlen(prefix);
    size_t bytes = prefix_bytes + zeros + body_bytes;
    size_t padding = (size_t)spec->width > bytes ? (size_t)spec->width - bytes : 0;

    if (!spec->left) {
        put_repeated(output, ' ', padding);
    }
    put_bytes(output, prefix, prefix_bytes);
    put_repeated(output, '0', zeros);
    put_bytes(output, body, body_bytes);
    if (spec->left) {
        put_repeated(output, ' ', padding);
    }
}

static void put_number(struct format_output *output, const struct spec *spec, uint64_t value,
                       const char *prefix)
{
    unsigned int base = spec->conversion == 'x' || spec->conversion == 'X' ? HEXADECIMAL : DECIMAL;
    const char *digits = spec->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[DIGITS_MAX];
    size_t first = sizeof(text);
    size_t count;
    size_t wanted = spec->precision == NO_PRECISION ? 1 : (size_t)spec->precision;

    for (; value != 0; value /= base) {
        text[--first] = digits[value % base];
    }
    count = sizeof(text) - first;
    if (spec->zero && !spec->left && spec->precision == NO_PRECISION) {
        size_t prefix_bytes = strlen(prefix);

        if ((size_t)spec->width > prefix_bytes + wanted) {
            wanted = (size_t)spec->width - prefix_bytes;
        }
    }
    put_field(output, spec, prefix, wanted > count ? wanted - count : 0, text + first, count);
}

static int64_t take_signed(va_list *args, enum length length)
{
    switch (length) {
    case LENGTH_LONG:
        return va_arg(*args, long);
    case LENGTH_LONG_LONG:
        return va_arg(*args, long long);
    case LENGTH_SIZE:
        return (int64_t)va_arg(*args, size_t);
    default:
        return va_arg(*args, int);
    }
}

static uint64_t take_unsigned(va_list *args, enum length length)
{
    switch (length) {
    case LENGTH_LONG:
        return va_arg(*args, unsigned long);
    case LENGTH_LONG_LONG:
        return va_arg(*args, unsigned long long);
    case LENGTH_SIZE:
        return va_arg(*args, size_t);
    default:
        return va_arg(*args, unsigned int);
    }
}

static void put_signed(struct format_output *output, const struct spec *spec, int64_t value)
{
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    put_number(output, spec, magnitude, value < 0 ? "-" : "");
}

static void put_hexadecimal(struct format_output *output, const struct spec *spec, uint64_t value)
{
    const char *prefix = spec->conversion == 'X' ? "0X" : "0x";

    put_number(output, spec, value, spec->alternate && value != 0 ? prefix : "");
}

static void put_pointer(struct format_output *output, const struct spec *spec, const void *pointer)
{
    struct spec as_number = *spec;

    as_number.conversion = 'x';
    put_number(output, &as_number, (uintptr_t)pointer, "0x");
}

static void put_string(struct format_output *output, const struct spec *spec, const char *text)
{
    size_t most = spec->precision == NO_PRECISION ? SIZE_MAX : (size_t)spec->precision;
    size_t bytes = 0;

    if (!text) {
        text = "(null)";
    }
    /* With a precision the text may have no NUL. */
    while (bytes < most && text[bytes] != '\0') {
        bytes++;
    }
    put_field(output, spec, "", 0, text, bytes);
}

static void put_character(struct format_output *output, const struct spec *spec, char c)
{
    put_field(output, spec, "", 0, &c, 1);
}

static void parse_flags(struct spec *spec, const char **at)
{
    for (;; (*at)++) {
        switch (**at) {
        case '-':
            spec->left = true;
            break;
        case '0':
            spec->zero = true;
            break;
        case '#':
            spec->alternate = true;
            break;
        default:
            return;
        }
    }
}

/* A number out of the format or, for '*', out of the arguments. One too large for an int stays at
 * INT_MAX. */
static int parse_number(const char **at, va_list *args)
{
    int number = 0;

    if (**at == '*') {
        (*at)++;
        return va_arg(*args, int);
    }
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        int digit = **at - '0';

        number = number > (INT_MAX - digit) / DECIMAL ? INT_MAX : number * DECIMAL + digit;
    }
    return number;
}

static enum length parse_length(const char **at)
{
    if (**at == 'z') {
        (*at)++;
        return LENGTH_SIZE;
    }
    if (**at != 'l') {
        return LENGTH_INT;
    }
    (*at)++;
    if (**at != 'l') {
        return LENGTH_LONG;
    }
    (*at)++;
    return LENGTH_LONG_LONG;
}

/* From behind the '%' to behind the conversion's letter (or at the format's end, where that is
 * missing). */
static struct spec parse_spec(const char **at, va_list *args)
{
    struct spec spec = {.precision = NO_PRECISION};

    parse_flags(&spec, at);
    spec.width = parse_number(at, args);
    if (spec.width < 0) {
        spec.left = true;
        spec.width = spec.width == INT_MIN ? INT_MAX : -spec.width;
    }
    if (**at == '.') {
        (*at)++;
        spec.precision = parse_number(at, args);
        if (spec.precision < 0) {
            spec.precision = NO_PRECISION;
        }
    }
    spec.length = parse_length(at);
    spec.conversion = **at;
    if (spec.conversion != '\0') {
        (*at)++;
    }
    return spec;
}

/* Returns false for a conversion that is not known. */
static bool put_conversion(struct format_output *output, const struct spec *spec, va_list *args)
{
    switch (spec->conversion) {
    case 'd':
    case 'i':
        put_signed(output, spec, take_signed(args, spec->length));
        return true;
    case 'u':
        put_number(output, spec, take_unsigned(args, spec->length), "");
        return true;
    case 'x':
    case 'X':
        put_hexadecimal(output, spec, take_unsigned(args, spec->length));
        return true;
    case 'p':
        put_pointer(output, spec, va_arg(*args, const void *));
        return true;
    case 's':
        put_string(output, spec, va_arg(*args, const char *));
        return true;
    case 'c':
        put_character(output, spec, (char)va_arg(*args, int));
        return true;
    case '%':
        put_bytes(output, "%", 1);
        return true;
    default:
        return false;
    }
}

void format_output(struct format_output *output, const char *format, va_list args)
{
    va_list rest; /* a parameter of this type has no address of its own type */
    const char *at = format;

    va_copy(rest, args);
    while (*at != '\0') {
        const char *start = at;
        struct spec spec;

        while (*at != '\0' && *at != '%') {
            at++;
        }
        put_bytes(output, start, (size_t)(at - start));
        if (*at == '\0') {
            break;
        }
        start = at++;
        spec = parse_spec(&at, &rest);
        if (!put_conversion(output, &spec, &rest)) {
            put_bytes(output, start, (size_t)(at - start));
        }
    }
    va_end(rest);
}

/* NOLINTEND(clang-analyzer-valist.Uninitialized) */

size_t format_text_va(char *to, size_t size, const char *format, va_list args)
{
    struct format_output output = {.to = to, .size = size > 0 ? size - 1 : 0};

    format_output(&output, format, args);
    if (size > 0) {
        to[output.used] = '\0';
    }
    return output.total;
}

size_t format_text(char *to, size_t size, const char *format, ...)
{
    va_list args;
    size_t total;

    va_start(args, format);
    total = format_text_va(to, size, format, args);
    va_end(args);
    return total;
}
