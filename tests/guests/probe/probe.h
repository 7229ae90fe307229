/*
 * What the parts of the probe guest share. It runs in 64-bit mode on one stack with interrupts off,
 * with physical memory below 4 GiB at its own address, open to ring 3.
 */
#ifndef PROBE_H
#define PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "places.h"

#define PAGE_BYTES 4096

/* The last exception. */
struct fault {
    uint64_t vector;
    uint64_t error;
    uint64_t rip;
    uint64_t address; /* cr2 */
};

typedef void (*action)(void *argument);

#pragma GCC visibility push(hidden)
extern struct fault last_fault;
extern uint8_t buffer[2 * PAGE_BYTES]; /* for whatever an order needs; on a page's bound */
extern const uint8_t stubs[];          /* 32 of them, STUB_BYTES apart, and one more */
extern const uint8_t processor_code[];
extern const uint8_t processor_code_end[];
#pragma GCC visibility pop

/* entry.S: false when an exception ended it, which is in last_fault then. */
bool attempt(action what, void *argument);
/* The same in ring 3; needs what() to return. */
bool attempt_in_ring3(action what, void *argument);

/* --- state.c --- */
void own_state(void);
/* Let a table of this level, 1 to 3, be at `table`; a virtual address that is looked up in it. */
uint64_t map_by(uint64_t table, unsigned int level);
uint64_t *own_tables(void);
/* Load the table of gates from there; back to the guest's own with NULL. */
void load_gates(const void *at);
const void *own_gates(size_t *bytes);
void set_exception_stack(uint64_t top);

/* --- words --- */
/* The next number of the line, 0 when there is none; decimal or 0x. */
uint64_t number(const char **line);
/* Is it the next word? It is stepped over. */
bool word(const char **line, const char *text);

/* --- results --- */
void say(const char *name); /* "= name" without an end */
void say_number(const char *name, uint64_t value);
/* " done", or " fault VECTOR error CODE" */
void say_outcome(bool done);
void end(void);

static inline uint64_t read_msr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

/* --- the orders: true when the line was one of theirs --- */
bool instruction_order(const char *line);
bool memory_order(const char *line);
bool processor_order(const char *line);
bool device_order(const char *line);

/* For the assembly. */
void probe_main(const uint8_t *zero_page) __attribute__((noreturn));
void unexpected(void) __attribute__((noreturn));

#endif
