/*
 * Any bytes as a memory map, busy ranges and operations on the page allocator: it does what an array of bytes does
 * (tests/unit/page_model.h). Addresses are in pages, so that things meet.
 */
#include "cursor.h"
#include "page_model.h"

#define FUZZ_BUSY    4
#define FUZZ_CHANGES 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_map(struct cursor *cursor, struct memmap *map)
{
    uint64_t page = 0;

    map->count = 0;
    for (uint32_t count = cursor_u8(cursor); count > 0; count--) {
        const uint64_t first = page + cursor_u8(cursor) % 4;
        const uint32_t shape = cursor_u16(cursor);
        const uint64_t end = first + 1 + (shape & 1 ? shape % 8 : shape % 1024);

        if (end < MODEL_PAGES) {
            map->ranges[map->count++] =
                (struct memory_range){model_range(first, end - first),
                                      shape % 5 == 0 ? MEMORY_BOOT_SERVICES : MEMORY_RAM};
            page = end;
        }
    }
}

static void change(struct page_model *model, struct cursor *cursor)
{
    const uint8_t what = cursor_u8(cursor);
    const uint64_t page = cursor_u16(cursor) % MODEL_PAGES;
    const uint64_t wanted = cursor_u16(cursor) % 1024;
    const uint64_t pages = page + wanted > MODEL_PAGES ? MODEL_PAGES - page : wanted;
    const struct page_request request = {wanted + 1, PAGE_BYTES << (what >> 4),
                                         page * PAGE_BYTES + wanted};
    struct prange out;

    switch (what % 4) {
    case 0:
        model_free(model, page, pages);
        break;
    case 1:
        model_give(model, page, pages);
        break;
    case 2:
        model_reserve(model, page, pages);
        break;
    default:
        model_take(model, &request, &out);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct page_model model;
    static struct memmap map;
    struct cursor cursor = cursor_over(data, size);
    struct prange busy[FUZZ_BUSY + 1];
    const uint32_t count = cursor_u8(&cursor) % FUZZ_BUSY + 1;
    uint64_t room_pages;

    if (model.window == NULL) {
        model.window = calloc(WINDOW_PAGES, PAGE_BYTES);
    }
    for (uint32_t i = 1; i < count; i++) {
        const uint64_t start = (uint64_t)cursor_u16(&cursor) << 8;

        busy[i] = (struct prange){start, start + cursor_u16(&cursor)};
    }
    read_map(&cursor, &map);
    room_pages = page_alloc_bytes(&map, count) / PAGE_BYTES;
    busy[0] = model_range(cursor_u16(&cursor) % (WINDOW_PAGES - room_pages), room_pages);
    model_start(&model, &map, (struct busy_list){busy, count}, busy[0]);
    for (int i = 0; i < FUZZ_CHANGES && cursor_left(&cursor) > 0; i++) {
        change(&model, &cursor);
    }
    return 0;
}
