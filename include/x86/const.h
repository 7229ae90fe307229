/* UC(): an unsigned 64-bit constant in C, the bare number in assembly and linker scripts. */
#ifndef X86_CONST_H
#define X86_CONST_H

#if defined(__ASSEMBLY__)
#define UC(x) x
#else
#define UC_JOIN(x) x##ULL
#define UC(x)      UC_JOIN(x)
#endif

#endif
