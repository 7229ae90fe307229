/*
 * Berth's command line: a scanner that takes one word after the other out of it, and one function
 * per option that either changes the options or says that the value is no good.
 */
#include <stddef.h>

#include "mem.h"
#include "options.h"

#define DECIMAL            10
#define COM_DIVISOR_MAX    0xffff /* the divisor latch has 16 bits */
#define EXCEPTION_LAST     31
#define LINE_FORMAT_SUFFIX ",8n1"

struct word {
    char text[OPTION_WORD_BYTES];
    size_t bytes; /* as given; text holds at most OPTION_WORD_BYTES - 1 of them */
    bool unterminated;
};

/* What options_parse gathers beside the options themselves. */
struct parser {
    struct options *out;
    bool com1_port;    /* not com1=off */
    bool com1_console; /* named by console= */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool equals(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static void add_to_word(struct word *word, char c)
{
    if (word->bytes < sizeof(word->text) - 1) {
        word->text[word->bytes] = c;
        word->text[word->bytes + 1] = '\0';
    }
    word->bytes++;
}

/* Take the next word. False when there is none. */
static bool next_word(const char **at, struct word *word)
{
    bool quoted = false;

    while (is_blank(**at)) {
        (*at)++;
    }
    if (**at == '\0') {
        return false;
    }
    word->bytes = 0;
    word->text[0] = '\0';
    for (; **at != '\0' && (quoted || !is_blank(**at)); (*at)++) {
        if (**at == '"') {
            quoted = !quoted;
        } else if (quoted && **at == '\\' && (*at)[1] != '\0') {
            (*at)++;
            add_to_word(word, **at);
        } else {
            add_to_word(word, **at);
        }
    }
    word->unterminated = quoted;
    return true;
}

static void warn(struct options *out, enum option_defect defect, const char *word)
{
    if (out->warning_count < OPTION_WARNINGS_MAX) {
        struct option_warning *warning = &out->warnings[out->warning_count];

        warning->defect = defect;
        memcpy(warning->word, word, strlen(word) + 1);
    }
    out->warning_count++;
}

/* A decimal number up to `most`, which leaves `at` at the first character that is no digit. */
static bool parse_decimal(const char **at, uint32_t most, uint32_t *number)
{
    const char *start = *at;
    uint64_t value = 0;

    for (; **at >= '0' && **at <= '9'; (*at)++) {
        value = value * DECIMAL + (uint64_t)(**at - '0');
        if (value > most) {
            return false;
        }
    }
    *number = (uint32_t)value;
    return *at != start;
}

/* The place of a word of `bytes` bytes in a list whose words are separated by one blank each, or
 * -1. */
static int find_name(const char *list, const char *name, size_t bytes)
{
    for (int place = 0;; place++) {
        size_t listed = 0;

        while (list[listed] != '\0' && list[listed] != ' ') {
            listed++;
        }
        if (listed == bytes && strncmp(list, name, bytes) == 0) {
            return place;
        }
        if (list[listed] == '\0') {
            return -1;
        }
        list += listed + 1;
    }
}

/* --- one function per option: false, with nothing changed, when the value is no good --- */

static bool parse_com1(struct parser *parser, const char *value)
{
    uint32_t baud;

    if (equals(value, "off")) {
        parser->com1_port = false;
        return true;
    }
    if (!parse_decimal(&value, OPTION_BAUD_DEFAULT, &baud) || baud == 0) {
        return false;
    }
    if (OPTION_BAUD_DEFAULT % baud != 0 || OPTION_BAUD_DEFAULT / baud > COM_DIVISOR_MAX) {
        return false;
    }
    if (!equals(value, "") && !equals(value, LINE_FORMAT_SUFFIX)) {
        return false;
    }
    parser->com1_port = true;
    parser->out->com1_baud = baud;
    return true;
}

/* Does the item stand at `*at`, up to a comma or the end? If so, `*at` is left at that comma or
 * end. */
static bool take_item(const char **at, const char *item)
{
    size_t bytes = strlen(item);

    if (strncmp(*at, item, bytes) != 0 || ((*at)[bytes] != ',' && (*at)[bytes] != '\0')) {
        return false;
    }
    *at += bytes;
    return true;
}

static bool parse_console(struct parser *parser, const char *value)
{
    bool com1 = false;
    bool vga = false;

    if (!equals(value, "none")) {
        for (;;) {
            if (take_item(&value, "com1")) {
                com1 = true;
            } else if (take_item(&value, "vga")) {
                vga = true;
            } else {
                return false;
            }
            if (*value == '\0') {
                break;
            }
            value++;
        }
    }
    parser->com1_console = com1;
    parser->out->vga = vga;
    return true;
}

/* In the order of enum log_level. */
static bool parse_loglevel(struct parser *parser, const char *value)
{
    int found = find_name("error warning info debug", value, strlen(value));

    if (found < 0) {
        return false;
    }
    parser->out->log_level = (enum log_level)found;
    return true;
}

/* In the order of enum dom0_mode. */
static bool parse_dom0(struct parser *parser, const char *value)
{
    int found = find_name("auto native hvm pvh pv", value, strlen(value));

    if (found < 0) {
        return false;
    }
    parser->out->dom0 = (enum dom0_mode)found;
    return true;
}

/* In the order of enum debug_fault, from DEBUG_UD on. */
static bool parse_debug(struct parser *parser, const char *value)
{
    static const char vector_prefix[] = "int-";
    uint32_t vector;
    int found = find_name("ud df gp pf ap-ud ap-df", value, strlen(value));

    if (found >= 0) {
        parser->out->debug_fault = (enum debug_fault)(DEBUG_UD + found);
        return true;
    }
    if (strncmp(value, vector_prefix, sizeof(vector_prefix) - 1) != 0) {
        return false;
    }
    value += sizeof(vector_prefix) - 1;
    if (!parse_decimal(&value, EXCEPTION_LAST, &vector) || *value != '\0') {
        return false;
    }
    parser->out->debug_fault = DEBUG_VECTOR;
    parser->out->debug_vector = (uint8_t)vector;
    return true;
}

/* --- words --- */

enum option {
    OPTION_COM1,
    OPTION_CONSOLE,
    OPTION_LOGLEVEL,
    OPTION_DOM0,
    OPTION_DEBUG,
    OPTION_REBOOT,
};

/* @value  what stands behind '=', or NULL when there is no '=' */
static bool apply_value(struct parser *parser, enum option option, const char *value)
{
    if ((option == OPTION_REBOOT) != (value == NULL)) {
        return false;
    }
    switch (option) {
    case OPTION_REBOOT:
        parser->out->reboot = true;
        return true;
    case OPTION_COM1:
        return parse_com1(parser, value);
    case OPTION_CONSOLE:
        return parse_console(parser, value);
    case OPTION_LOGLEVEL:
        return parse_loglevel(parser, value);
    case OPTION_DOM0:
        return parse_dom0(parser, value);
    default:
        return parse_debug(parser, value);
    }
}

/* Returns false, with the defect, when the word changes nothing. */
static bool apply_word(struct parser *parser, const char *word, enum option_defect *defect)
{
    size_t name_bytes = 0;
    int option;

    while (word[name_bytes] != '\0' && word[name_bytes] != '=') {
        name_bytes++;
    }
    option = find_name("com1 console loglevel dom0 debug reboot", word, name_bytes);
    if (option < 0) {
        *defect = OPTION_UNKNOWN;
        return false;
    }
    *defect = OPTION_MALFORMED;
    return apply_value(parser, (enum option)option,
                       word[name_bytes] == '=' ? word + name_bytes + 1 : NULL);
}

/* A word gives one warning at most. */
static void take_word(struct parser *parser, const struct word *word)
{
    enum option_defect defect;

    if (word->bytes >= sizeof(word->text)) {
        warn(parser->out, OPTION_TOO_LONG, word->text);
    } else if (!apply_word(parser, word->text, &defect)) {
        warn(parser->out, word->unterminated ? OPTION_UNTERMINATED : defect, word->text);
    } else if (word->unterminated) {
        warn(parser->out, OPTION_UNTERMINATED, word->text);
    }
}

void options_parse(const char *cmdline, struct options *out)
{
    struct parser parser = {.out = out, .com1_port = true, .com1_console = true};
    struct word word;

    out->com1_baud = OPTION_BAUD_DEFAULT;
    out->vga = true;
    out->log_level = LOG_INFO;
    out->dom0 = DOM0_AUTO;
    out->reboot = false;
    out->debug_fault = DEBUG_NONE;
    out->debug_vector = 0;
    out->warning_count = 0;
    while (next_word(&cmdline, &word)) {
        take_word(&parser, &word);
    }
    out->com1 = parser.com1_port && parser.com1_console;
}
