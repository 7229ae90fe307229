/*
 * Who is to be started: the list of the ACPI tables without the first processor and without those out of reach.
 */
#include "bringup.h"

#include "x86/apic.h"

#define INIT_DELAY_US 10000

/* CPUID's vendors as numbers: "GenuineIntel", "AuthenticAMD". */
static const uint32_t intel[3] = {0x756e6547, 0x49656e69, 0x6c65746e};
static const uint32_t amd[3] = {0x68747541, 0x69746e65, 0x444d4163};

/* From these families on no delay is needed: their INIT is done when the next message can arrive. */
#define INTEL_FAMILY_QUICK 6
#define AMD_FAMILY_QUICK   15

void bringup_decide(const struct acpi_info *acpi, uint32_t own_id, bool x2apic, struct bringup *out)
{
    const uint64_t ids_end = x2apic ? X2APIC_ID_ALL : APIC_ID_ALL;

    out->count = 0;
    out->unreachable = 0;
    for (uint32_t i = 0; i < acpi->processor_count; i++) {
        const struct acpi_processor *processor = &acpi->processors[i];

        if (processor->apic_id == own_id || !processor->enabled) {
            continue;
        }
        if (processor->apic_id < ids_end) {
            out->apic_ids[out->count++] = processor->apic_id;
        } else {
            out->unreachable++;
        }
    }
}

static bool vendor_is(const uint32_t vendor[3], const uint32_t other[3])
{
    return vendor[0] == other[0] && vendor[1] == other[1] && vendor[2] == other[2];
}

static uint32_t family_of(uint32_t signature)
{
    const uint32_t family = signature >> 8 & 0xf;

    return family == 0xf ? family + (signature >> 20 & 0xff) : family;
}

uint32_t bringup_init_delay_us(const uint32_t vendor[3], uint32_t signature)
{
    const uint32_t family = family_of(signature);
    const bool quick =
        (vendor_is(vendor, intel) && family >= INTEL_FAMILY_QUICK && family != 0xf) ||
        (vendor_is(vendor, amd) && family >= AMD_FAMILY_QUICK);

    return quick ? 0 : INIT_DELAY_US;
}
