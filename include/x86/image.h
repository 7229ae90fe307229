/*
 * How assembly names a place in the image, whose physical address is known only at run time.
 *
 * sym_offs(s)   the distance of a symbol from the image's first byte: a link-time constant, less
 * than 2 MiB sym_esi(s)    the symbol, as an operand of 32-bit code while %esi holds the load base
 * sym_fs(s)     the symbol, as an operand of 32-bit code once %fs is based on the load base (after
 * our own lgdt)
 */
#ifndef X86_IMAGE_H
#define X86_IMAGE_H

#include "x86/address_map.h"

#define sym_offs(symbol) ((symbol)-IMAGE_LINK_VA)
#define sym_esi(symbol)  sym_offs(symbol)(% esi)
#define sym_fs(symbol)   % fs : sym_offs(symbol)

#endif
