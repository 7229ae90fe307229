/*
 * The guest of an image that the firmware itself started: kernel, initrd and command lines, from sections of the image
 * (signed with it), else from files named by a configuration file or by the load options.
 */
#include "files.h"

#include "log.h"
#include "mem.h"

#define OPTIONS_BYTES    4096
#define CONFIG_MAX_BYTES 65536

static struct config_text text_of(const char *text)
{
    return (struct config_text){text, strlen(text)};
}

/* --- load options ---------------------------------------------------------------------------------------- */

/* The load options as text. Under Secure Boot there are none: whoever can write a variable could choose them. */
static efi_status options_read(const struct efi_source *source, char out[OPTIONS_BYTES])
{
    const enum load_options result = load_options_text(
        source->self->load_options, source->self->load_options_bytes, out, OPTIONS_BYTES);

    if (source->secure_boot) {
        if (result != LOAD_OPTIONS_OK || out[0] != '\0') {
            log_warning("Secure Boot is on: the load options are not covered by the signature and "
                        "are ignored");
        }
        out[0] = '\0';
    } else if (result == LOAD_OPTIONS_NO_TEXT) {
        log_warning("the load options are no text of ASCII characters and are ignored");
    } else if (result == LOAD_OPTIONS_TOO_LONG) {
        log_error("the load options have %d characters or more - use a berth.cfg", OPTIONS_BYTES);
        return EFI_INVALID_PARAMETER;
    }
    return EFI_SUCCESS;
}

/* One word of the load options that begins with `name`; the rest of that word. */
static struct config_text option_value(const char *options, const char *name)
{
    const size_t name_bytes = strlen(name);

    for (const char *word = options; *word != '\0';) {
        size_t bytes = 0;

        while (word[bytes] != '\0' && word[bytes] != ' ') {
            bytes++;
        }
        if (bytes == 2 && strncmp(word, "--", 2) == 0) {
            break;
        }
        if (bytes > name_bytes && strncmp(word, name, name_bytes) == 0) {
            return (struct config_text){word + name_bytes, bytes - name_bytes};
        }
        word += bytes;
        while (*word == ' ') {
            word++;
        }
    }
    return (struct config_text){NULL, 0};
}

/* The kernel's command line in the load options: what stands behind "--". */
static const char *options_tail(const char *options)
{
    for (const char *at = options; *at != '\0'; at++) {
        if (strncmp(at, "-- ", 3) == 0 && (at == options || at[-1] == ' ')) {
            return at + 3;
        }
    }
    return "";
}

/* --- configuration --------------------------------------------------------------------------------------- */

/* The configuration's text: the image's own section, else a file. EFI_NOT_FOUND when there is neither. */
static efi_status config_find(const struct efi_source *source, const char *options,
                              struct efi_content *out)
{
    const struct config_text named = option_value(options, "-cfg=");
    efi_status status = efi_section_read(source, ".config", out);

    if (status != EFI_NOT_FOUND) {
        return status;
    }
    if (named.bytes == 0) {
        return efi_file_read(source, text_of("berth.cfg"), out);
    }
    status = efi_file_read(source, named, out);
    if (status == EFI_NOT_FOUND) {
        log_error("the configuration \"%.*s\" is not there - check the option -cfg=",
                  (int)named.bytes, named.text);
        status = EFI_LOAD_ERROR;
    }
    return status;
}

static efi_status config_parse(struct prange text, const char *options, struct config *out)
{
    if (prange_bytes(text) > CONFIG_MAX_BYTES) {
        log_error("the configuration is longer than %d bytes - name a text file", CONFIG_MAX_BYTES);
        return EFI_LOAD_ERROR;
    }
    switch (config_read((const void *)text.start, prange_bytes(text),
                        option_value(options, "-section="), out)) {
    case CONFIG_OK:
        return EFI_SUCCESS;
    case CONFIG_NO_DEFAULT:
        log_error("the configuration names no section to start - give it a [global] section with "
                  "default=");
        break;
    case CONFIG_NO_SECTION:
        log_error("the configuration has no section of that name - check default= and the option "
                  "-section=");
        break;
    }
    return EFI_LOAD_ERROR;
}

/* What to start: as a configuration says, or the load options where there is none. */
static efi_status config_load(const struct efi_source *source, const char *options,
                              struct efi_content *content, struct config *out)
{
    const efi_status status = config_find(source, options, content);

    if (status == EFI_SUCCESS) {
        return config_parse(content->bytes, options, out);
    }
    if (status != EFI_NOT_FOUND) {
        return status;
    }
    *out = (struct config){
        .kernel = option_value(options, "-kernel="),
        .kernel_args = text_of(options_tail(options)),
        .ramdisk = option_value(options, "-ramdisk="),
    };
    return EFI_SUCCESS;
}

/* --- modules --------------------------------------------------------------------------------------------- */

/* Copy a text into the handoff; *at is where it is, 0 for an empty one. */
static efi_status string_add(struct efi_handoff *handoff, struct config_text text, uint32_t *at)
{
    *at = 0;
    if (text.bytes == 0) {
        return EFI_SUCCESS;
    }
    if (text.bytes >= EFI_HANDOFF_STRINGS_BYTES - handoff->strings_used) {
        log_error("the command lines are longer than %d bytes together - shorten them",
                  EFI_HANDOFF_STRINGS_BYTES);
        return EFI_OUT_OF_RESOURCES;
    }
    *at = handoff->strings_used;
    memcpy(handoff->strings + *at, text.text, text.bytes);
    handoff->strings[*at + text.bytes] = '\0';
    handoff->strings_used += (uint32_t)text.bytes + 1;
    return EFI_SUCCESS;
}

static efi_status module_add(struct efi_handoff *handoff, struct prange bytes,
                             struct config_text name, struct config_text args)
{
    struct efi_handoff_module *module = &handoff->modules[handoff->module_count++];
    efi_status status = string_add(handoff, name, &module->name);

    module->bytes = bytes;
    return status == EFI_SUCCESS ? string_add(handoff, args, &module->args) : status;
}

/* A module's file, unless the firmware checks signatures, which do not cover files. */
static efi_status module_file_read(const struct efi_source *source, struct config_text file,
                                   struct efi_content *out)
{
    efi_status status;

    if (source->secure_boot) {
        log_error("Secure Boot is on and no signature covers the file \"%.*s\" - start a signed "
                  "unified image",
                  (int)file.bytes, file.text);
        return EFI_SECURITY_VIOLATION;
    }
    status = efi_file_read(source, file, out);
    if (status == EFI_NOT_FOUND) {
        log_error("the file \"%.*s\" is not there - check its name in the configuration",
                  (int)file.bytes, file.text);
    }
    return status;
}

/* A module from its section, else from its file; none when no file is named either. */
static efi_status module_load(const struct efi_source *source, const char *section,
                              struct config_text file, struct config_text args,
                              struct efi_content *out, struct efi_handoff *handoff)
{
    struct config_text name = text_of(section + 1);
    efi_status status = efi_section_read(source, section, out);

    if (status == EFI_NOT_FOUND) {
        if (file.bytes == 0) {
            return EFI_SUCCESS;
        }
        name = file;
        status = module_file_read(source, file, out);
    }
    return status == EFI_SUCCESS ? module_add(handoff, out->bytes, name, args) : status;
}

static efi_status no_kernel(bool secure_boot)
{
    if (secure_boot) {
        log_error("Secure Boot is on and the image has no section .kernel - start a signed unified "
                  "image");
        return EFI_SECURITY_VIOLATION;
    }
    log_error("no kernel was given - put a berth.cfg beside this file, or add sections "
              "(docs/uefi.md)");
    return EFI_NOT_FOUND;
}

/* --- all of it ------------------------------------------------------------------------------------------- */

static efi_status guest_load(const struct efi_source *source, struct efi_start *start,
                             struct efi_handoff *handoff)
{
    char options[OPTIONS_BYTES];
    struct efi_content text = {.allocated = false}; /* until the strings have been copied */
    struct config config;
    efi_status status = options_read(source, options);

    if (status == EFI_SUCCESS) {
        status = config_load(source, options, &text, &config);
    }
    if (status == EFI_SUCCESS) {
        status = string_add(handoff, config.options, &handoff->cmdline);
    }
    if (status == EFI_SUCCESS) {
        status = module_load(source, ".kernel", config.kernel, config.kernel_args, &start->kernel,
                             handoff);
    }
    if (status == EFI_SUCCESS && handoff->module_count == 0) {
        status = no_kernel(source->secure_boot);
    }
    if (status == EFI_SUCCESS) {
        status = module_load(source, ".ramdisk", config.ramdisk, (struct config_text){NULL, 0},
                             &start->ramdisk, handoff);
    }
    efi_content_free(source->system, &text);
    return status;
}

efi_status efi_load_guest(struct efi_start *start, struct efi_handoff *handoff)
{
    struct efi_source source;
    efi_status status = efi_source_open(start, handoff->secure_boot, &source);

    if (status == EFI_SUCCESS) {
        status = guest_load(&source, start, handoff);
    }
    if (status != EFI_SUCCESS) {
        efi_guest_free(start);
    }
    efi_source_close(&source);
    return status;
}

void efi_guest_free(struct efi_start *start)
{
    efi_content_free(start->system, &start->kernel);
    efi_content_free(start->system, &start->ramdisk);
}
