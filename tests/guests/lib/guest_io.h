/*
 * Text on COM1, port access, and leaving QEMU with a verdict. Works in 32-bit and 64-bit mode, at
 * any address.
 */
#ifndef GUEST_IO_H
#define GUEST_IO_H

#include <stddef.h>
#include <stdint.h>

/* Values for isa-debug-exit at port 0xf4; QEMU's exit status is (value << 1) | 1. */
#define VERDICT_PASS 0x10 /* status 33 */
#define VERDICT_FAIL 0x11 /* status 35 */

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/* 115200 8n1, polled. */
void serial_open(void);
/* "\n" becomes "\r\n". The wait for the transmitter is bounded. */
void print(const char *text);
void print_char(char c);
void print_hex(uint64_t value); /* 0x, no leading zeros */
void print_decimal(uint64_t value);

/* Ends QEMU; without the device it halts for ever. */
void leave(uint32_t verdict) __attribute__((noreturn));

#endif
