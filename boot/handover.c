/*
 * The last stage, the only one whose code stays: what the others needed is given back here, and the guest starts.
 */
#include <stddef.h>

#include "init.h"
#include "log.h"
#include "native.h"
#include "pages.h"
#include "start.h"
#include "stop.h"

NORETURN void stage_handover(const struct native_entry *entry)
{
    machine_stop_know(NULL, NULL); /* it is given back */
    const struct init_memory given_back = init_release(entry->image);
    uint64_t bytes = 0;

    for (unsigned int i = 0; i < INIT_RANGES; i++) {
        if (!is_ok(pages_give(given_back.ranges[i]))) {
            log_error("the page allocator does not take the image's memory - report this defect");
            machine_stop();
        }
        bytes += prange_bytes(given_back.ranges[i]);
    }
    log_info("init: %lu KiB given back", bytes / KIB(1));
    native_start(entry);
}
