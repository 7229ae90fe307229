/*
 * PCI configuration space. Source: PCI Local Bus Specification 3.0, sections 3.2.2.3.2 (ports), 6.1, 6.2, appendix D;
 * PCI-to-PCI Bridge Architecture Specification 1.2, section 3.2.
 */
#ifndef ABI_PCI_H
#define ABI_PCI_H

#define PCI_CONFIG_ADDRESS 0xcf8
#define PCI_CONFIG_DATA    0xcfc
#define PCI_CONFIG_ENABLE  0x80000000

#define PCI_BUSES                256
#define PCI_DEVICES_PER_BUS      32
#define PCI_FUNCTIONS_PER_DEVICE 8

#define PCI_ID      0x00
#define PCI_COMMAND 0x04
#define PCI_CLASS   0x08 /* class code in the upper 24 bits */
#define PCI_HEADER  0x0c /* header type in bits 16 to 23 */
#define PCI_BAR_0   0x10
#define PCI_BRIDGE_BUSES                                                                           \
    0x18 /* secondary bus in bits 8 to 15, the last one behind it in bits 16 to 23 */

#define PCI_NOTHING_THERE  0xffffffff
#define PCI_COMMAND_PORTS  0x1
#define PCI_COMMAND_MEMORY 0x2
#define PCI_COMMAND_BITS   0xffff /* the rest is the status, where writing 1 clears */
#define PCI_CLASS_SHIFT    8
#define PCI_HEADER_SHIFT   16
#define PCI_HEADER_LAYOUT  0x7f
#define PCI_HEADER_BRIDGE  1
#define PCI_HEADER_MANY    0x80 /* more than one function */
#define PCI_BUS_SECONDARY  8
#define PCI_BUS_LAST       16 /* behind that bridge, "subordinate" */

#define PCI_BAR_IS_PORTS     0x1
#define PCI_BAR_PORTS_MASK   0xfffffffc
#define PCI_BAR_MEMORY_MASK  0xfffffff0
#define PCI_BAR_MEMORY_TYPE  0x6
#define PCI_BAR_MEMORY_64BIT 0x4

/* A serial controller, whatever kind of UART its interface byte names. */
#define PCI_CLASS_SERIAL      0x070000
#define PCI_CLASS_SERIAL_MASK 0xffff00

#endif
