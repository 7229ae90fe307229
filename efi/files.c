/*
 * Sections of the image that the firmware started, and files of the volume it came from.
 */
#include "files.h"

#include "log.h"
#include "mem.h"
#include "x86/address_map.h"
#include "x86/paging.h"

/* What is asked of a device path without an end. */
#define DEVICE_PATH_MAX_BYTES 8192

/* --- memory ---------------------------------------------------------------------------------------------- */

/* Room for so many bytes and one more; out->bytes is empty, at its start. */
static bool content_allocate(const struct efi_source *source, uint64_t bytes,
                             struct efi_content *out)
{
    const uint64_t address =
        bytes < IDENTITY_MAP_BYTES ? efi_memory_below_4g(source->system, bytes + 1) : 0;

    *out = (struct efi_content){.bytes = {address, address}, .allocated = address != 0};
    return out->allocated;
}

/* `bytes` as they were asked for. */
static void pages_free(struct efi_system_table *system, struct efi_content *content, uint64_t bytes)
{
    system->boot->free_pages(content->bytes.start, (bytes >> PAGE_SHIFT) + 1);
    content->allocated = false;
}

void efi_content_free(struct efi_system_table *system, struct efi_content *content)
{
    if (content->allocated) {
        pages_free(system, content, prange_bytes(content->bytes));
    }
}

/* --- the volume ------------------------------------------------------------------------------------------ */

static void volume_open(struct efi_source *source)
{
    const struct efi_guid guid = EFI_FILE_SYSTEM_GUID;
    struct efi_file_system *volume = NULL;
    efi_status status;

    if (source->self->device == NULL ||
        source->system->boot->handle_protocol(source->self->device, &guid, (void **)&volume) !=
            EFI_SUCCESS) {
        return;
    }
    status = volume->open_volume(volume, &source->root);
    if (status != EFI_SUCCESS) {
        source->root = NULL;
        log_warning("the volume that this program came from cannot be read (status 0x%lx) - check "
                    "the file system",
                    status);
        return;
    }
    if (!device_path_folder(source->self->file_path, DEVICE_PATH_MAX_BYTES, source->folder,
                            EFI_PATH_CHARACTERS)) {
        log_warning("the path of this program has %d characters or more, or is damaged: files are "
                    "looked for in the root folder",
                    EFI_PATH_CHARACTERS);
    }
}

efi_status efi_source_open(const struct efi_start *start, bool secure_boot, struct efi_source *out)
{
    const struct efi_guid guid = EFI_LOADED_IMAGE_GUID;
    void *self = NULL;

    *out = (struct efi_source){.system = start->system, .secure_boot = secure_boot};
    if (start->system->boot->handle_protocol(start->image, &guid, &self) != EFI_SUCCESS ||
        self == NULL) {
        log_error("the firmware does not say what it has loaded - update the firmware");
        return EFI_UNSUPPORTED;
    }
    out->self = self;
    if ((uint64_t)out->self->image != start->loaded_at) {
        log_error("the firmware names another image than the one that runs - update the firmware");
        return EFI_LOAD_ERROR;
    }
    if (!secure_boot) {
        volume_open(out);
    }
    return EFI_SUCCESS;
}

void efi_source_close(struct efi_source *source)
{
    if (source->root != NULL) {
        source->root->close(source->root);
        source->root = NULL;
    }
}

/* --- files ----------------------------------------------------------------------------------------------- */

/* False when the path is too long. */
static bool path_of(const struct efi_source *source, struct config_text name,
                    efi_char path[EFI_PATH_CHARACTERS])
{
    size_t at = 0;

    if (name.text[0] != '\\' && name.text[0] != '/') {
        while (source->folder[at] != 0) {
            path[at] = source->folder[at];
            at++;
        }
    }
    if (name.bytes >= EFI_PATH_CHARACTERS - at) {
        return false;
    }
    for (size_t i = 0; i < name.bytes; i++) {
        path[at++] = name.text[i] == '/' ? '\\' : (efi_char)(uint8_t)name.text[i];
    }
    path[at] = 0;
    return true;
}

static efi_status file_open(const struct efi_source *source, struct config_text name,
                            struct efi_file **out)
{
    efi_char path[EFI_PATH_CHARACTERS];
    efi_status status;

    if (source->root == NULL || name.bytes == 0) {
        return EFI_NOT_FOUND;
    }
    if (!path_of(source, name, path)) {
        log_error("the path of the file \"%.*s\" has %d characters or more - shorten it",
                  (int)name.bytes, name.text, EFI_PATH_CHARACTERS);
        return EFI_INVALID_PARAMETER;
    }
    status = source->root->open(source->root, out, path, EFI_FILE_MODE_READ, 0);
    if (status != EFI_SUCCESS && status != EFI_NOT_FOUND) {
        log_error("the file \"%.*s\" cannot be opened (status 0x%lx) - check the file system",
                  (int)name.bytes, name.text, status);
    }
    return status;
}

static efi_status file_size(struct efi_file *file, uint64_t *out_bytes)
{
    efi_status status = file->set_position(file, EFI_FILE_POSITION_END);

    if (status == EFI_SUCCESS) {
        status = file->get_position(file, out_bytes);
    }
    if (status == EFI_SUCCESS) {
        status = file->set_position(file, 0);
    }
    return status;
}

static efi_status file_fill(struct efi_file *file, uint64_t bytes, struct prange *out)
{
    const uint64_t end = out->start + bytes;

    while (out->end < end) {
        uint64_t part = end - out->end;
        const efi_status status = file->read(file, &part, (void *)out->end);

        if (status != EFI_SUCCESS) {
            return status;
        }
        if (part == 0 || part > end - out->end) {
            return EFI_LOAD_ERROR;
        }
        out->end += part;
    }
    return EFI_SUCCESS;
}

/* The whole of an open file. */
static efi_status file_load(const struct efi_source *source, struct efi_file *file,
                            struct config_text name, struct efi_content *out)
{
    uint64_t bytes = 0;
    efi_status status = file_size(file, &bytes);

    if (status == EFI_SUCCESS && !content_allocate(source, bytes, out)) {
        log_error("no memory below 4 GiB for the file \"%.*s\" of %lu bytes - add memory",
                  (int)name.bytes, name.text, bytes);
        return EFI_OUT_OF_RESOURCES;
    }
    if (status == EFI_SUCCESS) {
        status = file_fill(file, bytes, &out->bytes);
        if (status != EFI_SUCCESS) {
            pages_free(source->system, out, bytes);
        }
    }
    if (status != EFI_SUCCESS) {
        log_error("the file \"%.*s\" cannot be read (status 0x%lx) - check the file system",
                  (int)name.bytes, name.text, status);
    }
    return status;
}

efi_status efi_file_read(const struct efi_source *source, struct config_text name,
                         struct efi_content *out)
{
    struct efi_file *file = NULL;
    efi_status status = file_open(source, name, &file);

    if (status == EFI_SUCCESS) {
        status = file_load(source, file, name, out);
        file->close(file);
        /* It was opened: whatever went wrong then has been printed. */
        if (status == EFI_NOT_FOUND) {
            status = EFI_LOAD_ERROR;
        }
    }
    return status;
}

/* --- sections -------------------------------------------------------------------------------------------- */

static efi_status section_refuse(const struct efi_source *source, const char *name)
{
    log_error("%sthe section %s is there twice, or the image's headers contradict each other - "
              "make the image anew with tools/unify.py",
              source->secure_boot ? "Secure Boot is on and " : "", name);
    return source->secure_boot ? EFI_SECURITY_VIOLATION : EFI_LOAD_ERROR;
}

efi_status efi_section_read(const struct efi_source *source, const char *name,
                            struct efi_content *out)
{
    const uint64_t image = (uint64_t)source->self->image;
    struct pe_section section;

    switch (pe_section_find(source->self->image, source->self->image_bytes, name, &section)) {
    case PE_SECTION_FOUND:
        break;
    case PE_SECTION_ABSENT:
        return EFI_NOT_FOUND;
    case PE_SECTION_BAD:
        return section_refuse(source, name);
    }
    if (image + section.offset + section.bytes <= IDENTITY_MAP_BYTES) {
        out->bytes.start = image + section.offset;
        out->allocated = false;
    } else if (content_allocate(source, section.bytes, out)) {
        memcpy((void *)out->bytes.start, (const void *)(image + section.offset), section.bytes);
    } else {
        log_error("no memory below 4 GiB for the section %s of %lu bytes - add memory", name,
                  section.bytes);
        return EFI_OUT_OF_RESOURCES;
    }
    out->bytes.end = out->bytes.start + section.bytes;
    return EFI_SUCCESS;
}
