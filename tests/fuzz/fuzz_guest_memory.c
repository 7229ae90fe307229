/*
 * Any bytes as a guest's page tables, ranges of RAM, control registers and addresses: what is found is what the manual
 * says (tests/unit/guest_model.h), and nothing outside RAM is read.
 */
#include <stdlib.h>

#include "cursor.h"
#include "guest_model.h"

#define FUZZ_PAGES  16 /* of memory with tables in it */
#define FUZZ_RANGES 4
#define FUZZ_MOST   20 /* bytes of an instruction */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static uint32_t read_ranges(struct cursor *cursor, struct prange *ranges)
{
    uint32_t count = 0;
    uint64_t page = 0;

    for (uint32_t left = cursor_u8(cursor) % (FUZZ_RANGES + 1); left > 0; left--) {
        const uint64_t first = page + cursor_u8(cursor) % 4;
        const uint64_t end = first + 1 + cursor_u8(cursor) % 8;

        if (end <= FUZZ_PAGES) {
            ranges[count++] = (struct prange){first * 4096, end * 4096};
            page = end + 1;
        }
    }
    return count;
}

/* Of what it may be: long mode has paging and PAE. */
static struct guest_state read_guest(struct cursor *cursor)
{
    const uint8_t mode = cursor_u8(cursor);
    struct guest_state guest = {.cr0 = mode & 1 ? 0x80000001 : 1,
                                .cr4 = cursor_u16(cursor),
                                .cr3 = cursor_u64(cursor),
                                .cs_base = cursor_u32(cursor),
                                .code_bits = mode & 4 ? 64 : 32};

    if ((mode & 2) != 0) {
        guest.efer = 0x400;
        guest.cr0 = 0x80000001;
        guest.cr4 |= 0x20;
    }
    return guest;
}

static void check(struct guest_memory *memory, struct guest_state *guest, uint64_t address,
                  uint64_t count)
{
    uint8_t fetched[FUZZ_MOST];
    uint8_t wanted[FUZZ_MOST];
    uint64_t pa = 0;
    uint64_t expected = 0;
    const bool is_mapped = model_translate(memory, guest, address, &expected);
    const uint8_t *place = guest_memory_at(memory, address, count);
    size_t length;

    require(guest_translate(memory, guest, address, &pa) == is_mapped);
    require(!is_mapped || pa == expected);
    require(place == (model_may_reach(memory, address, count) ? memory->bytes + address : NULL));
    guest->rip = address;
    length = guest_fetch(memory, guest, fetched, count % (FUZZ_MOST + 1));
    require(length == model_fetch(memory, guest, wanted, count % (FUZZ_MOST + 1)));
    require(memcmp(fetched, wanted, length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor cursor = cursor_over(data, size);
    struct prange ranges[FUZZ_RANGES];
    uint64_t *tables = aligned_alloc(4096, FUZZ_PAGES * 4096);
    struct guest_memory memory = {.bytes = (uint8_t *)tables, .ranges = ranges};
    struct guest_state guest;

    memset(tables, 0, FUZZ_PAGES * 4096);
    memory.count = read_ranges(&cursor, ranges);
    guest = read_guest(&cursor);
    for (uint32_t left = cursor_u8(&cursor) % 64; left > 0; left--) {
        const uint16_t slot = cursor_u16(&cursor);

        tables[slot % (FUZZ_PAGES * 512)] = cursor_u64(&cursor);
    }
    while (cursor_left(&cursor) >= sizeof(uint64_t)) {
        const uint64_t address = cursor_u64(&cursor);

        check(&memory, &guest, address, cursor_u16(&cursor));
    }
    free(tables);
    return 0;
}
