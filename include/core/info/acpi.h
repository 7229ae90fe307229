/*
 * What the firmware's ACPI tables say about the machine, as far as it is used: copied, so that the tables need not be
 * mapped afterwards.
 *
 * Writer: boot/info/acpi*.c. Const afterwards.
 */
#ifndef INFO_ACPI_H
#define INFO_ACPI_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "cursor.h"
#include "pci.h"
#include "serial.h"

#define ACPI_PROCESSORS_MAX    512
#define ACPI_IO_APICS_MAX      64
#define ACPI_PCI_SEGMENTS_MAX  16
#define ACPI_MEMORY_RANGES_MAX 64
#define ACPI_IOMMUS_MAX        16
#define ACPI_IOMMU_SETTINGS    32
#define ACPI_IOMMU_RANGES_MAX  8
#define ACPI_PROBLEMS_MAX      16
#define ACPI_TABLES_MAX        512                /* entries of the root table that are looked at */
#define ACPI_TABLE_BYTES_MAX   (uint32_t) MIB(16) /* of one table; a longer one is damage */

/* The tables that are read. Each is used once: the first good one. */
enum acpi_table {
    ACPI_MADT,
    ACPI_SRAT,
    ACPI_FADT,
    ACPI_DSDT,
    ACPI_HPET,
    ACPI_MCFG,
    ACPI_SPCR,
    ACPI_DBG2,
    ACPI_IVRS,
    ACPI_TABLE_KINDS,
};

enum acpi_defect {
    ACPI_OUT_OF_REACH,  /* not wholly inside the view: above 4 GiB, on the target */
    ACPI_BAD_SIGNATURE, /* another table, or none, is where this one should be */
    ACPI_BAD_LENGTH,    /* shorter than its header, or longer than ACPI_TABLE_BYTES_MAX */
    ACPI_BAD_CHECKSUM,
    ACPI_BAD_EXTENSION, /* the root pointer's second part: its RSDT is used, its XSDT is not */
    ACPI_TWICE,         /* the first one is used */
    ACPI_MALFORMED,     /* what makes no sense in it is left out, the rest is used */
};

/* A table that is not used, or not wholly. */
struct acpi_problem {
    enum acpi_defect defect;
    char signature[5]; /* printable; "????" where it is not known */
    uint64_t at;       /* the table's address; of a malformed one the offset of the first defect */
};

/* A register, wherever it is. */
struct acpi_register {
    uint64_t address;     /* 0: there is none */
    uint8_t space;        /* ACPI_SPACE_*; of a port, address < 64 Ki */
    uint8_t bits;         /* its width; of serial ports, how far registers are apart */
    uint8_t access_bytes; /* 1, 2, 4, 8; 0: not told */
};

struct acpi_processor {
    uint32_t apic_id;
    uint32_t uid;  /* by which ACPI's objects name it */
    uint32_t node; /* SRAT's proximity domain; 0 where it is not told */
    bool enabled;  /* it is there; else it may come later (online capable) */
};

struct acpi_io_apic {
    paddr_t base;
    uint32_t gsi_base; /* number of its first interrupt */
    uint8_t id;
};

/* Memory-mapped PCI configuration space. */
struct acpi_pci_segment {
    paddr_t base; /* of bus 0, whatever the first bus is */
    uint16_t segment;
    uint8_t first_bus;
    uint8_t last_bus;
};

struct acpi_memory_range {
    struct prange bytes;
    uint32_t node;
    bool hot_pluggable;
};

/* A serial port, as told: acpi_serial_line says whether it can be used. */
struct acpi_serial {
    bool is_named;             /* else all that follows is 0 */
    struct acpi_register base; /* address 0: at a place that no processor can reach */
    uint16_t interface;        /* SERIAL_16550*, or any other */
    uint32_t baud;             /* 0: as the firmware left it, or not told */
    uint32_t clock_hz;         /* 0: not told */
    bool is_on_pci;            /* else the next three are 0 */
    uint8_t pci_segment;
    struct pci_function pci_function;
    uint32_t pci_id; /* device << 16 | vendor, as configuration space has it */
};

/* One of AMD's IOMMUs. */
struct acpi_iommu {
    paddr_t registers;
    uint16_t segment;             /* PCI segment group */
    struct pci_function function; /* what it is itself, there */
    uint16_t capability;          /* offset of its block in configuration space */
    uint8_t flags;                /* IVHD_* */
    uint8_t type;                 /* of the block that says so: the highest for this IOMMU */
};

/* What the device table is to say of devices, beside how memory is mapped: IOMMU table 98. */
struct acpi_iommu_setting {
    uint16_t first;
    uint16_t last; /* inclusive; later settings replace earlier ones */
    uint8_t setting;
};

struct acpi_power {
    struct acpi_register reset; /* in memory, a port, or PCI configuration space */
    uint8_t reset_value;        /* to be written there */
    struct acpi_register pm1a_control;
    struct acpi_register pm1b_control;  /* usually there is none */
    struct acpi_register sleep_control; /* of hardware-reduced ACPI, which has no PM1 */
    uint32_t smi_command;               /* port that turns ACPI mode on; 0: it is always on */
    uint8_t acpi_enable;                /* what to write there; 0: it cannot be turned on */
    bool sleep_types_known;
    uint8_t sleep_type_a; /* of S5, for PM1a and for the sleep control register */
    uint8_t sleep_type_b; /* for PM1b */
};

struct acpi_info {
    paddr_t rsdp;         /* 0: there is none, and all that follows is 0 */
    bool xsdt;            /* tables were found through the XSDT, not through the RSDT */
    uint32_t table_count; /* entries of the root table that lead to a table */
    uint32_t kinds;       /* bit n: enum acpi_table n is used */
    char used[ACPI_TABLE_KINDS * sizeof("XXXX ")]; /* the same as words: "APIC FACP DSDT" */

    uint32_t problem_count; /* may exceed ACPI_PROBLEMS_MAX: the rest is counted only */
    struct acpi_problem problems[ACPI_PROBLEMS_MAX];

    paddr_t local_apic;             /* of each processor's own; 0: not told */
    uint32_t processor_count;       /* of processors[]; no two with one APIC id */
    uint32_t processors_enabled;    /* of those */
    uint32_t processors_dropped;    /* beyond ACPI_PROCESSORS_MAX */
    uint32_t processors_duplicated; /* named more than once */
    /*
     * In the table's order. The bootstrap processor is one of them, at any place; a firmware may leave it out, and
     * beyond the limit it may be dropped: whoever starts the others looks for its own id among them.
     */
    struct acpi_processor processors[ACPI_PROCESSORS_MAX];

    uint32_t
        entries_dropped; /* beyond the limits of the three lists below, and of the last two of IOMMUs */
    uint32_t io_apic_count;
    struct acpi_io_apic io_apics[ACPI_IO_APICS_MAX];
    uint32_t pci_segment_count;
    struct acpi_pci_segment pci_segments[ACPI_PCI_SEGMENTS_MAX];
    uint32_t memory_range_count;
    struct acpi_memory_range memory_ranges[ACPI_MEMORY_RANGES_MAX];

    paddr_t ivrs;         /* the table; 0: there is none */
    bool iommus_complete; /* nothing of it is damaged, and there are not more IOMMUs than fit */
    bool has_vtd;         /* there is a table of Intel's IOMMUs, about which no more is known */
    uint16_t
        iommu_highest_device; /* that is named alone, not in a range: it may be on no PCI bus */
    uint32_t iommu_count;
    struct acpi_iommu iommus[ACPI_IOMMUS_MAX];
    uint32_t iommu_setting_count;
    struct acpi_iommu_setting iommu_settings[ACPI_IOMMU_SETTINGS]; /* those that are not 0 */
    uint32_t iommu_range_count;
    struct prange
        iommu_ranges[ACPI_IOMMU_RANGES_MAX]; /* what devices have to reach, at its own address */

    struct acpi_power power;
    uint16_t boot_flags; /* FADT_BOOT_*, 0 where they are not told */

    struct acpi_register pm_timer; /* 3,579,545 ticks in a second */
    bool pm_timer_is_32bit;        /* else it wraps at 24 bits */
    paddr_t hpet;                  /* 0: there is none */

    struct acpi_serial spcr; /* the firmware's console */
    struct acpi_serial dbg2; /* the first serial debug port that is a 16550 */
};

/*
 * Read the tables that the root pointer leads to: through the XSDT, or through the RSDT where there is none or it is
 * bad. Length and checksum are checked of each table that is used; a defect costs that table, and is recorded. Other
 * tables are counted only.
 *
 * S5's sleep type is what `Name (_S5_, Package () {a, b, ...})` in the DSDT says, with a and b integer constants from 0
 * to 7. That is how firmware has it; it is not looked for in SSDTs, nor is AML executed: a method, or a name inside an
 * If, is not understood as such.
 *
 * @memory  physical memory, that of the firmware's tables included; nothing in it is trusted
 * @rsdp    address of the root pointer; 0: there is none
 * @out     need not be cleared
 * Source:  include/abi/acpi.h
 */
void acpi_read(const struct physical_view *memory, paddr_t rsdp, struct acpi_info *out);

/*
 * The entry of processors[] with this APIC id; its length when there is none.
 *
 * @hint  where to look first, any number: entries are often asked for in their order
 */
uint32_t acpi_processor_find(const struct acpi_info *info, uint32_t apic_id, uint32_t hint);

/* The serial port for a console: the firmware's own, else the debug port; NULL where neither is named. */
const struct acpi_serial *acpi_console(const struct acpi_info *info);

/*
 * A named port as a serial line: 8n1, at the speed that is told; at the firmware's own where none is told, or one that
 * the UART's clock cannot make. Whether something else is at that address is for the caller to see.
 *
 * @line    filled only on success
 * @return  NULL, or in a few words why it cannot be used
 * Source:  DBG2, table 3 (interfaces) and "generic address structure": the width is the distance of the registers
 */
const char *acpi_serial_line(const struct acpi_serial *port, struct serial_line *line);

/*
 * Give a table a name that no system looks for, and the checksum that goes with it. Nothing else of it changes, so that
 * whoever lists tables finds all of them sound.
 *
 * @table  where it can be written
 */
void acpi_table_hide(uint8_t *table);

#endif
