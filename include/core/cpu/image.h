/*
 * The running image: its extent, and the execution of a move.
 */
#ifndef CPU_IMAGE_H
#define CPU_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "symbols.h"

extern const struct symbol_table image_symbols;

/* Bytes from the first to the end of the last, stacks and uncleared tables included. */
uint64_t image_bytes(void);

/* The distance of a place in the image from its first byte. */
uint32_t image_offset(const void *place);

/*
 * Does the image's own multiboot2 header offer to be moved? (GRUB 2.06 tells a load base even to an
 * image that does not, so what the loader says is not enough.)
 */
bool image_is_relocatable(void);

/*
 * Move the image and the page tables in it. Nothing in C notices: code, data and stack keep their
 * link addresses. What is left of the old place is free afterwards; in debug builds it is
 * overwritten.
 *
 * @from  where it is, a multiple of 4 KiB
 * @to    a multiple of 2 MiB below 4 GiB; may overlap the old place
 */
void image_move(paddr_t from, paddr_t to);

#endif
