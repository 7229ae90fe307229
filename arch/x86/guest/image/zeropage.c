/*
 * The zero page, written from scratch. The block is laid out as
 *
 *      0         struct boot_params
 *      4096      one set-up data node with the memory map's entries beyond the first 128, if any
 *      behind    the command line with its NUL
 */
#include "zeropage.h"

#include <stdbool.h>

#include "abi/linux_boot.h"
#include "cursor.h"
#include "mem.h"

/* --- the block's layout -------------------------------------------------------------------- */

struct block_layout {
    uint32_t extra_entries; /* memory map entries in the set-up data node; 0: no node */
    size_t cmdline_at;
    size_t cmdline_bytes; /* without the NUL */
    size_t end;
};

static struct block_layout lay_out(const struct zeropage_request *request)
{
    struct block_layout layout = {0};

    /* A kernel without setup_data (before protocol 2.09) takes the first 128 entries, and no more.
     */
    if (request->map->count > E820_ENTRIES_IN_ZERO_PAGE &&
        request->kernel->protocol >= BOOT_PROTOCOL_2_09) {
        layout.extra_entries = request->map->count - E820_ENTRIES_IN_ZERO_PAGE;
    }
    layout.cmdline_at = ZERO_PAGE_BYTES;
    if (layout.extra_entries != 0) {
        layout.cmdline_at +=
            sizeof(struct setup_data) + layout.extra_entries * sizeof(struct e820_entry);
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

/* --- the memory map ------------------------------------------------------------------------ */

static struct e820_entry e820_from(const struct memory_range *range)
{
    /* Linux does not know "disabled"; memory that is not there is best left alone as reserved. */
    uint32_t type = range->type == MEMORY_DISABLED ? E820_TYPE_RESERVED : (uint32_t)range->type;

    return (struct e820_entry){range->bytes.start, prange_bytes(range->bytes), type};
}

static void fill_e820(const struct zeropage_request *request, const struct block_layout *layout,
                      struct boot_params *params)
{
    const struct memmap *map = request->map;
    uint32_t in_page =
        map->count < E820_ENTRIES_IN_ZERO_PAGE ? map->count : E820_ENTRIES_IN_ZERO_PAGE;

    for (uint32_t i = 0; i < in_page; i++) {
        params->e820_table[i] = e820_from(&map->ranges[i]);
    }
    params->e820_entries = (uint8_t)in_page;
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
        entries[i] = e820_from(&map->ranges[in_page + i]);
    }
    params->hdr.setup_data = request->block.pa + ZERO_PAGE_BYTES;
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

static void fill_linear_frame(const struct boot_framebuffer *framebuffer,
                              struct screen_info *screen)
{
    uint64_t bytes = (uint64_t)framebuffer->pitch_bytes * framebuffer->height;

    screen->orig_video_isVGA = VIDEO_IS_LINEAR_FRAME;
    screen->lfb_width = (uint16_t)framebuffer->width;
    screen->lfb_height = (uint16_t)framebuffer->height;
    screen->lfb_depth = framebuffer->bits_per_pixel;
    screen->lfb_linelength = (uint16_t)framebuffer->pitch_bytes;
    screen->lfb_size = (uint32_t)((bytes + VIDEO_LFB_SIZE_UNIT - 1) / VIDEO_LFB_SIZE_UNIT);
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
static void fill_screen(const struct boot_framebuffer *framebuffer, const struct memmap *map,
                        struct screen_info *screen)
{
    if (framebuffer->kind == FRAMEBUFFER_TEXT) {
        fill_text(framebuffer, screen);
    } else if (framebuffer->kind == FRAMEBUFFER_RGB && frame_is_believable(framebuffer, map)) {
        fill_linear_frame(framebuffer, screen);
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
    fill_screen(request->framebuffer, request->map, &params->screen_info);
    fill_e820(request, &layout, params);
}
