/*
 * The words of the log that start-up prints: one function for each line or list, and one table of
 * errors. No decision is made here.
 */
#include "report.h"

#include "log.h"
#include "mem.h"
#include "pages.h"
#include "processor_state.h"
#include "stop.h"
#include "version.h"
#include "x86/address_map.h"
#include "x86/registers.h"

/* Ranges are half-open everywhere but in the log, where the last byte is named. An empty range
 * shows its start. */
static uint64_t last_byte(struct prange range)
{
    return range.end > range.start ? range.end - 1 : range.start;
}

void report_banner(void)
{
    log_info("Berth " BERTH_VERSION " (" BERTH_COMPILER ", git " BERTH_GIT "%s)",
             BERTH_DEBUG ? ", debug" : "");
}

void report_options(const struct options *options)
{
    const uint32_t shown =
        options->warning_count < OPTION_WARNINGS_MAX ? options->warning_count : OPTION_WARNINGS_MAX;

    for (uint32_t i = 0; i < shown; i++) {
        const char *word = options->warnings[i].word;

        switch (options->warnings[i].defect) {
        case OPTION_UNKNOWN:
            log_warning("unknown option \"%s\" - ignored; docs/options.md lists them", word);
            break;
        case OPTION_MALFORMED:
            log_warning("option \"%s\" has a bad value - ignored", word);
            break;
        case OPTION_UNTERMINATED:
            log_warning("option \"%s\" has a quote without its end - taken as ended there", word);
            break;
        case OPTION_TOO_LONG:
            log_warning("option \"%s...\" is longer than %d characters - ignored", word,
                        OPTION_WORD_BYTES - 1);
            break;
        }
    }
    if (options->warning_count > shown) {
        log_warning("%u more options were ignored", options->warning_count - shown);
    }
}

static const char *protocol_name(enum boot_protocol protocol)
{
    switch (protocol) {
    case PROTOCOL_MULTIBOOT1:
        return "multiboot1";
    case PROTOCOL_MULTIBOOT2:
        return "multiboot2";
    case PROTOCOL_MULTIBOOT2_EFI:
        return "multiboot2-efi";
    case PROTOCOL_PVH:
        return "pvh";
    case PROTOCOL_EFI:
        break;
    }
    return "efi";
}

static const char *firmware_name(enum boot_firmware firmware)
{
    switch (firmware) {
    case FIRMWARE_BIOS:
        return "bios";
    case FIRMWARE_UEFI64:
        return "uefi64";
    case FIRMWARE_UEFI32:
        return "uefi32";
    case FIRMWARE_NONE:
        break;
    }
    return "none";
}

static const char *mover_name(enum image_mover mover)
{
    switch (mover) {
    case MOVED_BY_LOADER:
        return "loader";
    case MOVED_BY_SELF:
        return "self";
    case MOVED_BY_NONE:
        break;
    }
    return "none";
}

void report_boot(const struct boot_info *info, paddr_t base, enum image_mover mover)
{
    log_info("boot: protocol=%s firmware=%s loader=\"%s\" base=0x%lx link=0x%lx moved-by=%s",
             protocol_name(info->protocol), firmware_name(info->firmware), info->loader_name,
             base.pa, (unsigned long)IMAGE_LINK_PA, mover_name(mover));
    log_info("cmdline: %s", info->cmdline);
}

void report_memory(const struct boot_info *info, const struct memmap *map)
{
    const struct memmap_repairs *repairs = &map->repairs;

    for (uint32_t i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->ranges[i];

        log_info("mem: 0x%016lx-0x%016lx %s", range->bytes.start, last_byte(range->bytes),
                 memory_type_name(range->type));
    }
    if (repairs->empty > 0) {
        log_warning("memory map: %u entries of length 0 were left out", repairs->empty);
    }
    if (repairs->wrapped > 0) {
        log_warning("memory map: %u entries ran over the end of the address space and were cut",
                    repairs->wrapped);
    }
    if (repairs->clipped > 0) {
        log_warning(
            "memory map: %u entries of RAM lie beyond what the CPU can address and were cut",
            repairs->clipped);
    }
    if (repairs->overlaps > 0) {
        log_warning(
            "memory map: %u entries overlapped others of another type; the more careful type won",
            repairs->overlaps);
    }
    if (repairs->unknown > 0) {
        log_warning("memory map: %u entries of an unknown type were taken as reserved",
                    repairs->unknown);
    }
    if (repairs->dropped > 0 || info->ranges_dropped > 0) {
        log_warning(
            "memory map: too long; %u pieces of RAM (%lu KiB of them measured) were left out",
            repairs->dropped + info->ranges_dropped, repairs->dropped_bytes >> 10);
    }
    if (!memmap_has_start_page(map)) {
        log_warning("no page of RAM between 4 KiB and 1 MiB: other processors cannot be started, "
                    "and Linux may panic for want of a trampoline");
    }
}

void report_modules(const struct boot_info *info)
{
    for (uint32_t i = 0; i < info->module_count; i++) {
        const struct boot_module *module = &info->modules[i];

        log_info("module %u: 0x%lx-0x%lx \"%s\" cmdline=\"%s\"", i, module->bytes.start,
                 last_byte(module->bytes), module->name, module->args);
    }
}

static void report_acpi_problem(const struct acpi_problem *problem)
{
    const char *const name = problem->signature;

    switch (problem->defect) {
    case ACPI_OUT_OF_REACH:
        log_warning("ACPI table %s at 0x%lx is out of reach: it is not used", name, problem->at);
        break;
    case ACPI_BAD_SIGNATURE:
        log_warning("ACPI table %s is not at 0x%lx, where it should be", name, problem->at);
        break;
    case ACPI_BAD_LENGTH:
        log_warning("ACPI table %s has a bad length: it is not used", name);
        break;
    case ACPI_BAD_CHECKSUM:
        log_warning("ACPI table %s has a bad checksum: it is not used", name);
        break;
    case ACPI_BAD_EXTENSION:
        log_warning("ACPI table %s has a bad second checksum: its XSDT is not used", name);
        break;
    case ACPI_TWICE:
        log_warning("ACPI table %s is there twice: the first one is used", name);
        break;
    case ACPI_MALFORMED:
        log_warning("ACPI table %s is damaged at offset 0x%lx: what makes no sense is not used",
                    name, problem->at);
        break;
    }
}

void report_acpi(const struct acpi_info *acpi)
{
    const uint32_t shown =
        acpi->problem_count < ACPI_PROBLEMS_MAX ? acpi->problem_count : ACPI_PROBLEMS_MAX;

    if (acpi->rsdp.pa == 0) {
        log_info("acpi: none");
        return;
    }
    log_info("acpi: rsdp=0x%lx tables=%u used=\"%s\" processors=%u", acpi->rsdp.pa,
             acpi->table_count, acpi->used, acpi->processors_enabled);
    for (uint32_t i = 0; i < shown; i++) {
        report_acpi_problem(&acpi->problems[i]);
    }
    if (acpi->problem_count > shown) {
        log_warning("%u more ACPI tables have defects", acpi->problem_count - shown);
    }
    if (acpi->processors_dropped > 0) {
        log_warning("ACPI names %u processors beyond the first %d: they are not used",
                    acpi->processors_dropped, ACPI_PROCESSORS_MAX);
    }
    if (acpi->entries_dropped > 0) {
        log_warning("ACPI names %u I/O APICs, PCI segments, memory ranges or entries of IOMMUs too "
                    "many: they are not used",
                    acpi->entries_dropped);
    }
}

/* What of the processor protects Berth, or makes it quick: read back. */
void report_protection(void)
{
    struct processor_state is;
    bool no_execute;

    processor_state_read(&is);
    no_execute = (is.efer & EFER_NXE) != 0;
    log_debug("protection: nx=%d smep=%d smap=%d umip=%d global-pages=%d machine-check=%d "
              "cr0=0x%lx cr4=0x%lx efer=0x%lx pat=0x%lx",
              no_execute, (is.cr4 & CR4_SMEP) != 0, (is.cr4 & CR4_SMAP) != 0,
              (is.cr4 & CR4_UMIP) != 0, (is.cr4 & CR4_PGE) != 0, (is.cr4 & CR4_MCE) != 0, is.cr0,
              is.cr4, is.efer, is.pat);
    if (!no_execute) {
        log_warning("this CPU has no NX, or the firmware hides it: data is not protected from "
                    "being executed - enable 'execute disable' in the firmware's setup");
    }
}

void report_pages(void)
{
    uint64_t pages[PAGE_STATES];

    pages_count(pages);
    log_debug("memory: ram=%lu free=%lu allocated=%lu reserved=%lu own=%lu unit=4KiB",
              pages[PAGE_FREE] + pages[PAGE_ALLOCATED] + pages[PAGE_RESERVED] + pages[PAGE_OWN],
              pages[PAGE_FREE], pages[PAGE_ALLOCATED], pages[PAGE_RESERVED], pages[PAGE_OWN]);
}

void report_cpu(uint32_t online)
{
    log_info("cpu: %u online", online);
}

void report_dom0(const char *mode, const struct bzimage *kernel, paddr_t entry,
                 const struct guest_placement *place)
{
    if (place->initrd.start == place->initrd.end) {
        log_info("dom0: mode=%s kernel=\"%s\" entry=0x%lx zero-page=0x%lx initrd=none", mode,
                 kernel->version, entry.pa, place->handoff.start);
        return;
    }
    log_info("dom0: mode=%s kernel=\"%s\" entry=0x%lx zero-page=0x%lx initrd=0x%lx-0x%lx", mode,
             kernel->version, entry.pa, place->handoff.start, place->initrd.start,
             last_byte(place->initrd));
}

void report_hvm(const char *name, uint32_t processors, const struct kept_memory *kept)
{
    log_info("hvm: %s, %u processors, kept %lu KiB: image %lu, tables %lu, processors %lu, nested "
             "tables %lu",
             name, processors, kept->all / KIB(1), kept->image / KIB(1), kept->tables / KIB(1),
             kept->processors / KIB(1), kept->nested / KIB(1));
}

NORETURN void fatal(const char *what, const char *remedy)
{
    log_error("%s - %s", what, remedy);
    machine_stop();
}

/*
 * The one place where a status becomes words: what went wrong, and what to do about it. Longer than
 * a screen because it is a table.
 */
static NORETURN void fatal_status(struct status status)
{
    const unsigned long at = status.offset;

    switch (status.code) {
    case STATUS_OK:
        fatal("no error was found where one was reported", "report this");
    case INFO_BAD_MAGIC:
        log_error("the loader's magic number 0x%lx is not known - start Berth with GRUB's "
                  "multiboot2 command",
                  at);
        break;
    case INFO_UNREACHABLE:
        log_error("the loader's information at 0x%lx is out of reach - use a loader that keeps it "
                  "below 4 GiB",
                  at);
        break;
    case INFO_BAD_POINTER:
        log_error("the loader's field at offset 0x%lx points out of reach - use a loader that "
                  "stays below 4 GiB",
                  at);
        break;
    case INFO_BAD_TOTAL_SIZE:
        log_error("the loader's information block has an impossible size of 0x%lx bytes - use "
                  "another loader",
                  at);
        break;
    case INFO_BAD_TAG_SIZE:
        log_error(
            "the loader's tag at offset 0x%lx is shorter than its type needs - use another loader",
            at);
        break;
    case INFO_TAG_OVERRUN:
        log_error("the loader's tag at offset 0x%lx runs over the end of the information block - "
                  "use another loader",
                  at);
        break;
    case INFO_NO_END_TAG:
        log_error("the loader's tags stop at offset 0x%lx without an end tag - use another loader",
                  at);
        break;
    case INFO_BAD_STRING:
        log_error("the loader's string at offset 0x%lx has no end - use another loader", at);
        break;
    case INFO_BAD_MODULE:
        log_error("the loader's module at offset 0x%lx ends before it starts - use another loader",
                  at);
        break;
    case INFO_TOO_MANY_MODULES:
        log_error("more than %d modules are given - leave some out", BOOT_MODULES_MAX);
        break;
    case INFO_BAD_ENTRY_SIZE:
        log_error("the loader's memory map at offset 0x%lx has an impossible entry size - use "
                  "another loader",
                  at);
        break;
    case INFO_TOO_MANY_RANGES:
        log_error(
            "the loader's memory map has more than %d entries - update the firmware or the loader",
            BOOT_RANGES_MAX);
        break;
    case INFO_STRINGS_FULL:
        log_error("the loader's command lines are longer than %d bytes together - shorten them",
                  BOOT_STRINGS_BYTES);
        break;
    case MEMMAP_EMPTY:
        log_error("the loader gave no memory map with RAM in it - use a loader that passes one "
                  "(GRUB 2 does)");
        break;
    case MEMMAP_FULL:
        log_error("the firmware's memory map has more than %d reservations - update the firmware",
                  MEMMAP_RANGES_MAX);
        break;
    case PLACEMENT_NO_ROOM_TABLES:
        log_error("no room for the page tables, 0x%lx bytes are missing - add memory", at);
        break;
    case PLACEMENT_NO_ROOM_KERNEL:
        log_error(
            "no room for the kernel, 0x%lx bytes are missing - add memory or use a smaller kernel",
            at);
        break;
    case PLACEMENT_NO_ROOM_INITRD:
        log_error("no room for the initrd beside the kernel, 0x%lx bytes are missing - add memory "
                  "or use a smaller one",
                  at);
        break;
    case PLACEMENT_NO_ROOM_HANDOFF:
        log_error(
            "no room for the zero page and the command line, 0x%lx bytes are missing - add memory",
            at);
        break;
    case PAGES_NONE_FREE:
        log_error("%lu pages of memory side by side are not free - add memory", at);
        break;
    case PAGES_BAD_RANGE:
    case PAGES_NOT_TAKEN:
    case PAGES_IN_USE:
        log_error("memory at 0x%lx was freed, given or reserved that is not so - report this "
                  "defect",
                  at);
        break;
    case PAGES_NO_EXTENT:
        log_error("no memory is left to note down what becomes of 0x%lx - add memory", at);
        break;
    case HVM_APIC_OUT_OF_REACH:
        log_error("the local APIC at 0x%lx lies in RAM or above 4 GiB - use dom0=native", at);
        break;
    case NESTED_NO_ROOM:
        log_error("nested page tables need 0x%lx bytes more - use dom0=native, and report this",
                  at);
        break;
    case NESTED_BAD_RANGE:
        log_error("memory at 0x%lx cannot be kept from the guest - report this defect", at);
        break;
    case KERNEL_NOT_BZIMAGE:
        log_error("module 0 is not a Linux kernel (bzImage) - give the kernel as the first module");
        break;
    case KERNEL_TRUNCATED:
        log_error("the kernel is cut short, it should have 0x%lx bytes - copy the file again", at);
        break;
    case KERNEL_TOO_OLD:
        log_error(
            "the kernel's boot protocol %lu.%02lu is older than 2.06 - use Linux 2.6.22 or later",
            at >> 8, at & 0xff);
        break;
    case KERNEL_NOT_HIGH:
        log_error("the kernel is a zImage, which loads below 1 MiB - use a bzImage");
        break;
    case KERNEL_BAD_HEADER:
        log_error("the kernel's header is damaged at offset 0x%lx - copy the file again", at);
        break;
    }
    machine_stop();
}

void require(struct status status)
{
    if (!is_ok(status)) {
        fatal_status(status);
    }
}
