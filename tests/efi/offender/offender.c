/*
 * Breaks the one rule that its load options name, and otherwise leaves boot services as a good
 * program does. Each offence says in a word what the program under it should notice.
 */
#include "../hostile.h"

#define MAP_ROOM    (1 << 20)
#define EXIT_TRIES  10
#define LEAVE_GOOD  0x10
#define GOOD_STATUS EFI_OUT_OF_RESOURCES
#define CR0_WP      ((uint64_t)1 << 16)
#define RETURN_CODE 0xc3

efi_status efi_main(efi_handle image, struct efi_system_table *system);
/* calls.S: call a service of two arguments at a misaligned stack, or with DF set; or look at rcx after it. */
efi_status call_misaligned(void *service, void *first, void *second);
efi_status call_backwards(void *service, void *first, void *second);
uint64_t call_for_rcx(void *service, void *first, void *second);

static struct efi_boot_services *boot;
static struct efi_system_table *table;
static struct efi_loaded_image *self;
static efi_handle handle;
static _Alignas(8) uint8_t map[MAP_ROOM];
static const struct efi_guid loaded_image_guid = EFI_LOADED_IMAGE_GUID;

static char option(unsigned int index)
{
    return ((const char *)self->load_options)[2 * index];
}

static bool asked(const char *word)
{
    unsigned int i = 0;

    if (self->load_options == NULL || self->load_options_bytes == 0) {
        return false;
    }

    while (word[i] != '\0' && option(i) == word[i]) {
        i++;
    }
    return word[i] == '\0';
}

static efi_status map_read_key(efi_uint *key, efi_uint *bytes, efi_uint *stride)
{
    uint32_t version;

    *bytes = MAP_ROOM;
    return boot->get_memory_map(bytes, map, key, stride, &version);
}

/* --- offences that are over at once ----------------------------------------------------------------- */
static void break_in_text(void)
{
    /* The first bytes of our own code, through whatever protects them. */
    *(volatile uint8_t *)(uintptr_t)efi_main = RETURN_CODE;
}

static void execute_data(void)
{
    uint64_t page;

    if (boot->allocate_pages(EFI_ALLOCATE_ANY, EFI_LOADER_DATA, 1, &page) == EFI_SUCCESS) {
        *(uint8_t *)(uintptr_t)page = RETURN_CODE;
        ((void (*)(void))(uintptr_t)page)();
    }
}

static void execute_pool(void)
{
    void *pool;

    if (boot->allocate_pool(EFI_LOADER_DATA, 64, &pool) == EFI_SUCCESS) {
        *(uint8_t *)pool = RETURN_CODE;
        ((void (*)(void))(uintptr_t)pool)();
    }
}

static void read_behind_options(void)
{
    volatile const char *text = self->load_options;

    (void)text[self->load_options_bytes];
}

/* ConOut->Reset is not hooked: it is the firmware's own code. Write protection is of no help here. */
static void change_firmware_code(void)
{
    uint64_t cr0;

    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    __asm__ volatile("mov %0, %%cr0" : : "r"(cr0 & ~CR0_WP));
    *(volatile uint8_t *)table->con_out->reset ^= 1;
    __asm__ volatile("mov %0, %%cr0" : : "r"(cr0));
}

static void write_at(uint64_t address)
{
    *(volatile uint8_t *)(uintptr_t)(address + 123) ^= 0x10;
}

/* Of the types for operating systems, section 7.2.1: from 0x80000000 on. */
static void allocate_odd_type(void)
{
    uint64_t page;

    boot->allocate_pages(EFI_ALLOCATE_ANY, 0x80000001, 1, &page);
}

/* Without having asked for it. */
static void write_to_free_page(void)
{
    efi_uint key, bytes, stride;

    map_read_key(&key, &bytes, &stride);
    for (efi_uint at = 0; at < bytes; at += stride) {
        const struct efi_memory_descriptor *entry = (const void *)(map + at);

        if (entry->type == EFI_CONVENTIONAL && entry->pages > 2) {
            write_at(entry->physical_start + EFI_PAGE_BYTES);
            return;
        }
    }
}

static void call_by_no_rules(void)
{
    void *pool = NULL;

    boot->allocate_pool(EFI_LOADER_DATA, 64, &pool);
    if (asked("misaligned")) {
        call_misaligned((void *)boot->free_pool, pool, NULL);
    } else if (asked("backwards")) {
        call_backwards((void *)boot->free_pool, pool, NULL);
    } else {
        say("OFFENDER rcx=%x", call_for_rcx((void *)boot->free_pool, pool, NULL));
    }
}

/* --- what the firmware looks like from here ---------------------------------------------------------- */
static void describe_map(void)
{
    efi_uint key, bytes, stride;
    uint64_t empty = 0, backwards = 0, far = 0, before = 0;

    map_read_key(&key, &bytes, &stride);
    for (efi_uint at = 0; at < bytes; at += stride) {
        const struct efi_memory_descriptor *entry = (const void *)(map + at);

        empty += entry->pages == 0;
        far += entry->physical_start >= 0xfd00000000ull;
        backwards += at != 0 && entry->physical_start < before;
        before = entry->physical_start;
        if (entry->physical_start == 0x200000) {
            say("OFFENDER at 2 MiB type=%x attribute=%x pages=%d", (uint64_t)entry->type,
                entry->attribute, entry->pages);
        }
    }
    say("OFFENDER map entries=%d empty=%d backwards=%d far=%d", (uint64_t)(bytes / stride), empty,
        backwards, far);
}

static void describe(void)
{
    uint64_t at = 0x3000000;

    describe_map();
    say("OFFENDER con-in=%x con-out=%x std-err=%x", (uint64_t)(uintptr_t)table->con_in,
        (uint64_t)(uintptr_t)table->con_out, (uint64_t)(uintptr_t)table->std_err);
    say("OFFENDER options=%x bytes=%x device=%x", (uint64_t)(uintptr_t)self->load_options,
        (uint64_t)self->load_options_bytes, (uint64_t)(uintptr_t)self->device);
    say("OFFENDER allocate=%x",
        (uint64_t)boot->allocate_pages(EFI_ALLOCATE_ADDRESS, EFI_LOADER_DATA, 0x100, &at));
}

/* --- the end ------------------------------------------------------------------------------------------ */
static void call_after_failure(void)
{
    void *pool;

    if (asked("pool")) {
        boot->allocate_pool(EFI_LOADER_DATA, 64, &pool);
    } else if (asked("text")) {
        table->con_out->output_string(table->con_out, u"still here\r\n");
    } else if (asked("time")) {
        ((efi_status(*)(void *, void *))table->runtime_services->services[0])(map, NULL);
    }
}

static bool leave_boot_services(void)
{
    efi_uint key, bytes, stride;

    for (unsigned int i = 0; i < EXIT_TRIES; i++) {
        if (efi_failed(map_read_key(&key, &bytes, &stride))) {
            return false;
        }
        if (!efi_failed(boot->exit_boot_services(handle, key))) {
            return true;
        }
        call_after_failure();
    }
    return false;
}

static void offend(void)
{
    if (asked("misaligned") || asked("backwards") || asked("registers")) {
        call_by_no_rules();
    } else if (asked("write-text")) {
        break_in_text();
    } else if (asked("execute-data")) {
        execute_data();
    } else if (asked("execute-pool")) {
        execute_pool();
    } else if (asked("behind-options")) {
        read_behind_options();
    } else if (asked("firmware-code")) {
        change_firmware_code();
    } else if (asked("early-canary")) {
        write_at(0x4000000);
    } else if (asked("odd-type")) {
        allocate_odd_type();
    } else if (asked("free-page")) {
        write_to_free_page();
    } else if (asked("describe")) {
        describe();
    }
}

efi_status efi_main(efi_handle image, struct efi_system_table *system)
{
    void *interface = NULL;

    handle = image;
    table = system;
    boot = system->boot_services;
    boot->handle_protocol(image, &loaded_image_guid, &interface);
    self = interface;
    if (self->load_options == NULL || self->load_options_bytes == 0) {
        describe();
    } else {
        offend();
    }
    if (asked("return")) {
        return GOOD_STATUS;
    }
    if (!leave_boot_services()) {
        give_up("the offender cannot leave boot services");
    }
    if (asked("late-canary")) {
        write_at(0x4000000);
    } else if (asked("kept")) {
        write_at(0x1000000);
    }
    say("GUEST-OK 1 checks");
    leave(LEAVE_GOOD);
}
