/*
 * Looking up the function around a code address, for back-traces.
 */
#include <stddef.h>

#include "symbols.h"

const char *symbol_at(const struct symbol_table *table, uint32_t offset, uint32_t *within)
{
    uint32_t low = 0;
    uint32_t high = table->count;

    /* Everything below `low` begins at or before the offset, everything from `high` on begins
     * behind it. */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (table->entries[middle].offset <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        return NULL;
    }
    *within = offset - table->entries[low - 1].offset;
    return table->names + table->entries[low - 1].name;
}
