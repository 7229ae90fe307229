/*
 * Which consoles the log goes to.
 */
#include "console.h"

#include "compiler.h"
#include "framebuffer.h"
#include "log.h"
#include "pci_serial.h"
#include "physmap.h"
#include "uart.h"
#include "x86/address_map.h"
#include "x86/paging.h"
#include "x86/ports.h"

/* In the order in which they are given a line: the quick ones first. */
enum which {
    ON_VGA,
    ON_FRAMEBUFFER,
    ON_COM1,
    ON_COM2,
    ON_ACPI, /* the serial line that ACPI names */
    CONSOLES,
};

#define SERIALS  (CONSOLES - ON_COM1)
#define THE_ACPI (ON_ACPI - ON_COM1)

enum state {
    OFF,
    WAITING, /* for page tables that map it */
    ON,
    BUSY,       /* showing something */
    BUSY_AGAIN, /* showing a report that came in between */
};

static enum state states[CONSOLES];
static struct prange memory[CONSOLES]; /* a device's; empty: it is behind ports, or mapped anyway */
static bool started;                   /* all that are wanted */
static enum which shown = CONSOLES;    /* which of them is being given something; CONSOLES: none */

static struct screen screen;
static struct serial_line lines[SERIALS];
static struct uart uarts[SERIALS];
static bool named[SERIALS];   /* by the options, or by ACPI */
static bool missed[SERIALS];  /* wanted, and not there */
static bool gave_up[SERIALS]; /* and that has been said */
static bool acpi_wanted;
static const char *framebuffer_defect;
static bool framebuffer_missed;

/* As the log names them; in one piece, so that there is no pointer. */
static const char names[SERIALS][sizeof("ACPI's")] = {"com1", "com2", "ACPI's"};

/* The console that is given the log from its beginning. */
static enum which replay_to;

static void show(enum which which, const char *text, size_t bytes)
{
    const enum state before = states[which];

    /* Busy already: something came in between. The second time something has come in between of its report, too. */
    if (before != ON && before != BUSY) {
        states[which] = before == BUSY_AGAIN ? OFF : before;
        return;
    }
    states[which] = before == ON ? BUSY : BUSY_AGAIN;
    shown = which;
    switch (which) {
    case ON_VGA:
        vga_send(text, bytes);
        break;
    case ON_FRAMEBUFFER:
        framebuffer_send(text, bytes);
        break;
    case ON_COM1:
    case ON_COM2:
    case ON_ACPI:
        uart_send(&uarts[which - ON_COM1], text, bytes);
        break;
    case CONSOLES:
        break;
    }
    shown = CONSOLES;
    states[which] = before;
}

/* Tell the others of a serial line that does not get ready any more. */
static void silence_report(void)
{
    for (unsigned int i = 0; i < SERIALS; i++) {
        if (states[ON_COM1 + i] == ON && !uarts[i].answers && !gave_up[i]) {
            gave_up[i] = true;
            log_warning("a serial line does not get ready: %s is not used any more", names[i]);
        }
    }
}

static void send(const char *text, size_t bytes)
{
    for (enum which i = 0; i < CONSOLES; i++) {
        show(i, text, bytes);
    }
    if (bytes > 0 && text[bytes - 1] == '\n') {
        silence_report();
    }
}

static void replay(const char *text, size_t bytes)
{
    show(replay_to, text, bytes);
}

/* One that is wanted, and reachable. */
static bool device_start(enum which which)
{
    switch (which) {
    case ON_VGA:
        return vga_start();
    case ON_FRAMEBUFFER:
        return framebuffer_start(&screen);
    default:
        return uart_start(&uarts[which - ON_COM1], &lines[which - ON_COM1]);
    }
}

static void console_missed(enum which which)
{
    if (which >= ON_COM1) {
        missed[which - ON_COM1] = true;
    } else if (which == ON_FRAMEBUFFER) {
        framebuffer_defect = "there is no device memory behind it";
    }
}

/* Start a console, and give it the log from its beginning. */
static void console_up(enum which which)
{
    states[which] = device_start(which) ? ON : OFF;
    if (states[which] == OFF) {
        console_missed(which);
        return;
    }
    replay_to = which;
    log_replay(replay);
    silence_report();
}

/* Start a console, or let it wait for the final page tables. */
static void console_open(enum which which)
{
    if (memory[which].end > IDENTITY_MAP_BYTES) {
        states[which] = WAITING;
    } else {
        console_up(which);
    }
}

static struct prange pages_of(struct prange bytes)
{
    return (struct prange){align_down(bytes.start, PAGE_BYTES), align_up(bytes.end, PAGE_BYTES)};
}

static INIT void serial_memory(unsigned int which)
{
    const struct serial_place *const place = &lines[which].place;
    const uint64_t bytes = (uint64_t)place->stride_bytes * SERIAL_REGISTERS;

    memory[ON_COM1 + which] = pages_of((struct prange){place->address, place->address + bytes});
}

static INIT void com_open(unsigned int which, const struct com_option *option,
                          const struct boot_info *info)
{
    struct serial_place *const place = &lines[which].place;

    lines[which] = option->line;
    if (!option->wanted) {
        return;
    }
    if (place->space == SERIAL_ON_PCI && !pci_serial_find(place)) {
        missed[which] = true;
        return;
    }
    if (place->space == SERIAL_IN_MEMORY) {
        serial_memory(which);
        if (info == NULL || boot_info_touches_ram(info, memory[ON_COM1 + which])) {
            missed[which] = true;
            return;
        }
    }
    console_open(ON_COM1 + which);
}

static INIT void framebuffer_open(const struct boot_info *info)
{
    framebuffer_defect = screen_from(&info->framebuffer, &screen);
    if (framebuffer_defect != NULL) {
        return;
    }
    memory[ON_FRAMEBUFFER] = pages_of(screen.bytes);
    if (boot_info_touches_ram(info, memory[ON_FRAMEBUFFER])) {
        framebuffer_defect = "it lies in RAM";
        return;
    }
    console_open(ON_FRAMEBUFFER);
}

/* Under UEFI there is no VGA text; a BIOS shows text unless a loader says otherwise. */
static INIT bool shows_text(const struct boot_info *info)
{
    return info == NULL ||
           (info->firmware == FIRMWARE_BIOS && info->framebuffer.kind != FRAMEBUFFER_RGB &&
            info->framebuffer.kind != FRAMEBUFFER_INDEXED);
}

INIT void console_start(const struct options *options, const struct boot_info *info)
{
    const bool pixels = info != NULL && (info->framebuffer.kind == FRAMEBUFFER_RGB ||
                                         info->framebuffer.kind == FRAMEBUFFER_INDEXED);

    log_set_level(options->log_level);
    log_set_sink(send);
    if (options->vga && shows_text(info)) {
        console_open(ON_VGA);
    }
    if (options->framebuffer && pixels) {
        framebuffer_open(info);
    }
    framebuffer_missed = options->framebuffer_named && !pixels;
    for (unsigned int i = 0; i < OPTION_COMS; i++) {
        named[i] = options->com[i].named;
        com_open(i, &options->com[i], info);
    }
    acpi_wanted = options->acpi;
    named[THE_ACPI] = options->acpi_named;
    started = true;
}

/* The serial line that is used already, or waits, at the place that ACPI names; SERIALS when there is none. */
static INIT unsigned int used_at(const struct serial_place *place)
{
    unsigned int i = 0;

    while (i < OPTION_COMS && (states[ON_COM1 + i] == OFF || lines[i].place.space != place->space ||
                               lines[i].place.address != place->address)) {
        i++;
    }
    return i == OPTION_COMS ? SERIALS : i;
}

/* The line is a console already. What the options do not say of it ACPI may: its speed. */
static INIT void acpi_is_used(unsigned int which)
{
    const struct serial_line *const line = &lines[THE_ACPI];

    log_debug("console: the serial line that ACPI names is com%u, which is used already",
              which + 1);
    if (!named[which] && line->divisor != 0 && line->divisor != lines[which].divisor) {
        lines[which] = *line;
        console_up(ON_COM1 + which);
    }
}

/* What keeps the line from being used, of what only the machine knows. */
static INIT const char *acpi_defect(const struct acpi_serial *port, const struct memmap *map)
{
    const struct serial_place *const place = &lines[THE_ACPI].place;

    if (port->is_on_pci && !pci_serial_wake(port->pci_function, port->pci_id, place->space)) {
        return "its PCI card is not there";
    }
    if (place->space == SERIAL_IN_MEMORY) {
        serial_memory(THE_ACPI);
        if (memmap_touches_ram(map, memory[ON_ACPI])) {
            return "it lies in RAM";
        }
    }
    return NULL;
}

static INIT void acpi_open(const struct acpi_serial *port, const struct memmap *map)
{
    struct serial_line *const line = &lines[THE_ACPI];
    const char *defect = acpi_serial_line(port, line);
    const unsigned int used = defect == NULL ? used_at(&line->place) : SERIALS;

    if (used != SERIALS) {
        acpi_is_used(used);
        return;
    }
    if (defect == NULL) {
        defect = acpi_defect(port, map);
    }
    if (defect != NULL) {
        log_warning("the serial line that ACPI names is not used: %s", defect);
        return;
    }
    log_debug("console: ACPI names a serial line %s 0x%lx",
              line->place.space == SERIAL_IN_PORTS ? "at port" : "in memory at",
              line->place.address);
    named[THE_ACPI] = true;
    console_open(ON_ACPI);
    console_report();
}

INIT void console_acpi(const struct acpi_info *acpi, const struct memmap *map)
{
    const struct acpi_serial *const port = acpi_console(acpi);

    if (acpi_wanted && port != NULL) {
        acpi_open(port, map);
    } else if (named[THE_ACPI]) {
        log_warning("ACPI names no serial line for a console - see docs/options.md");
    }
}

void console_report(void)
{
    for (unsigned int i = 0; i < SERIALS; i++) {
        if (missed[i] && named[i]) {
            log_warning("there is no serial line where %s should be - see docs/options.md",
                        names[i]);
            missed[i] = false;
        }
    }
    if (framebuffer_missed) {
        log_warning("there is no framebuffer for a console - see docs/options.md");
        framebuffer_missed = false;
    }
    if (framebuffer_defect != NULL) {
        log_info("console: the framebuffer is not used: %s", framebuffer_defect);
        framebuffer_defect = NULL;
    }
}

/* May the final page tables map it? */
static INIT bool is_device(const struct memmap *map, unsigned int physical_bits,
                           struct prange range)
{
    return range.end <= PHYSMAP_END && range.end <= 1ULL << physical_bits &&
           !memmap_touches_ram(map, range);
}

/* The listed device that a range meets, or NULL. */
static INIT const struct device_memory *met_by(const struct device_list *list, struct prange range)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (prange_overlaps(list->devices[i].bytes, range)) {
            return &list->devices[i];
        }
    }
    return NULL;
}

/*
 * Enter a console's memory, unless it is there already: two serial lines may share a page.
 *
 * @return  false when it is no device's, or meets another one's without being a part of it
 */
static INIT bool device_add(struct device_list *list, struct device_memory *devices,
                            struct device_memory device)
{
    const struct device_memory *met = met_by(list, device.bytes);

    if (met == NULL) {
        devices[list->count++] = device;
        return true;
    }
    return met->combines == device.combines && met->bytes.start <= device.bytes.start &&
           device.bytes.end <= met->bytes.end;
}

INIT struct device_list console_devices(const struct memmap *map, unsigned int physical_bits)
{
    static struct device_memory devices[PAGE_TABLES_DEVICES];
    struct device_list list = {devices, 0};

    for (enum which i = 0; i < CONSOLES; i++) {
        const struct device_memory device = {memory[i], i == ON_FRAMEBUFFER};

        if (states[i] == OFF || memory[i].start == memory[i].end) {
            continue;
        }
        if (!is_device(map, physical_bits, memory[i]) || !device_add(&list, devices, device)) {
            states[i] = OFF;
            console_missed(i);
        }
    }
    return list;
}

void console_continue(void)
{
    for (enum which i = 0; i < CONSOLES; i++) {
        if (states[i] == WAITING) {
            console_up(i);
        }
    }
    console_report();
}

void console_retreat(void)
{
    for (enum which i = 0; i < CONSOLES; i++) {
        if (memory[i].end > IDENTITY_MAP_BYTES) {
            states[i] = OFF;
        }
    }
}

void console_leave_screens(void)
{
    states[ON_VGA] = OFF;
    states[ON_FRAMEBUFFER] = OFF;
}

void console_drain(void)
{
    for (unsigned int i = 0; i < SERIALS; i++) {
        if (states[ON_COM1 + i] >= ON) {
            uart_drain(&uarts[i]);
        }
    }
}

static bool any_is_on(void)
{
    for (enum which i = 0; i < CONSOLES; i++) {
        if (states[i] >= ON) {
            return true;
        }
    }
    return false;
}

bool console_blame(void)
{
    if (shown == CONSOLES) {
        return false;
    }
    states[shown] = OFF;
    shown = CONSOLES;
    return true;
}

void console_emergency(void)
{
    shown =
        CONSOLES; /* whatever was interrupted: whether it is at fault is seen when it is given the report */
    if (started || any_is_on()) {
        return;
    }
    started = true;
    lines[0] = serial_default(COM1_PORT);
    console_open(ON_VGA);
    console_open(ON_COM1);
    log_set_sink(send);
}
