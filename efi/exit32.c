/*
 * 32-bit UEFI whose boot services a loader has left alive: find the two services in the system table, and let exit32.S
 * call them.
 */
#include "efi32.h"

#include "console.h"
#include "efi_tables.h"
#include "image.h"
#include "log.h"
#include "physmap.h"
#include "report.h"
#include "stage.h"
#include "stop.h"
#include "x86/segments.h"

/* UEFI 2.10, sections 4.3 and 4.4, with 32-bit pointers. */
#define SYSTEM_BOOT_SERVICES_AT_32 60
#define GET_MEMORY_MAP_AT_32       40
#define EXIT_BOOT_SERVICES_AT_32   128
#define BOOT_SERVICES_BYTES_32     132

/* Gates of a 32-bit IDT, and the descriptors that their selectors can name here. */
#define GATE_SELECTOR_AT 2
#define DESCRIPTORS      64
#define SELECTOR_SHIFT   3

typedef void efi32_thunk_fn(uint32_t call_pa);
efi32_thunk_fn efi32_thunk;
extern const struct loader_state loader_state;

/* The 32-bit word at an offset of a table; 0 when the table is out of reach. */
static uint32_t word_at(const struct physical_view *memory, uint64_t table_pa, uint64_t table_bytes,
                        size_t offset)
{
    struct cursor table = view_cursor(memory, table_pa, table_bytes);

    cursor_seek(&table, offset);
    return cursor_u32(&table);
}

/*
 * A descriptor table for the firmware's interrupt handlers: flat code wherever a gate of its IDT says so, flat data
 * everywhere else. The loader's own table need not suit them.
 */
static void descriptors_build(const struct physical_view *memory, uint64_t base,
                              struct efi32_call *call)
{
    static uint32_t table[DESCRIPTORS][2];
    struct cursor idt = view_cursor(memory, loader_state.idt_base, loader_state.idt_limit + 1U);

    for (size_t i = 1; i < DESCRIPTORS; i++) {
        table[i][0] = DESC_LIMIT_4GIB;
        table[i][1] = DESC_DATA;
    }
    for (size_t gate = 0; cursor_left(&idt) >= GATE32_BYTES; gate++) {
        cursor_skip(&idt, GATE_SELECTOR_AT);
        const size_t index = cursor_u16(&idt) >> SELECTOR_SHIFT;

        if (index > 0 && index < DESCRIPTORS) {
            table[index][1] = DESC_CODE32;
            call->code = (uint32_t)(index << SELECTOR_SHIFT);
        }
        cursor_skip(&idt, GATE32_BYTES - GATE_SELECTOR_AT - sizeof(uint16_t));
    }
    for (size_t i = DESCRIPTORS - 1; i > 0; i--) {
        if (table[i][1] == DESC_CODE32) {
            continue;
        }
        if (call->code == 0) {
            table[i][1] = DESC_CODE32;
            call->code = (uint32_t)(i << SELECTOR_SHIFT);
        } else {
            call->data = (uint32_t)(i << SELECTOR_SHIFT);
        }
    }
    call->gdt_pa = (uint32_t)(base + image_offset(table));
    call->gdt_limit = sizeof(table) - 1;
}

/* What only the firmware could tell, as far as it can be read from its tables. */
static void handoff_fill(const struct physical_view *memory, const struct boot_info *info,
                         const struct efi32_call *call, struct efi_handoff *handoff)
{
    handoff->is_64bit = false;
    handoff->secure_boot_told = false;
    handoff->secure_boot = false;
    handoff->system_table_pa = info->efi.system_table_pa;
    handoff->rsdp_pa = efi_tables_rsdp(memory, info->efi.system_table_pa, false).pa;
    handoff->smbios_pa = efi_tables_smbios(memory, info->efi.system_table_pa, false).pa;
    handoff->framebuffer = (struct boot_framebuffer){.kind = FRAMEBUFFER_NONE};
    handoff->cmdline = 0;
    handoff->module_count = 0;
    handoff->map_bytes = call->map_bytes;
    handoff->map_descriptor_bytes = call->descriptor_bytes;
    handoff->map_descriptor_version = call->descriptor_version;
    handoff->strings_used = 1;
    handoff->strings[0] = '\0';
}

void efi32_boot_services_exit(const struct boot_info *info, uint64_t base, uint8_t *stack,
                              struct efi_handoff *handoff)
{
    static struct efi32_call call;
    const struct physical_view memory = physmap_view();
    const uint32_t services = word_at(&memory, info->efi.system_table_pa, EFI_SYSTEM_TABLE_BYTES_32,
                                      SYSTEM_BOOT_SERVICES_AT_32);
    efi32_thunk_fn *const thunk =
        (efi32_thunk_fn *)(base + image_offset((const void *)(uintptr_t)efi32_thunk));

    call = (struct efi32_call){
        .stack_pa = (uint32_t)(base + image_offset(stack) + EFI32_STACK_BYTES),
        .get_memory_map = word_at(&memory, services, BOOT_SERVICES_BYTES_32, GET_MEMORY_MAP_AT_32),
        .exit_boot_services =
            word_at(&memory, services, BOOT_SERVICES_BYTES_32, EXIT_BOOT_SERVICES_AT_32),
        .image = (uint32_t)info->efi.image_handle,
        .map_pa = (uint32_t)(base + image_offset(handoff->map)),
        .map_capacity_bytes = sizeof(handoff->map),
        .attempts = EXIT_ATTEMPTS,
    };
    if (info->firmware != FIRMWARE_UEFI32 || call.get_memory_map == 0 ||
        call.exit_boot_services == 0 || call.image == 0) {
        console_emergency();
        fatal("boot services are alive, but this loader entered in 32-bit mode and does not say "
              "how to end them",
              "use GRUB 2's multiboot2 command");
    }
    descriptors_build(&memory, base, &call);
    thunk((uint32_t)(base + image_offset(&call)));
    if (call.status != 0) {
        console_emergency();
        log_error("the firmware does not end its boot services (status 0x%x) - update the firmware",
                  call.status);
        machine_stop();
    }
    handoff_fill(&memory, info, &call, handoff);
}
