/*
 * The local APIC: its registers, as offsets in its page, and what is written there. Constants only.
 * Source: Intel SDM volume 3A, sections 11.4 (local APIC), 11.6.1 (interrupt command register), 11.12 (x2APIC).
 */
#ifndef X86_APIC_H
#define X86_APIC_H

#include "x86/const.h"

#define MSR_APIC_BASE     UC(0x1b)
#define APIC_BASE_X2APIC  UC(0x400)
#define APIC_BASE_ENABLED UC(0x800)

/* Intel's: whether x2APIC mode can be left. */
#define CPUID_ARCH_CAPABILITIES_BIT 29 /* 7.0, edx: the next is there */
#define MSR_ARCH_CAPABILITIES       UC(0x10a)
#define ARCH_HAS_XAPIC_STATUS       UC(0x200000) /* the next is there */
#define MSR_XAPIC_STATUS            UC(0xbd)
#define XAPIC_DISABLED              UC(0x1)

#define APIC_ID              0x020
#define APIC_VERSION         0x030
#define APIC_TASK_PRIORITY   0x080
#define APIC_EOI             0x0b0
#define APIC_LOGICAL_ID      0x0d0 /* this and the next: not in x2APIC mode */
#define APIC_MODEL           0x0e0
#define APIC_SPURIOUS        0x0f0
#define APIC_IN_SERVICE      0x100 /* the first of 8, APIC_WORD_BYTES apart */
#define APIC_ERROR_STATUS    0x280
#define APIC_LVT_CMCI        0x2f0
#define APIC_COMMAND         0x300
#define APIC_COMMAND_HIGH    0x310 /* not in x2APIC mode, where a register has 64 bits */
#define APIC_LVT_TIMER       0x320
#define APIC_LVT_THERMAL     0x330
#define APIC_LVT_PERFORMANCE 0x340
#define APIC_LVT_LINT0       0x350
#define APIC_LVT_LINT1       0x360
#define APIC_LVT_ERROR       0x370
#define APIC_TIMER_INITIAL   0x380
#define APIC_TIMER_DIVIDE    0x3e0

/* 256 vectors, 32 in each word. */
#define APIC_VECTORS      256
#define APIC_VECTOR_WORDS 8
#define APIC_WORD_BYTES   0x10

/* In APIC_VERSION: how many entries the local vector table (APIC_LVT_) has, less one. */
#define APIC_VERSION_LAST_SHIFT 16
#define APIC_VERSION_LAST       UC(0xff)
#define APIC_LVT_MASKED         UC(0x10000)

#define APIC_ID_SHIFT 24 /* in xAPIC mode, of an id in its register and in APIC_COMMAND_HIGH */

/* Logical addresses: a group, and in it a bit for each member. In xAPIC mode: section 11.6.2.2. */
#define APIC_MODEL_FLAT            UC(0xf0000000) /* one group of eight; else clusters of four */
#define APIC_LOGICAL_SHIFT         24
#define APIC_LOGICAL_CLUSTER_SHIFT 4
#define APIC_LOGICAL_MEMBERS       UC(0xf)
/* In x2APIC mode: clusters of sixteen, and the address follows from the id: section 11.12.10.2. */
#define X2APIC_LOGICAL_CLUSTER_SHIFT 16
#define X2APIC_LOGICAL_MEMBERS       UC(0xffff)
#define X2APIC_ID_CLUSTER_SHIFT      4
#define X2APIC_ID_MEMBER             UC(0xf)

/* In x2APIC mode a register is an MSR. */
#define MSR_X2APIC(offset) (UC(0x800) + (offset) / 16)
#define X2APIC_ID_SHIFT    32 /* of a destination in the command */

#define APIC_SPURIOUS_RESET   UC(0xff)  /* behind a reset: not enabled */
#define APIC_SOFTWARE_ENABLED UC(0x100) /* in APIC_SPURIOUS, beside a vector */

/* A command: the vector in bits 0 to 7, one of four kinds, and how. */
#define APIC_FIXED  UC(0x00000)
#define APIC_NMI    UC(0x00400)
#define APIC_INIT   UC(0x00500)
#define APIC_START  UC(0x00600) /* the vector is the number of a page */
#define APIC_BUSY   UC(0x01000) /* read: not sent yet */
#define APIC_ASSERT UC(0x04000)
/* Its fields: figures 11-12 (xAPIC) and 11-28 (x2APIC). */
#define APIC_COMMAND_VECTOR          UC(0xff)
#define APIC_COMMAND_KIND            UC(0x700)
#define APIC_REMOTE_READ             UC(0x300) /* a kind that AMD's xAPIC has; reserved in x2APIC mode */
#define APIC_COMMAND_LOGICAL         UC(0x800)
#define APIC_COMMAND_LEVEL           UC(0x8000) /* level-triggered */
#define APIC_COMMAND_SHORTHAND_SHIFT 18
#define APIC_COMMAND_SHORTHAND       3
#define APIC_DESTINATION_SHIFT       56             /* in xAPIC mode, of both halves as one */
#define X2APIC_COMMAND_RESERVED      UC(0xfff33000) /* 31:20, 17:16, 13, and 12, APIC_BUSY elsewhere */

/* How often delivery is looked for: far more than any message takes, which is some microseconds. */
#define APIC_SEND_READS_MOST 100000

/* The id that means all: no processor's own. */
#define APIC_ID_ALL   UC(0xff)
#define X2APIC_ID_ALL UC(0xffffffff)

#endif
