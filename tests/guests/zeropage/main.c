/* The zeropage guest: the order of the checks, their results, and what the command line says to
 * expect. */
#include "guest.h"
#include "guest_io.h"

static unsigned int checks_done;
static unsigned int checks_failed;

bool check(bool ok, const char *name, uint64_t found, uint64_t expected)
{
    checks_done++;
    print(ok ? "PASS " : "FAIL ");
    print(name);
    if (!ok) {
        checks_failed++;
        print(": found ");
        print_hex(found);
        print(", expected ");
        print_hex(expected);
    }
    print("\n");
    return ok;
}

bool starts_with(const char *text, const char *start)
{
    while (*start != '\0') {
        if (*text++ != *start++) {
            return false;
        }
    }
    return true;
}

const char *expectation(const struct handover *handover, const char *key, unsigned int n)
{
    const char *word = handover->words;

    while (word != NULL && *word != '\0') {
        if (starts_with(word, key) && n-- == 0) {
            while (*word++ != '=') {
            }
            return word;
        }
        while (*word != '\0' && *word != ' ') {
            word++;
        }
        while (*word == ' ') {
            word++;
        }
    }
    return NULL;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static uint64_t read_digits(const char **text, int base)
{
    uint64_t value = 0;

    while (digit_value(**text) < base) {
        value = value * (unsigned int)base + (unsigned int)digit_value(**text);
        (*text)++;
    }
    if (**text == ':') {
        (*text)++;
    }
    return value;
}

uint64_t read_number(const char **text)
{
    if (starts_with(*text, "0x")) {
        *text += 2;
        return read_digits(text, 16);
    }
    return read_digits(text, 10);
}

uint32_t read_crc(const char **text)
{
    return (uint32_t)read_digits(text, 16);
}

static void verdict(void) __attribute__((noreturn));
static void verdict(void)
{
    print(checks_failed == 0 ? "GUEST-OK " : "GUEST-FAIL ");
    print_decimal(checks_failed == 0 ? checks_done : checks_failed);
    print(checks_failed == 0 ? " checks\n" : "\n");
    leave(checks_failed == 0 ? VERDICT_PASS : VERDICT_FAIL);
}

void guest_exception(unsigned long vector, const unsigned long *stack)
{
    unsigned long fault_address;

    __asm__ volatile("mov %%cr2, %0" : "=r"(fault_address));
    print("cr2 ");
    print_hex(fault_address);
    for (int i = 0; i < 4; i++) {
        print(" stack ");
        print_hex(stack[i]);
    }
    print("\n");
    check(false, "no exception", vector, 0);
    verdict();
}

/*
 * From protocol 2.10 on the header says how much room the kernel needs; before that, nothing but
 * the file's size is known. Source: boot.rst, "init_size".
 */
static uint64_t room_needed(void)
{
#if PROTOCOL >= 0x020a
    return INIT_SIZE;
#else
    return (uint64_t)(kernel_end - kernel_start);
#endif
}

void guest_main(const struct entry_state *entry)
{
    struct handover handover = {.entry = entry, .zero_page = (const uint8_t *)(uintptr_t)entry->si};

    serial_open();
    install_exception_handlers();
    print("\nGUEST " VARIANT_NAME "\nFIRST-TSC ");
    print_decimal(entry->tsc);
    print("\n");
    handover.kernel.start = (uintptr_t)kernel_start;
    handover.kernel.end = handover.kernel.start + room_needed();
    handover.params.start = entry->si;
    handover.params.end = entry->si + 4096;
    check_cpu(&handover, &handover.gdt);
    check_header(&handover);
    check_paging(&handover);
    check_fields(&handover);
    check_memory(&handover);
    check_registers(&handover);
    verdict();
}
