/*
 * The log. The sink, the guard, the level and what is kept are the only state in lib; the device layer and start-up
 * fill the first three.
 */
#include "log.h"

#include <stdbool.h>

#include "compiler.h"
#include "format_output.h"
#include "mem.h"
#include "ring.h"

#define LOG_PREFIX     "(BERTH) "
#define LOG_PART_BYTES 1024
#define LOG_LOST       LOG_PREFIX "(earlier lines are not kept)\n"

static log_sink_fn *log_sink;
static log_guard_fn *guard_begin;
static log_guard_fn *guard_end;
static enum log_level log_level = LOG_INFO;
static bool line_is_open;
static char kept_bytes[LOG_KEPT_BYTES] NOINIT;
static uint64_t kept_written;

void log_set_sink(log_sink_fn *sink)
{
    log_sink = sink;
}

void log_set_guard(log_guard_fn *begin, log_guard_fn *end)
{
    guard_begin = begin;
    guard_end = end;
}

static void guard_call(log_guard_fn *guard)
{
    if (guard) {
        guard();
    }
}

void log_set_level(enum log_level level)
{
    log_level = level;
}

bool log_shows(enum log_level level)
{
    return level <= log_level;
}

/* No pointer is kept: the image may move. */
static struct ring kept(void)
{
    return (struct ring){kept_bytes, sizeof(kept_bytes), kept_written};
}

void log_replay(log_sink_fn *to)
{
    const char *piece;
    size_t bytes;

    guard_call(guard_begin);

    const struct ring ring = kept();
    uint64_t at = ring_first_line(&ring);

    if (at > 0) {
        to(LOG_LOST, sizeof(LOG_LOST) - 1);
    }
    while ((bytes = ring_piece(&ring, at, &piece)) > 0) {
        to(piece, bytes);
        at += bytes;
    }
    guard_call(guard_end);
}

static bool begins_with(const char *line, size_t bytes, const char *words)
{
    const size_t count = strlen(words);

    return bytes >= count && memcmp(line, words, count) == 0;
}

bool log_is_urgent(const char *line, size_t bytes)
{
    return begins_with(line, bytes, LOG_PREFIX "error: ") ||
           begins_with(line, bytes, LOG_PREFIX "warning: ");
}

/* Kept first: a sink that fails for good does not take the line along. */
static void part_end(struct format_output *output)
{
    struct ring ring = kept();

    line_is_open = true;
    ring_add(&ring, output->to, output->used);
    kept_written = ring.written;
    if (log_sink) {
        log_sink(output->to, output->used);
    }
    output->used = 0;
}

void log_line(enum log_level level, const char *format, ...)
{
    char part[LOG_PART_BYTES + 1]; /* one more: the line end never needs a part of its own */
    struct format_output output = {.to = part, .size = LOG_PART_BYTES, .empty = part_end};
    va_list args;

    if (!log_shows(level)) {
        return;
    }
    guard_call(guard_begin);
    memcpy(part, LOG_PREFIX, sizeof(LOG_PREFIX) - 1);
    output.used = sizeof(LOG_PREFIX) - 1;
    va_start(args, format);
    format_output(&output, format, args);
    va_end(args);
    part[output.used++] = '\n';
    part_end(&output);
    line_is_open = false;
    guard_call(guard_end);
}

void log_end_line(void)
{
    char end[] = "\n";
    struct format_output output = {.to = end, .size = 1, .used = 1};

    if (line_is_open) {
        part_end(&output);
        line_is_open = false;
    }
}
