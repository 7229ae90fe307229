/*
 * The zero page, written from scratch. The block is laid out as
 *
 *      0         struct boot_params
 *      4096      one set-up data node with the memory map's entries beyond the first 128, if any
 *      behind    UEFI's own memory map, if any
 *      behind    the command line with its NUL
 */
#include "zeropage.h"

#include <stdbool.h>

#include "abi/efi_memory.h"
#include "abi/linux_boot.h"
#include "cursor.h"
#include "mem.h"

/* --- what Berth keeps ------------------------------------------------------------------------ */

/* What of [from, end) comes first and is of one kind: kept, or not. */
struct piece {
    struct prange bytes;
    bool is_kept;
};

static struct piece first_piece(struct busy_list kept, uint64_t from, uint64_t end)
{
    struct piece piece = {{from, end}, false};
    uint32_t i = 0;

    while (i < kept.count && kept.ranges[i].end <= from) {
        i++;
    }
    if (i < kept.count && kept.ranges[i].start < end) {
        piece.is_kept = kept.ranges[i].start <= from;
        piece.bytes.end = piece.is_kept ? kept.ranges[i].end : kept.ranges[i].start;
        piece.bytes.end = piece.bytes.end < end ? piece.bytes.end : end;
    }
    return piece;
}

/* --- the memory map ------------------------------------------------------------------------ */

/* A walk over the memory map as the kernel sees it. */
struct e820_walk {
    const struct memmap *map;
    struct busy_list kept;
    uint32_t index;
    uint64_t done; /* what of the map's range there has been passed */
};

_Static_assert((int)MEMORY_RAM == E820_TYPE_RAM && (int)MEMORY_RESERVED == E820_TYPE_RESERVED &&
                   (int)MEMORY_ACPI_RECLAIM == E820_TYPE_ACPI &&
                   (int)MEMORY_ACPI_NVS == E820_TYPE_NVS &&
                   (int)MEMORY_UNUSABLE == E820_TYPE_UNUSABLE &&
                   (int)MEMORY_PERSISTENT == E820_TYPE_PERSISTENT,
               "the numbers are the same");

static uint32_t e820_type(enum memory_type type)
{
    switch (type) {
    case MEMORY_BOOT_SERVICES:
        return E820_TYPE_RAM;
    case MEMORY_DISABLED:
        /* Linux does not know it; memory that is not there is best left alone as reserved. */
        return E820_TYPE_RESERVED;
    default:
        return type;
    }
}

/* A range of the map, or what of it is kept or is not. */
static bool next_part(struct e820_walk *walk, struct e820_entry *part)
{
    const struct memory_range *range = &walk->map->ranges[walk->index];
    struct piece piece;

    if (walk->index == walk->map->count) {
        return false;
    }
    piece = first_piece(walk->kept, range->bytes.start + walk->done, range->bytes.end);
    *part = (struct e820_entry){piece.bytes.start, prange_bytes(piece.bytes),
                                piece.is_kept ? E820_TYPE_RESERVED : e820_type(range->type)};
    walk->done += part->size;
    if (piece.bytes.end == range->bytes.end) {
        walk->index++;
        walk->done = 0;
    }
    return true;
}

/* Neighbours that touch and have become alike are one entry. */
static bool next_e820(struct e820_walk *walk, struct e820_entry *entry)
{
    struct e820_walk ahead;
    struct e820_entry part;

    if (!next_part(walk, entry)) {
        return false;
    }
    ahead = *walk;
    while (next_part(&ahead, &part) && part.addr == entry->addr + entry->size &&
           part.type == entry->type) {
        entry->size += part.size;
        *walk = ahead;
    }
    return true;
}

uint32_t zeropage_e820_entries(const struct memmap *map, struct busy_list kept)
{
    struct e820_walk walk = {map, kept, 0, 0};
    struct e820_entry entry;
    uint32_t count = 0;

    while (next_e820(&walk, &entry)) {
        count++;
    }
    return count;
}

/* --- the firmware's memory map --------------------------------------------------------------- */

/* Write the next descriptor, or only count its bytes where there is nowhere to write to. */
static size_t put_descriptor(uint8_t *to, size_t at, const uint8_t *bytes,
                             uint32_t descriptor_bytes, const struct efi_memory_descriptor *changed)
{
    if (to) {
        memcpy(to + at, bytes, descriptor_bytes);
        memcpy(to + at, changed, sizeof(*changed));
    }
    return at + descriptor_bytes;
}

/*
 * One descriptor, in as many as it takes to have kept memory apart. All else of it stays; so what is not kept at all is
 * handed on as it came, whatever nonsense it may be.
 */
static size_t split_descriptor(uint8_t *to, size_t at, const uint8_t *bytes,
                               uint32_t descriptor_bytes, struct busy_list kept)
{
    struct efi_memory_descriptor part;
    struct piece piece;
    uint64_t end;

    memcpy(&part, bytes, sizeof(part));
    const uint32_t type = part.type;
    const uint64_t most = (UINT64_MAX - part.physical_start) / EFI_PAGE_BYTES;

    end = part.physical_start + (part.pages < most ? part.pages : most) * EFI_PAGE_BYTES;
    piece = first_piece(kept, part.physical_start, end);
    if (!piece.is_kept && piece.bytes.end == end) {
        return put_descriptor(to, at, bytes, descriptor_bytes, &part);
    }
    for (;; piece = first_piece(kept, piece.bytes.end, end)) {
        part.type = piece.is_kept ? EFI_TYPE_RESERVED : type;
        part.physical_start = piece.bytes.start;
        part.pages = prange_bytes(piece.bytes) / EFI_PAGE_BYTES;
        at = put_descriptor(to, at, bytes, descriptor_bytes, &part);
        if (piece.bytes.end == end) {
            return at;
        }
    }
}

/* @to  NULL: nothing is written. Returns the bytes of the whole. */
static size_t put_efi_map(uint8_t *to, const struct boot_efi *efi, struct busy_list kept)
{
    size_t at = 0;

    for (uint32_t from = 0; from < efi->map_bytes; from += efi->map_descriptor_bytes) {
        at = split_descriptor(to, at, efi->map + from, efi->map_descriptor_bytes, kept);
    }
    return at;
}

/* --- the block's layout -------------------------------------------------------------------- */

#define EFI_MAP_ALIGN 8

struct block_layout {
    uint32_t extra_entries; /* memory map entries in the set-up data node; 0: no node */
    size_t efi_map_at;
    size_t efi_map_bytes; /* 0: the kernel is not told of UEFI */
    size_t cmdline_at;
    size_t cmdline_bytes; /* without the NUL */
    size_t end;
};

static struct block_layout lay_out(const struct zeropage_request *request)
{
    const uint32_t entries = zeropage_e820_entries(request->map, request->kept);
    struct block_layout layout = {.cmdline_at = ZERO_PAGE_BYTES};

    /* A kernel without setup_data (before protocol 2.09) takes the first 128 entries, and no more.
     */
    if (entries > E820_ENTRIES_IN_ZERO_PAGE && request->kernel->protocol >= BOOT_PROTOCOL_2_09) {
        layout.extra_entries = entries - E820_ENTRIES_IN_ZERO_PAGE;
    }
    if (layout.extra_entries != 0) {
        layout.cmdline_at +=
            sizeof(struct setup_data) + layout.extra_entries * sizeof(struct e820_entry);
    }
    if (zeropage_hands_on_efi(request->kernel, request->efi)) {
        layout.efi_map_at = align_up(layout.cmdline_at, EFI_MAP_ALIGN);
        layout.efi_map_bytes = put_efi_map(NULL, request->efi, request->kept);
        layout.cmdline_at = layout.efi_map_at + layout.efi_map_bytes;
    }
    while (layout.cmdline_bytes < request->kernel->cmdline_bytes &&
           request->cmdline[layout.cmdline_bytes] != '\0') {
        layout.cmdline_bytes++;
    }
    layout.end = layout.cmdline_at + layout.cmdline_bytes + 1;
    return layout;
}

uint64_t zeropage_bytes(const struct zeropage_request *request)
{
    return lay_out(request).end;
}

static void fill_e820(const struct zeropage_request *request, const struct block_layout *layout,
                      struct boot_params *params)
{
    struct e820_walk walk = {request->map, request->kept, 0, 0};

    while (params->e820_entries < E820_ENTRIES_IN_ZERO_PAGE &&
           next_e820(&walk, &params->e820_table[params->e820_entries])) {
        params->e820_entries++;
    }
    if (layout->extra_entries == 0) {
        return;
    }
    struct setup_data *node = (struct setup_data *)(params + 1);
    struct e820_entry *entries = (struct e820_entry *)(node + 1);

    *node = (struct setup_data){
        .type = SETUP_DATA_E820_EXT,
        .len = layout->extra_entries * sizeof(struct e820_entry),
    };
    for (uint32_t i = 0; i < layout->extra_entries; i++) {
        next_e820(&walk, &entries[i]);
    }
    params->hdr.setup_data = request->block.pa + ZERO_PAGE_BYTES;
}

/* --- the firmware -------------------------------------------------------------------------- */

static bool is_uefi(const struct boot_efi *efi)
{
    return efi && efi->system_table_pa != 0;
}

bool zeropage_hands_on_efi(const struct bzimage *kernel, const struct boot_efi *efi)
{
    return is_uefi(efi) && efi->map_bytes != 0 && (efi->is_64bit || kernel->efi_32);
}

static uint8_t secure_boot(const struct boot_efi *efi)
{
    if (!efi->secure_boot_told) {
        return SECURE_BOOT_UNSET;
    }
    return efi->secure_boot ? SECURE_BOOT_ENABLED : SECURE_BOOT_DISABLED;
}

static void fill_efi(const struct zeropage_request *request, const struct block_layout *layout,
                     struct boot_params *params)
{
    const struct boot_efi *efi = request->efi;
    const uint64_t map_pa = request->block.pa + layout->efi_map_at;

    if (is_uefi(efi)) {
        params->secure_boot = secure_boot(efi);
    }
    if (!zeropage_hands_on_efi(request->kernel, efi)) {
        return;
    }
    put_efi_map((uint8_t *)params + layout->efi_map_at, efi, request->kept);
    params->efi_info = (struct efi_info){
        .efi_loader_signature = efi->is_64bit ? EFI_SIGNATURE_64 : EFI_SIGNATURE_32,
        .efi_systab = (uint32_t)efi->system_table_pa,
        .efi_systab_hi = (uint32_t)(efi->system_table_pa >> 32),
        .efi_memdesc_size = efi->map_descriptor_bytes,
        .efi_memdesc_version = efi->map_descriptor_version,
        .efi_memmap = (uint32_t)map_pa,
        .efi_memmap_hi = (uint32_t)(map_pa >> 32),
        .efi_memmap_size = (uint32_t)layout->efi_map_bytes,
    };
}

/* --- the screen ---------------------------------------------------------------------------- */

static uint64_t colour_mask(uint8_t position, uint8_t size_bits)
{
    return position < 32 && size_bits <= 32 ? ((1ULL << size_bits) - 1) << position : 0;
}

/* What a pixel can have: 32 bits. */
#define DEPTH_MAX 32

/* The lowest run of bits in a pixel that no colour uses. */
static void fill_reserved_bits(const struct boot_framebuffer *framebuffer,
                               struct screen_info *screen)
{
    uint64_t unused = colour_mask(0, framebuffer->bits_per_pixel) &
                      ~colour_mask(framebuffer->red.position, framebuffer->red.size_bits) &
                      ~colour_mask(framebuffer->green.position, framebuffer->green.size_bits) &
                      ~colour_mask(framebuffer->blue.position, framebuffer->blue.size_bits);

    if (unused != 0) {
        screen->rsvd_pos = (uint8_t)__builtin_ctzll(unused);
        screen->rsvd_size = (uint8_t)__builtin_ctzll(~(unused >> screen->rsvd_pos));
    }
}

/*
 * Can it be what is on display? A loader's word for it is not enough: a screen that is really memory, or that the
 * fields cannot describe, is left out, because no display is better than a wrong one.
 */
static bool frame_is_believable(const struct boot_framebuffer *framebuffer,
                                const struct memmap *map)
{
    const uint64_t bytes = (uint64_t)framebuffer->pitch_bytes * framebuffer->height;
    const struct prange frame = {framebuffer->base.pa, framebuffer->base.pa + bytes};
    const uint8_t depth = framebuffer->bits_per_pixel;

    if (frame.start == 0 || bytes == 0 || frame.end < frame.start ||
        memmap_touches_ram(map, frame)) {
        return false;
    }
    if (framebuffer->width > UINT16_MAX || framebuffer->height > UINT16_MAX ||
        framebuffer->pitch_bytes > UINT16_MAX) {
        return false;
    }
    return depth != 0 && depth <= DEPTH_MAX && framebuffer->width != 0 &&
           framebuffer->pitch_bytes >= framebuffer->width * ((depth + 7U) / 8) &&
           framebuffer->red.position + framebuffer->red.size_bits <= depth &&
           framebuffer->green.position + framebuffer->green.size_bits <= depth &&
           framebuffer->blue.position + framebuffer->blue.size_bits <= depth;
}

static void fill_linear_frame(const struct boot_framebuffer *framebuffer, bool of_uefi,
                              struct screen_info *screen)
{
    uint64_t bytes = (uint64_t)framebuffer->pitch_bytes * framebuffer->height;
    uint64_t unit = of_uefi ? 1 : VIDEO_LFB_SIZE_UNIT;

    screen->orig_video_isVGA = of_uefi ? VIDEO_IS_EFI_FRAME : VIDEO_IS_LINEAR_FRAME;
    screen->lfb_width = (uint16_t)framebuffer->width;
    screen->lfb_height = (uint16_t)framebuffer->height;
    screen->lfb_depth = framebuffer->bits_per_pixel;
    screen->lfb_linelength = (uint16_t)framebuffer->pitch_bytes;
    screen->lfb_size = (uint32_t)((bytes + unit - 1) / unit);
    screen->lfb_base = (uint32_t)framebuffer->base.pa;
    screen->ext_lfb_base = (uint32_t)(framebuffer->base.pa >> 32);
    if (screen->ext_lfb_base != 0) {
        screen->capabilities = VIDEO_CAPABILITY_64BIT_BASE;
    }
    screen->red_pos = framebuffer->red.position;
    screen->red_size = framebuffer->red.size_bits;
    screen->green_pos = framebuffer->green.position;
    screen->green_size = framebuffer->green.size_bits;
    screen->blue_pos = framebuffer->blue.position;
    screen->blue_size = framebuffer->blue.size_bits;
    fill_reserved_bits(framebuffer, screen);
}

static void fill_text(const struct boot_framebuffer *framebuffer, struct screen_info *screen)
{
    if (framebuffer->width == 0 || framebuffer->width > UINT8_MAX || framebuffer->height == 0 ||
        framebuffer->height > UINT8_MAX) {
        return;
    }
    screen->orig_video_isVGA = VIDEO_IS_VGA_TEXT;
    screen->orig_video_mode = VIDEO_TEXT_MODE;
    screen->orig_video_cols = (uint8_t)framebuffer->width;
    screen->orig_video_lines = (uint8_t)framebuffer->height;
    screen->orig_video_points = VIDEO_TEXT_POINTS;
}

/* Text and true colour; otherwise all stays zero, which says that there is no display. */
static void fill_screen(const struct zeropage_request *request, struct screen_info *screen)
{
    const struct boot_framebuffer *framebuffer = request->framebuffer;

    if (framebuffer->kind == FRAMEBUFFER_TEXT) {
        fill_text(framebuffer, screen);
    } else if (framebuffer->kind == FRAMEBUFFER_RGB &&
               frame_is_believable(framebuffer, request->map)) {
        fill_linear_frame(framebuffer, is_uefi(request->efi), screen);
    }
}

/* --- the header ---------------------------------------------------------------------------- */

/* The kernel's own header, and what a loader writes over it: boot.rst, "Details of Header Fields". */
static void fill_header(const struct zeropage_request *request, struct boot_params *params)
{
    struct cursor cursor = cursor_over(request->kernel_file, request->kernel_file_bytes);
    uint8_t *page = (uint8_t *)params;
    struct setup_header *header = &params->hdr;

    cursor_seek(&cursor, SETUP_HEADER_OFFSET);
    cursor_copy(&cursor, page + SETUP_HEADER_OFFSET, request->kernel->header_bytes);
    header->vid_mode = VID_MODE_NORMAL;
    header->type_of_loader = LOADER_TYPE_UNDEFINED;
    header->ext_loader_type = 0;
    header->ext_loader_ver = 0;
    header->loadflags = LOADED_HIGH; /* no heap is given; early messages are welcome */
    header->heap_end_ptr = 0;
    header->code32_start = (uint32_t)request->kernel_load.pa;
    header->setup_data = 0;
}

static void fill_initrd(struct prange initrd, struct boot_params *params)
{
    uint64_t bytes = prange_bytes(initrd);

    params->hdr.ramdisk_image = 0;
    params->hdr.ramdisk_size = 0;
    if (bytes != 0) {
        params->hdr.ramdisk_image = (uint32_t)initrd.start;
        params->hdr.ramdisk_size = (uint32_t)bytes;
        params->ext_ramdisk_image = (uint32_t)(initrd.start >> 32);
        params->ext_ramdisk_size = (uint32_t)(bytes >> 32);
    }
}

void zeropage_build(const struct zeropage_request *request, void *block, uint64_t block_bytes)
{
    struct block_layout layout = lay_out(request);
    struct boot_params *params = block;
    uint8_t *bytes = block;
    uint64_t cmdline_pa = request->block.pa + layout.cmdline_at;

    if (block_bytes < layout.end) {
        return;
    }
    memset(params, 0, sizeof(*params));
    fill_header(request, params);
    fill_initrd(request->initrd, params);
    params->hdr.cmd_line_ptr = (uint32_t)cmdline_pa;
    params->ext_cmd_line_ptr = (uint32_t)(cmdline_pa >> 32);
    memcpy(bytes + layout.cmdline_at, request->cmdline, layout.cmdline_bytes);
    bytes[layout.cmdline_at + layout.cmdline_bytes] = '\0';
    params->acpi_rsdp_addr = request->rsdp.pa;
    fill_efi(request, &layout, params);
    fill_screen(request, &params->screen_info);
    fill_e820(request, &layout, params);
}
