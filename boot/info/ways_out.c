/*
 * Which ways out of a machine can be taken: what its tables say of them, checked once more before a register of theirs
 * is written, or a service of theirs is called.
 */
#include "ways_out.h"

#include "abi/acpi.h"
#include "abi/pci.h"
#include "x86/address_map.h"
#include "x86/ports.h"

#define REACH       IDENTITY_MAP_BYTES
#define PCI_OFFSETS 256 /* what the two ports reach of a function's configuration space */

/* Why a register of so many bytes cannot be written; NULL: it can. */
static const char *register_bar(const struct acpi_register *where, uint64_t bytes,
                                const struct boot_info *info)
{
    const struct prange range = {where->address, where->address + bytes};

    switch (where->space) {
    case ACPI_SPACE_IO:
        return NULL;
    case ACPI_SPACE_PCI:
        return ACPI_PCI_DEVICE(where->address) < PCI_DEVICES_PER_BUS &&
                       ACPI_PCI_FUNCTION(where->address) < PCI_FUNCTIONS_PER_DEVICE &&
                       ACPI_PCI_OFFSET(where->address) < PCI_OFFSETS
                   ? NULL
                   : "its register is none of PCI's bus 0";
    default:
        break;
    }
    if (where->address >= REACH || range.end > REACH) {
        return "its register lies above 4 GiB";
    }
    return info != NULL && boot_info_touches_ram(info, range) ? "its register lies in RAM" : NULL;
}

static struct way_check acpi_restart_check(const struct exit_known *known)
{
    const struct acpi_register *const reset = &known->acpi->power.reset;

    if (reset->address == 0) {
        return (struct way_check){.exists = false};
    }
    return (struct way_check){true, register_bar(reset, sizeof(uint8_t), known->info)};
}

static struct way_check acpi_power_off_check(const struct exit_known *known)
{
    const struct acpi_power *const power = &known->acpi->power;
    struct way_check check = {.exists = true};

    if (power->sleep_control.address != 0) {
        check.bar = register_bar(&power->sleep_control, sizeof(uint8_t), known->info);
    } else if (power->pm1a_control.address != 0) {
        check.bar = register_bar(&power->pm1a_control, sizeof(uint16_t), known->info);
        if (check.bar == NULL && power->pm1b_control.address != 0) {
            check.bar = register_bar(&power->pm1b_control, sizeof(uint16_t), known->info);
        }
    } else {
        check.exists = false;
    }
    if (!power->sleep_types_known) {
        check.bar = "its tables do not tell the sleep type of S5";
    }
    return check;
}

static struct way_check efi_check(const struct boot_info *info, const struct physical_view *memory)
{
    struct way_check check = {.exists = info != NULL && info->efi.system_table_pa != 0};

    if (check.exists) {
        efi_reset_system(&info->efi, memory, &check.bar);
    }
    return check;
}

/* Has it been tried already, by ACPI's word? */
static bool acpi_means_pci(const struct acpi_info *acpi)
{
    return acpi != NULL && acpi->power.reset.space == ACPI_SPACE_IO &&
           acpi->power.reset.address == PCI_RESET_PORT;
}

struct way_check way_out_check(enum way_out way, enum exit_goal goal,
                               const struct exit_known *known, const struct physical_view *memory)
{
    struct way_check check = {.exists = false};

    switch (way) {
    case WAY_ACPI:
        if (known->acpi != NULL) {
            return goal == EXIT_RESTART ? acpi_restart_check(known) : acpi_power_off_check(known);
        }
        break;
    case WAY_EFI:
        return efi_check(known->info, memory);
    case WAY_PCI:
        check.exists = goal == EXIT_RESTART && !acpi_means_pci(known->acpi);
        break;
    case WAY_KEYBOARD:
    case WAY_TRIPLE_FAULT:
        check.exists = goal == EXIT_RESTART;
        break;
    case WAYS_OUT:
        break;
    }
    return check;
}
