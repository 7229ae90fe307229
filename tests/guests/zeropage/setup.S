/*
 * The file's real-mode part: 4 KiB, of which a loader may read the header and nothing else. All other bytes are 0xee,
 * so that a loader which copies too much is found out; the sentinel (boot.rst, zero-page.rst: 0x1ef) is 0xff.
 */
#include "variant.h"
#include "header.inc"

        .section .setup, "a"
        .fill   0x1ef, 1, 0xee
        .byte   0xff                    /* sentinel */
        .byte   0xee
        SETUP_HEADER

        /* The jump at 0x200 leads here: a loader that starts kernels in real mode. Nobody is meant to. */
        .code16
        mov     $0xf4, %dx
        mov     $0x11, %eax
        out     %eax, %dx
1:      cli
        hlt
        jmp     1b

        .fill   VERSION_AT - (. - .setup), 1, 0xee
        .asciz  "1.0-" VARIANT_NAME " (tests/guests/zeropage)"
        .fill   SETUP_BYTES - (. - .setup), 1, 0xee
