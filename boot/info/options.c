/*
 * Berth's command line: a scanner that takes one word after the other out of it, and one function
 * per option that either changes the options or says that the value is no good.
 */
#include <stddef.h>

#include "mem.h"
#include "number.h"
#include "options.h"
#include "x86/ports.h"

#define EXCEPTION_LAST 31

struct word {
    char text[OPTION_WORD_BYTES];
    size_t bytes; /* as given; text holds at most OPTION_WORD_BYTES - 1 of them */
    bool unterminated;
};

/* What options_parse gathers beside the options themselves. */
struct parser {
    struct options *out;
    bool com_off[OPTION_COMS];       /* com1=off */
    bool com_described[OPTION_COMS]; /* com1=115200 */
    bool has_consoles;               /* console= */
    uint32_t consoles;               /* what it names: a bit for each enum console_name */
};

/* In the order of the names in parse_console. */
enum console_name {
    NAME_COM1,
    NAME_COM2,
    NAME_VGA,
    NAME_FRAMEBUFFER,
    NAME_ACPI,
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

static bool parse_com(struct parser *parser, unsigned int which, const char *value)
{
    static const uint16_t ports[OPTION_COMS] = {COM1_PORT, COM2_PORT};
    struct serial_line line = serial_default(ports[which]);
    const bool off = equals(value, "off");

    if (!off && !serial_parse(value, &line)) {
        return false;
    }
    parser->com_off[which] = off;
    parser->com_described[which] = !off;
    parser->out->com[which].line = line;
    return true;
}

static bool parse_console(struct parser *parser, const char *value)
{
    uint32_t consoles = 0;

    for (bool more = !equals(value, "none"); more;) {
        size_t bytes = 0;
        int name;

        while (value[bytes] != '\0' && value[bytes] != ',') {
            bytes++;
        }
        name = find_name("com1 com2 vga fb acpi", value, bytes);
        if (name < 0) {
            return false;
        }
        consoles |= 1U << name;
        more = value[bytes] == ',';
        value += bytes + 1;
    }
    parser->has_consoles = true;
    parser->consoles = consoles;
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

static bool parse_triple_fault(struct parser *parser, const char *value)
{
    const int found = find_name("reset halt", value, strlen(value));

    if (found < 0) {
        return false;
    }
    parser->out->halt_on_triple_fault = found == 1;
    return true;
}

/* Pass over the prefix, if there is one. */
static bool skip_prefix(const char **value, const char *prefix)
{
    const bool there = strncmp(*value, prefix, strlen(prefix)) == 0;

    *value += there ? strlen(prefix) : 0;
    return there;
}

/* In the order of enum debug_fault, from DEBUG_UD on. */
static bool parse_debug(struct parser *parser, const char *value)
{
    const bool on_other = skip_prefix(&value, "ap-");
    const int found =
        find_name("ud df gp pf pf-null nmi write-to-text execute-data stack-overflow dead locks "
                  "lock-again lock-foreign lock-order lock-sleep lock-wait lock-dead lock-kept "
                  "reset poweroff",
                  value, strlen(value));
    const enum debug_fault fault = found >= 0 ? (enum debug_fault)(DEBUG_UD + found) : DEBUG_VECTOR;
    uint64_t vector = 0;

    if (fault == DEBUG_DEAD ? !on_other : fault >= DEBUG_FAULTS && on_other) {
        return false;
    }
    if (fault == DEBUG_VECTOR &&
        (!skip_prefix(&value, "int-") ||
         !number_take(&value, NUMBER_DECIMAL, EXCEPTION_LAST, &vector) || *value != '\0')) {
        return false;
    }
    parser->out->debug_fault = fault;
    parser->out->debug_vector = (uint8_t)vector;
    parser->out->debug_on_other = on_other;
    return true;
}

/* @value  NULL: at once */
static bool parse_reboot(struct parser *parser, const char *value)
{
    uint64_t seconds = 0;

    if (value != NULL &&
        (!number_take(&value, NUMBER_DECIMAL, REBOOT_SECONDS_MAX, &seconds) || *value != '\0')) {
        return false;
    }
    parser->out->after_error = (struct after_error){AFTER_ERROR_REBOOT, (uint32_t)seconds};
    return true;
}

static bool parse_panic(struct parser *parser, const char *value)
{
    static const struct after_error actions[] = {{.action = AFTER_ERROR_HALT},
                                                 {.action = AFTER_ERROR_REBOOT},
                                                 {.action = AFTER_ERROR_POWER_OFF}};
    const int found = find_name("halt reboot poweroff", value, strlen(value));

    if (found < 0) {
        return false;
    }
    parser->out->after_error = actions[found];
    return true;
}

/* --- words --- */

enum option {
    OPTION_COM1,
    OPTION_COM2,
    OPTION_CONSOLE,
    OPTION_LOGLEVEL,
    OPTION_DOM0,
    OPTION_TRIPLE_FAULT,
    OPTION_DEBUG,
    OPTION_PANIC,
    OPTION_REBOOT,
    OPTION_NOREBOOT,
};

/* @value  what stands behind '=', or NULL when there is no '=' */
static bool apply_value(struct parser *parser, enum option option, const char *value)
{
    if (option == OPTION_REBOOT) {
        return parse_reboot(parser, value);
    }
    if ((option == OPTION_NOREBOOT) != (value == NULL)) {
        return false;
    }
    switch (option) {
    case OPTION_NOREBOOT:
        return parse_panic(parser, "halt");
    case OPTION_PANIC:
        return parse_panic(parser, value);
    case OPTION_COM1:
    case OPTION_COM2:
        return parse_com(parser, option - OPTION_COM1, value);
    case OPTION_CONSOLE:
        return parse_console(parser, value);
    case OPTION_LOGLEVEL:
        return parse_loglevel(parser, value);
    case OPTION_DOM0:
        return parse_dom0(parser, value);
    case OPTION_TRIPLE_FAULT:
        return parse_triple_fault(parser, value);
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
    option = find_name("com1 com2 console loglevel dom0 triple-fault debug panic reboot noreboot",
                       word, name_bytes);
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

/* Which consoles are wanted, once all words are read. */
static void consoles_settle(const struct parser *parser)
{
    struct options *const out = parser->out;
    const uint32_t described = (parser->com_described[0] ? 1U << NAME_COM1 : 0) |
                               (parser->com_described[1] ? 1U << NAME_COM2 : 0);
    const bool silent = described == 0 && !parser->com_off[0] && !parser->com_off[1];
    const uint32_t anyway =
        1U << NAME_COM1 | 1U << NAME_VGA | 1U << NAME_FRAMEBUFFER | (silent ? 1U << NAME_ACPI : 0);
    const uint32_t wanted = parser->has_consoles ? parser->consoles : anyway | described;
    const uint32_t named = parser->has_consoles ? parser->consoles : described;

    for (unsigned int i = 0; i < OPTION_COMS; i++) {
        out->com[i].wanted = !parser->com_off[i] && (wanted >> (NAME_COM1 + i) & 1) != 0;
        out->com[i].named = out->com[i].wanted && (named >> (NAME_COM1 + i) & 1) != 0;
    }
    out->vga = (wanted >> NAME_VGA & 1) != 0;
    out->framebuffer = (wanted >> NAME_FRAMEBUFFER & 1) != 0;
    out->framebuffer_named = (named >> NAME_FRAMEBUFFER & 1) != 0;
    out->acpi = (wanted >> NAME_ACPI & 1) != 0;
    out->acpi_named = (named >> NAME_ACPI & 1) != 0;
}

void options_parse(const char *cmdline, struct options *out)
{
    struct parser parser = {.out = out};
    struct word word;

    out->com[0].line = serial_default(COM1_PORT);
    out->com[1].line = serial_default(COM2_PORT);
    out->log_level = LOG_INFO;
    out->dom0 = DOM0_AUTO;
    out->halt_on_triple_fault = false;
    out->after_error = (struct after_error){.action = AFTER_ERROR_HALT};
    out->debug_fault = DEBUG_NONE;
    out->debug_vector = 0;
    out->debug_on_other = false;
    out->warning_count = 0;
    while (next_word(&cmdline, &word)) {
        take_word(&parser, &word);
    }
    consoles_settle(&parser);
}
