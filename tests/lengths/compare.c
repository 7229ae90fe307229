/*
 * Compare lengths of instructions: standard input is what `objdump -d -w` prints, the answer is a line for each
 * difference, and one of figures.
 *
 *   compare BITS STEP   BITS: 16, 32 or 64; only addresses that STEP divides are looked at
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "insn.h"

#define DIFFERENCES_SHOWN 20
#define BYTES_MOST        32

struct listed {
    uint64_t address;
    uint8_t bytes[BYTES_MOST];
    size_t count;
    const char *text;
};

/* A line is "  address:<tab>bytes<tab>text". */
static bool parse(char *line, struct listed *out)
{
    char *bytes = strchr(line, '\t'), *end;

    if (!bytes || bytes == line || bytes[-1] != ':' || !strchr(bytes + 1, '\t')) {
        return false;
    }
    out->address = strtoull(line, NULL, 16);
    out->count = 0;
    for (bytes++; *bytes != ' ' && *bytes != '\t' && out->count < BYTES_MOST; bytes = end + 1) {
        out->bytes[out->count++] = (uint8_t)strtoul(bytes, &end, 16);
    }
    out->text = strchr(bytes, '\t') + 1;
    return true;
}

static bool is_prefix(const char *word, size_t length)
{
    static const char *const words[] = {"cs",     "ds",     "es",  "fs",       "gs",      "ss",
                                        "lock",   "repz",   "rep", "repnz",    "data16",  "data32",
                                        "addr16", "addr32", "bnd", "xacquire", "xrelease"};

    if (length >= 3 && strncmp(word, "rex", 3) == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i]) == length && strncmp(word, words[i], length) == 0) {
            return true;
        }
    }
    return false;
}

/* The first word that is no prefix; *prefixed: there was one. */
static const char *mnemonic(const char *text, bool *prefixed)
{
    *prefixed = false;
    for (;;) {
        const size_t length = strcspn(text, " \t\n");

        if (length == 0 || !is_prefix(text, length)) {
            return text;
        }
        *prefixed = true;
        text += length;
        text += strspn(text, " \t\n");
    }
}

/*
 * What cannot be compared: no instruction; prefixes that objdump lists apart from what they belong to; WAIT, which it
 * lists together with what follows; VEX and EVEX behind prefixes, for which processors raise #UD; test registers, which
 * the 80486 was the last to have.
 */
static bool comparable(const struct listed *listed)
{
    bool prefixed;
    const char *word = mnemonic(listed->text, &prefixed);

    if (*word == '\0' || strstr(listed->text, "(bad)") || strstr(listed->text, "%tr") ||
        (prefixed && *word == 'v')) {
        return false;
    }
    return listed->count == 1 || !memchr(listed->bytes, 0x9b, 3);
}

int main(int argc, char **argv)
{
    const unsigned int bits = argc == 3 ? (unsigned int)atoi(argv[1]) : 0;
    const uint64_t step = argc == 3 ? strtoull(argv[2], NULL, 0) : 0;
    unsigned long seen = 0, compared = 0, different = 0;
    struct listed listed;
    char *line = NULL;
    size_t room = 0;

    if (step == 0) {
        return 2;
    }
    while (getline(&line, &room, stdin) > 0) {
        struct insn insn = {0};

        if (!parse(line, &listed) || listed.address % step != 0) {
            continue;
        }
        seen++;
        if (!comparable(&listed)) {
            continue;
        }
        compared++;
        if (!insn_decode(listed.bytes, listed.count, bits, &insn) || insn.length != listed.count) {
            different++;
            if (different <= DIFFERENCES_SHOWN) {
                printf("%u bytes: %s", insn.length, line);
            }
        }
    }
    free(line);
    printf("%lu of %lu compared, %lu different\n", compared, seen, different);
    return different != 0;
}
