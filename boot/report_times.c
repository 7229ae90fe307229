/*
 * The last lines of the log: how fast the time-stamp counter runs, and where the time went.
 */
#include "format.h"
#include "log.h"
#include "report.h"

#define KHZ_PER_MHZ 1000

static const char *source_name(enum tsc_source source)
{
    switch (source) {
    case TSC_BY_HPET:
        return "hpet";
    case TSC_BY_PM_TIMER:
        return "pm-timer";
    case TSC_BY_PIT:
        return "pit";
    case TSC_BY_CPUID:
        return "cpuid";
    case TSC_BY_HYPERVISOR:
        return "hypervisor";
    case TSC_BY_NOBODY:
        break;
    }
    return "none";
}

/* " skipped=hpet,pm-timer", or nothing. */
static void skipped_text(char *to, size_t size, uint32_t skipped)
{
    size_t used = 0;

    to[0] = '\0';
    for (enum tsc_source which = 0; which < TSC_COUNTERS; which++) {
        if ((skipped >> which & 1) != 0) {
            used += format_text(to + used, size - used, "%s%s", used == 0 ? " skipped=" : ",",
                                source_name(which));
        }
    }
}

static void report_clock(const struct tsc_rate *rate, bool invariant)
{
    const uint64_t khz = (rate->hz + HZ_PER_KHZ / 2) / HZ_PER_KHZ;
    char skipped[sizeof(" skipped=hpet,pm-timer,pit")];

    skipped_text(skipped, sizeof(skipped), rate->skipped);
    if (rate->hz == 0) {
        log_info("clock: tsc=unknown from=none invariant=%s%s", invariant ? "yes" : "no", skipped);
        return;
    }
    log_info("clock: tsc=%lu.%03lu MHz from=%s invariant=%s%s", khz / KHZ_PER_MHZ,
             khz % KHZ_PER_MHZ, source_name(rate->source), invariant ? "yes" : "no", skipped);
}

static void report_lines(const struct times *boot, const struct times *bringup)
{
    char text[TIMES_TEXT_BYTES];

    times_line(text, sizeof(text), boot);
    log_info("phases: %s", text);
    if (bringup->stamps != NULL) {
        times_line(text, sizeof(text), bringup);
        log_info("bring-up: %s", text);
    }
}

/* One object in one line, for programs. */
static void report_json(const struct times *boot, const struct times *bringup,
                        const struct tsc_rate *rate)
{
    char phases[TIMES_TEXT_BYTES];
    char parts[TIMES_TEXT_BYTES] = "[]";

    if (!log_shows(LOG_DEBUG)) {
        return;
    }
    times_json(phases, sizeof(phases), boot);
    if (bringup->stamps != NULL) {
        times_json(parts, sizeof(parts), bringup);
    }
    log_debug("{\"tsc-hz\": %lu, \"source\": \"%s\", \"phases\": %s, \"bring-up\": %s}", rate->hz,
              source_name(rate->source), phases, parts);
}

void report_times(const uint64_t boot[BOOT_PHASES + 1], const uint64_t *bringup,
                  const struct tsc_rate *rate, bool invariant)
{
    const struct times phases = {boot, boot_phase_names, BOOT_PHASES, rate->hz};
    const struct times parts = {bringup, bringup_part_names, BRINGUP_PARTS, rate->hz};

    log_info("time: entry-to-start=%lu start-to-handoff=%lu unit=tsc",
             boot[PHASE_ENTRY + 1] - boot[0], boot[BOOT_PHASES] - boot[PHASE_ENTRY + 1]);
    report_clock(rate, invariant);
    report_lines(&phases, &parts);
    report_json(&phases, &parts, rate);
}
