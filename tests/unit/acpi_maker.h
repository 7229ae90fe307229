/*
 * For tests: physical memory with a root pointer, a root table and tables, at addresses that no alignment fits. Memory
 * ends exactly where the last table ends.
 */
#ifndef TEST_ACPI_MAKER_H
#define TEST_ACPI_MAKER_H

#include "acpi.h"
#include "block.h"

#define RSDP_PA      0x43
#define ROOT_PA      0x1001
#define ROOT_ENTRIES 600
#define TABLES_PA    (ROOT_PA + 36 + 8 * ROOT_ENTRIES)

enum root { ROOT_XSDT, ROOT_RSDT, ROOT_BOTH }; /* both: an empty RSDT is beside the XSDT */

struct firmware {
    struct block memory;
    uint64_t listed[ROOT_ENTRIES];
    size_t listed_count;
};

/* Make all `bytes` from `at` on add up to 0, by the byte at `sum_at`. */
static inline void checksum(struct firmware *made, size_t at, size_t bytes, size_t sum_at)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < bytes; i++) {
        sum = (uint8_t)(sum + made->memory.bytes[at + i]);
    }
    made->memory.bytes[sum_at] = (uint8_t)(made->memory.bytes[sum_at] - sum);
}

/* The length and the checksum of the table at `at`, which ends where memory ends. */
static inline void table_end(struct firmware *made, size_t at)
{
    set32(&made->memory, at + 4, (uint32_t)(made->memory.size - at));
    checksum(made, at, made->memory.size - at, at + 9);
}

static inline void firmware_start(struct firmware *made)
{
    made->memory.size = 0;
    made->listed_count = 0;
    pad_to(&made->memory, TABLES_PA);
}

static inline void list(struct firmware *made, uint64_t pa)
{
    made->listed[made->listed_count++] = pa;
}

/* A header at the end of memory; it is listed. Returns its address. */
static inline size_t table_start(struct firmware *made, const char *signature, uint8_t revision)
{
    const size_t at = made->memory.size | 1;

    pad_to(&made->memory, at);
    put_bytes(&made->memory, signature, 4);
    put32(&made->memory, 0);
    put8(&made->memory, revision);
    put8(&made->memory, 0);
    put_bytes(&made->memory, "OEM-IDOEMTABLE1234ABCD5678", 26);
    list(made, at);
    return at;
}

/* A table with these bytes behind its header. */
static inline size_t table(struct firmware *made, const char *signature, uint8_t revision,
                           const void *bytes, size_t count)
{
    const size_t at = table_start(made, signature, revision);

    put_bytes(&made->memory, bytes, count);
    table_end(made, at);
    return at;
}

static inline void poke(struct firmware *made, size_t at, uint64_t value, size_t bytes)
{
    memcpy(made->memory.bytes + at, &value, bytes); /* little-endian, as the host is */
}

static inline void root_table(struct firmware *made, size_t at, bool xsdt, size_t entries)
{
    const size_t entry = xsdt ? 8 : 4;

    memcpy(made->memory.bytes + at, xsdt ? "XSDT" : "RSDT", 4);
    memset(made->memory.bytes + at + 4, 0, 32);
    poke(made, at + 4, 36 + entries * entry, 4);
    for (size_t i = 0; i < entries; i++) {
        poke(made, at + 36 + i * entry, made->listed[i], entry);
    }
    checksum(made, at, 36 + entries * entry, at + 9);
}

static inline void root_pointer(struct firmware *made, uint32_t rsdt, uint64_t xsdt)
{
    memcpy(made->memory.bytes + RSDP_PA, "RSD PTR ", 8);
    memset(made->memory.bytes + RSDP_PA + 8, 0, 28);
    poke(made, RSDP_PA + 15, xsdt != 0 ? 2 : 0, 1);
    poke(made, RSDP_PA + 16, rsdt, 4);
    if (xsdt != 0) {
        poke(made, RSDP_PA + 20, 36, 4);
        poke(made, RSDP_PA + 24, xsdt, 8);
    }
    checksum(made, RSDP_PA, 20, RSDP_PA + 8);
    checksum(made, RSDP_PA, 36, RSDP_PA + 32);
}

#define EMPTY_RSDT_PA 0x101

static inline void firmware_end(struct firmware *made, enum root root)
{
    root_table(made, EMPTY_RSDT_PA, false, 0);
    root_table(made, ROOT_PA, root != ROOT_RSDT, made->listed_count);
    root_pointer(made,
                 root == ROOT_RSDT   ? ROOT_PA
                 : root == ROOT_BOTH ? EMPTY_RSDT_PA
                                     : 0,
                 root == ROOT_RSDT ? 0 : ROOT_PA);
}

/* What is read of this memory as it is. */
static inline void read_as_is(const struct firmware *made, struct acpi_info *out)
{
    struct physical_view view = memory_with(0, made->memory.bytes, made->memory.size);

    memset(out, 0xa5, sizeof(*out));
    acpi_read(&view, (paddr_t){RSDP_PA}, out);
    memory_free(view);
}

static inline void read_all(struct firmware *made, struct acpi_info *out)
{
    firmware_end(made, ROOT_XSDT);
    read_as_is(made, out);
}

/* What is read of a single table. */
static inline void read_one(struct firmware *made, struct acpi_info *out, const char *signature,
                            uint8_t revision, const void *bytes, size_t count)
{
    firmware_start(made);
    table(made, signature, revision, bytes, count);
    read_all(made, out);
}

#endif
