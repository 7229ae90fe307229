/*
 * The configuration tables of an EFI system table, read as bytes: whether the firmware still lives or not, and
 * whatever its width.
 */
#include "efi_tables.h"

#include "abi/efi_layout.h"
#include "boot_info.h"
#include "mem.h"

/* UEFI specification 2.10, section 4.3: where the members are, by the width of the firmware. */
#define TABLE_COUNT_AT_32 64
#define TABLES_AT_32      68
#define TABLE_COUNT_AT_64 104
#define TABLES_AT_64      112

/* No firmware has as many; a larger count is damage. */
#define TABLES_MAX 1024

#define GUID_BYTES 16

static const uint8_t acpi_20[GUID_BYTES] = {0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11,
                                            0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81};
static const uint8_t acpi_10[GUID_BYTES] = {0x30, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11,
                                            0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d};

static const uint8_t smbios_3[GUID_BYTES] = {0x44, 0x15, 0xfd, 0xf2, 0x94, 0x97, 0x2c, 0x4a,
                                             0x99, 0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94};
static const uint8_t smbios_2[GUID_BYTES] = {0x31, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11,
                                             0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d};

struct table_list {
    uint64_t pa;
    uint64_t count;
};

static struct table_list read_system_table(const struct physical_view *memory,
                                           uint64_t system_table_pa, bool is_64bit)
{
    struct cursor system = view_cursor(
        memory, system_table_pa, is_64bit ? EFI_SYSTEM_TABLE_BYTES_64 : EFI_SYSTEM_TABLE_BYTES_32);
    const uint64_t signature = cursor_u64(&system);
    struct table_list list;

    cursor_seek(&system, is_64bit ? TABLE_COUNT_AT_64 : TABLE_COUNT_AT_32);
    list.count = is_64bit ? cursor_u64(&system) : cursor_u32(&system);
    cursor_seek(&system, is_64bit ? TABLES_AT_64 : TABLES_AT_32);
    list.pa = is_64bit ? cursor_u64(&system) : cursor_u32(&system);
    if (system.failed || signature != EFI_SYSTEM_TABLE_SIGNATURE || list.count > TABLES_MAX) {
        return (struct table_list){0, 0};
    }
    return list;
}

/* The address of the table with this GUID, 0 when there is none. */
static uint64_t table_find(const struct physical_view *memory, struct table_list list,
                           bool is_64bit, const uint8_t wanted[GUID_BYTES])
{
    const size_t entry_bytes = GUID_BYTES + (is_64bit ? sizeof(uint64_t) : sizeof(uint32_t));
    struct cursor tables = view_cursor(memory, list.pa, list.count * entry_bytes);

    for (uint64_t i = 0; i < list.count; i++) {
        uint8_t guid[GUID_BYTES] = {0};
        uint64_t pa;

        cursor_copy(&tables, guid, sizeof(guid));
        pa = is_64bit ? cursor_u64(&tables) : cursor_u32(&tables);
        if (tables.failed) {
            break;
        }
        if (memcmp(guid, wanted, sizeof(guid)) == 0) {
            return pa;
        }
    }
    return 0;
}

static paddr_t find_either(const struct physical_view *memory, uint64_t system_table_pa,
                           bool is_64bit, const uint8_t better[GUID_BYTES],
                           const uint8_t other[GUID_BYTES])
{
    const struct table_list list = read_system_table(memory, system_table_pa, is_64bit);
    const uint64_t found = table_find(memory, list, is_64bit, better);

    return (paddr_t){found != 0 ? found : table_find(memory, list, is_64bit, other)};
}

paddr_t efi_tables_rsdp(const struct physical_view *memory, uint64_t system_table_pa, bool is_64bit)
{
    return find_either(memory, system_table_pa, is_64bit, acpi_20, acpi_10);
}

paddr_t efi_tables_smbios(const struct physical_view *memory, uint64_t system_table_pa,
                          bool is_64bit)
{
    return find_either(memory, system_table_pa, is_64bit, smbios_3, smbios_2);
}
