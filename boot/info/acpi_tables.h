/*
 * Private to boot/info/acpi*.c: how fields are taken out of a table, and the readers of the single tables.
 *
 * A field that lies behind the end of its table is 0, which ACPI means by "not there" everywhere: tables have grown
 * with the specification.
 */
#ifndef INFO_ACPI_TABLES_H
#define INFO_ACPI_TABLES_H

#include "acpi.h"

static inline uint8_t field8(struct cursor table, size_t at)
{
    cursor_seek(&table, at);
    return cursor_u8(&table);
}

static inline uint16_t field16(struct cursor table, size_t at)
{
    cursor_seek(&table, at);
    return cursor_u16(&table);
}

static inline uint32_t field32(struct cursor table, size_t at)
{
    cursor_seek(&table, at);
    return cursor_u32(&table);
}

static inline uint64_t field64(struct cursor table, size_t at)
{
    cursor_seek(&table, at);
    return cursor_u64(&table);
}

/* The generic address structure at this offset: all 0 where it names a place that no processor could reach. */
struct acpi_register acpi_register_at(struct cursor table, size_t at);

/*
 * Step to the next entry of a list of entries {type, length, ...}.
 *
 * @table   at an entry; failed afterwards when the entry's length is wrong, with `position` at the entry
 * @entry   receives the whole entry
 * @return  false at the list's end, and when it is damaged
 */
bool acpi_entry_next(struct cursor *table, struct cursor *entry);

/*
 * Each adds what one table says to `out`. The table is whole: its length is that of the cursor.
 *
 * @return  0, or the offset of the first thing in it that makes no sense, and was left out
 */
size_t acpi_madt_read(struct cursor table, struct acpi_info *out);
size_t acpi_srat_read(struct cursor table, struct acpi_info *out); /* after the MADT */
size_t acpi_fadt_read(struct cursor table, struct acpi_info *out);
size_t acpi_dsdt_read(struct cursor table, struct acpi_info *out);
size_t acpi_hpet_read(struct cursor table, struct acpi_info *out);
size_t acpi_mcfg_read(struct cursor table, struct acpi_info *out);
size_t acpi_spcr_read(struct cursor table, struct acpi_info *out);
size_t acpi_dbg2_read(struct cursor table, struct acpi_info *out);
size_t acpi_ivrs_read(struct cursor table, struct acpi_info *out);

/* Where the FADT says that the DSDT is; 0: nowhere. */
paddr_t acpi_fadt_dsdt(struct cursor fadt);

#endif
