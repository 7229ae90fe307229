/* Writes of NEXT.EFI itself, between one service and the next, to pages that nobody has allocated. */
#include "hostile.h"

/* What comes before NEXT.EFI's first call may be the firmware's: StartImage uses free pages for a while. */
static enum { WATCH_OFF, WATCH_FROM_FIRST_CALL, WATCH_ON } state;

/* Free now, or when its owner frees it. */
static bool may_be_free(uint32_t type)
{
    return type == EFI_CONVENTIONAL || (type >= EFI_LOADER_CODE && type <= EFI_BOOT_SERVICES_DATA);
}

void watch_begin(void)
{
    struct memory_map map = map_read();
    uint64_t pages = 0;

    for (efi_uint i = 0; i < map.count; i++) {
        const struct efi_memory_descriptor *entry = map_entry(&map, i);

        if (may_be_free(entry->type)) {
            paging_forget_writes(map_range(entry));
            pages += entry->type == EFI_CONVENTIONAL ? entry->pages : 0;
        }
    }
    state = WATCH_FROM_FIRST_CALL;
    say("HOSTILE watch: %d pages are free now", pages);
}

bool watch_is_on(void)
{
    return state != WATCH_OFF;
}

void watch_check(const char *service, uint64_t caller)
{
    struct memory_map map = map_read();
    const bool is_first = state == WATCH_FROM_FIRST_CALL;

    state = WATCH_ON;
    for (efi_uint i = 0; i < map.count; i++) {
        const struct efi_memory_descriptor *entry = map_entry(&map, i);
        const struct range range = map_range(entry);
        uint64_t written;

        if (entry->type != EFI_CONVENTIONAL) {
            continue;
        }
        written = paging_forget_writes(range);
        if (written != range.end && !is_first) {
            violation("a free page, at %x, has been written before %s is called from %x", written,
                      service, caller);
        }
    }
}

void watch_forget(void)
{
    struct memory_map map = map_read();

    for (efi_uint i = 0; i < map.count; i++) {
        const struct efi_memory_descriptor *entry = map_entry(&map, i);

        if (entry->type == EFI_CONVENTIONAL) {
            paging_forget_writes(map_range(entry));
        }
    }
}

void watch_end(void)
{
    state = WATCH_OFF;
}
