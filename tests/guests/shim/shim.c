/* The command list, carried out. */
#include "shim.h"
#include "crc32.h"
#include "guest_io.h"

#define MB1_MODULE_COUNT                                                                           \
    5 /* in words. Multiboot specification 0.6.96, section 3.3: mods_count, mods_addr */
#define MB1_MODULE_LIST 6
#define CRC_DIGITS      8

static void stop(const char *why) __attribute__((noreturn));
static void stop(const char *why)
{
    print("(SHIM) error: ");
    print(why);
    print("\n");
    leave(VERDICT_FAIL);
}

/* Correct for overlapping areas. */
static void copy(uint32_t from, uint32_t to, uint32_t bytes)
{
    if (to > from && to - from < bytes) {
        from += bytes - 1;
        to += bytes - 1;
        __asm__ volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
    } else {
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
    }
}

static void fill(uint32_t at, uint32_t bytes, uint32_t value)
{
    uint32_t words = bytes / 4;
    uint32_t rest = bytes % 4;

    value *= 0x01010101u;
    __asm__ volatile("rep stosl" : "+D"(at), "+c"(words) : "a"(value) : "memory");
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(rest) : "a"(value) : "memory");
}

static void write_crc(uint32_t at, uint32_t bytes, uint32_t text)
{
    uint32_t value = crc32((const uint8_t *)at, bytes);

    for (int digit = 0; digit < CRC_DIGITS; digit++) {
        uint32_t nibble = (value >> (28 - 4 * digit)) & 0xf;

        ((char *)text)[digit] = (char)(nibble < 10 ? '0' + nibble : 'a' + nibble - 10);
    }
}

static void control_write(uint32_t which, uint32_t value)
{
    if (which == 0) {
        __asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory");
    } else if (which == 4) {
        __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
    } else {
        stop("unknown control register");
    }
}

static void debug_write(uint32_t which, uint32_t value)
{
    switch (which) {
    case 0:
        __asm__ volatile("mov %0, %%dr0" : : "r"(value));
        break;
    case 1:
        __asm__ volatile("mov %0, %%dr1" : : "r"(value));
        break;
    case 6:
        __asm__ volatile("mov %0, %%dr6" : : "r"(value));
        break;
    case 7:
        __asm__ volatile("mov %0, %%dr7" : : "r"(value));
        break;
    default:
        stop("unknown debug register");
    }
}

void run_commands(const uint32_t *multiboot_info)
{
    uint32_t module;
    const uint32_t *word;

    serial_open();
    if (multiboot_info[MB1_MODULE_COUNT] != 1) {
        stop("wants one module");
    }
    module = *(const uint32_t *)multiboot_info[MB1_MODULE_LIST];
    for (word = (const uint32_t *)module;;) {
        switch (word[0]) {
        case SHIM_COPY:
            copy(module + word[1], word[2], word[3]);
            word += 4;
            break;
        case SHIM_FILL:
            fill(word[1], word[2], word[3]);
            word += 4;
            break;
        case SHIM_CRC:
            write_crc(word[1], word[2], word[3]);
            word += 4;
            break;
        case SHIM_OUT:
            outb((uint16_t)word[1], (uint8_t)word[2]);
            word += 3;
            break;
        case SHIM_MSR:
            __asm__ volatile("wrmsr" : : "c"(word[1]), "a"(word[2]), "d"(word[3]) : "memory");
            word += 4;
            break;
        case SHIM_CONTROL:
            control_write(word[1], word[2]);
            word += 3;
            break;
        case SHIM_DEBUG:
            debug_write(word[1], word[2]);
            word += 3;
            break;
        case SHIM_JUMP:
            launch((const uint8_t *)module + word[1]);
        default:
            stop("unknown command");
        }
    }
}
