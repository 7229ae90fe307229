/*
 * Messages between processors, as any value of the interrupt command register, and what a processor
 * saw that they started. Source: Intel SDM volume 3A, section 10.6.1 (11.6.1 in later editions).
 */
#include "guest_io.h"
#include "probe.h"

#define APIC          0xfee00000u
#define APIC_ID       0x20
#define APIC_COMMAND  0x300
#define APIC_COMMAND2 0x310
#define PENDING       0x1000u
#define VECTOR_BITS   0xffu
#define POLL_PORT     0x80 /* of POST codes: reading takes time and does nothing */
#define PENDING_POLLS 100000u
#define START_POLLS   500000u
#define START_TIMES   6

static uint8_t saved[PAGE_BYTES];

static volatile uint32_t *apic(unsigned int offset)
{
    return (volatile uint32_t *)(uintptr_t)(APIC + offset);
}

static volatile uint8_t *page(uint64_t vector)
{
    uintptr_t at = vector * PAGE_BYTES;

    /* The compiler holds address 0 for no object. */
    __asm__("" : "+r"(at));
    return (volatile uint8_t *)at;
}

static uint32_t mail(uint64_t vector, unsigned int offset)
{
    return *(volatile uint32_t *)(volatile void *)(page(vector) + offset);
}

static void put_mail(uint64_t vector, unsigned int offset, uint16_t value)
{
    *(volatile uint16_t *)(volatile void *)(page(vector) + offset) = value;
}

/* Keep what the page holds, and put there what a processor is to run. */
static void prepare(uint64_t vector, uint16_t touch, uint16_t turn)
{
    volatile uint8_t *to = page(vector);

    for (unsigned int i = 0; i < PAGE_BYTES; i++) {
        saved[i] = to[i];
    }
    for (const uint8_t *from = processor_code; from < processor_code_end; from++) {
        to[from - processor_code] = *from;
    }
    for (unsigned int i = MAIL_COUNT; i < MAIL_END; i++) {
        to[i] = 0;
    }
    put_mail(vector, MAIL_TOUCH, touch);
    put_mail(vector, MAIL_TURN, turn);
}

static void restore(uint64_t vector)
{
    for (unsigned int i = 0; i < PAGE_BYTES; i++) {
        page(vector)[i] = saved[i];
    }
}

static void command(uint32_t high, uint32_t low)
{
    unsigned int polls = 0;

    *apic(APIC_COMMAND2) = high;
    *apic(APIC_COMMAND) = low;
    while ((*apic(APIC_COMMAND) & PENDING) && polls++ < PENDING_POLLS) {
        (void)inb(POLL_PORT);
    }
}

static bool has_arrived(uint64_t vector, uint64_t count, uint64_t polls)
{
    for (uint64_t i = 0; i < polls && mail(vector, MAIL_COUNT) < count; i++) {
        (void)inb(POLL_PORT);
    }
    return mail(vector, MAIL_COUNT) >= count;
}

static void say_arrived(uint64_t vector)
{
    say("arrived");
    say_number("count", mail(vector, MAIL_COUNT));
    say_number("edx", mail(vector, MAIL_EDX));
    say_number("cr0", mail(vector, MAIL_CR0));
    say_number("cs", mail(vector, MAIL_CS) & 0xffff);
    say_number("ds", mail(vector, MAIL_DS) & 0xffff);
    say_number("read", mail(vector, MAIL_READ));
    say_number("read-again", mail(vector, MAIL_READ_AGAIN));
    end();
}

/*
 * A start-up message that came before INIT was heeded is lost: as all do, it is sent again when nobody comes. Silently:
 * what a hypervisor prints meanwhile goes to the same line.
 */
static void start(uint32_t high, uint32_t low, uint64_t vector, uint64_t count)
{
    for (unsigned int times = 0; times < START_TIMES; times++) {
        command(high, low);
        if (has_arrived(vector, count, START_POLLS)) {
            return;
        }
    }
}

struct command {
    uint32_t high;
    uint32_t low;
};

static void do_command(void *argument)
{
    const struct command *words = argument;

    command(words->high, words->low);
}

bool processor_order(const char *line)
{
    if (word(&line, "prepare")) {
        uint64_t vector = number(&line);
        uint16_t touch = (uint16_t)number(&line);

        prepare(vector, touch, (uint16_t)number(&line));
    } else if (word(&line, "restore")) {
        restore(number(&line));
    } else if (word(&line, "icr")) {
        struct command words;

        words.high = (uint32_t)number(&line);
        words.low = (uint32_t)number(&line);
        say("icr");
        say_outcome(attempt(do_command, &words));
        say_number("low", *apic(APIC_COMMAND));
        end();
    } else if (word(&line, "arrived")) {
        uint64_t vector = number(&line);
        uint64_t count = number(&line);
        uint64_t polls = number(&line);

        (void)has_arrived(vector, count, polls);
        say_arrived(vector);
    } else if (word(&line, "start")) {
        uint32_t high = (uint32_t)number(&line);
        uint32_t low = (uint32_t)number(&line);
        uint64_t count = number(&line);
        uint64_t vector = low & VECTOR_BITS;

        start(high, low, vector, count);
        say_arrived(vector);
    } else if (word(&line, "apic-id")) {
        say("apic-id");
        say_number("value", *apic(APIC_ID) >> 24);
        end();
    } else {
        return false;
    }
    return true;
}
