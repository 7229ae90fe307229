/*
 * What the command line says of a serial line.
 */
#include "serial.h"

#include <stddef.h>

#include "addr.h"
#include "mem.h"
#include "number.h"
#include "x86/address_map.h"
#include "x86/paging.h"
#include "x86/ports.h"

#define PORT_MAX       (0x10000 - SERIAL_REGISTERS)
#define ADDRESS_MAX    (PHYSICAL_END - PAGE_BYTES) /* what page tables can name */
#define STRIDE_DEFAULT 4
#define FORMAT_LENGTH  3

struct serial_line serial_default(uint16_t port)
{
    return (struct serial_line){
        .baud = SERIAL_BAUD_DEFAULT,
        .divisor = UART_BAUD_BASE / SERIAL_BAUD_DEFAULT,
        .line_control = UART_8N1,
        .place = {SERIAL_IN_PORTS, port, 1, 1},
    };
}

static bool baud_take(const char **at, struct serial_line *line)
{
    uint64_t number;

    if (!number_take(at, NUMBER_DECIMAL, UART_BAUD_BASE, &number) || number == 0 ||
        UART_BAUD_BASE % number != 0 || UART_BAUD_BASE / number > UART_DIVISOR_MAX) {
        return false;
    }
    line->baud = (uint32_t)number;
    line->divisor = (uint16_t)(UART_BAUD_BASE / number);
    return true;
}

static bool parity_bits(char letter, uint8_t *bits)
{
    static const char letters[] = "noems";
    static const uint8_t values[] = {UART_PARITY_NONE, UART_PARITY_ODD, UART_PARITY_EVEN,
                                     UART_PARITY_MARK, UART_PARITY_SPACE};

    for (size_t i = 0; i < sizeof(values); i++) {
        if (letters[i] == letter) {
            *bits = values[i];
            return true;
        }
    }
    return false;
}

static bool format_take(const char **at, uint8_t *line_control)
{
    const char *const text = *at;
    uint8_t parity;

    if ((text[0] != '7' && text[0] != '8') || !parity_bits(text[1], &parity) ||
        (text[2] != '1' && text[2] != '2')) {
        return false;
    }
    *line_control = (uint8_t)((text[0] == '8' ? UART_8_BITS : UART_7_BITS) | parity |
                              (text[2] == '2' ? UART_2_STOP_BITS : 0));
    *at += FORMAT_LENGTH;
    return true;
}

static bool place_take(const char **at, struct serial_place *place)
{
    uint64_t address;

    if (strcmp(*at, "pci") == 0) {
        *at += strlen(*at);
        *place = (struct serial_place){.space = SERIAL_ON_PCI};
        return true;
    }
    if (strncmp(*at, "0x", 2) != 0) {
        return false;
    }
    *at += 2;
    if (!number_take(at, NUMBER_HEX, ADDRESS_MAX, &address)) {
        return false;
    }
    if (address <= UINT16_MAX) {
        *place = (struct serial_place){SERIAL_IN_PORTS, address, 1, 1};
        return address <= PORT_MAX;
    }
    *place = (struct serial_place){SERIAL_IN_MEMORY, address, STRIDE_DEFAULT, STRIDE_DEFAULT};
    if (strncmp(*at, "/1", 2) == 0) {
        place->stride_bytes = 1;
        place->access_bytes = 1;
        *at += 2;
    }
    return address >= LOW_MEMORY_BYTES && address % place->stride_bytes == 0;
}

/* Is there another part behind a comma? */
static bool comma_take(const char **at)
{
    if (**at != ',') {
        return false;
    }
    (*at)++;
    return true;
}

bool serial_parse(const char *text, struct serial_line *line)
{
    struct serial_line parsed = *line;

    if (!baud_take(&text, &parsed)) {
        return false;
    }
    if (comma_take(&text)) {
        if (!format_take(&text, &parsed.line_control)) {
            return false;
        }
        if (comma_take(&text) && !place_take(&text, &parsed.place)) {
            return false;
        }
    }
    if (*text != '\0') {
        return false;
    }
    *line = parsed;
    return true;
}
