/*
 * A serial line as the command line describes it: com1=BAUD[,FORMAT[,PLACE]].
 *
 *   BAUD     a divisor of 115200
 *   FORMAT   data bits 7 or 8; parity n(one), o(dd), e(ven), m(ark) or s(pace); stop bits 1 or 2
 *   PLACE    0xPORT, an I/O port below 0x10000;
 *            0xADDRESS, memory above 1 MiB, its registers 32 bits wide and 4 bytes apart;
 *            0xADDRESS/1, the same, 8 bits wide and side by side;
 *            pci, the first serial controller on the PCI buses
 */
#ifndef INFO_SERIAL_H
#define INFO_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

#define SERIAL_BAUD_DEFAULT 115200
#define SERIAL_BAUD_SLOW    9600 /* how slow a line may be whose speed is not known */
#define SERIAL_REGISTERS    8

enum serial_space {
    SERIAL_IN_PORTS,
    SERIAL_IN_MEMORY,
    SERIAL_ON_PCI, /* wherever the card says */
};

/* Where a 16550 is. */
struct serial_place {
    enum serial_space space;
    uint64_t address;     /* of register 0 */
    uint8_t stride_bytes; /* from one register to the next: 1, 2, 4, 8 */
    uint8_t access_bytes; /* how wide a register is read and written: 1, 2, 4; 1 in ports */
};

struct serial_line {
    uint32_t baud;        /* how fast it is, or how slow it may be; at least 2 */
    uint16_t divisor;     /* the 16550's register; 0: speed and format stay as they are */
    uint8_t line_control; /* the 16550's register */
    struct serial_place place;
};

/* 115200 baud, 8n1, at an I/O port. */
struct serial_line serial_default(uint16_t port);

/*
 * @text  behind "com1="
 * @line  the default at first; changed only when the text is good
 */
bool serial_parse(const char *text, struct serial_line *line);

#endif
