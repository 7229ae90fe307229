/*
 * The last stage, the only one whose code stays: what the others needed is given back here, and the guest starts.
 */
#include "init.h"
#include "log.h"
#include "native.h"
#include "start.h"

NORETURN void stage_handover(const struct native_entry *entry)
{
    const struct init_memory given_back = init_release(entry->image);
    uint64_t bytes = 0;

    for (unsigned int i = 0; i < INIT_RANGES; i++) {
        bytes += prange_bytes(given_back.ranges[i]);
    }
    log_info("init: %lu KiB given back", bytes / KIB(1));
    native_start(entry);
}
