/*
 * __start_xen: from entry_regs to a running guest, one call for each stage. What a stage leaves
 * behind has one writer and is const for all later ones. No decision is made here that a pure
 * folder could make.
 */
#include <stddef.h>

#include "acpi.h"
#include "boot_info.h"
#include "bzimage.h"
#include "caps.h"
#include "console.h"
#include "debug.h"
#include "efi32.h"
#include "image.h"
#include "instructions.h"
#include "iommu.h"
#include "log.h"
#include "mem.h"
#include "memmap.h"
#include "native.h"
#include "options.h"
#include "page_alloc.h"
#include "page_tables.h"
#include "pages.h"
#include "physmap.h"
#include "placement.h"
#include "processor_state.h"
#include "processors.h"
#include "report.h"
#include "rsdp.h"
#include "start.h"
#include "stop.h"
#include "times.h"
#include "tsc_rate.h"
#include "x86/address_map.h"
#include "x86/paging.h"

/* Large, and written before bss is cleared when the EFI stage uses them. */
struct boot_info boot_info_storage NOINIT;
struct efi_handoff efi_handoff_storage NOINIT;

/* What is busy before the page allocator is there: modules, the image, the page tables, a BIOS' own memory. */
#define BUSY_MAX (BOOT_MODULES_MAX + 3)
/* And afterwards what is taken from it: ranges that are told apart. */
#define USED_MAX 16
/* What guest_reserve() reserves. */
#define GUEST_RANGES 3

/* The memory map, and before it is made the stack of 32-bit firmware. */
static union {
    struct memmap memmap;
    uint8_t firmware_stack[EFI32_STACK_BYTES] __attribute__((aligned(16)));
} early NOINIT;

/* When the boot began, and when each of its phases ended. */
static uint64_t stamps[BOOT_PHASES + 1];

/* One function in one place: tools/bench.py counts from call to call. */
static NOINLINE void phase_end(enum boot_phase phase)
{
    stamps[phase + 1] = tsc_read();
}

/* From whichever entry: decode what the loader said, and what the firmware said. */
static struct status boot_info_fill(const struct entry_regs *regs, struct boot_info *info)
{
    const struct physical_view memory = physmap_view();
    struct status decoded;

    if (regs->path == ENTRY_PATH_EFI) {
        return efi_handoff_decode(&efi_handoff_storage, info);
    }
    /* A map comes from the loader or from the firmware, and is kept in one place. */
    info->efi.map_room = regs->path == ENTRY_PATH_MULTIBOOT ? efi_handoff_storage.map : NULL;
    decoded = boot_info_decode(regs, &memory, info);
    if (!is_ok(decoded)) {
        return decoded;
    }
    if (regs->path == ENTRY_PATH_MULTIBOOT && info->efi.boot_services_live) {
        efi32_boot_services_exit(info, regs->load_base, early.firmware_stack, &efi_handoff_storage);
        return efi_handoff_merge(&efi_handoff_storage, info);
    }
    return regs->path == ENTRY_PATH_MULTIBOOT2_EFI ? efi_handoff_merge(&efi_handoff_storage, info)
                                                   : decoded;
}

/* What the loader and the firmware said; and, as soon as the command line is known, the consoles. */
static const struct boot_info *stage_boot_info(const struct entry_regs *regs,
                                               struct options *options)
{
    struct boot_info *const info = &boot_info_storage;
    const struct status decoded = boot_info_fill(regs, info);

    options_parse(is_ok(decoded) ? info->cmdline : "", options);
    console_start(options, is_ok(decoded) ? info : NULL);
    machine_stop_configure(&options->after_error);
    report_banner();
    report_options(options);
    console_report();
    require(decoded);
    machine_stop_know(info, NULL);
    return info;
}

/* The first processor's registers, from now on ours; and what it can do. */
static struct cpu_caps stage_processor(void)
{
    processor_state_establish();
    report_protection();
    return cpu_caps_read();
}

static const struct memmap *stage_memmap(const struct boot_info *info, const struct cpu_caps *caps)
{
    require(memmap_build(info, caps->physical_bits, &early.memmap));
    return &early.memmap;
}

/* What the firmware's tables say. The final page tables do not map them. */
static const struct acpi_info *stage_acpi(const struct boot_info *info, paddr_t rsdp)
{
    static struct acpi_info acpi NOINIT;
    const struct physical_view memory = physmap_view();

    acpi_read(&memory, rsdp, &acpi);
    machine_stop_know(info, &acpi);
    return &acpi;
}

/* Did somebody else choose where the image is? */
static bool loader_moved(const struct entry_regs *regs, const struct boot_info *info)
{
    return (info->loader_moves && image_is_relocatable()) || regs->load_base != IMAGE_LINK_PA;
}

static struct prange image_at(uint64_t base)
{
    return (struct prange){base, base + image_bytes()};
}

/* The modules' bytes, which nothing may be put on. */
static struct busy_list modules_busy(const struct boot_info *info)
{
    static struct prange modules[BOOT_MODULES_MAX];

    for (uint32_t i = 0; i < info->module_count; i++) {
        modules[i] = info->modules[i].bytes;
    }
    return (struct busy_list){modules, info->module_count};
}

/* The same, and what Berth itself uses. */
static struct busy_list all_busy(const struct boot_info *info, struct prange image,
                                 struct prange tables, struct prange ebda)
{
    static struct prange ranges[BUSY_MAX];
    const struct busy_list modules = modules_busy(info);
    uint32_t count = modules.count;

    memcpy(ranges, modules.ranges, modules.count * sizeof(ranges[0]));
    ranges[count++] = image;
    ranges[count++] = tables;
    if (ebda.start < ebda.end) {
        ranges[count++] = ebda;
    }
    return (struct busy_list){ranges, count};
}

/* What a BIOS keeps for itself, whatever the map says. Not for when the final page tables are in force. */
static struct prange bios_memory(const struct boot_info *info)
{
    const struct physical_view memory = physmap_view();

    return info->firmware == FIRMWARE_BIOS ? ebda_range(&memory) : (struct prange){0, 0};
}

/* Where the image should be. */
static uint64_t image_target(const struct entry_regs *regs, const struct boot_info *info,
                             const struct memmap *map)
{
    return placement_image(map, image_at(regs->load_base), loader_moved(regs, info),
                           modules_busy(info));
}

/* Move the image if it is not where it should be. Returns where it is now. */
static struct prange stage_image(const struct entry_regs *regs, const struct boot_info *info,
                                 const struct memmap *map)
{
    const uint64_t target = image_target(regs, info, map);
    enum image_mover mover = loader_moved(regs, info) ? MOVED_BY_LOADER : MOVED_BY_NONE;

    if (target != regs->load_base) {
        image_move((paddr_t){regs->load_base}, (paddr_t){target});
    }
    if (target != regs->load_base || regs->moved) {
        mover = MOVED_BY_SELF;
    }
    report_boot(info, (paddr_t){target}, mover);
    return image_at(target);
}

/* Room for the final page tables and, at its end, for the page allocator's first extents. */
static struct prange tables_room(const struct boot_info *info, const struct cpu_caps *caps,
                                 const struct memmap *map, struct prange image, uint64_t ram_below,
                                 uint32_t devices, uint32_t processors, uint32_t more_pages)
{
    const uint64_t bytes = page_tables_bytes(map, caps, ram_below, devices, processors) +
                           more_pages * PAGE_BYTES + page_alloc_bytes(map, BUSY_MAX);
    struct prange room;

    /* Who stays below a guest is who maps more: ram_mapped(). */
    require(placement_tables(map, image, modules_busy(info), bytes, ram_below > IDENTITY_MAP_BYTES,
                             &room));
    return room;
}

static struct prange extents_room(const struct memmap *map, struct prange tables)
{
    return (struct prange){tables.end - page_alloc_bytes(map, BUSY_MAX), tables.end};
}

/* Who stays below a guest follows its pointers, to wherever there is RAM. */
static uint64_t ram_mapped(const struct hvm_choice *hvm)
{
    return hvm->support.usable ? PHYSMAP_END : IDENTITY_MAP_BYTES;
}

/* How the kernel may run. What the firmware's tables shall not tell it is hidden there, as long as they are mapped. */
static struct hvm_choice stage_mode(enum dom0_mode mode, const struct acpi_info *acpi)
{
    const struct hvm_choice hvm = hvm_choose(mode);

    if (hvm.support.usable) {
        iommu_hide(acpi);
    }
    return hvm;
}

/* From the boot tables to the final ones. Returns tables_room(). */
static struct prange stage_paging(const struct boot_info *info, const struct cpu_caps *caps,
                                  const struct memmap *map, struct prange image,
                                  const struct hvm_choice *hvm, const struct acpi_info *acpi)
{
    const struct device_list devices = console_devices(map, caps->physical_bits);
    const uint64_t ram_below = ram_mapped(hvm);
    const struct prange room =
        tables_room(info, caps, map, image, ram_below, devices.count, acpi->processors_enabled,
                    hvm->support.usable ? iommu_table_pages(acpi) : 0);

    if (!page_tables_build(map, caps, ram_below, (paddr_t){image.start}, devices,
                           (struct prange){room.start, extents_room(map, room).start})) {
        fatal("the page tables do not fit the memory counted for them", "report this defect");
    }
    console_continue();
    return room;
}

/* From now on memory is taken from the page allocator. */
static void stage_memory(const struct memmap *map, struct busy_list busy, struct prange tables)
{
    pages_start(map, busy, extents_room(map, tables));
    report_pages();
}

/* What the guest may not be put on, beside the image. */
static struct busy_list guest_busy(struct prange tables)
{
    static struct prange ranges[1 + USED_MAX];

    pages_expect(GUEST_RANGES);
    ranges[0] = tables;
    return (struct busy_list){ranges, 1 + pages_used(ranges + 1, USED_MAX)};
}

/* What Berth keeps when it stays, and a line about it. IOMMUs' tables are the last that is taken. */
static struct busy_list stage_kept(const struct hvm_choice *hvm, const struct hvm_request *request,
                                   const struct acpi_info *acpi, struct prange image,
                                   struct prange tables)
{
    struct busy_list kept = hvm_kept(image, tables);
    struct kept_memory memory;

    iommu_take_memory(acpi, request->map, request->caps, kept);
    kept = hvm_kept(image, tables);
    memory = hvm_kept_memory(kept, image, tables);
    report_hvm(hvm->support.name, request->processors, &memory);
    return kept;
}

/* Where a native guest is going to be, no page is taken from now on; beside a virtual one none is taken at all. */
static void guest_reserve(const struct guest *guest)
{
    if (guest->is_virtual) {
        return;
    }
    require(pages_reserve(
        (struct prange){guest->place.kernel, guest->place.kernel + guest->kernel->init_bytes}));
    require(pages_reserve(guest->place.initrd));
    require(pages_reserve(guest->place.handoff));
}

/* What the command line says of the mode: by itself, because the words take much of the stack. */
static NOINLINE struct hvm_choice rehearsal_choice(const struct boot_info *info)
{
    struct options options;

    options_parse(info->cmdline, &options);
    return hvm_choose(options.dom0);
}

void start_rehearse(const struct entry_regs *regs)
{
    const struct boot_info *info = &boot_info_storage;
    const struct cpu_caps caps = cpu_caps_read();
    const struct memmap *map;
    struct hvm_choice hvm;
    struct prange image;

    require(boot_info_fill(regs, &boot_info_storage));
    map = stage_memmap(info, &caps);
    image = image_at(image_target(regs, info, map));
    hvm = rehearsal_choice(info);
    guest_prepare(&(struct guest_setting){
        .info = info,
        .rsdp = guest_rsdp(info),
        .map = map,
        .image = image,
        .others = guest_busy(tables_room(info, &caps, map, image, ram_mapped(&hvm),
                                         PAGE_TABLES_DEVICES, ACPI_PROCESSORS_MAX, 0)),
        .is_virtual = hvm.support.usable,
        .has_1gib_pages = caps.has_1gib_pages,
    });
}

/* Measuring the counter may take a millisecond or two: only for those who read what comes of it. */
static struct tsc_rate stage_clock(const struct options *options)
{
    return tsc_rate_find(options->log_level >= LOG_INFO);
}

/* A native guest starts the other processors itself. */
static void others_leave(const struct guest *guest)
{
    if (!guest->is_virtual) {
        stage_processors_end();
    }
}

static NORETURN void stage_start(const struct hvm_choice *hvm, const struct guest *guest)
{
    if (guest->is_virtual) {
        stage_hvm(hvm, guest);
    }
    stage_handover(&guest->entry);
}

NORETURN void __start_xen(const struct entry_regs *regs)
{
    stamps[0] = regs->entry_tsc;
    phase_end(PHASE_ENTRY);
    physmap_start();

    struct options options;
    const struct boot_info *info = stage_boot_info(regs, &options);
    const struct cpu_caps caps = stage_processor();
    phase_end(PHASE_LOADER);
    const struct memmap *map = stage_memmap(info, &caps);
    phase_end(PHASE_MEMMAP);
    const struct prange image = stage_image(regs, info, map);
    phase_end(PHASE_IMAGE);
    const paddr_t rsdp = guest_rsdp(info);
    const struct acpi_info *acpi = stage_acpi(info, rsdp);
    tsc_rate_watch(acpi, map);
    phase_end(PHASE_ACPI);

    report_memory(info, map);
    report_modules(info);
    report_acpi(acpi);
    phase_end(PHASE_LOG);

    console_acpi(acpi, map);
    const struct prange ebda = bios_memory(info);
    const struct hvm_choice hvm = stage_mode(options.dom0, acpi);
    const struct prange tables = stage_paging(info, &caps, map, image, &hvm, acpi);
    phase_end(PHASE_PAGING);

    const struct busy_list busy = all_busy(info, image, tables, ebda);

    stage_memory(map, busy, tables);
    const uint32_t online = stage_processors(acpi, map, busy);
    report_cpu(online);
    phase_end(PHASE_PROCESSORS);
    debug_fault_raise(&options);

    const struct hvm_request request = {
        .format = hvm.format,
        .map = map,
        .caps = &caps,
        .processors = online,
        .processors_enabled = acpi->processors_enabled + acpi->processors_dropped,
        .iommus = acpi->iommu_count,
        .halt_on_shutdown = options.halt_on_triple_fault,
    };
    const bool is_virtual = guest_choose(options.dom0, &hvm, &request);
    const struct guest_setting setting = {
        .info = info,
        .rsdp = rsdp,
        .map = map,
        .image = image,
        .others = is_virtual ? stage_kept(&hvm, &request, acpi, image, tables) : guest_busy(tables),
        .is_virtual = is_virtual,
        .has_1gib_pages = caps.has_1gib_pages,
    };
    const struct guest guest = guest_prepare(&setting);

    guest_reserve(&guest);
    report_dom0(is_virtual ? "hvm" : "native", guest.kernel, native_entry_point(&guest.entry),
                &guest.place);
    phase_end(PHASE_KERNEL);
    others_leave(&guest);
    report_pages();
    guest_put_in_place(&guest);
    phase_end(PHASE_PLACE);
    const struct tsc_rate rate = stage_clock(&options);
    phase_end(PHASE_CLOCK);
    report_times(stamps, processors_stamps(), &rate, tsc_is_invariant());
    stage_start(&hvm, &guest);
}
