/* Frame buffers that are somewhere else, and consoles that are missing. */
#include "hostile.h"

void frame_buffer_move(uint64_t address)
{
    static const struct efi_guid graphics_guid = EFI_GRAPHICS_OUTPUT_GUID;
    efi_uint count;
    efi_handle *handles;

    if (efi_failed(firmware.locate_handle_buffer(EFI_BY_PROTOCOL, &graphics_guid, NULL, &count,
                                                 &handles))) {
        give_up("there is no frame buffer: the machine has no VGA device");
    }
    for (efi_uint i = 0; i < count; i++) {
        void *interface;
        struct efi_graphics_output *graphics;

        if (efi_failed(firmware.handle_protocol(handles[i], &graphics_guid, &interface))) {
            continue;
        }
        graphics = interface;
        say("HOSTILE frame-buffer: %x becomes %x", graphics->mode->frame_buffer, address);
        graphics->mode->frame_buffer = address;
    }
    firmware.free_pool(handles);
}

static bool is(const char *word, const char *name)
{
    while (*word == *name && *word != '\0') {
        word++;
        name++;
    }
    return *word == *name;
}

void console_remove(const char *which)
{
    const bool all = is(which, "all");

    if (all || is(which, "in")) {
        efi_system->con_in = NULL;
        efi_system->console_in_handle = NULL;
    }
    if (all || is(which, "out")) {
        efi_system->con_out = NULL;
        efi_system->console_out_handle = NULL;
    }
    if (all || is(which, "err")) {
        efi_system->std_err = NULL;
        efi_system->standard_error_handle = NULL;
    }
    services_seal(&efi_system->header);
    say("HOSTILE console: %s is NULL", which);
}
