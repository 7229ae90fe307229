/*
 * Stamps of the time-stamp counter as words.
 */
#include "times.h"

#include "format.h"
#include "tsc.h"

const char boot_phase_names[BOOT_PHASES][TIMES_NAME_BYTES] = {
    [PHASE_ENTRY] = "entry",   [PHASE_LOADER] = "loader",
    [PHASE_MEMMAP] = "memmap", [PHASE_IMAGE] = "image",
    [PHASE_ACPI] = "acpi",     [PHASE_LOG] = "log",
    [PHASE_PAGING] = "paging", [PHASE_PROCESSORS] = "processors",
    [PHASE_KERNEL] = "kernel", [PHASE_PLACE] = "place",
    [PHASE_CLOCK] = "clock",
};

const char bringup_part_names[BRINGUP_PARTS][TIMES_NAME_BYTES] = {
    [BRINGUP_PREPARED] = "prepare",
    [BRINGUP_INIT] = "init",
    [BRINGUP_ANSWERED] = "answers",
    [BRINGUP_GIVEN_BACK] = "give-back",
};

static uint64_t part_ticks(const struct times *times, uint32_t part)
{
    return times->stamps[part + 1] - times->stamps[part];
}

/* From the beginning: so that the parts, each rounded, add up to the whole. */
static uint64_t us_to(const struct times *times, uint32_t stamp)
{
    return tsc_us(times->stamps[stamp] - times->stamps[0], times->hz);
}

static uint64_t part_us(const struct times *times, uint32_t part)
{
    return us_to(times, part + 1) - us_to(times, part);
}

/* What did not fit was counted all the same. */
static size_t cut(size_t used, size_t size)
{
    return used < size ? used : size - 1;
}

size_t times_line(char *to, size_t size, const struct times *times)
{
    size_t used = 0;

    for (uint32_t i = 0; i < times->count; i++) {
        used += format_text(to + used, size - used, "%s=%lu ", times->names[i],
                            times->hz != 0 ? part_us(times, i) : part_ticks(times, i));
        used = cut(used, size);
    }
    used += format_text(to + used, size - used, "unit=%s", times->hz != 0 ? "us" : "tsc");
    return cut(used, size);
}

size_t times_json(char *to, size_t size, const struct times *times)
{
    size_t used = 0;

    for (uint32_t i = 0; i < times->count; i++) {
        used += format_text(to + used, size - used, "%s{\"name\": \"%s\", \"tsc\": %lu",
                            i == 0 ? "[" : ", ", times->names[i], part_ticks(times, i));
        used = cut(used, size);
        if (times->hz != 0) {
            used += format_text(to + used, size - used, ", \"us\": %lu", part_us(times, i));
            used = cut(used, size);
        }
        used += format_text(to + used, size - used, "}");
        used = cut(used, size);
    }
    used += format_text(to + used, size - used, "]");
    return cut(used, size);
}
