/*
 * A stub stands in front of every boot service, runtime service and ConOut->OutputString (the
 * stubs themselves are in stubs-*.S). Calls by the firmware's own drivers pass straight through; a
 * call by anybody else is counted, may be forbidden or checked, and some are answered here.
 */
#include "hostile.h"

/* As the stubs push it. */
struct service_frame {
#if UINTPTR_MAX == UINT64_MAX
    uint64_t r9, r8, rdx, rcx;
#endif
    uintptr_t flags;
    uintptr_t index;
    uintptr_t return_address;
};

#define STUB_BYTES    16
#define BOOT_FIRST    0
#define BOOT_COUNT    44
#define RUNTIME_FIRST (BOOT_FIRST + BOOT_COUNT)
#define RUNTIME_COUNT 14
#define OUTPUT_STRING (RUNTIME_FIRST + RUNTIME_COUNT)
#define SERVICES      (OUTPUT_STRING + 1)
#define BOOT(service)                                                                              \
    ((offsetof(struct efi_boot_services, service) - sizeof(struct efi_table_header)) /             \
     sizeof(void *))
#define GET_TIME                RUNTIME_FIRST
#define SET_VIRTUAL_ADDRESS_MAP (RUNTIME_FIRST + 4)
#define FLAGS_DF                0x400
#define STACK_ALIGN             16
#define CODE_RANGES_MAX         512
#define SHADOW_DEPTH            64
#define REFUSED_PAGES_MIN       0x40
#define REFUSED_PAGES_MAX       0x2000
#define REFUSALS_SHOWN          3

/* stubs-*.S */
extern char service_stubs[];
extern char service_return[];
void *service_enter(struct service_frame *frame);
uintptr_t service_leave(uintptr_t *slot);

/* Sections 4.4 and 4.5 of the specification, in the order of the tables. */
static const char service_names[SERVICES][24] = {
    "RaiseTPL",
    "RestoreTPL",
    "AllocatePages",
    "FreePages",
    "GetMemoryMap",
    "AllocatePool",
    "FreePool",
    "CreateEvent",
    "SetTimer",
    "WaitForEvent",
    "SignalEvent",
    "CloseEvent",
    "CheckEvent",
    "InstallProtocol",
    "ReinstallProtocol",
    "UninstallProtocol",
    "HandleProtocol",
    "Reserved",
    "RegisterProtocolNotify",
    "LocateHandle",
    "LocateDevicePath",
    "InstallConfigTable",
    "LoadImage",
    "StartImage",
    "Exit",
    "UnloadImage",
    "ExitBootServices",
    "GetNextMonotonicCount",
    "Stall",
    "SetWatchdogTimer",
    "ConnectController",
    "DisconnectController",
    "OpenProtocol",
    "CloseProtocol",
    "OpenProtocolInfo",
    "ProtocolsPerHandle",
    "LocateHandleBuffer",
    "LocateProtocol",
    "InstallProtocols",
    "UninstallProtocols",
    "CalculateCrc32",
    "CopyMem",
    "SetMem",
    "CreateEventEx",
    "GetTime",
    "SetTime",
    "GetWakeupTime",
    "SetWakeupTime",
    "SetVirtualAddressMap",
    "ConvertPointer",
    "GetVariable",
    "GetNextVariableName",
    "SetVariable",
    "GetNextHighMonotonic",
    "ResetSystem",
    "UpdateCapsule",
    "QueryCapsule",
    "QueryVariableInfo",
    "OutputString",
};

static void *originals[SERVICES];
static void *replacements[SERVICES];
static uint32_t calls[SERVICES];

static struct range firmware_code[CODE_RANGES_MAX];
static unsigned int firmware_code_count;

static bool rules_checked;
static unsigned int refusals_left;
static unsigned int refusals;

/* Calls whose return goes through service_return: the stack tells which one returns. */
static struct {
    uintptr_t *slot;
    uintptr_t return_address;
} shadow[SHADOW_DEPTH];
static unsigned int shadow_depth;

static bool is_firmware(uintptr_t caller)
{
    for (unsigned int i = 0; i < firmware_code_count; i++) {
        if (caller >= firmware_code[i].start && caller < firmware_code[i].end) {
            return true;
        }
    }
    return false;
}

/* --- the calling convention: section 2.3.4.2 (x64), 2.3.2 (IA-32) -------------------------------- */
static void check_rules(const struct service_frame *frame)
{
    const char *name = service_names[frame->index];
    const uint64_t caller = frame->return_address;
    /* The return address is the last word of an aligned block. */
    const uintptr_t stack = (uintptr_t)&frame->return_address + sizeof(uintptr_t);

    if (sizeof(uintptr_t) == 8 && stack % STACK_ALIGN != 0) {
        violation("%s called from %x with a misaligned stack: %x before the call", name, caller,
                  (uint64_t)stack);
    }
    if (frame->flags & FLAGS_DF) {
        violation("%s called from %x with the direction flag set", name, caller);
    }
}

static void return_through_us(struct service_frame *frame)
{
    /* An interrupt may come between any two lines, but then leaves all as it was. */
    const unsigned int own = shadow_depth++;

    if (own >= SHADOW_DEPTH) {
        give_up("services nested too deeply");
    }
    shadow[own].slot = &frame->return_address;
    shadow[own].return_address = frame->return_address;
    frame->return_address = (uintptr_t)service_return;
}

/* Calls deeper than this one never returned (Exit leaves so), and are forgotten. */
uintptr_t service_leave(uintptr_t *slot)
{
    for (unsigned int i = shadow_depth; i-- > 0;) {
        if (shadow[i].slot == slot) {
            const uintptr_t return_address = shadow[i].return_address;

            shadow_depth = i;
            if (watch_is_on()) {
                watch_forget();
            }
            return return_address;
        }
    }
    give_up("a service returned to nobody");
}

/* Returns where the stub jumps to, with the caller's arguments. */
void *service_enter(struct service_frame *frame)
{
    const uintptr_t index = frame->index;

    if (is_firmware(frame->return_address)) {
        return originals[index];
    }
    if (index == GET_TIME && script_cue()) {
        memset(calls, 0, sizeof(calls));
    }
    calls[index]++;
    if (exit_forbids_services() && index != BOOT(get_memory_map) &&
        index != BOOT(exit_boot_services)) {
        violation("%s called from %x after a failed ExitBootServices", service_names[index],
                  (uint64_t)frame->return_address);
    }
    if (rules_checked) {
        check_rules(frame);
    }
    if (watch_is_on()) {
        watch_check(service_names[index], (uint64_t)frame->return_address);
    }
    if (rules_checked || watch_is_on()) {
        return_through_us(frame);
    }
    return replacements[index] != NULL ? replacements[index] : originals[index];
}

/* --- services that are answered here ------------------------------------------------------------ */
/* Kinds of an operating system's own are allowed, and some firmware does not get over them. */
static void check_type(const char *service, uint32_t type)
{
    if (rules_checked && type > EFI_CONVENTIONAL) {
        violation("%s asks for memory of type %x", service, (uint64_t)type);
    }
}

static efi_status allocate_pages(uint32_t how, uint32_t type, efi_uint pages, uint64_t *address)
{
    efi_status status;

    check_type("AllocatePages", type);
    if (how == EFI_ALLOCATE_ADDRESS && pages >= REFUSED_PAGES_MIN && pages <= REFUSED_PAGES_MAX &&
        refusals_left != 0) {
        refusals_left--;
        if (refusals++ < REFUSALS_SHOWN) {
            say("HOSTILE refuses %d pages at %x", (uint64_t)pages, *address);
        }
        return EFI_NOT_FOUND;
    }
    status = firmware.allocate_pages(how, type, pages, address);
    if (!efi_failed(status)) {
        protect_allocated(type,
                          (struct range){*address, *address + (uint64_t)pages * EFI_PAGE_BYTES});
    }
    return status;
}

static efi_status free_pages(uint64_t address, efi_uint pages)
{
    efi_status status = firmware.free_pages(address, pages);

    if (!efi_failed(status)) {
        protect_freed((struct range){address, address + (uint64_t)pages * EFI_PAGE_BYTES});
    }
    return status;
}

static efi_status allocate_pool(uint32_t type, efi_uint bytes, void **buffer)
{
    efi_status status;

    check_type("AllocatePool", type);
    status = firmware.allocate_pool(type, bytes, buffer);
    if (!efi_failed(status)) {
        uint64_t start = (uintptr_t)*buffer & -EFI_PAGE_BYTES;
        uint64_t end = ((uintptr_t)*buffer + bytes + EFI_PAGE_BYTES - 1) & -EFI_PAGE_BYTES;

        protect_allocated(type, (struct range){start, end});
    }
    return status;
}

static efi_status start_image(efi_handle image, efi_uint *exit_data_bytes, efi_char16 **exit_data)
{
    protect_started(image);
    return firmware.start_image(image, exit_data_bytes, exit_data);
}

void services_refuse_pages(unsigned int times)
{
    refusals_left = times;
    say("HOSTILE refuse: the first %d allocations at an address, of %x to %x pages",
        (uint64_t)times, (uint64_t)REFUSED_PAGES_MIN, (uint64_t)REFUSED_PAGES_MAX);
}

void services_check_rules(void)
{
    rules_checked = true;
    say("HOSTILE rules: stack and direction flag are checked, registers poisoned");
}

/* --- installing --------------------------------------------------------------------------------- */
static void find_firmware_code(void)
{
    struct memory_map map = map_read();

    for (efi_uint i = 0; i < map.count; i++) {
        const struct efi_memory_descriptor *entry = map_entry(&map, i);

        if (entry->type != EFI_BOOT_SERVICES_CODE && entry->type != EFI_RUNTIME_SERVICES_CODE) {
            continue;
        }
        if (firmware_code_count == CODE_RANGES_MAX) {
            give_up("too many ranges of firmware code");
        }
        firmware_code[firmware_code_count++] = map_range(entry);
    }
}

static void *stub(unsigned int index)
{
    return service_stubs + (size_t)index * STUB_BYTES;
}

static void hook(void **table, unsigned int first, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        originals[first + i] = table[i];
        table[i] = stub(first + i);
    }
}

/* Section 4.2: the checksum covers the table with its own field zero. */
void services_seal(struct efi_table_header *header)
{
    uint32_t crc32 = 0;

    header->crc32 = 0;
    firmware.calculate_crc32(header, header->bytes, &crc32);
    header->crc32 = crc32;
}

void services_hook_runtime(void)
{
    hook(efi_system->runtime_services->services, RUNTIME_FIRST, RUNTIME_COUNT);
    services_seal(&efi_system->runtime_services->header);
}

void services_restore_runtime(void)
{
    for (unsigned int i = 0; i < RUNTIME_COUNT; i++) {
        efi_system->runtime_services->services[i] = originals[RUNTIME_FIRST + i];
    }
    services_seal(&efi_system->runtime_services->header);
}

void *services_replace_virtual_map(void *replacement)
{
    void *const original = originals[SET_VIRTUAL_ADDRESS_MAP];

    originals[SET_VIRTUAL_ADDRESS_MAP] = replacement;
    return original;
}

void services_install(void)
{
    struct efi_boot_services *boot = efi_system->boot_services;

    find_firmware_code();
    hook(&boot->raise_tpl, BOOT_FIRST, BOOT_COUNT);
    services_seal(&boot->header);
    services_hook_runtime();
    hook((void **)&efi_system->con_out->output_string, OUTPUT_STRING, 1);
    replacements[BOOT(allocate_pages)] = (void *)allocate_pages;
    replacements[BOOT(free_pages)] = (void *)free_pages;
    replacements[BOOT(allocate_pool)] = (void *)allocate_pool;
    replacements[BOOT(get_memory_map)] = (void *)map_hook;
    replacements[BOOT(start_image)] = (void *)start_image;
    replacements[BOOT(exit_boot_services)] = (void *)exit_hook;
}

/* What NEXT.EFI called: a case whose hook was never reached shows nothing. */
void services_report(void)
{
    for (unsigned int i = 0; i < SERVICES; i++) {
        if (calls[i] != 0) {
            say("HOSTILE calls %s=%d", service_names[i], (uint64_t)calls[i]);
            calls[i] = 0;
        }
    }
    say("HOSTILE refused=%d", (uint64_t)refusals);
}
