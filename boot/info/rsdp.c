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

/* The offset of the pointer in the area, or its size when there is none. */
static uint64_t area_search(struct cursor area, const struct boot_info *info)
{
    for (size_t at = 0; at + RSDP_V1_BYTES <= area.size; at += RSDP_ALIGNMENT) {
        /* The first letter decides nearly always, and this loop is the longest of a boot. */
        if (area.bytes[at] == RSDP_SIGNATURE[0] &&
            memcmp(area.bytes + at, RSDP_SIGNATURE, RSDP_SIGNATURE_BYTES) == 0 &&
            is_rsdp(area.bytes + at, info)) {
            return at;
        }
    }
    return area.size;
}

paddr_t rsdp_locate(const struct physical_view *memory, const struct boot_info *info)
{
    struct cursor segment = view_cursor(memory, BDA_EBDA_SEGMENT, sizeof(uint16_t));
    const uint64_t ebda = (uint64_t)cursor_u16(&segment) << 4;
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
