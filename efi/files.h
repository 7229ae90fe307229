/*
 * Where an image that the firmware started finds what it is to start: in sections of its own, and in files of the
 * volume it came from. Private to efi/.
 */
#ifndef EFI_FILES_H
#define EFI_FILES_H

#include "stage.h"

#define EFI_PATH_CHARACTERS 256

struct efi_source {
    struct efi_system_table *system;
    const struct efi_loaded_image *self;
    bool secure_boot;
    struct efi_file *root;                /* of the volume the image came from; NULL: no files */
    efi_char folder[EFI_PATH_CHARACTERS]; /* of the image; "", or a backslash at its end */
};

/*
 * Under Secure Boot there are no files, because no signature covers them.
 *
 * @out     to be closed, whatever the result
 * @return  EFI_SUCCESS, or what to return to the firmware; the error has been printed
 */
efi_status efi_source_open(const struct efi_start *start, bool secure_boot, struct efi_source *out);
void efi_source_close(struct efi_source *source);

/*
 * A section by its name, or a file: as it is named when that begins at the root, else beside the image.
 *
 * @out     filled only on success
 * @return  EFI_SUCCESS; EFI_NOT_FOUND, not a word printed; any other: it is there and cannot be used, printed
 */
efi_status efi_section_read(const struct efi_source *source, const char *name,
                            struct efi_content *out);
efi_status efi_file_read(const struct efi_source *source, struct config_text name,
                         struct efi_content *out);

/* Give memory back to the firmware, if it came from there. */
void efi_content_free(struct efi_system_table *system, struct efi_content *content);

#endif
