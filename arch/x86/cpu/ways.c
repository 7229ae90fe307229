/*
 * Taking the ways out: each is a few writes to registers, or a call of the firmware, and some time for it to work.
 */
#include "ways.h"

#include <stddef.h>

#include "abi/acpi.h"
#include "abi/efi.h"
#include "abi/pci.h"
#include "clock.h"
#include "console.h"
#include "image.h"
#include "instructions.h"
#include "page_tables.h"
#include "physmap.h"
#include "x86/ports.h"
#include "x86/registers.h"
#include "x86/stacks.h"

/* Far more than what works takes; an S5 that system management mode prepares may take a second. */
#define RESTART_US   500000
#define POWER_OFF_US 3000000
#define ACPI_MODE_US 1000000
#define KEYBOARD_US  100000

/* Of the boot stack, what is left to those who use it meanwhile. */
#define STACK_KEPT_BYTES 0x1000

#define PCI_DEVICE_SHIFT   11 /* in PCI_CONFIG_ADDRESS */
#define PCI_FUNCTION_SHIFT 8
#define PCI_WORD_OFFSETS   3U /* the bits of an offset in a word */

typedef void firmware_call32_fn(uint32_t call_pa);
firmware_call32_fn firmware_call32;
extern const uint8_t boot_stack_top[];

void way_out_wait(const struct acpi_info *acpi, uint64_t us)
{
    struct clock clock = clock_choose(acpi);

    clock_start(&clock);
    while (clock_us(&clock) < us) {
        processor_pause();
    }
}

/* --- ACPI ------------------------------------------------------------------------------------ */

/* A register in memory. */
static volatile void *memory_at(const struct acpi_register *where)
{
    console_retreat();
    page_tables_retreat();
    return physmap_device((paddr_t){where->address});
}

static void register_write8(const struct acpi_register *where, uint8_t value)
{
    const unsigned int offset = ACPI_PCI_OFFSET(where->address);

    switch (where->space) {
    case ACPI_SPACE_IO:
        port_write8((uint16_t)where->address, value);
        break;
    case ACPI_SPACE_PCI:
        port_write32(PCI_CONFIG_ADDRESS,
                     PCI_CONFIG_ENABLE | ACPI_PCI_DEVICE(where->address) << PCI_DEVICE_SHIFT |
                         ACPI_PCI_FUNCTION(where->address) << PCI_FUNCTION_SHIFT |
                         (offset & ~PCI_WORD_OFFSETS));
        port_write8((uint16_t)(PCI_CONFIG_DATA + (offset & PCI_WORD_OFFSETS)), value);
        break;
    default:
        *(volatile uint8_t *)memory_at(where) = value;
        break;
    }
}

static uint16_t pm1_read(const struct acpi_register *where)
{
    return where->space == ACPI_SPACE_IO ? port_read16((uint16_t)where->address)
                                         : *(volatile uint16_t *)memory_at(where);
}

/* There may be no such register. */
static void pm1_write(const struct acpi_register *where, uint16_t value)
{
    if (where->address == 0) {
        return;
    }
    if (where->space == ACPI_SPACE_IO) {
        port_write16((uint16_t)where->address, value);
    } else {
        *(volatile uint16_t *)memory_at(where) = value;
    }
}

/* Before, the sleep registers may be the firmware's own affair. ACPI 6.5, section 4.8.2.5 */
static void acpi_mode_enter(const struct acpi_info *acpi)
{
    const struct acpi_power *const power = &acpi->power;
    struct clock clock = clock_choose(acpi);

    if (power->smi_command == 0 || power->smi_command >= ACPI_IO_PORTS || power->acpi_enable == 0) {
        return;
    }
    if ((pm1_read(&power->pm1a_control) & PM1_ACPI_MODE) != 0) {
        return;
    }
    port_write8((uint16_t)power->smi_command, power->acpi_enable);
    clock_start(&clock);
    while ((pm1_read(&power->pm1a_control) & PM1_ACPI_MODE) == 0 &&
           clock_us(&clock) < ACPI_MODE_US) {
        processor_pause();
    }
}

/* ACPI 6.5, sections 4.8.3.2.1 and 4.8.3.7: the type first, then the same with the bit that starts it. */
static void acpi_sleep(const struct acpi_info *acpi)
{
    const struct acpi_power *const power = &acpi->power;
    uint16_t a;
    uint16_t b;

    if (power->sleep_control.address != 0) {
        register_write8(&power->sleep_control,
                        (uint8_t)(power->sleep_type_a << SLEEP_CONTROL_SHIFT | SLEEP_CONTROL_NOW));
        return;
    }
    acpi_mode_enter(acpi);
    a = pm1_read(&power->pm1a_control) & (uint16_t) ~(PM1_SLEEP_TYPE | PM1_SLEEP_NOW);
    b = (uint16_t)(a | power->sleep_type_b << PM1_SLEEP_SHIFT);
    a = (uint16_t)(a | power->sleep_type_a << PM1_SLEEP_SHIFT);
    pm1_write(&power->pm1a_control, a);
    pm1_write(&power->pm1b_control, b);
    pm1_write(&power->pm1a_control, a | PM1_SLEEP_NOW);
    pm1_write(&power->pm1b_control, b | PM1_SLEEP_NOW);
}

/* --- EFI ------------------------------------------------------------------------------------- */

/* A service of 64-bit firmware finds the floating-point units as UEFI 2.10, section 2.3.4, wants them. */
static void efi64_call(uint64_t service, uint32_t type)
{
    const uint32_t mxcsr = MXCSR_DEFAULT;
    efi_status(EFIAPI *const reset_system)(uint32_t, efi_status, uint64_t, void *) =
        (efi_status(EFIAPI *)(uint32_t, efi_status, uint64_t, void *))service;

    cr4_write(cr4_read() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    asm volatile("fninit; ldmxcsr %0" : : "m"(mxcsr));
    reset_system(type, EFI_SUCCESS, 0, NULL);
}

static void efi32_call(uint64_t service, uint32_t type, paddr_t image)
{
    static struct call32 call;
    const uint64_t own_data = msr_read(MSR_GS_BASE);
    firmware_call32_fn *const from_its_place =
        (firmware_call32_fn *)(image.pa + image_offset((const void *)(uintptr_t)firmware_call32));

    call = (struct call32){
        .function = (uint32_t)service,
        .arguments = {type, EFI_SUCCESS, 0, 0},
        .stack_pa = (uint32_t)(image.pa + image_offset(boot_stack_top) - STACK_KEPT_BYTES),
    };
    from_its_place((uint32_t)(image.pa + image_offset(&call)));
    msr_write(MSR_GS_BASE, own_data); /* it went with the segment */
}

static void efi_reset(const struct boot_efi *efi, enum exit_goal goal)
{
    const uint32_t type = goal == EXIT_RESTART ? EFI_RESET_COLD : EFI_RESET_SHUTDOWN;
    const paddr_t image = page_tables_retreat();
    const struct physical_view memory = physmap_view();
    const char *bar;
    const uint64_t service = efi_reset_system(efi, &memory, &bar);

    if (service == 0) {
        return;
    }
    if (efi->is_64bit) {
        efi64_call(service, type);
    } else {
        efi32_call(service, type, image);
    }
}

/* --- ports ----------------------------------------------------------------------------------- */

/* False when there is no controller. */
static bool keyboard_reset(const struct acpi_info *acpi)
{
    struct clock clock = clock_choose(acpi);
    uint8_t status = port_read8(KEYBOARD_COMMAND);

    if (status == KEYBOARD_ABSENT) {
        return false;
    }
    clock_start(&clock);
    while ((status & KEYBOARD_BUSY) != 0 && clock_us(&clock) < KEYBOARD_US) {
        status = port_read8(KEYBOARD_COMMAND);
    }
    port_write8(KEYBOARD_COMMAND, KEYBOARD_RESET);
    return true;
}

static void pci_reset(void)
{
    const uint8_t others = port_read8(PCI_RESET_PORT) & (uint8_t) ~(PCI_RESET_HARD | PCI_RESET_NOW);

    port_write8(PCI_RESET_PORT, others | PCI_RESET_HARD);
    port_write8(PCI_RESET_PORT, others | PCI_RESET_HARD | PCI_RESET_NOW);
}

/* An exception without an IDT. */
static void triple_fault(void)
{
    const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) nothing = {0, 0};

    asm volatile("lidt %0; int3" : : "m"(nothing));
}

void way_out_take(enum way_out way, enum exit_goal goal, const struct exit_known *known)
{
    switch (way) {
    case WAY_ACPI:
        if (goal == EXIT_RESTART) {
            register_write8(&known->acpi->power.reset, known->acpi->power.reset_value);
        } else {
            acpi_sleep(known->acpi);
        }
        break;
    case WAY_EFI:
        efi_reset(&known->info->efi, goal);
        break;
    case WAY_KEYBOARD:
        if (!keyboard_reset(known->acpi)) {
            return;
        }
        break;
    case WAY_PCI:
        pci_reset();
        break;
    case WAY_TRIPLE_FAULT:
        triple_fault();
        break;
    case WAYS_OUT:
        return;
    }
    way_out_wait(known->acpi, goal == EXIT_RESTART ? RESTART_US : POWER_OFF_US);
}
