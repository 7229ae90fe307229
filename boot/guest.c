/*
 * The guest, native or not: module 0 is its kernel, module 1 its initrd. Everything is decided before the first byte is
 * written, so that an error leaves the loader's copies as they were.
 */
#include <stddef.h>

#include "abi/linux_boot.h"
#include "efi_tables.h"
#include "log.h"
#include "mem.h"
#include "page_tables.h"
#include "physmap.h"
#include "report.h"
#include "rsdp.h"
#include "start.h"
#include "stop.h"
#include "x86/address_map.h"
#include "x86/paging.h"
#include "x86/ports.h"
#include "zeropage.h"

enum {
    MODULE_KERNEL,
    MODULE_INITRD,
    MODULES_USED,
};

/* Modules are read and moved below: they have to be memory, and each its own. */
static void modules_check(const struct boot_info *info, const struct memmap *map,
                          struct prange image)
{
    if (info->module_count <= MODULE_KERNEL) {
        fatal("no kernel was given", "add the line 'module2 /vmlinuz ...' to the GRUB menu entry");
    }
    for (uint32_t i = 0; i < info->module_count; i++) {
        const struct prange bytes = info->modules[i].bytes;

        if (!memmap_is_ram(map, bytes)) {
            log_error("module %u does not lie in RAM - use another loader", i);
            machine_stop();
        }
        if (prange_overlaps(bytes, image)) {
            log_error("module %u overlaps Berth itself - use another loader", i);
            machine_stop();
        }
        for (uint32_t other = 0; other < i; other++) {
            if (prange_overlaps(bytes, info->modules[other].bytes)) {
                log_error("modules %u and %u overlap - use another loader", other, i);
                machine_stop();
            }
        }
    }
    if (info->module_count > MODULES_USED) {
        log_warning("%u modules behind the initrd are not used", info->module_count - MODULES_USED);
    }
}

/* A BIOS without a word from the loader shows VGA text; what anything else shows is not known. */
static const struct boot_framebuffer *display(const struct boot_info *info)
{
    static const struct boot_framebuffer vga_text = {
        .kind = FRAMEBUFFER_TEXT,
        .base = {VGA_TEXT_PA},
        .pitch_bytes = VGA_TEXT_COLUMNS * 2,
        .width = VGA_TEXT_COLUMNS,
        .height = VGA_TEXT_ROWS,
        .bits_per_pixel = 16,
    };

    return info->framebuffer.kind == FRAMEBUFFER_NONE && info->firmware == FIRMWARE_BIOS
               ? &vga_text
               : &info->framebuffer;
}

paddr_t guest_rsdp(const struct boot_info *info)
{
    const struct physical_view memory = physmap_view();
    paddr_t rsdp = info->rsdp_pa;

    if (rsdp.pa == 0 && info->efi.system_table_pa != 0) {
        rsdp = efi_tables_rsdp(&memory, info->efi.system_table_pa, info->efi.is_64bit);
    }
    if (rsdp.pa == 0 && info->firmware == FIRMWARE_BIOS) {
        rsdp = rsdp_locate(&memory, info);
    }
    return rsdp;
}

/* What the kernel cannot be told, or does not take. */
static void limits_report(const struct zeropage_request *page)
{
    const uint32_t entries = zeropage_e820_entries(page->map, page->kept);

    if (strlen(page->cmdline) > page->kernel->cmdline_bytes) {
        log_warning("the kernel takes only the first %u characters of its command line",
                    page->kernel->cmdline_bytes);
    }
    if (page->kernel->protocol < BOOT_PROTOCOL_2_09 && entries > E820_ENTRIES_IN_ZERO_PAGE) {
        log_warning("the kernel takes only the first %d of the memory map's %u entries",
                    E820_ENTRIES_IN_ZERO_PAGE, entries);
    }
    if (page->efi->system_table_pa != 0 && !zeropage_hands_on_efi(page->kernel, page->efi)) {
        log_info("efi: the kernel cannot use 32-bit firmware: it gets no runtime services");
    }
    if (page->rsdp.pa == 0 && !zeropage_hands_on_efi(page->kernel, page->efi)) {
        log_warning("no ACPI tables were found: the kernel has to do without");
    }
}

/* The zero page's block, and behind it what a kernel inside a virtual machine is entered with. */
static uint64_t handoff_bytes(const struct guest *guest)
{
    const uint64_t bytes = zeropage_bytes(&guest->page);

    return guest->is_virtual
               ? align_up(bytes, PAGE_BYTES) + entry_tables_bytes(&guest->entry_tables)
               : bytes;
}

/* Now that everything has its place. */
static void places_note(struct guest *guest, struct prange image)
{
    guest->page.initrd = guest->place.initrd;
    guest->page.kernel_load = (paddr_t){guest->place.kernel};
    guest->page.block = (paddr_t){guest->place.handoff.start};
    guest->entry_tables.block.pa =
        guest->place.handoff.start + align_up(zeropage_bytes(&guest->page), PAGE_BYTES);
    guest->entry = (struct native_entry){
        .image = {image.start},
        .zero_page = guest->page.block,
        .kernel = guest->page.kernel_load,
        .entry_64 = guest->kernel->entry_64,
    };
}

struct guest guest_prepare(const struct guest_setting *setting)
{
    static struct bzimage kernel;
    const struct boot_info *const info = setting->info;
    const struct boot_module *file = &info->modules[MODULE_KERNEL];
    struct guest guest = {.kernel = &kernel, .is_virtual = setting->is_virtual};

    modules_check(info, setting->map, setting->image);
    require(bzimage_parse(physmap_low((paddr_t){file->bytes.start}), prange_bytes(file->bytes),
                          &kernel));
    guest.kernel_payload.start = file->bytes.start + kernel.payload_offset;
    guest.kernel_payload.end = guest.kernel_payload.start + kernel.payload_bytes;
    if (info->module_count > MODULE_INITRD) {
        guest.initrd = info->modules[MODULE_INITRD].bytes;
    }
    guest.page = (struct zeropage_request){
        .kernel_file = physmap_low((paddr_t){file->bytes.start}),
        .kernel_file_bytes = prange_bytes(file->bytes),
        .kernel = &kernel,
        .cmdline = file->args,
        .map = setting->map,
        .kept = setting->is_virtual ? setting->others : (struct busy_list){NULL, 0},
        .rsdp = setting->rsdp,
        .efi = &info->efi,
        .framebuffer = display(info),
    };
    guest.entry_tables = (struct entry_tables_request){
        .entry_64 = kernel.entry_64,
        .has_1gib_pages = setting->has_1gib_pages,
    };
    limits_report(&guest.page);
    const struct guest_needs needs = {
        .image = setting->image,
        .kernel_file = file->bytes,
        .kernel_bytes = kernel.init_bytes,
        .kernel_preferred = kernel.preferred,
        .kernel_alignment = kernel.alignment,
        .kernel_relocatable = kernel.relocatable,
        .initrd = guest.initrd,
        .initrd_below = kernel.initrd_below,
        .handoff_bytes = handoff_bytes(&guest),
        .others = setting->others,
    };

    require(placement_guest(setting->map, &needs, &guest.place));
    places_note(&guest, setting->image);
    return guest;
}

static void initrd_move(const struct guest *guest)
{
    if (guest->place.initrd.start != guest->initrd.start) {
        if (guest->place.initrd.end > IDENTITY_MAP_BYTES && !page_tables_add(guest->place.initrd)) {
            fatal("the page tables have no room for the initrd", "report this defect");
        }
        physmap_copy((paddr_t){guest->place.initrd.start}, (paddr_t){guest->initrd.start},
                     prange_bytes(guest->initrd));
    }
}

void guest_put_in_place(const struct guest *guest)
{
    /* First, while the kernel's file, from which its header comes, is whole. */
    zeropage_build(&guest->page, physmap_low(guest->page.block),
                   prange_bytes(guest->place.handoff));
    if (guest->place.initrd_first) {
        initrd_move(guest);
    }
    physmap_copy((paddr_t){guest->place.kernel}, (paddr_t){guest->kernel_payload.start},
                 prange_bytes(guest->kernel_payload));
    if (!guest->place.initrd_first) {
        initrd_move(guest);
    }
    if (guest->is_virtual) {
        entry_tables_build(&guest->entry_tables, physmap_low(guest->entry_tables.block));
        hvm_close(guest->page.kept);
    }
}
