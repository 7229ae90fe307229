/*
 * Where things were put, and whether bytes that are nobody's business came through unchanged.
 * Source: Linux Documentation/arch/x86/boot.rst, "init_size", "initrd_addr_max", "xloadflags".
 */
#include "crc32.h"
#include "guest.h"
#include "guest_io.h"
#include "params.h"

/* With map=cut, what lies behind the last entry is taken as RAM: the loader knows more than it could say. */
static bool in_ram(const struct handover *handover, struct range range)
{
    struct e820_entry entry = {0};

    for (unsigned int i = 0; e820_entry(handover, i, &entry); i++) {
        if (entry.type == E820_RAM && range.start >= entry.start &&
            range.end - entry.start <= entry.bytes) {
            return true;
        }
    }
    return range.start >= entry.start + entry.bytes && expectation(handover, "map=cut", 0) != NULL;
}

static void check_place(const struct handover *handover, const char *name, struct range range)
{
    check(in_ram(handover, range), name, range.start, range.end);
}

static uint64_t count_setup_data(const struct handover *handover, struct range *nodes, bool *known)
{
    uint64_t at =
        HEADER_END >= ZP_SETUP_DATA + 8 ? get_bytes(handover->zero_page + ZP_SETUP_DATA, 8) : 0;
    unsigned int count = 0;

    *known = true;
    while (at != 0 && count < SETUP_NODES_MAX) {
        const uint8_t *node = at_address(at);

        if (!reach(at, SETUP_NODE_BYTES)) {
            *known = false;
            break;
        }
        nodes[count].start = at;
        nodes[count++].end = at + SETUP_NODE_BYTES + get_bytes(node + SETUP_NODE_LEN, 4);
        *known &= get_bytes(node + SETUP_NODE_TYPE, 4) == SETUP_E820_EXT;
        at = get_bytes(node, 8);
    }
    return count;
}

#define PARTS_MAX (5 + SETUP_NODES_MAX)

static void check_places(const struct handover *handover)
{
    struct range parts[PARTS_MAX] = {handover->kernel, handover->params, handover->cmdline};
    unsigned int count = 3;
    uint64_t nodes;
    uint64_t clashes = 0;
    bool known;

    check_place(handover, "kernel's room is RAM", handover->kernel);
    check_place(handover, "zero page is in RAM", handover->params);
    check_place(handover, "command line is in RAM", handover->cmdline);
    if (handover->has_initrd) {
        check_place(handover, "initrd is in RAM", handover->initrd);
        parts[count++] = handover->initrd;
    }
    nodes = count_setup_data(handover, parts + count, &known);
    check(known, "setup_data has known nodes only", nodes, 0);
    for (uint64_t i = 0; i < nodes; i++) {
        check_place(handover, "setup_data is in RAM", parts[count++]);
    }
    for (unsigned int i = 0; i < count; i++) {
        for (unsigned int j = 0; j < i; j++) {
            clashes += overlaps(parts[i], parts[j]);
        }
        clashes += parts[i].start < 4096;
    }
    check_equal("all of it is disjoint, and clear of the first page", clashes, 0);
    check_equal("gdt is outside the kernel's room", overlaps(handover->gdt, handover->kernel),
                false);
}

static void check_crc(const char *name, uint64_t at, uint64_t bytes, uint32_t expected)
{
    if (check(reach(at, bytes), "  its bytes can be reached", at, bytes)) {
        check_equal(name, crc32(at_address(at), bytes), expected);
    }
}

static void check_initrd(const struct handover *handover)
{
    const char *text = expectation(handover, "initrd=", 0);
    uint64_t bytes = handover->initrd.end - handover->initrd.start;
    bool anywhere = PROTOCOL >= 0x020c && (XLOADFLAGS & 2) != 0;

    if (!handover->has_initrd) {
        check_equal("initrd: none, and its address zero", handover->initrd.start, 0);
        check_equal("initrd: none expected", text != NULL && !starts_with(text, "none"), false);
        return;
    }
    check_equal("initrd begins at a page", handover->initrd.start & 0xfff, 0);
    check(anywhere || handover->initrd.end - 1 <= INITRD_ADDR_MAX,
          "initrd is within initrd_addr_max", handover->initrd.end - 1, INITRD_ADDR_MAX);
    if (text == NULL || !check(!starts_with(text, "none"), "initrd: one expected", bytes, 0)) {
        return;
    }
    if (check_equal("initrd: size", bytes, read_number(&text))) {
        check_crc("initrd: bytes", handover->initrd.start, bytes, read_crc(&text));
    }
}

static void check_canaries(const struct handover *handover)
{
    const char *text;

    for (unsigned int i = 0; (text = expectation(handover, "canary=", i)) != NULL; i++) {
        uint64_t at = read_number(&text);
        uint64_t bytes = read_number(&text);

        print("CANARY ");
        print_hex(at);
        print("\n");
        check_crc("canary is unchanged", at, bytes, read_crc(&text));
    }
    for (unsigned int i = 0; (text = expectation(handover, "free=", i)) != NULL; i++) {
        struct range area;

        area.start = read_number(&text);
        area.end = area.start + read_number(&text);
        check_equal("area left alone",
                    overlaps(area, handover->kernel) || overlaps(area, handover->params) ||
                        overlaps(area, handover->cmdline) || overlaps(area, handover->initrd),
                    false);
    }
}

void check_memory(const struct handover *handover)
{
    check_places(handover);
    check_initrd(handover);
    check_canaries(handover);
}
