/*
 * Which consoles the log goes to.
 */
#include "console.h"

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
    CONSOLES,
};

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

static struct screen screen;
static struct serial_line lines[OPTION_COMS];
static struct uart uarts[OPTION_COMS];
static bool named[OPTION_COMS];  /* by the options */
static bool missed[OPTION_COMS]; /* wanted, and not there */
static const char *framebuffer_defect;
static bool framebuffer_missed;

/* The console that is given the log from its beginning. */
static enum which replay_to;

static void show(enum which which, const char *text, size_t bytes)
{
    const enum state before = states[which];

    /* Busy already: something came in between. The second time it is its own fault that is being reported. */
    if (before != ON && before != BUSY) {
        states[which] = before == BUSY_AGAIN ? OFF : before;
        return;
    }
    states[which] = before == ON ? BUSY : BUSY_AGAIN;
    switch (which) {
    case ON_VGA:
        vga_send(text, bytes);
        break;
    case ON_FRAMEBUFFER:
        framebuffer_send(text, bytes);
        break;
    case ON_COM1:
    case ON_COM2:
        uart_send(&uarts[which - ON_COM1], text, bytes);
        break;
    case CONSOLES:
        break;
    }
    states[which] = before;
}

static void send(const char *text, size_t bytes)
{
    for (enum which i = 0; i < CONSOLES; i++) {
        show(i, text, bytes);
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

static void com_open(unsigned int which, const struct com_option *option,
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
        const uint64_t bytes = (uint64_t)place->stride_bytes * SERIAL_REGISTERS;

        memory[ON_COM1 + which] = pages_of((struct prange){place->address, place->address + bytes});
        if (info == NULL || boot_info_touches_ram(info, memory[ON_COM1 + which])) {
            missed[which] = true;
            return;
        }
    }
    console_open(ON_COM1 + which);
}

static void framebuffer_open(const struct boot_info *info)
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
static bool shows_text(const struct boot_info *info)
{
    return info == NULL ||
           (info->firmware == FIRMWARE_BIOS && info->framebuffer.kind != FRAMEBUFFER_RGB &&
            info->framebuffer.kind != FRAMEBUFFER_INDEXED);
}

void console_start(const struct options *options, const struct boot_info *info)
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
    started = true;
}

void console_report(void)
{
    for (unsigned int i = 0; i < OPTION_COMS; i++) {
        if (missed[i] && named[i]) {
            log_warning("there is no serial line where com%u should be - see docs/options.md",
                        i + 1);
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
static bool is_device(const struct memmap *map, unsigned int physical_bits, struct prange range)
{
    return range.end <= PHYSMAP_END && range.end <= 1ULL << physical_bits &&
           !memmap_touches_ram(map, range);
}

/* The listed range that the other one meets, or NULL. */
static const struct prange *met_by(const struct device_list *list, struct prange range)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (prange_overlaps(list->ranges[i], range)) {
            return &list->ranges[i];
        }
    }
    return NULL;
}

/*
 * Enter a console's memory, unless it is there already: two serial lines may share a page.
 *
 * @return  false when it is no device's, or meets another one's without being a part of it
 */
static bool device_add(struct device_list *list, struct prange *ranges, struct prange range)
{
    const struct prange *met = met_by(list, range);

    if (met == NULL) {
        ranges[list->count++] = range;
        return true;
    }
    return met->start <= range.start && range.end <= met->end;
}

struct device_list console_devices(const struct memmap *map, unsigned int physical_bits)
{
    static struct prange ranges[PAGE_TABLES_DEVICES];
    struct device_list list = {ranges, 0};

    for (enum which i = 0; i < CONSOLES; i++) {
        if (states[i] == OFF || memory[i].start == memory[i].end) {
            continue;
        }
        if (!is_device(map, physical_bits, memory[i]) || !device_add(&list, ranges, memory[i])) {
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

void console_drain(void)
{
    for (unsigned int i = 0; i < OPTION_COMS; i++) {
        if (states[ON_COM1 + i] >= ON) {
            uart_drain(&uarts[i]);
        }
    }
}

void console_retreat(void)
{
    for (enum which i = 0; i < CONSOLES; i++) {
        if (memory[i].end > IDENTITY_MAP_BYTES) {
            states[i] = OFF;
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

void console_emergency(void)
{
    if (started || any_is_on()) {
        return;
    }
    started = true;
    lines[0] = serial_default(COM1_PORT);
    console_open(ON_VGA);
    console_open(ON_COM1);
    log_set_sink(send);
}
