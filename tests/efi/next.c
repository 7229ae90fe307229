/* NEXT.EFI: how it is loaded, what its load options are, and its start. */
#include "hostile.h"

#define NEXT_NAME u"\\EFI\\BOOT\\NEXT.EFI"
#define PATH_ROOM 1024
/* For load options. */
#define OPTIONS_PAGES 4

static const struct efi_guid loaded_image_guid = EFI_LOADED_IMAGE_GUID;
static const struct efi_guid device_path_guid = EFI_DEVICE_PATH_GUID;
static const struct efi_guid file_system_guid = EFI_FILE_SYSTEM_GUID;

static const efi_char16 next_name[] = NEXT_NAME;
static efi_handle next;

static void *protocol(efi_handle handle, const struct efi_guid *guid)
{
    void *interface = NULL;
    efi_status status = firmware.handle_protocol(handle, guid, &interface);

    if (efi_failed(status)) {
        give_up("protocol %x: %x", (uint64_t)guid->data1, (uint64_t)status);
    }
    return interface;
}

static efi_handle own_device(void)
{
    const struct efi_loaded_image *image = protocol(own_image, &loaded_image_guid);

    return image->device;
}

void *read_file(const efi_char16 *name, efi_uint *bytes)
{
    struct efi_file_system *volume = protocol(own_device(), &file_system_guid);
    struct efi_file *root, *file;
    uint64_t end;
    void *buffer;

    if (efi_failed(volume->open_volume(volume, &root)) ||
        efi_failed(root->open(root, &file, name, EFI_FILE_MODE_READ, 0))) {
        return NULL;
    }
    if (efi_failed(file->set_position(file, EFI_FILE_TO_END)) ||
        efi_failed(file->get_position(file, &end)) || efi_failed(file->set_position(file, 0)) ||
        efi_failed(firmware.allocate_pool(EFI_BOOT_SERVICES_DATA, (efi_uint)end + 1, &buffer))) {
        return NULL;
    }
    *bytes = (efi_uint)end;
    if (efi_failed(file->read(file, bytes, buffer))) {
        return NULL;
    }
    ((char *)buffer)[*bytes] = '\0';
    file->close(file);
    root->close(root);
    return buffer;
}

/* Source: shim, MokVars.txt. What boot services alone can write is what an owner has put there. */
void next_enrol_key(void)
{
    static const struct efi_guid shim_guid = {
        0x605dab50, 0xe046, 0x4300, {0xab, 0xb6, 0x3d, 0xd8, 0x10, 0xdd, 0x8b, 0x23}};
    efi_set_variable *set = efi_system->runtime_services->services[EFI_SET_VARIABLE];
    efi_uint bytes;
    const void *list = read_file(u"\\mok.esl", &bytes);
    efi_status status;

    if (list == NULL) {
        give_up("there is no mok.esl");
    }
    status = set(u"MokList", &shim_guid, EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOT_SERVICES,
                 bytes, list);
    if (efi_failed(status)) {
        give_up("SetVariable of MokList: %x", (uint64_t)status);
    }
    say("HOSTILE enrol-key: %d bytes", (uint64_t)bytes);
}

/* --- loading -------------------------------------------------------------------------------------- */
static unsigned int node_bytes(const struct efi_device_path *node)
{
    return node->bytes[0] | (unsigned int)node->bytes[1] << 8;
}

static void put_node(uint8_t *at, uint8_t type, uint8_t subtype, unsigned int bytes)
{
    at[0] = type;
    at[1] = subtype;
    at[2] = (uint8_t)bytes;
    at[3] = (uint8_t)(bytes >> 8);
}

/* Our device's path with the file's name behind it. */
static const struct efi_device_path *next_path(void)
{
    static uint8_t path[PATH_ROOM];
    const struct efi_device_path *device = protocol(own_device(), &device_path_guid);
    const unsigned int file_bytes = sizeof(struct efi_device_path) + sizeof(next_name);
    unsigned int bytes = 0;

    for (const struct efi_device_path *node = device; node->type != EFI_PATH_END;
         node = (const void *)((const uint8_t *)device + bytes)) {
        bytes += node_bytes(node);
    }
    if (bytes + file_bytes + sizeof(*device) > PATH_ROOM) {
        give_up("the device path is too long");
    }
    memcpy(path, device, bytes);
    put_node(path + bytes, EFI_PATH_MEDIA, EFI_PATH_MEDIA_FILE, file_bytes);
    memcpy(path + bytes + sizeof(*device), next_name, sizeof(next_name));
    put_node(path + bytes + file_bytes, EFI_PATH_END, EFI_PATH_END_ENTIRE, sizeof(*device));
    return (const void *)path;
}

void next_load(enum next_source source)
{
    const bool from_file = source == NEXT_FROM_FILE;
    efi_uint bytes = 0;
    void *buffer = from_file ? NULL : read_file(next_name, &bytes);
    const struct efi_loaded_image *image;
    efi_status status;

    if (next != NULL) {
        return;
    }
    if (!from_file && buffer == NULL) {
        give_up("there is no NEXT.EFI");
    }
    status =
        firmware.load_image(0, own_image, from_file ? next_path() : NULL, buffer, bytes, &next);
    if (efi_failed(status)) {
        give_up("LoadImage of NEXT.EFI: %x", (uint64_t)status);
    }
    if (buffer != NULL) {
        firmware.free_pool(buffer);
    }
    image = protocol(next, &loaded_image_guid);
    say("HOSTILE load: NEXT.EFI from a %s at %x", from_file ? "file" : "buffer",
        (uint64_t)(uintptr_t)image->image_base);
}

/* --- load options: each ends at the end of a page, and the page behind it is not there -------------- */
enum options_ending {
    ENDS_WITH_NUL,
    ENDS_WITHOUT_NUL,
    ENDS_WITH_HALF, /* one byte more than whole characters */
};

static struct range poison;

static void make_poison(void)
{
    if (efi_failed(firmware.allocate_pages(EFI_ALLOCATE_ANY, EFI_BOOT_SERVICES_DATA,
                                           OPTIONS_PAGES + 1, &poison.start))) {
        give_up("no room for load options");
    }
    poison.start += OPTIONS_PAGES * EFI_PAGE_BYTES;
    poison.end = poison.start + EFI_PAGE_BYTES;
    memset((void *)(uintptr_t)poison.start, 0xa5, (size_t)EFI_PAGE_BYTES);
    paging_change(poison, 0, PAGE_PRESENT);
}

static unsigned int length(const char *text)
{
    unsigned int count = 0;

    while (text[count] != '\0') {
        count++;
    }
    return count;
}

/* `text` as the options, with bytes in front and characters behind. Returns their size. */
static uint32_t put_options(struct efi_loaded_image *image, const void *front,
                            unsigned int front_bytes, const char *text, const efi_char16 *behind,
                            unsigned int behind_count, enum options_ending ending)
{
    const unsigned int count = length(text);
    const unsigned int extra = ending == ENDS_WITH_NUL ? 2 : ending == ENDS_WITH_HALF ? 1 : 0;
    const unsigned int bytes = front_bytes + 2 * (count + behind_count) + extra;
    uint8_t *at = (uint8_t *)(uintptr_t)poison.start - bytes;

    if (bytes > OPTIONS_PAGES * EFI_PAGE_BYTES) {
        give_up("the load options are too long");
    }
    image->load_options = at;
    image->load_options_bytes = bytes;
    memcpy(at, front, front_bytes);
    at += front_bytes;
    for (unsigned int i = 0; i < count; i++) {
        *at++ = (uint8_t)text[i];
        *at++ = 0;
    }
    memcpy(at, behind, 2 * behind_count);
    memset(at + 2 * behind_count, ending == ENDS_WITH_HALF ? 'x' : 0, extra);
    return bytes;
}

/* Section 3.1.3, "Load Options": attributes, the length of a path, a description, a path; then the options. */
static const uint8_t binary_front[] = {
    1, 0, 0, 0, 4, 0, 'B', 0, 'e', 0, 'r', 0, 't', 0, 'h', 0, 0, 0, 0x7f, 0xff, 4, 0,
};
/* An accent, a character outside ASCII, one outside 16 bits, and half of such a pair. */
static const efi_char16 strange[] = {' ', 0xe9, 0x4e2d, 0xd83d, 0xde00, 0xd800};

void next_options(const char *form, const char *text)
{
    struct efi_loaded_image *image;

    next_load(NEXT_FROM_FILE);
    image = protocol(next, &loaded_image_guid);
    make_poison();
    switch (form[0]) {
    case 'n': /* null: a size, but no pointer */
        image->load_options = NULL;
        image->load_options_bytes = 64;
        break;
    case 'o': /* odd */
        put_options(image, NULL, 0, text, NULL, 0, ENDS_WITH_HALF);
        break;
    case 'u': /* unterminated */
        put_options(image, NULL, 0, text, NULL, 0, ENDS_WITHOUT_NUL);
        break;
    case 'd': /* dashes: nothing else */
        put_options(image, NULL, 0, "--", NULL, 0, ENDS_WITH_NUL);
        break;
    case 'b': /* binary: the whole EFI_LOAD_OPTION */
        put_options(image, binary_front, sizeof(binary_front), text, NULL, 0, ENDS_WITH_NUL);
        break;
    case 'z': /* zero size, and a pointer that must not be followed */
        image->load_options = (void *)(uintptr_t)poison.start;
        image->load_options_bytes = 0;
        break;
    case 'h': /* huge: the size reaches far into the missing page, the text ends before it */
        put_options(image, NULL, 0, text, NULL, 0, ENDS_WITH_NUL);
        image->load_options_bytes = 0x7ffffffe;
        break;
    case 'c': /* characters outside ASCII */
        put_options(image, NULL, 0, text, strange, COUNT_OF(strange), ENDS_WITH_NUL);
        break;
    case 'g': /* good: what every form is compared with */
        put_options(image, NULL, 0, text, NULL, 0, ENDS_WITH_NUL);
        break;
    default:
        give_up("no such form of load options: %s", form);
    }
    say("HOSTILE options: %s, %x bytes at %x", form, (uint64_t)image->load_options_bytes,
        (uint64_t)(uintptr_t)image->load_options);
}

void next_is_another(void)
{
    struct efi_loaded_image *image;

    next_load(NEXT_FROM_FILE);
    image = protocol(next, &loaded_image_guid);
    image->image_base = (uint8_t *)image->image_base + EFI_PAGE_BYTES;
    say("HOSTILE another-image: at %x", (uint64_t)(uintptr_t)image->image_base);
}

/* --- starting ---------------------------------------------------------------------------------------- */
void next_start(void)
{
    uint64_t free_pages, free_after;
    efi_status status;

    next_load(NEXT_FROM_FILE);
    free_pages = map_free_pages();
    protect_started(next);
    status = firmware.start_image(next, NULL, NULL);
    free_after = map_free_pages();
    take_check("when NEXT.EFI returned");
    checksum_check();
    services_report();
    say("HOSTILE next: returned status=%x free-pages-before=%d free-pages-after=%d",
        (uint64_t)status, free_pages, free_after);
    leave(LEAVE_RETURNED);
}
