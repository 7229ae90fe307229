/*
 * The input, with a NUL behind it, is Berth's command line.
 */
#include <stddef.h>
#include <stdint.h>

#include "options.h"
#include "sound.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct options options;
static struct options again;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *cmdline = malloc(2 * size + 2);
    size_t length;

    memcpy(cmdline, bytes, size);
    cmdline[size] = '\0';
    memset(&options, 0xa5, sizeof(options));
    options_parse(cmdline, &options);
    for (unsigned int i = 0; i < OPTION_COMS; i++) {
        const struct serial_line *line = &options.com[i].line;

        require(line->baud >= 2 && SERIAL_BAUD_DEFAULT % line->baud == 0);
        require((line->line_control & ~0x3e) <= 1 && (line->line_control & 2) != 0);
        require(line->place.space <= SERIAL_ON_PCI);
        require(line->place.space != SERIAL_IN_PORTS || line->place.address <= 0xfff8);
        require(line->place.space != SERIAL_IN_MEMORY || line->place.address >= 0x100000);
    }
    require(options.log_level <= LOG_DEBUG);
    require(options.dom0 <= DOM0_PV);
    require(options.debug_fault <= DEBUG_PF && options.debug_vector <= 31);
    for (uint32_t i = 0; i < options.warning_count && i < OPTION_WARNINGS_MAX; i++) {
        require(options.warnings[i].defect <= OPTION_TOO_LONG);
        require(memchr(options.warnings[i].word, '\0', OPTION_WORD_BYTES));
    }

    /* The same line twice says the same, unless a quote is left open between the two. */
    length = strlen(cmdline);
    memcpy(cmdline + length + 1, cmdline, length + 1);
    cmdline[length] = ' ';
    options_parse(cmdline, &again);
    if (options.warning_count == 0) {
        require(again.warning_count == 0);
        for (unsigned int i = 0; i < OPTION_COMS; i++) {
            require(again.com[i].wanted == options.com[i].wanted);
            require(again.com[i].line.place.address == options.com[i].line.place.address);
        }
        require(again.framebuffer == options.framebuffer && again.acpi == options.acpi);
        require(again.vga == options.vga && again.log_level == options.log_level);
        require(again.dom0 == options.dom0 && again.reboot == options.reboot);
        require(again.debug_fault == options.debug_fault);
    }
    free(cmdline);
    return 0;
}
