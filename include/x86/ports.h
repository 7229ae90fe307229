/*
 * Legacy I/O ports and the registers behind them. Constants only.
 * Source: 16550 data sheet (PC16550D, section 8); IBM VGA, graphics controller, miscellaneous
 * register; 8042.
 */
#ifndef X86_PORTS_H
#define X86_PORTS_H

#define COM1_PORT 0x3f8
#define COM2_PORT 0x2f8

/* 16550 register offsets, and the bits used here */
#define UART_DATA          0
#define UART_DIVISOR_LOW   0 /* with the divisor latch open */
#define UART_INTERRUPTS    1
#define UART_DIVISOR_HIGH  1 /* with the divisor latch open */
#define UART_FIFO          2
#define UART_IDENTITY      2 /* when read */
#define UART_LINE_CONTROL  3
#define UART_MODEM_CONTROL 4
#define UART_LINE_STATUS   5
#define UART_7_BITS        0x02 /* in the line control */
#define UART_8_BITS        0x03
#define UART_2_STOP_BITS   0x04
#define UART_PARITY_NONE   0x00
#define UART_PARITY_ODD    0x08
#define UART_PARITY_EVEN   0x18
#define UART_PARITY_MARK   0x28
#define UART_PARITY_SPACE  0x38
#define UART_8N1           0x03
#define UART_BREAK         0x40
#define UART_LATCH_OPEN    0x80
#define UART_FIFO_ON       0x07 /* enabled, both directions cleared */
#define UART_FIFO_WORKS    0xc0 /* in the identity: a 16550A or better, with its FIFO on */
#define UART_FIFO_BYTES    16
#define UART_DTR_RTS       0x03
#define UART_CAN_SEND      0x20 /* transmit holding register empty */
#define UART_ALL_SENT      0x40 /* and the last bit is on the line */
#define UART_ABSENT        0xff /* what an empty bus reads as */
#define UART_BAUD_BASE     115200
#define UART_CLOCKS        16      /* of its clock for one bit, with divisor 1 */
#define UART_CLOCK_HZ      1843200 /* the PC's */
#define UART_DIVISOR_MAX   0xffff

/*
 * How often the line status is read before a device is given up. At 115200 baud a character takes
 * 87 us, a read of the port about 1 us on an ISA bus; at 300 baud 33 ms.
 */
#define UART_WAIT_READS 0x10000
/* A FIFO takes 16 times as long; slower lines get in proportion more reads than that. */
#define UART_QUICK_BAUD 38400

/* VGA graphics controller: index 6 tells whether text is displayed at 0xb8000. */
#define VGA_GRAPHICS_INDEX 0x3ce
#define VGA_GRAPHICS_DATA  0x3cf
#define VGA_MISCELLANEOUS  6
#define VGA_MISC_MASK      0x0d /* memory map select and graphics mode */
#define VGA_MISC_TEXT_B8   0x0c /* 32 KiB at 0xb8000, text */
#define VGA_TEXT_PA        0xb8000
#define VGA_TEXT_COLUMNS   80
#define VGA_TEXT_ROWS      25
#define VGA_CRTC_INDEX     0x3d4
#define VGA_CRTC_DATA      0x3d5
#define VGA_CURSOR_HIGH    0x0e
#define VGA_CURSOR_LOW     0x0f
#define VGA_ERROR_STYLE    0x4f /* white on red */
#define VGA_NORMAL_STYLE   0x07
#define VGA_URGENT_STYLE   0x0e /* yellow on black */

/* The BIOS data area: segment of the EBDA, and 16 bytes for any program (IBM PC AT technical
 * reference, section 5). */
#define BDA_EBDA_SEGMENT        0x40e
#define EBDA_LOWEST             0x500 /* behind the BIOS data area */
#define CONVENTIONAL_MEMORY_END 0xa0000ULL
#define BDA_APPLICATION_WORDS   0x4f0

/* 8042, as in the IBM PC AT: its status is read where commands are written. */
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_BUSY    0x02 /* in the status: it has not taken what was written last */
#define KEYBOARD_ABSENT  0xff /* what an empty bus reads as */
#define KEYBOARD_RESET   0xfe
/* Commands that reach the lines of its output port, one of which is A20 */
#define KEYBOARD_WRITE_OUTPUT 0xd1 /* with the next byte of data */
#define KEYBOARD_A20_OFF      0xdd
#define KEYBOARD_PULSE        0xf0 /* and above: pull lines low whose bits are 0 */
#define KEYBOARD_OUTPUT_A20   0x02

/* System control port A of the PS/2 */
#define SYSTEM_CONTROL     0x92
#define SYSTEM_CONTROL_A20 0x02

/* The chipset's reset control register: RST_CNT in Intel's data sheets of I/O controller hubs. */
#define PCI_RESET_PORT 0xcf9
#define PCI_RESET_HARD 0x02 /* what kind of reset ... */
#define PCI_RESET_NOW  0x04 /* ... and the edge that starts it */

#endif
