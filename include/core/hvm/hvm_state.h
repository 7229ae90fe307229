/* What hvm/memory.c keeps for the answers to exits. */
#ifndef HVM_HVM_STATE_H
#define HVM_HVM_STATE_H

#include <stdbool.h>

#include "nested.h"

struct nested *hvm_nested(void);
/* Is this in the page of the local APIC, which is not to be written to? Quicker than to ask the tables. */
bool hvm_is_apic_page(uint64_t gpa);
/* Is a guest's triple fault the end (with a dump), or does the machine start over? */
bool hvm_halts_on_shutdown(void);

#endif
