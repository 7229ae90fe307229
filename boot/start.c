/*
 * __start_xen: from entry_regs to a running guest, one call for each stage. What a stage leaves
 * behind has one writer and is const for all later ones. No decision is made here that a pure
 * folder could make.
 */
#include <stddef.h>

#include "boot_info.h"
#include "bzimage.h"
#include "caps.h"
#include "console.h"
#include "debug.h"
#include "image.h"
#include "instructions.h"
#include "log.h"
#include "memmap.h"
#include "native.h"
#include "options.h"
#include "physmap.h"
#include "placement.h"
#include "report.h"
#include "start.h"
#include "stop.h"
#include "x86/address_map.h"

/* The loader's information; and, as soon as the command line is known, the consoles. */
static const struct boot_info *stage_boot_info(const struct entry_regs *regs,
                                               struct options *options)
{
    static struct boot_info info NOINIT;
    static const struct boot_framebuffer unknown;
    const struct physical_view memory = physmap_view();
    const struct status decoded = boot_info_decode(regs, &memory, &info);

    options_parse(is_ok(decoded) ? info.cmdline : "", options);
    console_start(options, is_ok(decoded) ? &info.framebuffer : &unknown);
    machine_stop_configure(options->reboot);
    report_banner();
    report_options(options);
    require(decoded);
    return &info;
}

static const struct memmap *stage_memmap(const struct boot_info *info, const struct cpu_caps *caps)
{
    static struct memmap map NOINIT;
    static struct memmap_scratch scratch NOINIT;

    require(memmap_build(info, caps->physical_bits, &scratch, &map));
    return &map;
}

/* Move the image if it is not where it should be. Returns where it is now. */
static struct prange stage_image(const struct entry_regs *regs, const struct boot_info *info,
                                 const struct memmap *map)
{
    const struct prange loaded = {regs->load_base, regs->load_base + image_bytes()};
    const bool loader_moved =
        (info->loader_moves && image_is_relocatable()) || loaded.start != IMAGE_LINK_PA;
    struct prange modules[BOOT_MODULES_MAX];
    enum image_mover mover = loader_moved ? MOVED_BY_LOADER : MOVED_BY_NONE;
    uint64_t target;

    for (uint32_t i = 0; i < info->module_count; i++) {
        modules[i] = info->modules[i].bytes;
    }
    require(placement_image(map, loaded, loader_moved,
                            (struct busy_list){modules, info->module_count}, &target));
    if (target != loaded.start) {
        image_move((paddr_t){loaded.start}, (paddr_t){target});
        mover = MOVED_BY_SELF;
    }
    report_boot(info, (paddr_t){target}, mover);
    return (struct prange){target, target + image_bytes()};
}

NORETURN void __start_xen(const struct entry_regs *regs)
{
    const uint64_t start_tsc = tsc_read();
    struct options options;
    const struct boot_info *info = stage_boot_info(regs, &options);
    const struct cpu_caps caps = cpu_caps_read();
    const struct memmap *map = stage_memmap(info, &caps);
    const struct prange image = stage_image(regs, info, map);

    report_memory(info, map);
    report_modules(info);
    report_cpu(&caps);
    debug_fault_raise(&options);
    guest_choose(options.dom0);

    const struct native_guest guest = guest_prepare(info, map, image);

    report_dom0(guest.kernel, native_entry_point(&guest.entry), &guest.place);
    guest_put_in_place(&guest);
    report_time(regs->entry_tsc, start_tsc, tsc_read());
    native_start(&guest.entry);
}
