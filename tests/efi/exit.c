/* ExitBootServices: calls that fail while the map grows, and what must hold when one succeeds. */
#include "hostile.h"

/* For each failure, beyond the pages that should be enough. */
#define SPARE_PAGES 16

static struct {
    unsigned int calls;
    unsigned int failures;
    unsigned int growth;
    bool strict;
    uint64_t pool; /* pages given back at failures, every second one: each adds two descriptors */
} arranged;

static unsigned int pages_for_growth(void)
{
    return (arranged.growth + 1) / 2;
}

void exit_arrange(unsigned int failures, unsigned int growth, bool strict)
{
    efi_uint pages;
    efi_status status;

    arranged.failures = failures;
    arranged.growth = growth;
    arranged.strict = strict;
    pages = 2 * failures * (pages_for_growth() + SPARE_PAGES) + 1;
    status =
        firmware.allocate_pages(EFI_ALLOCATE_ANY, EFI_BOOT_SERVICES_DATA, pages, &arranged.pool);
    if (efi_failed(status)) {
        give_up("no %d pages to let the map grow with", (uint64_t)pages);
    }
    say("HOSTILE exit: %d failures, +%d descriptors each%s", (uint64_t)failures, (uint64_t)growth,
        strict ? ", no other service after the first" : "");
}

bool exit_forbids_services(void)
{
    return arranged.strict && arranged.calls != 0;
}

/* Every other page: each makes two ranges of one. */
static void free_pages(unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        arranged.pool += EFI_PAGE_BYTES;
        firmware.free_pages(arranged.pool, 1);
        arranged.pool += EFI_PAGE_BYTES;
    }
}

/* The firmware takes some of the pages for its list of ranges. */
static void grow(efi_uint before)
{
    free_pages(pages_for_growth());
    for (unsigned int i = 0; i < SPARE_PAGES && map_read().count < before + arranged.growth; i++) {
        free_pages(1);
    }
}

efi_status exit_hook(efi_handle image, efi_uint key)
{
    efi_uint before = map_read().count;
    efi_status status;

    arranged.calls++;
    take_check("at ExitBootServices");
    checksum_check();
    if (arranged.calls <= arranged.failures) {
        grow(before);
        say("HOSTILE exit: call %d fails, descriptors %d -> %d", (uint64_t)arranged.calls,
            (uint64_t)before, (uint64_t)map_read().count);
        return EFI_INVALID_PARAMETER;
    }
    services_report();
    services_restore_runtime();
    status = firmware.exit_boot_services(image, key);
    if (efi_failed(status)) {
        services_hook_runtime();
    } else {
        watch_end();
        keep_report();
    }
    say("HOSTILE exit: call %d returns %x", (uint64_t)arranged.calls, (uint64_t)status);
    return status;
}
