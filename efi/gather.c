/*
 * What only the firmware knows: configuration tables, the framebuffer, whether signatures are checked.
 */
#include "stage.h"

#include "efi_tables.h"

/* UEFI 2.10 section 2.3.4: an identity mapping; 47 bits are what four-level paging has in its lower half. */
#define EFI_IDENTITY_BYTES (1ULL << 47)

/* A colour's bits from its mask. */
static void colour_from(uint32_t mask, uint8_t *position, uint8_t *size_bits)
{
    *position = 0;
    *size_bits = 0;
    if (mask != 0) {
        *position = (uint8_t)__builtin_ctz(mask);
        *size_bits = (uint8_t)(32 - __builtin_clz(mask) - *position);
    }
}

/* A mode whose pixels are in memory; false when it is not, or nonsense. */
static bool framebuffer_from(const struct efi_graphics *graphics, struct boot_framebuffer *out)
{
    const struct efi_graphics_info *info =
        graphics != NULL && graphics->mode != NULL ? graphics->mode->info : NULL;
    uint32_t red = 0x000000ff;
    uint32_t green = 0x0000ff00;
    uint32_t blue = 0x00ff0000;
    uint32_t used = 0xffffffff;

    if (info == NULL || graphics->mode->frame_pa == 0) {
        return false;
    }
    if (info->format == EFI_PIXEL_BGRX8) {
        red = 0x00ff0000;
        blue = 0x000000ff;
    } else if (info->format == EFI_PIXEL_MASKS) {
        red = info->red_mask;
        green = info->green_mask;
        blue = info->blue_mask;
        used = red | green | blue | info->reserved_mask;
    } else if (info->format != EFI_PIXEL_RGBX8) {
        return false;
    }
    out->kind = FRAMEBUFFER_RGB;
    out->base = (paddr_t){graphics->mode->frame_pa};
    out->width = info->width;
    out->height = info->height;
    out->bits_per_pixel = used == 0 ? 0 : (uint8_t)(32 - __builtin_clz(used));
    out->pitch_bytes = info->pixels_per_line * ((out->bits_per_pixel + 7U) / 8);
    colour_from(red, &out->red.position, &out->red.size_bits);
    colour_from(green, &out->green.position, &out->green.size_bits);
    colour_from(blue, &out->blue.position, &out->blue.size_bits);
    return true;
}

/* The screen of the firmware's console, else the first one there is. */
static void gather_framebuffer(const struct efi_system_table *system, struct boot_framebuffer *out)
{
    const struct efi_guid guid = EFI_GRAPHICS_GUID;
    struct efi_graphics *graphics = NULL;

    *out = (struct boot_framebuffer){.kind = FRAMEBUFFER_NONE};
    if (system->console_out_handle != NULL &&
        system->boot->handle_protocol(system->console_out_handle, &guid, (void **)&graphics) ==
            EFI_SUCCESS &&
        framebuffer_from(graphics, out)) {
        return;
    }
    if (system->boot->locate_protocol(&guid, NULL, (void **)&graphics) == EFI_SUCCESS) {
        framebuffer_from(graphics, out);
    }
}

/*
 * UEFI 2.10 section 3.3: the variable SecureBoot is 1 while signatures are checked, and firmware that cannot check
 * them has none. Any other answer counts as on.
 */
static bool gather_secure_boot(const struct efi_system_table *system)
{
    const struct efi_guid global = EFI_GLOBAL_VARIABLE_GUID;
    const efi_char name[] = {'S', 'e', 'c', 'u', 'r', 'e', 'B', 'o', 'o', 't', 0};
    uint64_t bytes = 1;
    uint8_t value = 0;
    const efi_status status = system->runtime->get_variable(name, &global, NULL, &bytes, &value);

    return status != EFI_NOT_FOUND && !(status == EFI_SUCCESS && value == 0);
}

void efi_gather(const struct efi_start *start, struct efi_handoff *handoff)
{
    const struct efi_system_table *system = start->system;
    /* The firmware maps all memory at its own address. */
    const struct physical_view memory = {.bytes = (const uint8_t *)0, .size = EFI_IDENTITY_BYTES};

    handoff->is_64bit = true;
    handoff->strings[0] = '\0';
    handoff->strings_used = 1;
    handoff->cmdline = 0;
    handoff->module_count = 0;
    handoff->map_bytes = 0;
    handoff->system_table_pa = (uint64_t)system;
    handoff->rsdp_pa = efi_tables_rsdp(&memory, (uint64_t)system, true).pa;
    handoff->smbios_pa = efi_tables_smbios(&memory, (uint64_t)system, true).pa;
    handoff->secure_boot_told = true;
    handoff->secure_boot = gather_secure_boot(system);
    gather_framebuffer(system, &handoff->framebuffer);
}
