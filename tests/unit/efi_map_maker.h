/* For tests: EFI memory maps, descriptor by descriptor, by the numbers of the UEFI specification. */
#ifndef TESTS_EFI_MAP_MAKER_H
#define TESTS_EFI_MAP_MAKER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MADE_DESCRIPTOR_BYTES 48 /* larger than the structure, as real firmware has it */

#define WB      0x8ULL
#define UC      0x1ULL
#define SP      0x40000ULL
#define RUNTIME 0x8000000000000000ULL

struct made_map {
    uint32_t bytes;
    uint8_t map[9000 * MADE_DESCRIPTOR_BYTES];
};

static inline void put_descriptor(struct made_map *to, uint32_t type, uint64_t start,
                                  uint64_t pages, uint64_t attributes)
{
    const uint64_t fields[] = {
        0xa5a5a5a500000000 | type, start, 0xa5a5a5a5a5a5a5a5, pages, attributes,
        0xa5a5a5a5a5a5a5a5};

    _Static_assert(sizeof(fields) == MADE_DESCRIPTOR_BYTES, "six fields");
    if (to->bytes + sizeof(fields) > sizeof(to->map)) {
        abort();
    }
    memcpy(to->map + to->bytes, fields, sizeof(fields));
    to->bytes += sizeof(fields);
}

#endif
