/*
 * Names for code addresses, from the table that the second pass of the link puts into the image.
 */
#ifndef LIB_SYMBOLS_H
#define LIB_SYMBOLS_H

#include <stdint.h>

struct symbol_entry {
    uint32_t offset; /* of the function from the start of the image */
    uint32_t name;   /* offset of its name in the string area */
};

struct symbol_table {
    const struct symbol_entry *entries; /* sorted by offset */
    uint32_t count;
    const char *names;
};

/*
 * @offset  of a code address from the start of the image
 * @within  set to the distance from the function's first byte
 * @return  the name of the function at or before the offset, or NULL when there is none before it
 */
const char *symbol_at(const struct symbol_table *table, uint32_t offset, uint32_t *within);

#endif
