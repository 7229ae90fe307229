/*
 * Exception vectors, and which of them push an error code or need a stack of their own.
 * Source: Intel SDM volume 3A, table 6-1; AMD APM volume 2, table 8-1 (#HV, #VC, #SX).
 */
#ifndef X86_VECTORS_H
#define X86_VECTORS_H

#define VECTOR_DB    1
#define VECTOR_NMI   2
#define VECTOR_BP    3
#define VECTOR_OF    4
#define VECTOR_UD    6
#define VECTOR_DF    8
#define VECTOR_GP    13
#define VECTOR_PF    14
#define VECTOR_MC    18
#define VECTOR_COUNT 32
#define VECTOR_WAKE                                                                                \
    32 /* no exception: what wakes a processor that waits for work (cpu/processors.c) */

/* #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX */
#define VECTORS_WITH_ERROR_CODE 0x60227d00

/* Trap stubs stand at this distance from each other (arch/x86/cpu/entry.S). */
#define TRAP_STUB_BYTES 16

#define IST_DF  1
#define IST_NMI 2
#define IST_MC  3

#endif
