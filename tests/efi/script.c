/*
 * The words of hostile.txt, one line for each change, carried out in their order; `#` begins a
 * remark. Numbers are decimal or 0x; a range is START-END, its end not included; TYPE is a number
 * of EFI_MEMORY_TYPE.
 *
 *   load file|buffer                          NEXT.EFI, now; later lines leave its pages alone
 *   take TYPE RANGE [hole RANGE]... [as TYPE [runtime]]    every free page of a range
 *   every STEP TYPE RANGE [as TYPE [runtime]]              the first page of each STEP bytes, if it is free
 *   keep TYPE RANGE [runtime] [unchecked]     what is the firmware's own there is shown as TYPE
 *   map reversed|zero|far                     the map that NEXT.EFI is told
 *   exit FAILURES GROWTH [strict]             ExitBootServices fails, the map grows
 *   refuse TIMES                              allocations of 0x40 to 0x2000 pages at an address
 *   frame-buffer ADDRESS
 *   console in|out|err|all                    is NULL
 *   esrt ADDRESS                              a table in a page of boot-services data
 *   virtual-map ADDRESS                       SetVirtualAddressMap needs this page of boot-services code, and the ESRT
 *   watch                                     writes of NEXT.EFI to pages that are free
 *   rules                                     stack and flags are checked, registers poisoned
 *   no-execute all|later                      EfiLoaderData
 *   protect                                   images' sections are what their flags say
 *   control NUMBER BITS                       are set in CR0 or CR4
 *   msr NUMBER VALUE
 *   five-levels                               of page tables
 *   options FORM [TEXT]                       LoadOptions of NEXT.EFI
 *   another-image                             is told of where NEXT.EFI has been loaded
 *   enrol-key                                 shim's list of keys is the file mok.esl
 *   checksum                                  code of the firmware's images
 *   cue                                       the lines below wait for NEXT.EFI's first GetTime
 */
#include "hostile.h"

#define WORDS_MAX 24

static char *rest; /* behind `cue` */

/* A word that is missing is no word. */
static bool is(const char *word, const char *name)
{
    if (word == NULL) {
        return false;
    }
    while (*word == *name && *word != '\0') {
        word++;
        name++;
    }
    return *word == *name;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static uint64_t read_number(const char **text)
{
    const char *at = *text;
    int base = 10;
    uint64_t value = 0;

    if (at[0] == '0' && at[1] == 'x') {
        base = 16;
        at += 2;
    }
    while (digit_value(*at) < base) {
        value = value * (unsigned int)base + (unsigned int)digit_value(*at++);
    }
    *text = at;
    return value;
}

static uint64_t number(const char *word)
{
    const char *at = word == NULL ? "" : word;
    uint64_t value = read_number(&at);

    if (word == NULL || at == word || *at != '\0') {
        give_up("not a number: %s", word == NULL ? "(nothing)" : word);
    }
    return value;
}

static struct range range_of(const char *word)
{
    const char *at = word == NULL ? "" : word;
    struct range range;

    range.start = read_number(&at);
    if (*at++ != '-') {
        give_up("not a range: %s", word == NULL ? "(nothing)" : word);
    }
    range.end = number(at);
    return range;
}

/* `hole RANGE` and `as TYPE [runtime]`, in any number. */
static void take_words(struct taking *taking, char **words)
{
    for (; *words != NULL; words++) {
        if (is(*words, "hole") && taking->hole_count < HOLES_MAX) {
            taking->holes[taking->hole_count++] = range_of(*++words);
        } else if (is(*words, "as")) {
            taking->shown_differently = true;
            taking->shown_type = (uint32_t)number(*++words);
        } else if (is(*words, "runtime")) {
            taking->shown_attribute = EFI_MEMORY_RUNTIME;
        } else {
            give_up("take: %s?", *words);
        }
    }
    take(taking);
}

static void do_take(char **words)
{
    struct taking taking = {.step = EFI_PAGE_BYTES};

    taking.type = (uint32_t)number(words[1]);
    taking.range = range_of(words[2]);
    take_words(&taking, words + 3);
}

static void do_every(char **words)
{
    struct taking taking = {.step = number(words[1])};

    taking.type = (uint32_t)number(words[2]);
    taking.range = range_of(words[3]);
    take_words(&taking, words + 4);
}

static void do_keep(char **words)
{
    uint64_t attribute = 0;
    bool is_checked = true;

    for (char **word = words + 3; *word != NULL; word++) {
        if (is(*word, "runtime")) {
            attribute = EFI_MEMORY_RUNTIME;
        } else if (is(*word, "unchecked")) {
            is_checked = false;
        } else {
            give_up("keep: %s?", *word);
        }
    }
    keep((uint32_t)number(words[1]), range_of(words[2]), attribute, is_checked);
}

static void do_map(char **words)
{
    say("HOSTILE map: %s", words[1]);
    map_tell_lies(is(words[1], "reversed") ? MAP_REVERSED
                  : is(words[1], "zero")   ? MAP_ZERO
                                           : MAP_FAR);
}

static void do_exit(char **words)
{
    exit_arrange((unsigned int)number(words[1]), (unsigned int)number(words[2]),
                 words[3] != NULL && is(words[3], "strict"));
}

/* The text is the rest of the line: its blanks were made ends of words. */
static void do_options(char **words)
{
    for (unsigned int i = 2; words[i] != NULL && words[i + 1] != NULL; i++) {
        words[i + 1][-1] = ' ';
    }
    next_options(words[1], words[2] == NULL ? "" : words[2]);
}

static void do_line(char **words)
{
    const char *verb = words[0];

    if (is(verb, "load")) {
        next_load(is(words[1], "file") ? NEXT_FROM_FILE : NEXT_FROM_BUFFER);
    } else if (is(verb, "take")) {
        do_take(words);
    } else if (is(verb, "every")) {
        do_every(words);
    } else if (is(verb, "keep")) {
        do_keep(words);
    } else if (is(verb, "map")) {
        do_map(words);
    } else if (is(verb, "exit")) {
        do_exit(words);
    } else if (is(verb, "refuse")) {
        services_refuse_pages((unsigned int)number(words[1]));
    } else if (is(verb, "frame-buffer")) {
        frame_buffer_move(number(words[1]));
    } else if (is(verb, "console")) {
        console_remove(words[1]);
    } else if (is(verb, "esrt")) {
        esrt_install(number(words[1]));
    } else if (is(verb, "virtual-map")) {
        virtual_map_pass_through(number(words[1]));
    } else if (is(verb, "watch")) {
        watch_begin();
    } else if (is(verb, "rules")) {
        services_check_rules();
    } else if (is(verb, "no-execute")) {
        protect_no_execute(is(words[1], "all") ? NX_ALL : NX_LATER);
    } else if (is(verb, "protect")) {
        protect_images();
    } else if (is(verb, "control")) {
        registers_control((unsigned int)number(words[1]), number(words[2]));
    } else if (is(verb, "msr")) {
        registers_msr((uint32_t)number(words[1]), number(words[2]));
    } else if (is(verb, "five-levels")) {
        registers_five_levels();
    } else if (is(verb, "options")) {
        do_options(words);
    } else if (is(verb, "another-image")) {
        next_is_another();
    } else if (is(verb, "enrol-key")) {
        next_enrol_key();
    } else if (is(verb, "checksum")) {
        checksum_begin();
    } else {
        give_up("hostile.txt: %s?", verb);
    }
}

/* Ends the line at its end and its words at single blanks. Returns the next line. */
static char *split_line(char *line, char **words)
{
    unsigned int count = 0;
    bool in_word = false;

    for (; *line != '\0' && *line != '\n'; line++) {
        if (*line == ' ' || *line == '\r') {
            *line = '\0';
            in_word = false;
        } else if (!in_word) {
            in_word = true;
            words[count++] = line;
            if (count == WORDS_MAX) {
                give_up("a line of hostile.txt has too many words");
            }
        }
    }
    memset(words + count, 0, (WORDS_MAX - count) * sizeof(*words));
    if (*line == '\n') {
        *line++ = '\0';
    }
    return line;
}

void script_run(char *text)
{
    while (*text != '\0') {
        char *words[WORDS_MAX];

        text = split_line(text, words);
        if (words[0] == NULL || words[0][0] == '#') {
            continue;
        }
        if (is(words[0], "cue")) {
            rest = text;
            return;
        }
        do_line(words);
    }
}

bool script_cue(void)
{
    char *text = rest;

    if (text == NULL) {
        return false;
    }
    rest = NULL;
    say("HOSTILE cue");
    script_run(text);
    return true;
}
