/*
 * Any bytes as what is to be kept, the end of memory, MTRRs and accesses: every page is mapped to itself or kept, in
 * pages as large as can be and in as many tables as were asked for (tests/unit/nested_model.h), and each access can go
 * on.
 */
#include <stdlib.h>

#include "cursor.h"
#include "nested_model.h"

#define FUZZ_KEPT  8
#define FUZZ_PAIRS 6
#define PAGE       4096ULL
#define ONES       0x111000ULL
#define WALKED     0x222000ULL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void read_mtrrs(struct cursor *cursor, struct mtrrs *mtrrs)
{
    *mtrrs = (struct mtrrs){.variable_count = cursor_u8(cursor) % (FUZZ_PAIRS + 1),
                            .default_type = cursor_u16(cursor)};
    if (mtrrs->variable_count > 0 && cursor_u8(cursor) % 2 != 0) {
        mtrrs->fixed_count = MTRR_FIXED_COUNT;
        cursor_copy(cursor, mtrrs->fixed, sizeof(mtrrs->fixed));
    }
    for (uint32_t i = 0; i < mtrrs->variable_count; i++) {
        mtrrs->variable[2 * i] = (uint64_t)cursor_u32(cursor) << 8;
        mtrrs->variable[2 * i] |= cursor_u8(cursor) % 8;
        mtrrs->variable[2 * i + 1] = (uint64_t)(int64_t)(int32_t)cursor_u32(cursor) << 8;
    }
}

static uint32_t read_kept(struct cursor *cursor, uint64_t top, struct prange *kept)
{
    uint32_t count = 0;

    for (uint32_t left = cursor_u8(cursor) % (FUZZ_KEPT + 1); left > 0; left--) {
        const uint64_t start = cursor_u32(cursor) * PAGE;
        const uint64_t end = start + (1 + cursor_u16(cursor) % 1600) * PAGE;

        if (end <= top && (end <= 0xfee00000 || start > 0xfee00000)) {
            kept[count++] = (struct prange){start, end};
        }
    }
    return count;
}

/* After it an access of that kind is allowed, or known to be left out. */
static void check_access(struct nested *nested, uint64_t gpa, enum nested_access access)
{
    const struct nested_request *request = &nested->request;
    const struct nested_page before = nested_walk(nested, gpa);
    const bool is_kept = model_is_kept(request, gpa);
    const bool is_apic = request->has_apic_page && gpa >> 12 == request->apic_page.pa >> 12;
    const enum nested_outcome outcome = nested_fault(nested, gpa, access);
    const struct nested_page after = nested_walk(nested, gpa);

    if (gpa >> (request->physical_bits < 48 ? request->physical_bits : 48) != 0) {
        require(outcome == NESTED_DROP && !after.present);
        return;
    }
    require(after.sound && after.present);
    require((outcome == NESTED_KEPT) == (is_kept && !before.present));
    require(outcome != NESTED_APIC || (is_apic && access == NESTED_WRITE && !after.may_write));
    require(outcome != NESTED_DROP || (access == NESTED_WRITE && !after.may_write && !is_apic));
    require(outcome != NESTED_MAPPED || after.may_write || access < NESTED_WRITE ||
            access == NESTED_EXECUTE);
    if (is_kept) {
        require(after.pa >> 12 == (after.may_write ? WALKED : ONES) >> 12);
    } else {
        require(after.pa == gpa || (after.pa >> 12 == (after.may_write ? WALKED : ONES) >> 12 &&
                                    (is_apic || gpa >= request->top)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor cursor = cursor_over(data, size);
    const uint8_t shape = cursor_u8(&cursor);
    struct prange kept[FUZZ_KEPT];
    struct memory_types types;
    struct mtrrs mtrrs;
    struct nested nested;
    struct nested_request request = {.format = shape & 1 ? NESTED_EPT : NESTED_NPT,
                                     .has_1gib_pages = shape & 2,
                                     .physical_bits = 36 + cursor_u8(&cursor) % 17,
                                     .top = GIB(4 + (shape >> 5)),
                                     .has_apic_page = shape & 4,
                                     .apic_page = {0xfee00000},
                                     .ones = {ONES},
                                     .walked = {WALKED}};
    const unsigned int bits = request.physical_bits;
    bool complete;

    request.kept = (struct busy_list){kept, read_kept(&cursor, request.top, kept)};
    read_mtrrs(&cursor, &mtrrs);
    complete = memory_types_make(&mtrrs, bits, &types);
    require(list_is_sound(&types) && types.count <= MEMORY_TYPE_RANGES_MOST);
    for (uint32_t i = 0; i < types.count && (complete || i + 1 < types.count); i++) {
        const struct prange range = types.ranges[i].bytes;

        require(model_type(&mtrrs, bits, range.start) == types.ranges[i].type);
        require(model_type(&mtrrs, bits, range.end - PAGE) == types.ranges[i].type);
    }
    if (shape & 9) { /* always for EPT */
        request.types = &types;
    }
    require(nested_make(&nested, &request));
    require(nested_is_right(&nested) && nested_is_full(&nested));
    while (cursor_left(&cursor) > 0) {
        const uint8_t access = cursor_u8(&cursor);

        check_access(&nested, access & 4 ? cursor_u64(&cursor) : cursor_u32(&cursor),
                     (enum nested_access)(access % 4));
    }
    free(nested.tables);
    return 0;
}
