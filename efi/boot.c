/*
 * The EFI stage: started by the firmware, or by a multiboot2 loader that left boot services alive. It gathers what only
 * the firmware knows, ends boot services, and goes on through boot/head.S. Until boot services have ended it writes
 * nothing but its own image, its stack and memory that AllocatePages gave.
 */
#include "stage.h"

#include "abi/multiboot_headers.h"
#include "compiler.h"
#include "image.h"
#include "log.h"
#include "mem.h"
#include "physmap.h"
#include "report.h"
#include "start.h"
#include "stop.h"
#include "uart.h"
#include "x86/address_map.h"
#include "x86/paging.h"

extern struct entry_regs entry_regs;

/* The stage that runs, for the way back out of functions that know nothing of it. */
static struct efi_start *running;

typedef efi_status stage_fn(struct efi_start *start);
efi_status efi_call_in_copy(struct efi_start *start, stage_fn *function, uint64_t distance,
                            uint64_t *out_way_back);
NORETURN void efi_call_leave(uint64_t way_back, efi_status status);
NORETURN void efi_leave(void);
efi_status efi_start_program(uint64_t base, efi_handle image, struct efi_system_table *system,
                             uint64_t tsc);
NORETURN void efi_start_multiboot2(uint64_t base, uint32_t magic, uint32_t info_pa, uint64_t tsc);

static uint64_t pages(uint64_t bytes)
{
    return (bytes + PAGE_BYTES - 1) >> PAGE_SHIFT;
}

uint64_t efi_memory_below_4g(struct efi_system_table *system, uint64_t bytes)
{
    uint64_t address = IDENTITY_MAP_BYTES - 1;

    if (system->boot->allocate_pages(EFI_ALLOCATE_MAX_ADDRESS, EFI_LOADER_DATA, pages(bytes),
                                     &address) != EFI_SUCCESS) {
        return 0;
    }
    return address;
}

/*
 * Make memory that the loader has put something into ours in the firmware's eyes too: GRUB 2.06 may leave it free.
 * What the loader has reserved the firmware refuses, which is as good.
 */
static void claim(struct efi_system_table *system, uint32_t type, struct prange range)
{
    uint64_t address = align_down(range.start, PAGE_BYTES);

    if (range.start < range.end) {
        system->boot->allocate_pages(EFI_ALLOCATE_ADDRESS, type, pages(range.end - address),
                                     &address);
    }
}

/* What the loader has put into memory: its information and the modules. Nothing may be allocated before. */
static void claim_loader_data(const struct efi_start *start)
{
    const struct physical_view memory = physmap_view();
    struct cursor block = view_cursor(&memory, start->info_pa, sizeof(uint32_t));

    claim(start->system, EFI_LOADER_DATA,
          (struct prange){start->info_pa, start->info_pa + cursor_u32(&block)});
    boot_info_storage.efi.map_room = NULL;
    /* What is wrong with the block is reported later, from the same decoder. */
    if (!is_ok(boot_info_decode(&entry_regs, &memory, &boot_info_storage))) {
        return;
    }
    for (uint32_t i = 0; i < boot_info_storage.module_count; i++) {
        claim(start->system, EFI_LOADER_DATA, boot_info_storage.modules[i].bytes);
    }
}

/* The memory map as it is now, into the image, so that its size changes no map. */
static efi_status map_get(struct efi_system_table *system, struct efi_handoff *handoff,
                          uint64_t *key)
{
    uint64_t map_bytes = sizeof(handoff->map);
    uint64_t descriptor_bytes = 0;
    const efi_status status = system->boot->get_memory_map(
        &map_bytes, handoff->map, key, &descriptor_bytes, &handoff->map_descriptor_version);

    handoff->map_bytes = status == EFI_SUCCESS ? (uint32_t)map_bytes : 0;
    handoff->map_descriptor_bytes = (uint32_t)descriptor_bytes;
    return status;
}

/*
 * End boot services. After the first failure nothing but these two services may be called (UEFI 2.10 section 7.4.6):
 * there is no way back, and no console of the firmware's.
 */
static void boot_services_exit(const struct efi_start *start, struct efi_handoff *handoff)
{
    struct efi_system_table *system = start->system;
    efi_status status = EFI_ABORTED;

    efi_console_stop();
    machine_stop_configure_exit(NULL);
    for (unsigned int attempt = 0; attempt < EXIT_ATTEMPTS && status != EFI_SUCCESS; attempt++) {
        uint64_t key = 0;

        status = map_get(system, handoff, &key);
        if (status == EFI_SUCCESS) {
            status = system->boot->exit_boot_services(start->image, key);
        }
    }
    if (status != EFI_SUCCESS) {
        log_set_sink(com1_send);
        log_error(
            "the firmware does not end its boot services (status 0x%lx) - update the firmware",
            status);
        machine_stop();
    }
}

/* The way back, from anywhere below the stage: to stage_enter, and from there to the caller's menu. */
static void stage_leave(void)
{
    efi_console_stop();
    efi_guest_free(running);
    efi_call_leave(running->way_back, EFI_LOAD_ERROR);
}

/* The stage itself, in an image below 4 GiB. Returns only when it cannot go on; the error has been printed. */
static efi_status stage_run(struct efi_start *start)
{
    struct efi_handoff *handoff = &efi_handoff_storage;
    uint64_t key = 0;
    efi_status status;

    running = start;
    efi_console_start(start->system);
    machine_stop_configure_exit(stage_leave);
    entry_regs = (struct entry_regs){
        .magic = start->path == ENTRY_PATH_MULTIBOOT2_EFI ? MB2_BOOT_MAGIC : 0,
        .info_pa = start->info_pa,
        .load_base = start->base,
        .path = start->path,
        .moved = start->base != start->loaded_at,
        .entry_tsc = start->entry_tsc,
    };
    if (start->path == ENTRY_PATH_MULTIBOOT2_EFI) {
        claim_loader_data(start);
    }
    efi_gather(start, handoff);
    if (start->path == ENTRY_PATH_EFI) {
        status = efi_load_guest(start, handoff);
        if (status != EFI_SUCCESS) {
            efi_console_stop();
            return status;
        }
    } else if (handoff->secure_boot) {
        fatal("Secure Boot is on, and no signature covers what a loader hands over",
              "start a signed unified image");
    }
    status = map_get(start->system, handoff, &key);
    if (status != EFI_SUCCESS) {
        log_error("the firmware's memory map cannot be had (status 0x%lx) - update the firmware",
                  status);
        stage_leave();
    }
    /* Whatever would stop __start_xen stops here already, while there is a screen and a menu to return to. */
    log_set_level(LOG_ERROR);
    start_rehearse(&entry_regs);
    boot_services_exit(start, handoff);
    efi_leave();
}

/* An image above 4 GiB goes on in a copy below. */
static efi_status stage_enter(struct efi_start *start)
{
    struct efi_system_table *system = start->system;
    uint64_t copy = IDENTITY_MAP_BYTES - 1;

    if (start->base + IMAGE_SLOT_BYTES <= IDENTITY_MAP_BYTES) {
        return efi_call_in_copy(start, stage_run, 0, &start->way_back);
    }
    if (system->boot->allocate_pages(EFI_ALLOCATE_MAX_ADDRESS, EFI_LOADER_CODE,
                                     pages(IMAGE_SLOT_BYTES), &copy) != EFI_SUCCESS) {
        efi_console_start(system);
        log_error("no room for Berth below 4 GiB - free memory there in the firmware's setup");
        efi_console_stop();
        return EFI_OUT_OF_RESOURCES;
    }
    memcpy((void *)copy, (const void *)start->base, image_bytes());
    const uint64_t distance = copy - start->base;

    start->base = copy;

    const efi_status status = efi_call_in_copy(start, stage_run, distance, &start->way_back);

    system->boot->free_pages(copy, pages(IMAGE_SLOT_BYTES));
    return status;
}

efi_status efi_start_program(uint64_t base, efi_handle image, struct efi_system_table *system,
                             uint64_t tsc)
{
    struct efi_start start = {
        .base = base,
        .loaded_at = base,
        .entry_tsc = tsc,
        .path = ENTRY_PATH_EFI,
        .image = image,
        .system = system,
    };

    return stage_enter(&start);
}

/* Does a loader's word for it point to one? */
static bool is_system_table(uint64_t system_table_pa)
{
    const struct efi_system_table *system = (const struct efi_system_table *)system_table_pa;

    return system->header.signature == EFI_SYSTEM_TABLE_SIGNATURE && system->boot != NULL &&
           system->runtime != NULL;
}

NORETURN void efi_start_multiboot2(uint64_t base, uint32_t magic, uint32_t info_pa, uint64_t tsc)
{
    const struct physical_view memory = physmap_view();
    struct efi_start start = {
        .base = base,
        .loaded_at = base,
        .entry_tsc = tsc,
        .path = ENTRY_PATH_MULTIBOOT2_EFI,
        .info_pa = info_pa,
    };
    uint64_t system_table_pa;
    uint64_t image_handle;

    if (magic != MB2_BOOT_MAGIC ||
        !multiboot2_find_efi(&memory, info_pa, &system_table_pa, &image_handle) ||
        image_handle == 0 || !is_system_table(system_table_pa)) {
        com1_start();
        log_set_sink(com1_send);
        fatal("entered with boot services alive, but without a system table or an image handle",
              "use GRUB 2's multiboot2 command");
    }
    start.system = (struct efi_system_table *)system_table_pa;
    start.image = (efi_handle)image_handle;
    claim(start.system, EFI_LOADER_CODE, (struct prange){base, base + image_bytes()});

    const efi_status status = stage_enter(&start);

    start.system->boot->exit(start.image, status, 0, NULL);
    machine_stop_configure_exit(NULL);
    machine_stop();
}
