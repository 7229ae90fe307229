/*
 * The log: lines, each prefixed with "(BERTH) ". The device layer fills the sink; until then
 * lines are only kept. Line ends are "\n" here, and whatever the device needs there.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level {
    LOG_ERROR,
    LOG_WARNING,
    LOG_INFO,
    LOG_DEBUG,
};

/* Receives whole or partial lines. Never fails: a device that does not answer drops what it is
 * given. */
typedef void log_sink_fn(const char *text, size_t bytes);

/* How much of the log is kept for consoles that come up late. */
#define LOG_KEPT_BYTES 16384

/* Called by the device layer only. */
void log_set_sink(log_sink_fn *sink);
/*
 * Give everything that was printed so far to `to`, whether there was a sink or not: from the first line, or, beyond
 * LOG_KEPT_BYTES, from the first one that is wholly kept, after a line which says so.
 */
void log_replay(log_sink_fn *to);
/*
 * What is called before and after each line, so that those of several processors do not mix. Until then, and with NULL,
 * there is one processor.
 */
typedef void log_guard_fn(void);
void log_set_guard(log_guard_fn *begin, log_guard_fn *end);
/* End a line that was begun and not ended: whoever printed it was interrupted for good. */
void log_end_line(void);
/* Lines above this level are dropped. Called once, after the command line is known. */
void log_set_level(enum log_level level);
/* Whether lines of this level are printed: for who would have to gather first what they say. */
bool log_shows(enum log_level level);

/* Does this line, or the beginning of one as a sink gets it, tell of an error or a warning? */
bool log_is_urgent(const char *line, size_t bytes);

/* One line; the prefix and the line end are added here. A line longer than 1 KiB is printed in
 * parts, never cut. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_ERROR, "error: " __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, "warning: " __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_DEBUG, "debug: " __VA_ARGS__)

#endif
