/*
 * The command line: what each option does, and that what is wrong changes nothing but is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "block.h"
#include "options.h"

static struct options options;

/* Parses out of an allocation that ends with the NUL, into memory full of rubbish. */
static void parse(const char *cmdline)
{
    struct physical_view memory = memory_with(0, cmdline, strlen(cmdline) + 1);

    memset(&options, 0xa5, sizeof(options));
    options_parse((const char *)memory.bytes, &options);
    memory_free(memory);
}

static void assert_defaults(void)
{
    assert_true(options.com[0].wanted);
    assert_false(options.com[0].named);
    assert_int_equal(options.com[0].line.baud, 115200);
    assert_int_equal(options.com[0].line.place.address, 0x3f8);
    assert_false(options.com[1].wanted);
    assert_int_equal(options.com[1].line.place.address, 0x2f8);
    assert_true(options.vga);
    assert_true(options.framebuffer);
    assert_false(options.framebuffer_named);
    assert_int_equal(options.log_level, LOG_INFO);
    assert_int_equal(options.dom0, DOM0_AUTO);
    assert_int_equal(options.after_error.action, AFTER_ERROR_HALT);
    assert_int_equal(options.debug_fault, DEBUG_NONE);
}

static void parse_cleanly(const char *cmdline)
{
    parse(cmdline);
    assert_int_equal(options.warning_count, 0);
}

static void assert_one_warning(const char *cmdline, enum option_defect defect, const char *word)
{
    parse(cmdline);
    assert_int_equal(options.warning_count, 1);
    assert_int_equal(options.warnings[0].defect, defect);
    assert_string_equal(options.warnings[0].word, word);
}

/* The command line is a single word, which is refused. */
static void assert_refused(const char *word, enum option_defect defect)
{
    assert_one_warning(word, defect, word);
    assert_defaults();
}

static void test_empty_and_blank_lines_give_the_defaults(void **state)
{
    static const char *const lines[] = {"", " ", "   \t ", "\n", "\r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        parse_cleanly(lines[i]);
        assert_defaults();
    }
}

static void test_com1_takes_every_divisor_of_115200_that_fits_the_latch(void **state)
{
    char line[32];

    (void)state;
    for (uint32_t baud = 0; baud <= 115201; baud++) {
        bool good = baud >= 2 && 115200 % baud == 0;

        snprintf(line, sizeof(line), "com1=%u", baud);
        parse(line);
        assert_int_equal(options.warning_count, good ? 0 : 1);
        assert_int_equal(options.com[0].line.baud, good ? baud : 115200);
        assert_true(options.com[0].wanted);
    }
}

static void test_com1_line_format(void **state)
{
    (void)state;
    parse_cleanly("com1=9600,8n1");
    assert_int_equal(options.com[0].line.baud, 9600);
    assert_refused("com1=9600,", OPTION_MALFORMED);
    parse_cleanly("com1=9600,7e1");
    assert_int_equal(options.com[0].line.line_control, 0x1a);
    assert_refused("com1=9600,6n1", OPTION_MALFORMED);
    assert_refused("com1=9600,8n1,", OPTION_MALFORMED);
    assert_refused("com1=115200,8n1,,", OPTION_MALFORMED);
    assert_refused("com1=9600x", OPTION_MALFORMED);
}

static void test_com1_numbers_that_are_none(void **state)
{
    (void)state;
    assert_refused("com1", OPTION_MALFORMED);
    assert_refused("com1=", OPTION_MALFORMED);
    assert_refused("com1=auto", OPTION_MALFORMED);
    assert_refused("com1=-9600", OPTION_MALFORMED);
    assert_refused("com1=+9600", OPTION_MALFORMED);
    assert_refused("com1=0x2580", OPTION_MALFORMED);
    assert_refused("com1=4294976896", OPTION_MALFORMED); /* 9600 + 2^32 */
    assert_refused("com1=99999999999999999999999999", OPTION_MALFORMED);
}

static void test_com1_off_is_no_console_whatever_the_order(void **state)
{
    (void)state;
    parse_cleanly("com1=off");
    assert_false(options.com[0].wanted);
    assert_true(options.vga);
    parse_cleanly("com1=off console=com1");
    assert_false(options.com[0].wanted);
    parse_cleanly("console=com1 com1=off");
    assert_false(options.com[0].wanted);
    parse_cleanly("com1=off com1=38400");
    assert_true(options.com[0].wanted);
    parse_cleanly("com1=115200 console=vga");
    assert_false(options.com[0].wanted);
    parse_cleanly("console=vga com1=115200");
    assert_false(options.com[0].wanted);
}

static void test_console_lists(void **state)
{
    static const struct {
        const char *line;
        bool com1;
        bool com2;
        bool vga;
        bool fb;
    } cases[] = {
        {"console=com1", true, false, false, false},
        {"console=com2", false, true, false, false},
        {"console=vga", false, false, true, false},
        {"console=fb", false, false, false, true},
        {"console=com1,vga", true, false, true, false},
        {"console=fb,vga,com2,com1", true, true, true, true},
        {"console=none", false, false, false, false},
        {"console=com1,com1", true, false, false, false},
        {"console=none console=vga", false, false, true, false},
        {"com2=9600", true, true, true, true},
        {"com2=9600 console=vga", false, false, true, false},
        {"com2=off", true, false, true, true},
        {"com2=off console=com1,com2", true, false, false, false},
        {"com2=9600 com2=off", true, false, true, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        parse_cleanly(cases[i].line);
        assert_int_equal(options.com[0].wanted, cases[i].com1);
        assert_int_equal(options.com[1].wanted, cases[i].com2);
        assert_int_equal(options.vga, cases[i].vga);
        assert_int_equal(options.framebuffer, cases[i].fb);
    }
}

/* What the command line asks for is missed when it is not there. */
static void test_consoles_that_are_named(void **state)
{
    (void)state;
    parse_cleanly("com1=115200");
    assert_true(options.com[0].named && !options.framebuffer_named);
    parse_cleanly("com1=115200 com1=off");
    assert_false(options.com[0].named);
    parse_cleanly("com1=115200 console=vga,com2");
    assert_true(!options.com[0].named && options.com[1].named);
    parse_cleanly("console=fb");
    assert_true(options.framebuffer_named && !options.com[0].named);
    parse_cleanly("com2=9600,7o1,0x2e8");
    assert_true(options.com[1].named);
    assert_int_equal(options.com[1].line.baud, 9600);
    assert_int_equal(options.com[1].line.line_control, 0x0a);
    assert_int_equal(options.com[1].line.place.address, 0x2e8);
    assert_int_equal(options.com[0].line.baud, 115200);
}

/* The last one counts as a whole. */
static void test_a_second_description_starts_from_the_default(void **state)
{
    (void)state;
    parse_cleanly("com1=9600,7e1,0x2f8 com1=57600");
    assert_int_equal(options.com[0].line.baud, 57600);
    assert_int_equal(options.com[0].line.line_control, 0x03);
    assert_int_equal(options.com[0].line.place.address, 0x3f8);
}

/* ACPI is asked where the command line says nothing of serial lines, or names it. */
static void test_the_serial_line_that_acpi_names(void **state)
{
    static const struct {
        const char *cmdline;
        bool wanted, named;
    } cases[] = {
        {"", true, false},
        {"loglevel=debug", true, false},
        {"com1=115200", false, false},
        {"com1=off", false, false},
        {"com2=9600", false, false},
        {"com2=off", false, false},
        {"com1=17 com2=", true, false}, /* which change nothing */
        {"console=vga", false, false},
        {"console=com1", false, false},
        {"console=none", false, false},
        {"console=acpi", true, true},
        {"console=fb,acpi,com1", true, true},
        {"com1=off console=acpi", true, true},
        {"com2=9600 console=com2,acpi", true, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        parse(cases[i].cmdline);
        assert_int_equal(options.acpi, cases[i].wanted);
        assert_int_equal(options.acpi_named, cases[i].named);
    }
}

static void test_console_lists_that_are_none(void **state)
{
    static const char *const lines[] = {
        "console",          "console=",          "console=com3",      "console=com1,",
        "console=,vga",     "console=vgax",      "console=com1,none", "console=none,vga",
        "console=com1;vga", "console=com1,,vga",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_refused(lines[i], OPTION_MALFORMED);
    }
}

static void test_every_log_level(void **state)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char line[32];

    (void)state;
    for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
        snprintf(line, sizeof(line), "loglevel=%s", names[level]);
        parse_cleanly(line);
        assert_int_equal(options.log_level, level);
    }
    assert_refused("loglevel=all", OPTION_MALFORMED);
    assert_refused("loglevel=", OPTION_MALFORMED);
    assert_refused("loglevel=Info", OPTION_MALFORMED);
    assert_refused("loglevel", OPTION_MALFORMED);
}

static void test_every_dom0_mode(void **state)
{
    static const char *const names[] = {"auto", "native", "hvm", "pvh", "pv"};
    char line[32];

    (void)state;
    for (int mode = DOM0_AUTO; mode <= DOM0_PV; mode++) {
        snprintf(line, sizeof(line), "dom0=%s", names[mode]);
        parse_cleanly(line);
        assert_int_equal(options.dom0, mode);
    }
    assert_refused("dom0=p", OPTION_MALFORMED);
    assert_refused("dom0=pvhx", OPTION_MALFORMED);
    assert_refused("dom0=native,pv", OPTION_MALFORMED);
}

static void test_what_happens_after_a_triple_fault_of_the_guest(void **state)
{
    (void)state;
    parse_cleanly("");
    assert_false(options.halt_on_triple_fault);
    parse_cleanly("triple-fault=halt");
    assert_true(options.halt_on_triple_fault);
    parse_cleanly("triple-fault=halt triple-fault=reset");
    assert_false(options.halt_on_triple_fault);
    assert_refused("triple-fault=", OPTION_MALFORMED);
    assert_refused("triple-fault", OPTION_MALFORMED);
    assert_refused("triple-fault=reboot", OPTION_MALFORMED);
}

static void test_every_debug_fault(void **state)
{
    static const char *const faults[] = {"ud",
                                         "df",
                                         "gp",
                                         "pf",
                                         "pf-null",
                                         "nmi",
                                         "write-to-text",
                                         "execute-data",
                                         "stack-overflow"};
    char line[32];

    (void)state;
    for (unsigned int vector = 0; vector <= 31; vector++) {
        snprintf(line, sizeof(line), "debug=int-%u", vector);
        parse_cleanly(line);
        assert_int_equal(options.debug_fault, DEBUG_VECTOR);
        assert_int_equal(options.debug_vector, vector);
    }
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        snprintf(line, sizeof(line), "debug=%s", faults[i]);
        parse_cleanly(line);
        assert_int_equal(options.debug_fault, DEBUG_UD + i);
        assert_false(options.debug_on_other);
        snprintf(line, sizeof(line), "debug=ap-%s", faults[i]);
        parse_cleanly(line);
        assert_int_equal(options.debug_fault, DEBUG_UD + i);
        assert_true(options.debug_on_other);
    }
    parse_cleanly("debug=ap-int-18");
    assert_int_equal(options.debug_fault, DEBUG_VECTOR);
    assert_int_equal(options.debug_vector, 18);
    assert_true(options.debug_on_other);
    parse_cleanly("debug=ap-dead");
    assert_int_equal(options.debug_fault, DEBUG_DEAD);
    parse_cleanly("debug=locks");
    assert_int_equal(options.debug_fault, DEBUG_LOCKS);
    parse_cleanly("debug=lock-kept");
    assert_int_equal(options.debug_fault, DEBUG_LOCK_KEPT);
    assert_refused("debug=ap-locks", OPTION_MALFORMED);
    assert_refused("debug=dead", OPTION_MALFORMED);
    assert_refused("debug=ap-", OPTION_MALFORMED);
    assert_refused("debug=ap-ap-ud", OPTION_MALFORMED);
    assert_refused("debug=int-32", OPTION_MALFORMED);
    assert_refused("debug=int-", OPTION_MALFORMED);
    assert_refused("debug=int-3x", OPTION_MALFORMED);
    assert_refused("debug=int3", OPTION_MALFORMED);
    assert_refused("debug=", OPTION_MALFORMED);
    assert_refused("debug=in", OPTION_MALFORMED);
}

static void assert_after_error(const char *cmdline, unsigned int action, uint32_t delay_s)
{
    parse_cleanly(cmdline);
    assert_int_equal(options.after_error.action, action);
    assert_int_equal(options.after_error.delay_s, delay_s);
}

static void test_what_happens_after_an_error(void **state)
{
    (void)state;
    assert_after_error("", AFTER_ERROR_HALT, 0);
    assert_after_error("reboot", AFTER_ERROR_REBOOT, 0);
    assert_after_error("reboot=0", AFTER_ERROR_REBOOT, 0);
    assert_after_error("reboot=3600", AFTER_ERROR_REBOOT, 3600);
    assert_after_error("panic=halt", AFTER_ERROR_HALT, 0);
    assert_after_error("panic=reboot", AFTER_ERROR_REBOOT, 0);
    assert_after_error("panic=poweroff", AFTER_ERROR_POWER_OFF, 0);
}

static void test_of_words_for_after_an_error_the_last_one_counts(void **state)
{
    (void)state;
    assert_after_error("reboot noreboot", AFTER_ERROR_HALT, 0);
    assert_after_error("noreboot reboot=7", AFTER_ERROR_REBOOT, 7);
    assert_after_error("reboot=7 panic=reboot", AFTER_ERROR_REBOOT, 0);
    assert_after_error("panic=poweroff reboot panic=halt", AFTER_ERROR_HALT, 0);
}

static void test_bad_words_for_after_an_error_change_nothing(void **state)
{
    static const char *const words[] = {"reboot=",   "reboot=no",  "reboot=3601", "reboot=5s",
                                        "reboot=-1", "noreboot=1", "noreboot=",   "panic",
                                        "panic=",    "panic=5"};

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        assert_refused(words[i], OPTION_MALFORMED);
    }
    parse("reboot=9 reboot=no");
    assert_int_equal(options.after_error.action, AFTER_ERROR_REBOOT);
    assert_int_equal(options.after_error.delay_s, 9);
}

static void test_last_one_counts(void **state)
{
    (void)state;
    parse_cleanly("com1=9600 dom0=pv loglevel=debug com1=57600 dom0=native loglevel=error");
    assert_int_equal(options.com[0].line.baud, 57600);
    assert_int_equal(options.dom0, DOM0_NATIVE);
    assert_int_equal(options.log_level, LOG_ERROR);
}

static void test_malformed_repetition_does_not_undo_a_good_one(void **state)
{
    (void)state;
    assert_one_warning("com1=9600 com1=17", OPTION_MALFORMED, "com1=17");
    assert_int_equal(options.com[0].line.baud, 9600);
    assert_one_warning("console=none console=com1,lpt", OPTION_MALFORMED, "console=com1,lpt");
    assert_false(options.com[0].wanted);
    assert_false(options.vga);
}

static void test_blanks_around_and_at_the_end(void **state)
{
    (void)state;
    parse_cleanly("  \t com1=9600 \t  dom0=pv   ");
    assert_int_equal(options.com[0].line.baud, 9600);
    assert_int_equal(options.dom0, DOM0_PV);
    parse_cleanly("reboot\n");
    assert_int_equal(options.after_error.action, AFTER_ERROR_REBOOT);
}

static void test_unknown_words(void **state)
{
    static const char *const words[] = {
        "quiet", "com3=115200", "com", "com11=9600",  "=",
        "=off",  "COM1=off",    "--",  "/boot/berth", "vga=ask",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        assert_refused(words[i], OPTION_UNKNOWN);
    }
}

static void test_quotes_are_removed_wherever_they_stand(void **state)
{
    (void)state;
    parse_cleanly("\"com1=9600\" dom0=\"pv\" lo\"glev\"el=\"\"debug re\"\"boot");
    assert_int_equal(options.com[0].line.baud, 9600);
    assert_int_equal(options.dom0, DOM0_PV);
    assert_int_equal(options.log_level, LOG_DEBUG);
    assert_int_equal(options.after_error.action, AFTER_ERROR_REBOOT);
}

static void test_quotes_keep_blanks_together(void **state)
{
    (void)state;
    assert_one_warning("x=\"com1=off dom0=pv\"", OPTION_UNKNOWN, "x=com1=off dom0=pv");
    assert_defaults();
    assert_one_warning("\"com1 console\"", OPTION_UNKNOWN, "com1 console");
    assert_one_warning("\"\"", OPTION_UNKNOWN, "");
    assert_one_warning("dom0=\"auto native\"", OPTION_MALFORMED, "dom0=auto native");
}

static void test_backslash_quotes_inside_quotes_only(void **state)
{
    (void)state;
    assert_one_warning("\"a\\\"b\\\\c\\d\"", OPTION_UNKNOWN, "a\"b\\cd");
    assert_one_warning("a\\ ", OPTION_UNKNOWN, "a\\");
    assert_one_warning("a\\b", OPTION_UNKNOWN, "a\\b");
}

static void test_unterminated_quote_ends_at_the_end_and_is_told(void **state)
{
    (void)state;
    assert_one_warning("dom0=\"pv", OPTION_UNTERMINATED, "dom0=pv");
    assert_int_equal(options.dom0, DOM0_PV);
    assert_one_warning("dom0=pv\"", OPTION_UNTERMINATED, "dom0=pv");
    assert_int_equal(options.dom0, DOM0_PV);
    assert_one_warning("dom0=\"pv com1=off", OPTION_UNTERMINATED, "dom0=pv com1=off");
    assert_defaults();
    assert_one_warning("\"", OPTION_UNTERMINATED, "");
    assert_one_warning("\"a\\\"", OPTION_UNTERMINATED, "a\"");
    assert_one_warning("\"a\\", OPTION_UNTERMINATED, "a\\");
}

static void test_words_of_128_bytes_are_ignored(void **state)
{
    char line[256];

    (void)state;
    for (int bytes = 126; bytes <= 130; bytes++) {
        snprintf(line, sizeof(line), "com1=%0*d", bytes - 5, 9600);
        parse(line);
        if (bytes < 128) {
            assert_int_equal(options.warning_count, 0);
            assert_int_equal(options.com[0].line.baud, 9600);
        } else {
            assert_int_equal(options.warnings[0].defect, OPTION_TOO_LONG);
            assert_int_equal(strlen(options.warnings[0].word), 127);
            assert_memory_equal(options.warnings[0].word, line, 127);
            assert_defaults();
        }
    }
}

static void test_very_long_line_is_read_to_its_end(void **state)
{
    char *line = malloc(65536 + 16);

    (void)state;
    memset(line, 'x', 65536);
    memcpy(line + 65536, " dom0=pv", 9);
    parse(line);
    assert_int_equal(options.warning_count, 1);
    assert_int_equal(options.warnings[0].defect, OPTION_TOO_LONG);
    assert_int_equal(options.dom0, DOM0_PV);
    free(line);
}

static void test_warnings_beyond_the_limit_are_counted(void **state)
{
    (void)state;
    parse("a b c d e f g h i j k l m n o p q r dom0=pv");
    assert_int_equal(options.warning_count, 18);
    assert_string_equal(options.warnings[0].word, "a");
    assert_string_equal(options.warnings[15].word, "p");
    assert_int_equal(options.dom0, DOM0_PV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_and_blank_lines_give_the_defaults),
        cmocka_unit_test(test_com1_takes_every_divisor_of_115200_that_fits_the_latch),
        cmocka_unit_test(test_com1_line_format),
        cmocka_unit_test(test_com1_numbers_that_are_none),
        cmocka_unit_test(test_com1_off_is_no_console_whatever_the_order),
        cmocka_unit_test(test_console_lists),
        cmocka_unit_test(test_consoles_that_are_named),
        cmocka_unit_test(test_a_second_description_starts_from_the_default),
        cmocka_unit_test(test_the_serial_line_that_acpi_names),
        cmocka_unit_test(test_console_lists_that_are_none),
        cmocka_unit_test(test_every_log_level),
        cmocka_unit_test(test_every_dom0_mode),
        cmocka_unit_test(test_what_happens_after_a_triple_fault_of_the_guest),
        cmocka_unit_test(test_every_debug_fault),
        cmocka_unit_test(test_what_happens_after_an_error),
        cmocka_unit_test(test_of_words_for_after_an_error_the_last_one_counts),
        cmocka_unit_test(test_bad_words_for_after_an_error_change_nothing),
        cmocka_unit_test(test_last_one_counts),
        cmocka_unit_test(test_malformed_repetition_does_not_undo_a_good_one),
        cmocka_unit_test(test_blanks_around_and_at_the_end),
        cmocka_unit_test(test_unknown_words),
        cmocka_unit_test(test_quotes_are_removed_wherever_they_stand),
        cmocka_unit_test(test_quotes_keep_blanks_together),
        cmocka_unit_test(test_backslash_quotes_inside_quotes_only),
        cmocka_unit_test(test_unterminated_quote_ends_at_the_end_and_is_told),
        cmocka_unit_test(test_words_of_128_bytes_are_ignored),
        cmocka_unit_test(test_very_long_line_is_read_to_its_end),
        cmocka_unit_test(test_warnings_beyond_the_limit_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
