/*
 * What the EFI stage gathered before it left the firmware, turned into boot_info: alone, where the
 * firmware started the image, or added to what a loader's block said.
 */
#include "boot_info.h"
#include "decode.h"
#include "efi_handoff.h"

/* A copy of the string that begins at `offset` of the handoff's strings. */
static struct status copy_string(const struct efi_handoff *handoff, uint32_t offset,
                                 struct boot_info *out, const char **copy)
{
    const size_t used = handoff->strings_used < sizeof(handoff->strings) ? handoff->strings_used
                                                                         : sizeof(handoff->strings);
    struct cursor strings = cursor_over(handoff->strings, used);
    const char *text;

    cursor_seek(&strings, offset);
    text = cursor_string(&strings);
    return text ? boot_info_add_text(out, text, copy) : status_at(INFO_BAD_STRING, offset);
}

static struct status take_module(const struct efi_handoff *handoff,
                                 const struct efi_handoff_module *from, struct boot_info *out)
{
    struct boot_module module = {.bytes = from->bytes};
    struct status status;

    if (module.bytes.end < module.bytes.start) {
        return status_at(INFO_BAD_MODULE, 0);
    }
    status = copy_string(handoff, from->name, out, &module.name);
    if (is_ok(status)) {
        status = copy_string(handoff, from->args, out, &module.args);
    }
    if (is_ok(status)) {
        out->modules[out->module_count++] = module;
    }
    return status;
}

/* What only the firmware knows, and the end of its boot services. */
static struct status take_firmware(const struct efi_handoff *handoff, struct boot_info *out)
{
    struct status status;

    out->firmware = handoff->is_64bit ? FIRMWARE_UEFI64 : FIRMWARE_UEFI32;
    out->efi.is_64bit = handoff->is_64bit;
    out->efi.system_table_pa = handoff->system_table_pa;
    out->efi.boot_services_live = false;
    out->efi.secure_boot = handoff->secure_boot;
    out->efi.secure_boot_told = handoff->secure_boot_told;
    out->rsdp_pa.pa = handoff->rsdp_pa;
    out->smbios_pa.pa = handoff->smbios_pa;
    if (out->framebuffer.kind == FRAMEBUFFER_NONE) {
        out->framebuffer = handoff->framebuffer;
    }
    status = efi_map_keep(out, handoff->map_descriptor_bytes, handoff->map_descriptor_version,
                          handoff->map, handoff->map_bytes);
    return is_ok(status) ? efi_map_decode(out) : status;
}

struct status efi_handoff_decode(const struct efi_handoff *handoff, struct boot_info *out)
{
    struct status status;

    boot_info_clear(out);
    out->protocol = PROTOCOL_EFI;
    status = copy_string(handoff, handoff->cmdline, out, &out->cmdline);
    if (is_ok(status) && handoff->module_count > EFI_HANDOFF_MODULES_MAX) {
        return status_at(INFO_TOO_MANY_MODULES, 0);
    }
    for (uint32_t i = 0; is_ok(status) && i < handoff->module_count; i++) {
        status = take_module(handoff, &handoff->modules[i], out);
    }
    return is_ok(status) ? take_firmware(handoff, out) : status;
}

struct status efi_handoff_merge(const struct efi_handoff *handoff, struct boot_info *info)
{
    info->protocol = PROTOCOL_MULTIBOOT2_EFI;
    return take_firmware(handoff, info);
}
