/*
 * What page tables say of an address, and what a page fault's error code says, for the report of an exception.
 */
#ifndef MM_TRANSLATE_H
#define MM_TRANSLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "cursor.h"

/*
 * Where four-level page tables map an address to.
 *
 * @memory  where the tables can be read
 * @top_pa  of the top table
 * @pa      the physical address, when there is one
 * @return  false when nothing is mapped there, the address is not canonical, or a table lies outside `memory`
 * Source:  Intel SDM volume 3A, section 4.5
 */
bool page_translate(const struct physical_view *memory, uint64_t top_pa, uint64_t va, uint64_t *pa);

/*
 * A page fault's error code in words: what was tried ("read at", "write to", "execute at"), and why it failed.
 *
 * Source: Intel SDM volume 3A, section 4.7
 */
const char *page_fault_access(uint64_t error_code);
const char *page_fault_cause(uint64_t error_code);

#endif
