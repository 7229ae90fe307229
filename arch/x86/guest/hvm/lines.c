/*
 * Lines of the log from exits. Each virtual processor keeps its own until somebody prints them; whoever comes first
 * prints all, and nobody waits.
 */
#include "vcpu.h"

#include <stdarg.h>

#include "format.h"

static uint32_t printing; /* 1 and the number of the processor that does; 0: nobody */

void hvm_line(struct vcpu *vcpu, enum log_level level, const char *format, ...)
{
    struct vcpu_lines *const lines = &vcpu->lines;
    const uint32_t place = lines->written % VCPU_LINES;
    va_list args;

    if (lines->written - __atomic_load_n(&lines->printed, __ATOMIC_ACQUIRE) == VCPU_LINES) {
        lines->lost++;
        return;
    }
    va_start(args, format);
    format_text_va(lines->text[place], VCPU_LINE_BYTES, format, args);
    va_end(args);
    lines->levels[place] = level;
    __atomic_store_n(&lines->written, lines->written + 1, __ATOMIC_RELEASE);
}

static void print_of(struct vcpu_lines *lines)
{
    for (uint32_t i = 0;
         i < VCPU_LINES && lines->printed != __atomic_load_n(&lines->written, __ATOMIC_ACQUIRE);
         i++) {
        const uint32_t place = lines->printed % VCPU_LINES;

        log_line(lines->levels[place], "%s", lines->text[place]);
        __atomic_store_n(&lines->printed, lines->printed + 1, __ATOMIC_RELEASE);
    }
}

void hvm_lines_print(struct vcpu *vcpu)
{
    uint32_t nobody = 0;

    if (!__atomic_compare_exchange_n(&printing, &nobody, 1 + vcpu->number, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED)) {
        return;
    }
    for (uint32_t number = 0; number < hvm_vcpu_count(); number++) {
        print_of(&hvm_vcpu(number)->lines);
    }
    if (vcpu->lines.lost > 0) {
        log_warning("hvm: %u lines of processor %u are lost", vcpu->lines.lost, vcpu->number);
        vcpu->lines.lost = 0;
    }
    __atomic_store_n(&printing, 0, __ATOMIC_RELEASE);
}

void hvm_lines_forget(const struct vcpu *vcpu)
{
    uint32_t self = 1 + vcpu->number;

    __atomic_compare_exchange_n(&printing, &self, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}
