/*
 * The log while boot services live: the firmware's console, and COM1 for those who only see that. There is no state but
 * two pointers; the firmware may have no console at all.
 */
#include "stage.h"

#include "log.h"
#include "uart.h"

#define CHUNK_CHARACTERS 128

static struct efi_text_output *output;

static void chunk_show(const char *text, size_t characters)
{
    efi_char wide[2 * CHUNK_CHARACTERS + 1];
    size_t at = 0;

    for (size_t i = 0; i < characters; i++) {
        if (text[i] == '\n') {
            wide[at++] = '\r';
        }
        wide[at++] = (efi_char)(uint8_t)text[i];
    }
    wide[at] = 0;
    output->output_string(output, wide);
}

static void show(const char *text, size_t bytes)
{
    com1_send(text, bytes);
    while (output != NULL && bytes > 0) {
        const size_t part = bytes < CHUNK_CHARACTERS ? bytes : CHUNK_CHARACTERS;

        chunk_show(text, part);
        text += part;
        bytes -= part;
    }
}

void efi_console_start(struct efi_system_table *system)
{
    output = system->console_out;
    com1_start();
    log_set_sink(show);
    log_set_level(LOG_WARNING);
}

void efi_console_stop(void)
{
    log_set_sink(NULL);
}
