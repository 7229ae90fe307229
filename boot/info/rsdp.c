/*
 * The search for ACPI's root pointer in the memory of a PC BIOS.
 */
#include "rsdp.h"

#include "abi/acpi.h"
#include "mem.h"
#include "x86/ports.h"

static bool is_rsdp(const uint8_t *candidate, const struct boot_info *info)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < RSDP_V1_BYTES; i++) {
        sum = (uint8_t)(sum + candidate[i]);
    }
    return sum == 0 &&
           (info->rsdp_bytes < RSDP_V1_BYTES || memcmp(candidate, info->rsdp, RSDP_V1_BYTES) == 0);
}

/* The eight bytes at a multiple of RSDP_ALIGNMENT, in an area whose length is one. */
static uint64_t word_at(struct cursor area, size_t at)
{
    uint64_t word;

    __builtin_memcpy(&word, area.bytes + at, sizeof(word));
    return word;
}

/*
 * The offset of the first signature at or behind `at`; the area's size when there is none. This is the longest loop of
 * a boot: it looks at four places at a time.
 */
static size_t signature_find(struct cursor area, size_t at)
{
    const uint64_t wanted = word_at(cursor_over(RSDP_SIGNATURE, RSDP_SIGNATURE_BYTES), 0);
    const size_t step = RSDP_ALIGNMENT;

    for (; area.size - at >= 4 * step; at += 4 * step) {
        if (word_at(area, at) == wanted || word_at(area, at + step) == wanted ||
            word_at(area, at + 2 * step) == wanted || word_at(area, at + 3 * step) == wanted) {
            break;
        }
    }
    while (at < area.size && word_at(area, at) != wanted) {
        at += step;
    }
    return at;
}

/* The offset of the pointer in the area, or its size when there is none. */
static size_t area_search(struct cursor area, const struct boot_info *info)
{
    size_t at = signature_find(area, 0);

    while (at < area.size && (area.size - at < RSDP_V1_BYTES || !is_rsdp(area.bytes + at, info))) {
        at = signature_find(area, at + RSDP_ALIGNMENT);
    }
    return at;
}

static uint64_t ebda_start(const struct physical_view *memory)
{
    struct cursor segment = view_cursor(memory, BDA_EBDA_SEGMENT, sizeof(uint16_t));

    return (uint64_t)cursor_u16(&segment) << 4;
}

struct prange ebda_range(const struct physical_view *memory)
{
    const uint64_t start = ebda_start(memory);

    return start < EBDA_LOWEST || start >= CONVENTIONAL_MEMORY_END
               ? (struct prange){0, 0}
               : (struct prange){start, CONVENTIONAL_MEMORY_END};
}

paddr_t rsdp_locate(const struct physical_view *memory, const struct boot_info *info)
{
    const uint64_t ebda = ebda_start(memory);
    const struct prange areas[] = {
        {ebda, ebda + RSDP_EBDA_BYTES},
        {RSDP_AREA_START, RSDP_AREA_END},
    };

    for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
        struct cursor area = view_cursor(memory, areas[i].start, prange_bytes(areas[i]));
        uint64_t found = area_search(area, info);

        if (areas[i].start != 0 && found < area.size) {
            return (paddr_t){areas[i].start + found};
        }
    }
    return (paddr_t){0};
}
