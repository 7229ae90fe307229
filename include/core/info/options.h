/*
 * Berth's command line.
 *
 *   com1=BAUD[,FORMAT[,PLACE]] | off     com2=the same     console=com1,com2,acpi,vga,fb | none
 *   loglevel=error|warning|info|debug
 *   dom0=auto|native|hvm|pvh|pv     triple-fault=reset|halt
 *   panic=halt|reboot|poweroff     reboot[=SECONDS]     noreboot
 *   debug=[ap-]FAULT   raise a fault on purpose; ap-: on another processor. FAULT is int-N (vector N, 0 to 31), or a
 *                      word of enum debug_fault
 *   debug=locks|lock-WHAT   test locks, misuse one: builds with DEBUG=1
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
    DEBUG_PF,            /* pf: a read where nothing is mapped, in Berth's own half */
    DEBUG_PF_NULL,       /* pf-null: of a null pointer */
    DEBUG_NMI,           /* nmi */
    DEBUG_WRITE_TO_TEXT, /* write-to-text */
    DEBUG_EXECUTE_DATA,  /* execute-data */
    DEBUG_STACK_OVERFLOW,
    DEBUG_DEAD,   /* ap-dead: stop answering; never on the first processor */
    DEBUG_FAULTS, /* how many there are */
    DEBUG_LOCKS =
        DEBUG_FAULTS, /* this and what follows: in builds with DEBUG=1 alone, boot/debug_locks.c */
    DEBUG_LOCK_AGAIN,
    DEBUG_LOCK_FOREIGN,
    DEBUG_LOCK_ORDER,
    DEBUG_LOCK_SLEEP,
    DEBUG_LOCK_WAIT,
    DEBUG_LOCK_DEAD,
    DEBUG_LOCK_KEPT,
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
    bool acpi;                          /* a console on the serial line that ACPI names */
    bool acpi_named;
    enum log_level log_level;
    enum dom0_mode dom0;
    bool halt_on_triple_fault; /* of the guest; else the machine restarts */
    struct after_error after_error;
    enum debug_fault debug_fault;
    uint8_t debug_vector;
    bool debug_on_other;    /* on another processor than the first one */
    uint32_t warning_count; /* may exceed OPTION_WARNINGS_MAX: the rest is counted only */
    struct option_warning warnings[OPTION_WARNINGS_MAX];
};

/*
 * Defaults are com1=115200, console=com1,acpi,vga,fb, loglevel=info, dom0=auto, triple-fault=reset, panic=halt.
 * COM2 may have anything on its other end: it is a console only where com2= or console= names it. Where com1= or com2=
 * say anything, ACPI is not asked, unless console= names it.
 */
void options_parse(const char *cmdline, struct options *out);

#endif
