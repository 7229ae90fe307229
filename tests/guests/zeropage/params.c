/*
 * The zero page, field by field: the setup header against the file's own, the memory map, screen,
 * ACPI pointer; and no other byte of it may be set. Source: Linux Documentation/arch/x86/boot.rst,
 * "Details of Header Fields", and zero-page.rst; struct layouts: Linux include/uapi/asm/bootparam.h
 * (ABI) and include/uapi/linux/screen_info.h (ABI).
 */
#include "params.h"
#include "guest.h"
#include "guest_io.h"

static uint64_t field(const struct handover *handover, unsigned int offset, unsigned int bytes)
{
    return get_bytes(handover->zero_page + offset, bytes);
}

/* --- setup header --- */
/* "write", "modify" and "kernel internal" fields; everything else must be as the file has it.
 * Offset and length. */
static const uint16_t loader_writes[][2] = {
    {ZP_VID_MODE, 2},         {ZP_TYPE_OF_LOADER, 2}, {ZP_CODE32_START, 4},
    {ZP_RAMDISK_IMAGE, 8},    {ZP_HEAP_END_PTR, 4},   {ZP_CMD_LINE_PTR, 4},
#if PROTOCOL >= 0x020a
    {ZP_KERNEL_ALIGNMENT, 4},
#endif
#if PROTOCOL >= 0x0209
    {ZP_SETUP_DATA, 8},
#endif
};

static bool loader_may_write(unsigned int offset)
{
    for (unsigned int i = 0; i < sizeof(loader_writes) / sizeof(loader_writes[0]); i++) {
        if (offset >= loader_writes[i][0] && offset < loader_writes[i][0] + loader_writes[i][1]) {
            return true;
        }
    }
    return false;
}

static void check_header_copy(const struct handover *handover)
{
    for (unsigned int at = HEADER_START; at < HEADER_END; at++) {
        uint8_t original = own_header[at - HEADER_START];

        if (!loader_may_write(at) && handover->zero_page[at] != original) {
            print_hex(at);
            print(" ");
            check(false, "setup header is the kernel's own", handover->zero_page[at], original);
            return;
        }
    }
    check(true, "setup header is the kernel's own", 0, 0);
}

static void check_loader_fields(const struct handover *handover)
{
    uint64_t loadflags = field(handover, ZP_LOADFLAGS, 1);

    check(field(handover, ZP_TYPE_OF_LOADER, 1) != 0, "type_of_loader is set", 0, 0xff);
    check_equal("loadflags: LOADED_HIGH alone of bits 0, 1, 6", loadflags & 0x43, 0x01);
    check_equal("code32_start is the load address", field(handover, ZP_CODE32_START, 4),
                (uint32_t)handover->kernel.start);
    check_equal("hardware_subarch is PC", HEADER_END > 0x240 ? field(handover, 0x23c, 4) : 0, 0);
}

static void check_load_address(const struct handover *handover)
{
    const char *text = expectation(handover, "load=", 0);
    uint64_t start = handover->kernel.start;

    if (RELOCATABLE) {
        check_equal("load address is aligned", start & (KERNEL_ALIGNMENT - 1), 0);
    } else {
        check_equal("load address is the preferred one", start,
                    PROTOCOL >= 0x020a ? PREF_ADDRESS : 0x100000);
    }
    check(start >= 0x100000, "load address is not below 1 MiB", start, 0x100000);
    if (text != NULL) {
        check_equal("load address is the expected one", start, read_number(&text));
    }
}

static void find_cmdline(struct handover *handover)
{
    uint64_t at = field(handover, ZP_CMD_LINE_PTR, 4) | field(handover, ZP_EXT_CMD_LINE_PTR, 4)
                                                            << 32;
    const char *text = (const char *)(uintptr_t)at;
    uint64_t length = 0;

    if (!check(at != 0 && (uintptr_t)at == at, "command line pointer", at, 1)) {
        handover->words = "";
        return;
    }
    while (length <= CMDLINE_SIZE && text[length] != '\0') {
        length++;
    }
    check(length <= CMDLINE_SIZE, "command line ends within cmdline_size", length, CMDLINE_SIZE);
    handover->cmdline.start = at;
    handover->cmdline.end = at + length + 1;
    handover->words = length <= CMDLINE_SIZE ? text : "";
    print("CMDLINE ");
    print(handover->words);
    print("\n");
}

static void find_initrd(struct handover *handover)
{
    uint64_t start = field(handover, ZP_RAMDISK_IMAGE, 4) | field(handover, ZP_EXT_RAMDISK_IMAGE, 4)
                                                                << 32;
    uint64_t bytes = field(handover, ZP_RAMDISK_SIZE, 4) | field(handover, ZP_EXT_RAMDISK_SIZE, 4)
                                                               << 32;

    handover->initrd.start = start;
    handover->initrd.end = start + bytes;
    handover->has_initrd = bytes != 0;
    print("PLACES kernel ");
    print_hex(handover->kernel.start);
    print(" zero-page ");
    print_hex(handover->params.start);
    print(" cmdline ");
    print_hex(handover->cmdline.start);
    print(" initrd ");
    print_hex(start);
    print(" ");
    print_hex(handover->initrd.end);
    print("\n");
}

void check_header(struct handover *handover)
{
    find_cmdline(handover);
    find_initrd(handover);
    check_header_copy(handover);
    check_loader_fields(handover);
    check_load_address(handover);
}

/* --- memory map --- */
static uint64_t extension_node(const struct handover *handover, unsigned int *entries)
{
    uint64_t at = HEADER_END >= ZP_SETUP_DATA + 8 ? field(handover, ZP_SETUP_DATA, 8) : 0;

    *entries = 0;
    for (int nodes = 0; at != 0 && nodes < SETUP_NODES_MAX; nodes++) {
        const uint8_t *node = at_address(at);

        if (!reach(at, SETUP_NODE_BYTES)) {
            return 0;
        }
        if (get_bytes(node + SETUP_NODE_TYPE, 4) == SETUP_E820_EXT) {
            *entries = (unsigned int)get_bytes(node + SETUP_NODE_LEN, 4) / E820_ENTRY_BYTES;
            return at;
        }
        at = get_bytes(node, 8);
    }
    return 0;
}

unsigned int e820_count(const struct handover *handover)
{
    unsigned int extension;

    extension_node(handover, &extension);
    return (unsigned int)field(handover, ZP_E820_ENTRIES, 1) + extension;
}

bool e820_entry(const struct handover *handover, unsigned int index, struct e820_entry *out)
{
    unsigned int in_page = (unsigned int)field(handover, ZP_E820_ENTRIES, 1);
    const uint8_t *raw = handover->zero_page + ZP_E820_TABLE + index * E820_ENTRY_BYTES;

    if (index >= in_page) {
        unsigned int extension;
        uint64_t node = extension_node(handover, &extension);

        if (index - in_page >= extension) {
            return false;
        }
        node += SETUP_NODE_BYTES + (index - in_page) * E820_ENTRY_BYTES;
        if (!reach(node, E820_ENTRY_BYTES)) {
            return false;
        }
        raw = at_address(node);
    }
    out->start = get_bytes(raw, 8);
    out->bytes = get_bytes(raw + 8, 8);
    out->type = (uint32_t)get_bytes(raw + 16, 4);
    return true;
}

static void print_entry(const struct e820_entry *entry)
{
    print("E820 ");
    print_hex(entry->start);
    print(" ");
    print_hex(entry->start + entry->bytes);
    print(" ");
    print_decimal(entry->type);
    print("\n");
}

static void check_map(const struct handover *handover)
{
    const char *text = expectation(handover, "e820=", 0);
    unsigned int count = e820_count(handover);
    struct e820_entry entry = {0}, before = {0};
    unsigned int disordered = 0, touching = 0, malformed = 0;

    check(field(handover, ZP_E820_ENTRIES, 1) <= E820_IN_PAGE_MAX, "e820: at most 128 in the page",
          field(handover, ZP_E820_ENTRIES, 1), E820_IN_PAGE_MAX);
    for (unsigned int i = 0; i < count && e820_entry(handover, i, &entry); i++) {
        print_entry(&entry);
        disordered += i > 0 && entry.start < before.start + before.bytes;
        touching +=
            i > 0 && entry.start == before.start + before.bytes && entry.type == before.type;
        malformed += entry.bytes == 0 || entry.start + entry.bytes - 1 < entry.start ||
                     entry.type < E820_RAM || entry.type > E820_TYPE_MAX;
        before = entry;
    }
    check(count > 0, "e820: there is a map", count, 1);
    check_equal("e820: sorted and disjoint", disordered, 0);
    check_equal("e820: no empty, wrapped or untyped entry", malformed, 0);
    check_equal("e820: neighbours of one type are one entry", touching, 0);
    if (text != NULL) {
        check_equal("e820: number of entries", count, read_number(&text));
    }
}

/* --- screen --- */
static void print_screen_field(const struct handover *handover, const char *name,
                               unsigned int offset, unsigned int bytes)
{
    print(name);
    print_decimal(field(handover, offset, bytes));
}

static void print_screen(const struct handover *handover)
{
    print_screen_field(handover, "SCREEN type ", SI_IS_VGA, 1);
    print_screen_field(handover, " mode ", SI_VIDEO_MODE, 1);
    print_screen_field(handover, " cols ", SI_COLS, 1);
    print_screen_field(handover, " lines ", SI_LINES, 1);
    print_screen_field(handover, " points ", SI_POINTS, 2);
    print_screen_field(handover, " width ", SI_LFB_WIDTH, 2);
    print_screen_field(handover, " height ", SI_LFB_HEIGHT, 2);
    print_screen_field(handover, " depth ", SI_LFB_DEPTH, 2);
    print_screen_field(handover, " pitch ", SI_LFB_PITCH, 2);
    print_screen_field(handover, " size ", SI_LFB_SIZE, 4);
    print_screen_field(handover, " red ", SI_RED_POSITION, 1);
    print_screen_field(handover, "/", SI_RED_SIZE, 1);
    print_screen_field(handover, " green ", SI_GREEN_POSITION, 1);
    print_screen_field(handover, "/", SI_GREEN_SIZE, 1);
    print_screen_field(handover, " blue ", SI_BLUE_POSITION, 1);
    print_screen_field(handover, "/", SI_BLUE_SIZE, 1);
    print_screen_field(handover, " reserved ", SI_RESERVED_POSITION, 1);
    print_screen_field(handover, "/", SI_RESERVED_SIZE, 1);
    print(" base ");
    print_hex(field(handover, SI_LFB_BASE, 4) | field(handover, SI_EXT_LFB_BASE, 4) << 32);
    print("\n");
}

static void check_text_screen(const struct handover *handover)
{
    check(field(handover, SI_COLS, 1) != 0 && field(handover, SI_LINES, 1) != 0,
          "screen: text has columns and lines", field(handover, SI_COLS, 1), 80);
    check(field(handover, SI_POINTS, 2) != 0, "screen: text has a font height", 0, 16);
    check(field(handover, SI_CURSOR_X, 1) < field(handover, SI_COLS, 1) &&
              field(handover, SI_CURSOR_Y, 1) < field(handover, SI_LINES, 1),
          "screen: cursor is on it", field(handover, SI_CURSOR_Y, 1), 0);
    check_equal("screen: text has no frame buffer", field(handover, SI_LFB_BASE, 4), 0);
}

static bool touches_ram(const struct handover *handover, struct range range)
{
    struct e820_entry entry;

    for (unsigned int i = 0; e820_entry(handover, i, &entry); i++) {
        if (entry.type == E820_RAM &&
            overlaps(range, (struct range){entry.start, entry.start + entry.bytes})) {
            return true;
        }
    }
    return false;
}

static void check_linear_screen(const struct handover *handover)
{
    uint64_t base = field(handover, SI_LFB_BASE, 4) | field(handover, SI_EXT_LFB_BASE, 4) << 32;
    uint64_t pitch = field(handover, SI_LFB_PITCH, 2);
    uint64_t depth = field(handover, SI_LFB_DEPTH, 2);
    uint64_t frame = pitch * field(handover, SI_LFB_HEIGHT, 2);
    /* VLFB counts its size in units of 64 KiB, EFI in bytes. */
    uint64_t unit = field(handover, SI_IS_VGA, 1) == SCREEN_EFI ? 1 : 0x10000;
    uint64_t size = field(handover, SI_LFB_SIZE, 4) * unit;
    bool wide = (field(handover, SI_CAPABILITIES, 4) & SI_CAP_64BIT_BASE) != 0;

    check(base != 0, "screen: frame buffer has an address", base, 1);
    check(!touches_ram(handover, (struct range){base, base + frame}),
          "screen: frame buffer is not in RAM", base, 0);
    check(pitch >= field(handover, SI_LFB_WIDTH, 2) * ((depth + 7) / 8),
          "screen: pitch holds a line", pitch,
          field(handover, SI_LFB_WIDTH, 2) * ((depth + 7) / 8));
    check(size >= frame && size < frame + 0x10000, "screen: size is the frame's", size, frame);
    check(wide || base < 0x100000000ull, "screen: 64-bit base is announced", wide, true);
    check(field(handover, SI_RED_SIZE, 1) + field(handover, SI_GREEN_SIZE, 1) +
                  field(handover, SI_BLUE_SIZE, 1) <=
              depth,
          "screen: colours fit the depth", field(handover, SI_RED_SIZE, 1), depth);
}

static void check_screen(const struct handover *handover)
{
    uint64_t type = field(handover, SI_IS_VGA, 1);

    print_screen(handover);
    check(type == SCREEN_NONE || type == SCREEN_TEXT || type == SCREEN_LINEAR || type == SCREEN_EFI,
          "screen: known type", type, SCREEN_TEXT);
    check_equal("screen: EFI's where there is EFI, and only there",
                type == SCREEN_EFI && field(handover, ZP_EFI_SIGNATURE, 4) == 0, false);
    if (type == SCREEN_TEXT) {
        check_text_screen(handover);
    } else if (type == SCREEN_LINEAR || type == SCREEN_EFI) {
        check_linear_screen(handover);
    }
    check_equal("screen: unused bytes are zero",
                field(handover, 0x02, 2) | field(handover, 0x09, 1) | field(handover, 0x0c, 2) |
                    field(handover, 0x20, 4) | field(handover, 0x2e, 8) | field(handover, 0x3e, 2),
                0);
}

/* --- ACPI --- */
static bool sums_to_zero(const uint8_t *bytes, unsigned int count)
{
    uint8_t sum = 0;

    while (count-- > 0) {
        sum = (uint8_t)(sum + bytes[count]);
    }
    return sum == 0;
}

/* Source: ACPI specification 6.5, section 5.2.5.3. */
static void check_rsdp(const struct handover *handover)
{
    const char *text = expectation(handover, "rsdp=", 0);
    uint64_t at = field(handover, ZP_ACPI_RSDP, 8);
    const uint8_t *rsdp = at_address(at);

    print("RSDP ");
    print_hex(at);
    print("\n");
    if (text != NULL) {
        check_equal("rsdp: given or not, as expected", at != 0, starts_with(text, "some"));
    }
    if (at == 0 || !check(reach(at, RSDP_BYTES_20), "rsdp: can be reached", at, 0)) {
        return;
    }
    check(starts_with((const char *)rsdp, "RSD PTR "), "rsdp: signature", get_bytes(rsdp, 8), 0);
    check(sums_to_zero(rsdp, RSDP_BYTES_10), "rsdp: checksum", at, 0);
    if (rsdp[RSDP_REVISION] >= 2) {
        check(sums_to_zero(rsdp, RSDP_BYTES_20), "rsdp: extended checksum", at, 0);
    }
}

/* --- UEFI --- */
/* What the firmware's runtime code keeps is never RAM for the kernel: both maps come from one source. */
static void check_efi_map(const struct handover *handover, uint64_t at, uint64_t bytes,
                          uint64_t stride)
{
    uint64_t runtime_in_ram = 0;

    for (uint64_t offset = 0; offset + stride <= bytes; offset += stride) {
        const uint8_t *descriptor = at_address(at + offset);
        uint64_t start = get_bytes(descriptor + EFI_DESCRIPTOR_START, 8);
        uint64_t length = get_bytes(descriptor + EFI_DESCRIPTOR_PAGES, 8) << 12;

        if ((get_bytes(descriptor + EFI_DESCRIPTOR_ATTRIBUTE, 8) & EFI_ATTRIBUTE_RUNTIME) != 0) {
            runtime_in_ram += touches_ram(handover, (struct range){start, start + length});
        }
    }
    check_equal("efi: no runtime memory is RAM", runtime_in_ram, 0);
}

/* Source: zero-page.rst, "efi_info"; UEFI specification 2.10, sections 4.3 and 7.2.3. */
static void check_efi(const struct handover *handover)
{
    uint64_t signature = field(handover, ZP_EFI_SIGNATURE, 4);
    uint64_t system = field(handover, ZP_EFI_SYSTEM, 4) | field(handover, ZP_EFI_SYSTEM_HIGH, 4)
                                                              << 32;
    uint64_t map = field(handover, ZP_EFI_MAP, 4) | field(handover, ZP_EFI_MAP_HIGH, 4) << 32;
    uint64_t map_bytes = field(handover, ZP_EFI_MAP_BYTES, 4);
    uint64_t stride = field(handover, ZP_EFI_STRIDE, 4);

    print("EFI ");
    print_hex(signature);
    print("\n");
    if (signature == 0) {
        check_equal("efi: nothing without a signature",
                    system | map | map_bytes | stride | field(handover, ZP_EFI_VERSION, 4), 0);
        return;
    }
    check(signature == EFI_SIGNATURE_64 || signature == EFI_SIGNATURE_32, "efi: signature",
          signature, EFI_SIGNATURE_64);
    check(reach(system, 8) && starts_with((const char *)at_address(system), "IBI SYST"),
          "efi: system table", system, 0);
    check(stride >= EFI_DESCRIPTOR_BYTES && map_bytes != 0 &&
              (uint32_t)map_bytes % (uint32_t)stride == 0,
          "efi: map's size", map_bytes, stride);
    if (check(reach(map, map_bytes), "efi: map can be reached", map, 0)) {
        check(map % 8 == 0, "efi: map is aligned", map, 0);
        check_efi_map(handover, map, map_bytes, stride);
    }
    check(field(handover, ZP_SECURE_BOOT, 1) != 1 && field(handover, ZP_SECURE_BOOT, 1) <= 3,
          "efi: secure_boot", field(handover, ZP_SECURE_BOOT, 1), 2);
}

/* --- everything else --- */
/* Fields that something above looked at: offset and length. The memory map and the header depend on
 * their lengths. */
static const uint16_t explained[][2] = {
    {0, 0x40},
    {ZP_ACPI_RSDP, 8},
    {ZP_EXT_RAMDISK_IMAGE, 4},
    {ZP_EXT_RAMDISK_SIZE, 4},
    {ZP_EXT_CMD_LINE_PTR, 4},
    {ZP_EFI_SIGNATURE, 32},
    {ZP_E820_ENTRIES, 1},
    {HEADER_START, HEADER_END - HEADER_START},
};

static bool is_explained(const struct handover *handover, unsigned int offset)
{
    unsigned int map_end =
        ZP_E820_TABLE + E820_ENTRY_BYTES * (unsigned int)field(handover, ZP_E820_ENTRIES, 1);

    if (offset >= ZP_E820_TABLE && offset < map_end) {
        return true;
    }
    if (offset == ZP_SECURE_BOOT && field(handover, ZP_EFI_SIGNATURE, 4) != 0) {
        return true;
    }
    for (unsigned int i = 0; i < sizeof(explained) / sizeof(explained[0]); i++) {
        if (offset >= explained[i][0] && offset < explained[i][0] + explained[i][1]) {
            return true;
        }
    }
    return false;
}

static void check_unused(const struct handover *handover)
{
    unsigned int first = 0;
    unsigned int count = 0;

    for (unsigned int at = 0; at < 4096; at++) {
        if (handover->zero_page[at] != 0 && !is_explained(handover, at)) {
            first = count++ == 0 ? at : first;
        }
    }
    if (count != 0) {
        print("first unused byte that is set: ");
        print_hex(first);
        print("\n");
    }
    check_equal("all unused bytes are zero", count, 0);
    check_equal("scratch is zero", handover->entry->scratch, 0);
}

void check_fields(const struct handover *handover)
{
    check_unused(handover);
    check_map(handover);
    check_screen(handover);
    check_rsdp(handover);
    check_efi(handover);
}
