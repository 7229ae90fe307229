/*
 * The firmware's runtime services, as far as they are called: where ResetSystem is, by tables that are read as bytes,
 * whatever the firmware's width.
 */
#include "abi/efi_layout.h"
#include "abi/efi_memory.h"
#include "mem.h"
#include "ways_out.h"
#include "x86/address_map.h"

/* UEFI 2.10, section 4.2 */
#define HEADER_BYTES_AT 12
#define HEADER_CRC_AT   16

/* Sections 4.3 and 4.5: where the members are, by the width of the firmware. */
#define RUNTIME_AT_32      56
#define RUNTIME_AT_64      88
#define RUNTIME_SIGNATURE  0x56524553544e5552ULL /* "RUNTSERV" */
#define RESET_SYSTEM_AT_32 64
#define RESET_SYSTEM_AT_64 104
/* No version of it is nearly as long. */
#define RUNTIME_BYTES_MOST 4096

#define CRC_POLYNOMIAL 0xedb88320 /* CRC-32 with the lowest bit first */

static uint64_t word_at(struct cursor table, size_t at, bool is_64bit)
{
    cursor_seek(&table, at);
    return is_64bit ? cursor_u64(&table) : cursor_u32(&table);
}

/* Section 4.2: the CRC-32 of the whole table, with 0 in its own place. */
static bool checksum_is_good(struct cursor table)
{
    uint32_t crc = UINT32_MAX;
    uint32_t told;

    for (size_t at = 0; at < table.size; at++) {
        crc ^= at - HEADER_CRC_AT < sizeof(told) ? 0 : table.bytes[at];
        for (unsigned int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) != 0 ? CRC_POLYNOMIAL : 0);
        }
    }
    cursor_seek(&table, HEADER_CRC_AT);
    told = cursor_u32(&table);
    return told == ~crc;
}

/* The runtime services' table; failed when it is not one. */
static struct cursor runtime_table(const struct boot_efi *efi, const struct physical_view *memory)
{
    const struct cursor failed = {.failed = true};
    const bool wide = efi->is_64bit;
    struct cursor table = view_cursor(memory, efi->system_table_pa,
                                      wide ? EFI_SYSTEM_TABLE_BYTES_64 : EFI_SYSTEM_TABLE_BYTES_32);
    const uint64_t at = word_at(table, wide ? RUNTIME_AT_64 : RUNTIME_AT_32, wide);
    uint32_t bytes;

    if (cursor_u64(&table) != EFI_SYSTEM_TABLE_SIGNATURE) {
        return failed;
    }
    table = view_cursor(memory, at, HEADER_CRC_AT);
    if (cursor_u64(&table) != RUNTIME_SIGNATURE) {
        return failed;
    }
    cursor_seek(&table, HEADER_BYTES_AT);
    bytes = cursor_u32(&table);
    if (bytes < (wide ? RESET_SYSTEM_AT_64 + sizeof(uint64_t)
                      : RESET_SYSTEM_AT_32 + sizeof(uint32_t)) ||
        bytes > RUNTIME_BYTES_MOST) {
        return failed;
    }
    table = view_cursor(memory, at, bytes);
    return !table.failed && checksum_is_good(table) ? table : failed;
}

/* Does it lie in memory that the firmware keeps for its services? Without a map nothing can be said against it. */
static bool is_kept(const struct boot_efi *efi, uint64_t address)
{
    for (uint32_t at = 0; at < efi->map_bytes; at += efi->map_descriptor_bytes) {
        struct efi_memory_descriptor descriptor;

        memcpy(&descriptor, efi->map + at, sizeof(descriptor));
        if ((descriptor.attributes & EFI_MEMORY_RUNTIME) != 0 &&
            address >= descriptor.physical_start &&
            (address - descriptor.physical_start) / EFI_PAGE_BYTES < descriptor.pages) {
            return true;
        }
    }
    return efi->map_bytes == 0;
}

uint64_t efi_reset_system(const struct boot_efi *efi, const struct physical_view *memory,
                          const char **bar)
{
    const struct cursor runtime = runtime_table(efi, memory);
    const uint64_t service =
        word_at(runtime, efi->is_64bit ? RESET_SYSTEM_AT_64 : RESET_SYSTEM_AT_32, efi->is_64bit);

    *bar = NULL;
    if (runtime.failed) {
        *bar = "the table of its runtime services is damaged";
    } else if (service >= IDENTITY_MAP_BYTES) {
        *bar = "its runtime services lie above 4 GiB";
    } else if (service == 0 || !is_kept(efi, service)) {
        *bar = "its ResetSystem does not lie in memory of its runtime services";
    }
    return *bar == NULL ? service : 0;
}
