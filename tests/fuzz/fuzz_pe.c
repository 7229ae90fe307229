/*
 * Any bytes as a PE image in memory.
 */
#include <stdlib.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {".config", ".kernel", ".ramdisk", ".text"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct pe_section section;

        if (pe_section_find(data, size, names[i], &section) == PE_SECTION_FOUND &&
            (section.offset > size || section.bytes > size - section.offset)) {
            abort();
        }
    }
    return 0;
}
