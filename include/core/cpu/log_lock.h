/*
 * The log, shared by several processors: each line is printed whole. A processor that reports why the machine stops has
 * the log to itself, whoever held it.
 */
#ifndef CPU_LOG_LOCK_H
#define CPU_LOG_LOCK_H

/* From now on lines may come from several processors. */
void log_lock_start(void);

/*
 * Stop all other processors, for good: the calling one has something to report. The line that one of them is printing
 * is waited for, for a second or two; if it does not end, it is ended. Does not return where another processor has done
 * this before: that one reports, and this one halts. Nothing happens when the calling processor had done so already.
 */
void log_lock_seize(void);

/* The processor that has done so goes on as the first one: it still has the log. */
void log_lock_keep(void);

#endif
