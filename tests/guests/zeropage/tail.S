/* What both entries share in the loaded part: the header to compare with, kernel_info, the stack. */
#include "variant.h"
#include "header.inc"

        .section .rodata, "a"
        .globl  own_header
own_header:
        SETUP_HEADER

        /* Source: boot.rst, "The kernel_info". */
        .balign 16
        .globl  kernel_info
kernel_info:
        .ascii  "LToP"
        .long   kernel_info_fixed_end - kernel_info
        .long   kernel_info_fixed_end - kernel_info
        .long   0x80000001              /* setup_type_max: SETUP_INDIRECT | SETUP_E820_EXT */
kernel_info_fixed_end:

        .section .data, "aw"
        .balign 16
        .globl  entry_state
entry_state:
        .fill   ENTRY_BYTES, 1, 0

        .section .stack, "aw"
        .balign 16
        .fill   16384, 1, 0
        .globl  stack_top
stack_top:
        .section .note.GNU-stack, "", @progbits
