/*
 * From ACPI's root pointer to tables that are whole: each one's place, length and checksum. What they say is read by
 * acpi_processors.c, acpi_machine.c, acpi_serial.c and acpi_ivrs.c.
 */
#include "abi/acpi.h"
#include "acpi_tables.h"
#include "mem.h"

#define LOW_BYTES     0x00ff00ff00ff00ffULL
#define UNKNOWN_TABLE ACPI_SIGNATURE('?', '?', '?', '?')
#define ROOT_POINTER  ACPI_SIGNATURE('R', 'S', 'D', 'P')

static const uint32_t signatures[ACPI_TABLE_KINDS] = {
    [ACPI_MADT] = ACPI_SIGNATURE_MADT, [ACPI_SRAT] = ACPI_SIGNATURE_SRAT,
    [ACPI_FADT] = ACPI_SIGNATURE_FADT, [ACPI_DSDT] = ACPI_SIGNATURE_DSDT,
    [ACPI_HPET] = ACPI_SIGNATURE_HPET, [ACPI_MCFG] = ACPI_SIGNATURE_MCFG,
    [ACPI_SPCR] = ACPI_SIGNATURE_SPCR, [ACPI_DBG2] = ACPI_SIGNATURE_DBG2,
    [ACPI_IVRS] = ACPI_SIGNATURE_IVRS,
};

/* What is known while the tables are being found. */
struct search {
    const struct physical_view *memory;
    struct acpi_info *out;
    struct cursor tables[ACPI_TABLE_KINDS]; /* whole ones; size 0: not found yet */
    uint32_t twice;                         /* bit n: there is more than one of kind n */
};

static void name_put(char *name, uint32_t signature)
{
    for (size_t i = 0; i < ACPI_SIGNATURE_BYTES; i++) {
        const char letter = (char)(signature >> 8 * i);

        name[i] = '?';
        if (letter > ' ' && letter <= '~') {
            name[i] = letter;
        }
    }
}

static void problem_add(struct acpi_info *out, enum acpi_defect defect, uint32_t signature,
                        uint64_t at)
{
    if (out->problem_count < ACPI_PROBLEMS_MAX) {
        struct acpi_problem *const problem = &out->problems[out->problem_count];

        problem->defect = defect;
        problem->at = at;
        name_put(problem->signature, signature);
    }
    out->problem_count++;
}

/* Whether all bytes add up to 0, modulo 256. Eight at a time: each byte has 16 bits to be added in. */
static bool sum_is_zero(struct cursor table)
{
    uint64_t sums = 0;
    size_t at = 0;

#pragma GCC unroll 8
    for (; table.size - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word;

        __builtin_memcpy(&word, table.bytes + at, sizeof(word));
        sums = (sums + (word & LOW_BYTES) + (word >> 8 & LOW_BYTES)) & LOW_BYTES;
    }
    for (; at < table.size; at++) {
        sums += table.bytes[at];
    }
    return ((sums + (sums >> 16) + (sums >> 32) + (sums >> 48)) & 0xff) == 0;
}

/*
 * A header at `pa` with a possible length.
 *
 * @signature  in: what is expected there, or UNKNOWN_TABLE; out: what is there
 * @return     the whole table, or one of size 0, and the problem is recorded
 */
static struct cursor table_at(struct search *search, uint64_t pa, uint32_t *signature)
{
    const struct cursor nothing = {.size = 0};
    const struct cursor header = view_cursor(search->memory, pa, ACPI_HEADER_BYTES);
    const uint32_t found = field32(header, 0);
    const uint32_t bytes = field32(header, ACPI_HEADER_LENGTH);
    struct cursor table;

    if (header.failed) {
        problem_add(search->out, ACPI_OUT_OF_REACH, *signature, pa);
        return nothing;
    }
    if (*signature != UNKNOWN_TABLE && found != *signature) {
        problem_add(search->out, ACPI_BAD_SIGNATURE, *signature, pa);
        return nothing;
    }
    *signature = found;
    if (bytes < ACPI_HEADER_BYTES || bytes > ACPI_TABLE_BYTES_MAX) {
        problem_add(search->out, ACPI_BAD_LENGTH, found, pa);
        return nothing;
    }
    table = view_cursor(search->memory, pa, bytes);
    if (table.failed) {
        problem_add(search->out, ACPI_OUT_OF_REACH, found, pa);
        return nothing;
    }
    return table;
}

/* The same of a table that has to be this one, its checksum included. */
static struct cursor good_table_at(struct search *search, uint64_t pa, uint32_t signature)
{
    struct cursor table = table_at(search, pa, &signature);

    if (!sum_is_zero(table)) {
        problem_add(search->out, ACPI_BAD_CHECKSUM, signature, pa);
        table.size = 0;
    }
    return table;
}

static enum acpi_table table_kind(uint32_t signature)
{
    enum acpi_table kind = 0;

    while (kind < ACPI_TABLE_KINDS && signatures[kind] != signature) {
        kind++;
    }
    return kind;
}

static void table_take(struct search *search, enum acpi_table kind, uint64_t pa)
{
    struct cursor *const taken = &search->tables[kind];

    if (taken->size == 0) {
        *taken = good_table_at(search, pa, signatures[kind]);
    } else if (kind != ACPI_HPET) {
        /* HPETs have one table each (IA-PC HPET 3.2.4). */
        search->twice |= 1U << kind;
        problem_add(search->out, ACPI_TWICE, signatures[kind], pa);
    }
}

/* All that a root table lists, with entries of 4 bytes (RSDT) or 8 (XSDT). */
static void tables_find(struct search *search, struct cursor root, bool xsdt)
{
    const size_t entry_bytes = xsdt ? sizeof(uint64_t) : sizeof(uint32_t);

    cursor_seek(&root, ACPI_HEADER_BYTES);
    for (uint32_t i = 0; i < ACPI_TABLES_MAX && cursor_left(&root) >= entry_bytes; i++) {
        const uint64_t pa = xsdt ? cursor_u64(&root) : cursor_u32(&root);
        uint32_t signature = UNKNOWN_TABLE;
        enum acpi_table kind;

        if (pa == 0 || table_at(search, pa, &signature).size == 0) {
            continue;
        }
        search->out->table_count++;
        search->out->has_vtd |= signature == ACPI_SIGNATURE_DMAR;
        kind = table_kind(signature);
        /* The DSDT is the one that the FADT names. */
        if (kind != ACPI_TABLE_KINDS && kind != ACPI_DSDT) {
            table_take(search, kind, pa);
        }
    }
}

/* The XSDT, where the root pointer is new enough to have one; else, and where it is bad, size 0. */
static struct cursor xsdt_find(struct search *search, uint64_t pointer_pa)
{
    const struct cursor pointer = view_cursor(search->memory, pointer_pa, RSDP_V2_BYTES);
    const uint64_t xsdt = field64(pointer, RSDP_XSDT);
    const uint32_t bytes = field32(pointer, RSDP_LENGTH);
    const struct cursor summed = view_cursor(search->memory, pointer_pa, bytes);

    if (bytes < RSDP_V2_BYTES || bytes > ACPI_TABLE_BYTES_MAX || summed.failed ||
        !sum_is_zero(summed)) {
        problem_add(search->out, ACPI_BAD_EXTENSION, ROOT_POINTER, pointer_pa);
        return (struct cursor){.size = 0};
    }
    return xsdt == 0 ? (struct cursor){.size = 0}
                     : good_table_at(search, xsdt, ACPI_SIGNATURE_XSDT);
}

/* From the root pointer to all tables. */
static void root_follow(struct search *search, uint64_t pa)
{
    struct acpi_info *const out = search->out;
    const struct cursor pointer = view_cursor(search->memory, pa, RSDP_V1_BYTES);
    struct cursor root = {.size = 0};

    if (pointer.failed) {
        problem_add(out, ACPI_OUT_OF_REACH, ROOT_POINTER, pa);
        return;
    }
    if (memcmp(pointer.bytes, RSDP_SIGNATURE, RSDP_SIGNATURE_BYTES) != 0) {
        problem_add(out, ACPI_BAD_SIGNATURE, ROOT_POINTER, pa);
        return;
    }
    if (!sum_is_zero(pointer)) {
        problem_add(out, ACPI_BAD_CHECKSUM, ROOT_POINTER, pa);
        return;
    }
    if (field8(pointer, RSDP_REVISION) >= RSDP_REVISION_XSDT) {
        root = xsdt_find(search, pa);
    }
    out->xsdt = root.size != 0;
    if (!out->xsdt) {
        root = good_table_at(search, field32(pointer, RSDP_RSDT), ACPI_SIGNATURE_RSDT);
    }
    tables_find(search, root, out->xsdt);
}

static size_t table_read(enum acpi_table kind, struct cursor table, struct acpi_info *out)
{
    switch (kind) {
    case ACPI_MADT:
        return acpi_madt_read(table, out);
    case ACPI_SRAT:
        return acpi_srat_read(table, out);
    case ACPI_FADT:
        return acpi_fadt_read(table, out);
    case ACPI_DSDT:
        return acpi_dsdt_read(table, out);
    case ACPI_HPET:
        return acpi_hpet_read(table, out);
    case ACPI_MCFG:
        return acpi_mcfg_read(table, out);
    case ACPI_SPCR:
        return acpi_spcr_read(table, out);
    case ACPI_DBG2:
        return acpi_dbg2_read(table, out);
    case ACPI_IVRS:
    case ACPI_TABLE_KINDS:
        break;
    }
    return acpi_ivrs_read(table, out);
}

/* In the order of enum acpi_table, whatever the root table's. */
static void tables_read(const struct search *search)
{
    struct acpi_info *const out = search->out;
    char *name = out->used;

    for (enum acpi_table kind = 0; kind < ACPI_TABLE_KINDS; kind++) {
        size_t defect;

        if (search->tables[kind].size == 0) {
            continue;
        }
        defect = table_read(kind, search->tables[kind], out);
        if (defect != 0) {
            problem_add(out, ACPI_MALFORMED, signatures[kind], defect);
        }
        out->kinds |= 1U << kind;
        if (name != out->used) {
            *name++ = ' ';
        }
        name_put(name, signatures[kind]);
        name += ACPI_SIGNATURE_BYTES;
    }
}

void acpi_read(const struct physical_view *memory, paddr_t rsdp, struct acpi_info *out)
{
    struct search search = {.memory = memory, .out = out};
    paddr_t dsdt;

    memset(out, 0, sizeof(*out));
    if (rsdp.pa == 0) {
        return;
    }
    out->rsdp = rsdp;
    root_follow(&search, rsdp.pa);
    dsdt = acpi_fadt_dsdt(search.tables[ACPI_FADT]);
    if (dsdt.pa != 0) {
        table_take(&search, ACPI_DSDT, dsdt.pa);
    }
    if (search.tables[ACPI_IVRS].size != 0) {
        out->ivrs.pa = (uint64_t)(search.tables[ACPI_IVRS].bytes - memory->bytes);
    }
    tables_read(&search);
    if ((search.twice >> ACPI_IVRS & 1) != 0) {
        out->iommus_complete = false;
    }
}

void acpi_table_hide(uint8_t *table)
{
    for (size_t i = 0; i < ACPI_SIGNATURE_BYTES; i++) {
        const uint8_t letter = (uint8_t)ACPI_NAME_OF_NOBODY[i];

        table[ACPI_HEADER_CHECKSUM] = (uint8_t)(table[ACPI_HEADER_CHECKSUM] + table[i] - letter);
        table[i] = letter;
    }
}

bool acpi_entry_next(struct cursor *table, struct cursor *entry)
{
    const size_t at = table->position;
    const size_t left = cursor_left(table);
    const uint8_t bytes = field8(*table, at + ACPI_ENTRY_LENGTH);

    if (left == 0) {
        return false;
    }
    if (left < ACPI_ENTRY_BYTES || bytes < ACPI_ENTRY_BYTES || bytes > left) {
        table->failed = true;
        return false;
    }
    *entry = cursor_take(table, bytes);
    return true;
}

struct acpi_register acpi_register_at(struct cursor table, size_t at)
{
    const uint8_t access = field8(table, at + GAS_ACCESS_SIZE);
    const struct acpi_register found = {
        .address = field64(table, at + GAS_ADDRESS),
        .space = field8(table, at + GAS_SPACE),
        .bits = field8(table, at + GAS_BIT_WIDTH),
        .access_bytes = access == 0 || access > GAS_ACCESS_MAX ? 0 : (uint8_t)(1U << (access - 1)),
    };

    if (found.space > ACPI_SPACE_PCI ||
        (found.space == ACPI_SPACE_IO && found.address >= ACPI_IO_PORTS)) {
        return (struct acpi_register){.address = 0};
    }
    return found;
}
