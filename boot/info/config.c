/*
 * The configuration file, and load options as text. The file is read line by line, anew for each
 * key: it is small, and so nothing has to be kept. This code also runs before the image is at its
 * link address: it keeps no address but those of the file's own text.
 */
#include "config.h"

#include "cursor.h"
#include "mem.h"

/* --- pieces of text ------------------------------------------------------------------------ */

static const struct config_text nothing = {NULL, 0};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct config_text trim(struct config_text text)
{
    while (text.bytes > 0 && is_blank(text.text[0])) {
        text.text++;
        text.bytes--;
    }
    while (text.bytes > 0 && is_blank(text.text[text.bytes - 1])) {
        text.bytes--;
    }
    return text;
}

static struct config_text first_bytes(struct config_text text, size_t bytes)
{
    return (struct config_text){text.text, bytes};
}

static struct config_text without_bytes(struct config_text text, size_t bytes)
{
    return bytes == 0 ? text : (struct config_text){text.text + bytes, text.bytes - bytes};
}

static bool is_same(struct config_text a, struct config_text b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.text, b.text, a.bytes) == 0);
}

static bool is_word(struct config_text text, const char *word)
{
    return is_same(text, (struct config_text){word, strlen(word)});
}

/* How far it is to the first `wanted`, or to the end. */
static size_t bytes_before(struct config_text text, char wanted)
{
    size_t bytes = 0;

    while (bytes < text.bytes && text.text[bytes] != wanted) {
        bytes++;
    }
    return bytes;
}

/* --- lines --------------------------------------------------------------------------------- */

enum line_kind {
    LINE_OTHER, /* a comment, empty, or no sense in it */
    LINE_SECTION,
    LINE_KEY,
};

struct line {
    enum line_kind kind;
    struct config_text name; /* of the section, or the key */
    struct config_text value;
};

/* Some editors put it at the start of a file: U+FEFF in UTF-8. */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static void skip_byte_order_mark(struct cursor *file)
{
    struct cursor ahead = *file;
    char mark[sizeof(BYTE_ORDER_MARK) - 1];

    if (cursor_copy(&ahead, mark, sizeof(mark)) &&
        memcmp(mark, BYTE_ORDER_MARK, sizeof(mark)) == 0) {
        *file = ahead;
    }
}

/* A NUL ends a line, too: what is made of these texts are strings, which must not end sooner than
 * their texts. */
static bool next_text(struct cursor *file, struct config_text *text)
{
    const size_t start = file->position;

    if (cursor_left(file) == 0) {
        return false;
    }
    text->text = (const char *)file->bytes + start;
    text->bytes = 0;
    while (cursor_left(file) > 0) {
        uint8_t byte = cursor_u8(file);

        if (byte == '\n' || byte == '\0') {
            break;
        }
        text->bytes++;
    }
    return true;
}

static bool next_line(struct cursor *file, struct line *line)
{
    struct config_text text;

    if (!next_text(file, &text)) {
        return false;
    }
    text = trim(text);
    *line = (struct line){LINE_OTHER, nothing, nothing};
    if (text.bytes == 0 || text.text[0] == '#' || text.text[0] == ';') {
        return true;
    }
    if (text.text[0] == '[') {
        text = without_bytes(text, 1);
        line->kind = LINE_SECTION;
        line->name = trim(first_bytes(text, bytes_before(text, ']')));
    } else if (bytes_before(text, '=') < text.bytes) {
        line->kind = LINE_KEY;
        line->name = trim(first_bytes(text, bytes_before(text, '=')));
        line->value = trim(without_bytes(text, bytes_before(text, '=') + 1));
    }
    return true;
}

/* --- the file ------------------------------------------------------------------------------ */

/* The value of a key in a section, which may come in several parts; nothing when it has none. */
static struct config_text value_of(struct cursor file, struct config_text section, const char *key)
{
    bool inside = false;
    struct line line;

    while (next_line(&file, &line)) {
        if (line.kind == LINE_SECTION) {
            inside = is_same(line.name, section);
        } else if (line.kind == LINE_KEY && inside && is_word(line.name, key)) {
            return line.value;
        }
    }
    return nothing;
}

static bool has_section(struct cursor file, struct config_text section)
{
    struct line line;

    while (next_line(&file, &line)) {
        if (line.kind == LINE_SECTION && is_same(line.name, section)) {
            return true;
        }
    }
    return false;
}

/* The first section that has a name; nothing when there is none. */
static struct config_text first_section(struct cursor file)
{
    struct line line;

    while (next_line(&file, &line)) {
        if (line.kind == LINE_SECTION && line.name.bytes > 0) {
            return line.name;
        }
    }
    return nothing;
}

enum config_defect config_read(const void *file, size_t file_bytes, struct config_text section,
                               struct config *out)
{
    const struct config_text global = {"global", strlen("global")};
    struct cursor text = cursor_over(file, file_bytes);
    struct config_text kernel;
    size_t name_bytes;

    *out = (struct config){nothing, nothing, nothing, nothing};
    skip_byte_order_mark(&text);
    if (section.bytes == 0 && has_section(text, global)) {
        section = value_of(text, global, "default");
        if (section.bytes == 0) {
            return CONFIG_NO_DEFAULT;
        }
    } else if (section.bytes == 0) {
        section = first_section(text);
    }
    if (section.bytes == 0 || !has_section(text, section)) {
        return CONFIG_NO_SECTION;
    }
    out->options = value_of(text, section, "options");
    out->ramdisk = value_of(text, section, "ramdisk");
    kernel = value_of(text, section, "kernel");
    for (name_bytes = 0; name_bytes < kernel.bytes && !is_blank(kernel.text[name_bytes]);) {
        name_bytes++;
    }
    out->kernel = first_bytes(kernel, name_bytes);
    out->kernel_args = trim(without_bytes(kernel, name_bytes));
    return CONFIG_OK;
}

/* --- load options -------------------------------------------------------------------------- */

/*
 * Some firmware hands over the whole EFI_LOAD_OPTION instead of its options (UEFI 2.10 section 3.1.3): attributes, the
 * length of a path list, a description, the path list; then the options, to which the cursor steps here.
 */
static bool load_option_skip(struct cursor *cursor)
{
    uint32_t path_bytes;
    uint16_t c;

    cursor_skip(cursor, sizeof(uint32_t));
    path_bytes = cursor_u16(cursor);
    do {
        c = cursor_u16(cursor);
    } while (c != '\0' && !cursor->failed);
    return cursor_skip(cursor, path_bytes);
}

static bool is_printable(uint16_t c)
{
    return c >= ' ' && c <= '~';
}

enum load_options load_options_text(const void *options, size_t bytes, char *out, size_t out_bytes)
{
    struct cursor cursor = cursor_over(options, options == NULL ? 0 : bytes);
    struct cursor first = cursor;
    const uint16_t begins_with = cursor_u16(&first);
    size_t length = 0;

    out[0] = '\0';
    if (!first.failed && begins_with != '\0' && !is_printable(begins_with) &&
        !load_option_skip(&cursor)) {
        return LOAD_OPTIONS_NO_TEXT;
    }
    while (cursor_left(&cursor) >= sizeof(uint16_t)) {
        uint16_t c = cursor_u16(&cursor);

        if (c == '\0') {
            break;
        }
        if (c == '\t' || c == '\r' || c == '\n') {
            c = ' ';
        }
        if (length < out_bytes - 1) {
            out[length] = (char)(is_printable(c) ? c : '?');
        }
        length++;
    }
    if (length >= out_bytes) {
        out[0] = '\0';
        return LOAD_OPTIONS_TOO_LONG;
    }
    out[length] = '\0';
    return LOAD_OPTIONS_OK;
}
