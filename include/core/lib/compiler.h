/* Attributes with a meaning in this project. */
#ifndef LIB_COMPILER_H
#define LIB_COMPILER_H

/* Large, and filled before it is used: in memory of the image that is not cleared at start. */
#if defined(__STDC_HOSTED__) && __STDC_HOSTED__
#define NOINIT
#else
#define NOINIT __attribute__((section(".bss..noinit")))
#endif

/* Code that only the boot needs, in a file that is kept otherwise: its memory is given back (init.h). */
#if defined(__STDC_HOSTED__) && __STDC_HOSTED__
#define INIT
#else
#define INIT __attribute__((section(".init.text")))
#endif

#define NORETURN __attribute__((noreturn))
#define NOINLINE __attribute__((noinline))
#define PACKED   __attribute__((packed))

#endif
