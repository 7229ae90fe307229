/*
 * The bounded cursor: the only way foreign bytes are read.
 */
#include "cursor.h"
#include "mem.h"

struct cursor cursor_over(const void *bytes, size_t size)
{
    return (struct cursor){.bytes = bytes, .size = size};
}

static struct cursor cursor_failed(void)
{
    return (struct cursor){.failed = true};
}

size_t cursor_left(const struct cursor *cursor)
{
    return cursor->failed ? 0 : cursor->size - cursor->position;
}

/* The next `bytes` bytes, which are passed over; NULL, and the cursor failed, when there are fewer.
 */
static const uint8_t *advance(struct cursor *cursor, size_t bytes)
{
    const uint8_t *here;

    if (cursor->failed || bytes > cursor->size - cursor->position) {
        cursor->failed = true;
        return NULL;
    }
    here = cursor->bytes + cursor->position;
    cursor->position += bytes;
    return here;
}

/* Little-endian like the machine, so a value is copied as it lies; the builtin becomes a single
 * load. */
#define DEFINE_READ(name, type)                                                                    \
    type name(struct cursor *cursor)                                                               \
    {                                                                                              \
        type value = 0;                                                                            \
        const uint8_t *here = advance(cursor, sizeof(value));                                      \
                                                                                                   \
        if (!cursor->failed) {                                                                     \
            __builtin_memcpy(&value, here, sizeof(value));                                         \
        }                                                                                          \
        return value;                                                                              \
    }

DEFINE_READ(cursor_u8, uint8_t)
DEFINE_READ(cursor_u16, uint16_t)
DEFINE_READ(cursor_u32, uint32_t)
DEFINE_READ(cursor_u64, uint64_t)

bool cursor_copy(struct cursor *cursor, void *to, size_t bytes)
{
    const uint8_t *from = advance(cursor, bytes);

    if (cursor->failed) {
        return false;
    }
    if (bytes != 0) {
        memcpy(to, from, bytes);
    }
    return true;
}

bool cursor_skip(struct cursor *cursor, size_t bytes)
{
    advance(cursor, bytes);
    return !cursor->failed;
}

bool cursor_seek(struct cursor *cursor, size_t offset)
{
    if (cursor->failed || offset > cursor->size) {
        cursor->failed = true;
        return false;
    }
    cursor->position = offset;
    return true;
}

struct cursor cursor_take(struct cursor *cursor, size_t bytes)
{
    const uint8_t *here = advance(cursor, bytes);

    return cursor->failed ? cursor_failed() : cursor_over(here, bytes);
}

const char *cursor_string(struct cursor *cursor)
{
    size_t left = cursor_left(cursor);

    for (size_t length = 0; length < left; length++) {
        if (cursor->bytes[cursor->position + length] == '\0') {
            return (const char *)advance(cursor, length + 1);
        }
    }
    cursor->failed = true;
    return NULL;
}

struct cursor view_cursor(const struct physical_view *view, uint64_t pa, uint64_t bytes)
{
    if (pa > view->size || bytes > view->size - pa) {
        return cursor_failed();
    }
    return cursor_over(view->bytes + pa, bytes);
}
