/*
 * Berth's command line.
 *
 *   com1=BAUD[,FORMAT[,PLACE]] | off     com2=the same     console=com1,com2,vga,fb | none
 *   loglevel=error|warning|info|debug
 *   dom0=auto|native|hvm|pvh|pv     panic=halt|reboot|poweroff     reboot[=SECONDS]     noreboot
 *   debug=int-N|ud|df|gp|pf|ap-ud|ap-df   raise a fault on purpose, N = vector 0 to 31; ap-: on another processor
 *   debug=reset|poweroff                  leave the machine without one
 *
 * Words are separated by blanks; "double quotes" keep blanks together, anywhere in a word, and a
 * backslash inside them quotes the next character. Of an option given twice the last one counts.
 * What is unknown or malformed changes nothing and is recorded as one warning.
 */
#ifndef INFO_OPTIONS_H
#define INFO_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"
#include "serial.h"

#define OPTION_WARNINGS_MAX 16
#define OPTION_WORD_BYTES   128
#define OPTION_COMS         2

enum dom0_mode {
    DOM0_AUTO,
    DOM0_NATIVE,
    DOM0_HVM,
    DOM0_PVH,
    DOM0_PV,
};

enum option_defect {
    OPTION_UNKNOWN,
    OPTION_MALFORMED,    /* known name, bad value */
    OPTION_UNTERMINATED, /* a quote without its end; the word counts as if it ended there */
    OPTION_TOO_LONG,     /* a word of OPTION_WORD_BYTES or more: ignored */
};

struct option_warning {
    enum option_defect defect;
    char word[OPTION_WORD_BYTES]; /* as given, quotes removed; cut when too long */
};

enum debug_fault {
    DEBUG_NONE,
    DEBUG_VECTOR, /* int-N: exception N, N in 0..31 */
    DEBUG_UD,
    DEBUG_DF,
    DEBUG_GP,
    DEBUG_PF,
    DEBUG_AP_UD, /* these two on another processor */
    DEBUG_AP_DF,
    DEBUG_RESET, /* no faults: these two leave the machine */
    DEBUG_POWER_OFF,
};

/* What happens after a fatal error. */
struct after_error {
    enum {
        AFTER_ERROR_HALT,
        AFTER_ERROR_REBOOT,
        AFTER_ERROR_POWER_OFF,
    } action;
    uint32_t delay_s; /* before a reboot: 0 to REBOOT_SECONDS_MAX */
};
#define REBOOT_SECONDS_MAX 3600

/* A console on a serial line. */
struct com_option {
    bool wanted;
    bool named; /* the command line asks for it, so it is missed when it is not there */
    struct serial_line line;
};

struct options {
    struct com_option com[OPTION_COMS]; /* com1, com2 */
    bool vga;                           /* a console on VGA text */
    bool framebuffer;                   /* a console on the linear framebuffer */
    bool framebuffer_named;             /* as com_option.named */
    enum log_level log_level;
    enum dom0_mode dom0;
    struct after_error after_error;
    enum debug_fault debug_fault;
    uint8_t debug_vector;
    uint32_t warning_count; /* may exceed OPTION_WARNINGS_MAX: the rest is counted only */
    struct option_warning warnings[OPTION_WARNINGS_MAX];
};

/*
 * Defaults are com1=115200, console=com1,vga,fb, loglevel=info, dom0=auto, panic=halt. COM2 may have anything on its
 * other end: it is a console only where com2= or console= names it.
 */
void options_parse(const char *cmdline, struct options *out);

#endif
