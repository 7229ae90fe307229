/*
 * Giving back what only the boot needed. The linker script puts it into two ranges of whole pages.
 */
#include "init.h"

#include "image.h"
#include "page_tables.h"

extern const uint8_t __init_start[], __init_end[];
extern const uint8_t __init_noinit_start[], __init_noinit_end[];

static struct prange release(paddr_t image, const uint8_t *start, const uint8_t *end)
{
    if (!page_tables_remove(start, end)) {
        return (struct prange){0, 0};
    }
    return (struct prange){image.pa + image_offset(start), image.pa + image_offset(end)};
}

struct init_memory init_release(paddr_t image)
{
    return (struct init_memory){{release(image, __init_start, __init_end),
                                 release(image, __init_noinit_start, __init_noinit_end)}};
}
