/*
 * The log. The sink and the level below are the only state in lib; the device layer and start-up
 * fill them.
 */
#include "log.h"
#include "format_output.h"
#include "mem.h"

#define LOG_PREFIX     "(BERTH) "
#define LOG_PART_BYTES 1024

static log_sink_fn *log_sink;
static enum log_level log_level = LOG_INFO;

void log_set_sink(log_sink_fn *sink)
{
    log_sink = sink;
}

void log_set_level(enum log_level level)
{
    log_level = level;
}

static void send_to_sink(struct format_output *output)
{
    log_sink(output->to, output->used);
    output->used = 0;
}

void log_line(enum log_level level, const char *format, ...)
{
    char part[LOG_PART_BYTES + 1]; /* one more: the line end never needs a part of its own */
    struct format_output output = {.to = part, .size = LOG_PART_BYTES, .empty = send_to_sink};
    va_list args;

    if (!log_sink || level > log_level) {
        return;
    }
    memcpy(part, LOG_PREFIX, sizeof(LOG_PREFIX) - 1);
    output.used = sizeof(LOG_PREFIX) - 1;
    va_start(args, format);
    format_output(&output, format, args);
    va_end(args);
    part[output.used++] = '\n';
    send_to_sink(&output);
}
