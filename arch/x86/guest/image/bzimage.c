/*
 * The bzImage reader. The setup header is copied out of the file through a bounded cursor; each
 * field is looked at only where the protocol version says that it is there.
 */
#include "bzimage.h"

#include "abi/linux_boot.h"
#include "addr.h"
#include "cursor.h"
#include "mem.h"
#include "x86/address_map.h"
#include "x86/paging.h"

/* boot.rst, "Loading The Rest of The Kernel": where a bzImage goes that says nothing else. */
#define PREFERRED_DEFAULT MIB(1)

/*
 * Before protocol 2.10 a kernel does not say what room it needs; four times its compressed size was
 * plenty for all.
 */
#define INIT_SIZE_ESTIMATE 4

/* What is read first: up to and with `version`. */
#define SETUP_HEADER_FIRST_BYTES (offsetof(struct setup_header, version) + sizeof(uint16_t))

#define AT(field) SETUP_FIELD_AT(field)

/* The end that a header of this version has at least, by its last field. */
static size_t least_header_end(uint16_t protocol)
{
    if (protocol >= BOOT_PROTOCOL_2_15) {
        return AT(kernel_info_offset) + sizeof(uint32_t);
    }
    if (protocol >= BOOT_PROTOCOL_2_11) {
        return AT(handover_offset) + sizeof(uint32_t);
    }
    if (protocol >= BOOT_PROTOCOL_2_10) {
        return AT(init_size) + sizeof(uint32_t);
    }
    return AT(cmdline_size) + sizeof(uint32_t);
}

/* Is it a kernel that this code can load at all? `header` holds what is read first. */
static struct status check_kind(const struct setup_header *header)
{
    if (header->boot_flag != SETUP_BOOT_FLAG) {
        return status_at(KERNEL_NOT_BZIMAGE, AT(boot_flag));
    }
    if (header->header != SETUP_MAGIC) {
        return status_at(KERNEL_NOT_BZIMAGE, AT(header));
    }
    if (header->version < BOOT_PROTOCOL_2_06) {
        return status_at(KERNEL_TOO_OLD, header->version);
    }
    if (header->jump_offset > SETUP_HEADER_JUMP_MAX ||
        (size_t)SETUP_HEADER_LENGTH_END + header->jump_offset < least_header_end(header->version)) {
        return status_at(KERNEL_BAD_HEADER, SETUP_HEADER_LENGTH_AT);
    }
    if (header->syssize == 0) {
        return status_at(KERNEL_BAD_HEADER, AT(syssize));
    }
    return status_ok();
}

/*
 * Where the protected-mode part is. Its size is syssize; what follows (a signature, padding) is not
 * part of the kernel. The last paragraph need not be there whole: syssize is rounded up.
 */
static struct status find_payload(const struct setup_header *header, size_t file_bytes,
                                  struct bzimage *out)
{
    size_t setup_sects = header->setup_sects == 0 ? SETUP_SECTS_DEFAULT : header->setup_sects;
    size_t payload_bytes = (size_t)header->syssize * SETUP_PARAGRAPH_BYTES;

    out->payload_offset = (1 + setup_sects) * SETUP_SECTOR_BYTES;
    out->payload_bytes = payload_bytes;
    if (file_bytes <= out->payload_offset + payload_bytes - SETUP_PARAGRAPH_BYTES) {
        return status_at(KERNEL_TRUNCATED, out->payload_offset + payload_bytes);
    }
    if (payload_bytes > file_bytes - out->payload_offset) {
        out->payload_bytes = file_bytes - out->payload_offset;
    }
    return status_ok();
}

/* pref_address, kernel_alignment, relocatable_kernel, init_size. */
static struct status read_placement(const struct setup_header *header, struct bzimage *out)
{
    bool tells_size = header->version >= BOOT_PROTOCOL_2_10;

    out->relocatable = header->relocatable_kernel != 0;
    /*
     * "Alignment unit required by the kernel (if relocatable_kernel is true)": otherwise it means
     * nothing.
     */
    out->alignment = out->relocatable ? header->kernel_alignment : PAGE_BYTES;
    if (out->alignment == 0 || (out->alignment & (out->alignment - 1)) != 0) {
        return status_at(KERNEL_BAD_HEADER, AT(kernel_alignment));
    }
    out->preferred = tells_size ? header->pref_address : 0;
    if (out->preferred == 0) {
        out->preferred = PREFERRED_DEFAULT;
    }
    out->init_bytes = tells_size ? header->init_size
                                 : align_up(out->payload_bytes * INIT_SIZE_ESTIMATE, PAGE_BYTES);
    if (out->init_bytes < out->payload_bytes) {
        out->init_bytes = out->payload_bytes;
    }
    return status_ok();
}

/* xloadflags and the limits that depend on them. */
static void read_limits(const struct setup_header *header, struct bzimage *out)
{
    uint16_t flags = header->version >= BOOT_PROTOCOL_2_12 ? header->xloadflags : 0;

    out->entry_64 = (flags & XLF_KERNEL_64) != 0;
    out->above_4g = out->entry_64 && (flags & XLF_CAN_BE_LOADED_ABOVE_4G) != 0;
    out->efi_32 = (flags & XLF_EFI_HANDOVER_32) != 0;
    /* What can be above 4 GiB can be anywhere. */
    out->initrd_below = out->above_4g ? PHYSICAL_END : (uint64_t)header->initrd_addr_max + 1;
    out->cmdline_bytes = header->cmdline_size;
}

/* kernel_version: a string in the setup part, cut at the first byte that cannot be printed. */
static void read_version(struct cursor cursor, const struct setup_header *header,
                         struct bzimage *out)
{
    size_t at = SETUP_VERSION_STRING + header->kernel_version;
    size_t length = 0;

    if (header->kernel_version != 0 && cursor_seek(&cursor, at)) {
        while (length < BZIMAGE_VERSION_BYTES - 1 && cursor.position < out->payload_offset) {
            uint8_t byte = cursor_u8(&cursor);

            if (byte < ' ' || byte > '~') {
                break;
            }
            out->version[length++] = (char)byte;
        }
    }
    out->version[length] = '\0';
}

struct status bzimage_parse(const void *file, size_t file_bytes, struct bzimage *out)
{
    struct cursor cursor = cursor_over(file, file_bytes);
    struct setup_header header;
    struct status status;

    memset(&header, 0, sizeof(header));
    if (!cursor_seek(&cursor, SETUP_HEADER_OFFSET) ||
        !cursor_copy(&cursor, &header, SETUP_HEADER_FIRST_BYTES)) {
        return status_at(KERNEL_NOT_BZIMAGE, file_bytes);
    }
    status = check_kind(&header);
    if (!is_ok(status)) {
        return status;
    }
    status = find_payload(&header, file_bytes, out);
    if (!is_ok(status)) {
        return status;
    }
    /* The header ends before the payload begins, and that is inside the file. */
    out->protocol = header.version;
    out->header_bytes = SETUP_HEADER_LENGTH_END + header.jump_offset - SETUP_HEADER_OFFSET;
    cursor_seek(&cursor, SETUP_HEADER_OFFSET);
    cursor_copy(&cursor, &header,
                out->header_bytes < sizeof(header) ? out->header_bytes : sizeof(header));
    if ((header.loadflags & LOADED_HIGH) == 0) {
        return status_at(KERNEL_NOT_HIGH, AT(loadflags));
    }
    read_limits(&header, out);
    read_version(cursor, &header, out);
    return read_placement(&header, out);
}
