/*
 * Maps physical pages, reads what is there, overwrites it and executes it:
 *
 *   intruder ADDRESS...
 *
 * For each page one line at the end: "0xADDRESS: read 0xA, then 0xB, ran on|signal N", or why it could not be mapped.
 * Lines come last, so that nothing of a hypervisor's mixes with them.
 * Source: mem(4), mmap(2), sigaction(2).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE    4096u
#define PATTERN 0x5aa5c33c0ff0699aull
#define RETURN  0xc3 /* one-byte instruction */
#define MOST    64
#define LINE    160

static sigjmp_buf back;
static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    caught = number;
    siglongjmp(back, 1);
}

/* The number of the signal that it ended in; 0: it returned. */
static int call(const void *at)
{
    caught = 0;
    if (sigsetjmp(back, 1) == 0) {
        void (*function)(void);

        memcpy(&function, &at, sizeof(function));
        function();
    }
    return caught;
}

static void intrude(int memory, uint64_t address, char line[LINE])
{
    volatile uint64_t *words =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, memory, (off_t)address);
    uint64_t before, then;
    int signal_number;

    if (words == MAP_FAILED) {
        snprintf(line, LINE, "0x%" PRIx64 ": cannot be mapped: %m", address);
        return;
    }
    before = words[0];
    for (size_t i = 0; i < PAGE / sizeof(*words); i++) {
        words[i] = PATTERN;
    }
    then = words[0];
    *(volatile uint8_t *)words = RETURN;
    signal_number = call((const void *)(uintptr_t)words);
    munmap((void *)(uintptr_t)words, PAGE);
    if (signal_number == 0) {
        snprintf(line, LINE, "0x%" PRIx64 ": read 0x%" PRIx64 ", then 0x%" PRIx64 ", ran on",
                 address, before, then);
    } else {
        snprintf(line, LINE, "0x%" PRIx64 ": read 0x%" PRIx64 ", then 0x%" PRIx64 ", signal %d",
                 address, before, then, signal_number);
    }
}

int main(int count, char **words)
{
    static char lines[MOST][LINE];
    const int signals[] = {SIGILL, SIGSEGV, SIGBUS, SIGTRAP};
    const struct sigaction caught_by = {.sa_handler = on_signal};
    int memory = open("/dev/mem", O_RDWR);

    if (memory < 0) {
        perror("/dev/mem");
        return 1;
    }
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        sigaction(signals[i], &caught_by, NULL);
    }
    for (int i = 1; i < count && i <= MOST; i++) {
        intrude(memory, strtoull(words[i], NULL, 0), lines[i - 1]);
    }
    for (int i = 1; i < count && i <= MOST; i++) {
        puts(lines[i - 1]);
    }
    return 0;
}
