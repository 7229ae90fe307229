/*
 * The configuration file of an image started by the firmware: the syntax of Xen's xen.cfg.
 *
 *      [global]
 *      default=linux
 *      [linux]
 *      options=com1=115200
 *      kernel=vmlinuz root=/dev/sda1 ro
 *      ramdisk=initrd.img
 *
 * Lines end with LF or CR LF (and a NUL ends one); blanks around names and values are dropped; "#" and ";" begin a
 * comment at the start of a line. Of a key given twice in a section the first one counts, also when the section comes
 * in several parts. Unknown sections and keys, and lines that are neither, are passed over, as is a byte order mark.
 */
#ifndef INFO_CONFIG_H
#define INFO_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of the file's text, not NUL-terminated. */
struct config_text {
    const char *text;
    size_t bytes;
};

struct config {
    struct config_text options;     /* Berth's own command line; may be empty */
    struct config_text kernel;      /* file name; empty when the section has none */
    struct config_text kernel_args; /* the words behind it */
    struct config_text ramdisk;     /* file name; empty: none */
};

enum config_defect {
    CONFIG_OK,
    CONFIG_NO_DEFAULT, /* no section was asked for, and [global] has no default= */
    CONFIG_NO_SECTION, /* the section asked for, or named by default=, is not there; or no section at all */
};

/*
 * Read one section of a configuration.
 *
 * @file     its bytes; nothing in them is trusted, no NUL is needed
 * @section  the one wanted; empty: the one that [global] default= names, or the first section that is not [global]
 *           where there is no [global] at all
 * @out      points into `file`
 */
enum config_defect config_read(const void *file, size_t file_bytes, struct config_text section,
                               struct config *out);

/*
 * Find a section of a PE image by its name.
 *
 * @image    the image as the firmware loaded it (sections at their virtual addresses); nothing in it is trusted
 * @name     at most 8 characters, e.g. ".config"
 * @out      when found: where its bytes are, as an offset in the image, without the padding behind them (VirtualSize)
 * @return   absent only when the whole section table has been read
 * Source:   Microsoft PE Format, "Section Table (Section Headers)"
 */
struct pe_section {
    size_t offset;
    size_t bytes;
};
enum pe_result {
    PE_SECTION_FOUND,
    PE_SECTION_ABSENT,
    PE_SECTION_BAD, /* twice, or not wholly inside the image; or the image is no PE image, or its table leaves it */
};
enum pe_result pe_section_find(const void *image, size_t image_bytes, const char *name,
                               struct pe_section *out);

/*
 * An EFI load option string as bytes, up to its NUL; tabs and line ends become blanks, characters
 * outside printable ASCII question marks. Of a whole EFI_LOAD_OPTION, which some firmware hands
 * over, the options count. Whether the image's own name is its first word depends on who started
 * it: the shell puts it there, firmware boot entries do not.
 *
 * @options  LoadOptions as it came, `bytes` long: may be odd, without a NUL, empty, or no text at all; NULL: empty
 * @out      at least out_bytes > 0; receives printable ASCII, NUL-terminated; "" when the result is not OK
 */
enum load_options {
    LOAD_OPTIONS_OK,
    LOAD_OPTIONS_NO_TEXT,  /* neither UCS-2 text nor an EFI_LOAD_OPTION */
    LOAD_OPTIONS_TOO_LONG, /* text, but more than `out` holds */
};
enum load_options load_options_text(const void *options, size_t bytes, char *out, size_t out_bytes);

/*
 * The folder of the file that an EFI device path names: the texts of its leading file path nodes, of which there may be
 * several (GRUB gives folder and name), with one backslash between them, up to the last backslash. The first other
 * node, as the end node, ends them.
 *
 * @device_path  nodes, nothing in them is trusted; NULL: no nodes
 * @limit_bytes  the path must end before that
 * @out          the folder with a backslash at its end, and NUL; "" for the root, and where it is not known
 * @return       false when a node's length is wrong, there is no end, or the whole path has out_characters or more
 * Source:       UEFI specification 2.10, sections 10.3.1 and 10.3.5.4
 */
bool device_path_folder(const void *device_path, size_t limit_bytes, uint16_t *out,
                        size_t out_characters);

#endif
