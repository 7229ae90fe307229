/*
 * Registers of the counters that run beside the processor's own: HPET and PIT. Constants only.
 * Source: IA-PC HPET specification 1.0a, section 2.3; Intel 8254 data sheet; IBM PC AT technical reference (port 0x61).
 */
#ifndef X86_TIMERS_H
#define X86_TIMERS_H

/* HPET: offsets in its registers, which are read 32 bits at a time */
#define HPET_REVISION       0x000 /* low byte: never 0 */
#define HPET_PERIOD         0x004 /* femtoseconds for a tick */
#define HPET_CONFIGURATION  0x010
#define HPET_RUNS           0x1 /* in that */
#define HPET_COUNTER        0x0f0
#define HPET_REGISTER_BYTES 0x400
#define HPET_REVISION_MASK  0xff
#define HPET_ALIGNMENT      8

/* PIT: channel 2, whose gate is in port 0x61 */
#define PIT_CHANNEL_2       0x42
#define PIT_COMMAND         0x43
#define PIT_COUNT_DOWN_ONCE 0xb0 /* channel 2, low byte then high byte, mode 0, binary */
#define PIT_LATCH           0x80 /* channel 2 */
#define PIT_GATE_PORT       0x61
#define PIT_GATE            0x01
#define PIT_SPEAKER         0x02

#endif
