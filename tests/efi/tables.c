/*
 * What the firmware leaves in boot-services memory although it is needed when boot services have ended: tables, and
 * code that runs when the kernel gives the runtime services new addresses.
 */
#include "hostile.h"

/* stubs-*.S: copied to where it runs, with the slots behind it. */
extern const char virtual_map_stub[];
extern const char virtual_map_stub_end[];
struct virtual_map_slots {
    uint32_t *written;
    void *original;
};

static struct efi_system_resources *esrt;

static void *page_at(uint64_t address, uint32_t type)
{
    const efi_status status = firmware.allocate_pages(EFI_ALLOCATE_ADDRESS, type, 1, &address);

    if (efi_failed(status)) {
        give_up("the page at %x: %x", address, (uint64_t)status);
    }
    memset((void *)(uintptr_t)address, 0, (size_t)EFI_PAGE_BYTES);
    return (void *)(uintptr_t)address;
}

void esrt_install(uint64_t address)
{
    static const struct efi_guid name = EFI_SYSTEM_RESOURCE_TABLE_GUID;

    esrt = page_at(address, EFI_BOOT_SERVICES_DATA);
    esrt->count = COUNT_OF(esrt->entries);
    esrt->count_max = COUNT_OF(esrt->entries);
    esrt->version = EFI_SYSTEM_RESOURCE_VERSION;
    for (uint32_t i = 0; i < COUNT_OF(esrt->entries); i++) {
        const uint32_t first = 100 * (i + 1);

        esrt->entries[i] = (struct efi_system_resource){
            .class = {i + 1, 0x1234, 0x5678, {1, 2, 3, 4, 5, 6, 7, 8}},
            .type = EFI_SYSTEM_RESOURCE_DEVICE,
            .version = first,
            .lowest_version = first + 1,
            .capsule_flags = first + 2,
            .last_attempt_version = first + 3,
            .last_attempt_status = first + 4,
        };
    }
    if (efi_failed(firmware.install_configuration_table(&name, esrt))) {
        give_up("the ESRT cannot be installed");
    }
    say("HOSTILE esrt: at %x", address);
}

void virtual_map_pass_through(uint64_t address)
{
    const size_t bytes = (size_t)(virtual_map_stub_end - virtual_map_stub);
    char *page = page_at(address, EFI_BOOT_SERVICES_CODE);
    struct virtual_map_slots slots;

    if (esrt == NULL) {
        give_up("virtual-map: there is no ESRT");
    }
    slots.written = &esrt->entries[0].last_attempt_status;
    slots.original = services_replace_virtual_map(page);
    memcpy(page, virtual_map_stub, bytes);
    memcpy(page + bytes - sizeof(slots), &slots, sizeof(slots));
    say("HOSTILE virtual-map: through %x", address);
}
