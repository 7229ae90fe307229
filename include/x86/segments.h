/*
 * Selectors of Berth's own descriptor table and descriptor bits. Constants only.
 * Source: Intel SDM volume 3A, sections 3.4.5 (segment descriptors) and 7.2 (task state).
 */
#ifndef X86_SEGMENTS_H
#define X86_SEGMENTS_H

#include "x86/const.h"

#define SEL_CODE32  0x08
#define SEL_CODE64  0x10
#define SEL_DATA    0x18
#define SEL_BOOT_FS 0x20 /* 32-bit only: base = load base, limit = the image's */
#define SEL_TSS     0x28 /* 16 bytes */

/* Descriptor attributes: access byte in bits 8-15, flags in bits 20-23 of the second doubleword. */
#define DESC_CODE32                                                                                \
    UC(0x00cf9b00) /* present, code, readable, accessed, 32-bit, 4 KiB granularity */
#define DESC_CODE64                                                                                \
    UC(0x00af9b00) /* present, code, readable, accessed, long, 4 KiB granularity   \
                                    */
#define DESC_DATA                                                                                  \
    UC(0x00cf9300) /* present, data, writable, accessed, 32-bit, 4 KiB granularity \
                                    */
#define DESC_IMAGE      UC(0x00c09300) /* as DESC_DATA, with a limit below 64 Ki pages */
#define DESC_TSS64      UC(0x00008900) /* present, available 64-bit TSS, byte granularity */
#define DESC_TSS_BUSY   UC(0x00000200) /* what ltr makes of an available one */
#define DESC_LIMIT_4GIB UC(0x0000ffff)

#define DESC_BYTES            8 /* a system descriptor has two of these in 64-bit mode: figure 7-4 */
#define DESC_ATTRIBUTES_SHIFT 32 /* of the above in a descriptor as one quadword */

/* Where a descriptor keeps its base: as bytes; as a quadword, bits 23 to 0 and 31 to 24. */
#define DESC_BASE_0_15       2
#define DESC_BASE_16_23      4
#define DESC_BASE_24_31      7
#define DESC_BASE_LOW        UC(0xffffff)
#define DESC_BASE_LOW_SHIFT  16
#define DESC_BASE_HIGH       UC(0xff000000)
#define DESC_BASE_HIGH_SHIFT 32 /* from their own place */
/* And bits 63 to 32, in a system descriptor's second quadword. */
#define DESC_BASE_UPPER_SHIFT 32

#define GATE_INTERRUPT UC(0x8e) /* present, ring 0, interrupt gate of the mode's width */
#define GATE_STACK                                                                                 \
    (UC(0x7) << 32) /* of a 64-bit gate's first quadword: which stack of the TSS, 0: none */
#define VECTOR16_BYTES         4 /* real mode: offset and segment of a handler */
#define VECTOR16_SEGMENT_SHIFT 16
#define REAL_SEGMENT_SHIFT     4 /* real mode: from a segment's base to its selector */
#define GATE32_BYTES           8
/* Its two words: the selector above the offset's lower half; the offset's upper half above the kind. */
#define GATE32_SELECTOR_SHIFT 16
#define GATE32_OFFSET_LOW     UC(0x0000ffff)
#define GATE32_OFFSET_HIGH    UC(0xffff0000)
#define GATE32_KIND_SHIFT     8
#define GATE64_BYTES          16
/* Where a 64-bit gate keeps its handler's address, in two parts. */
#define GATE64_OFFSET_0_15  0
#define GATE64_OFFSET_16_63 6

#endif
