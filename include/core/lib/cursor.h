/*
 * The one bounded cursor through which all foreign bytes are read.
 *
 * A read that would pass the end reads nothing, returns 0 (or false), and marks the cursor failed;
 * a failed cursor stays failed, so a run of reads can be checked once at its end. All values are
 * little-endian. `position` is the offset of the next byte, and after a failure the offset at which
 * the failed read began.
 */
#ifndef LIB_CURSOR_H
#define LIB_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
    const uint8_t *bytes;
    size_t size;
    size_t position;
    bool failed;
};

struct cursor cursor_over(const void *bytes, size_t size);
size_t cursor_left(const struct cursor *cursor);

uint8_t cursor_u8(struct cursor *cursor);
uint16_t cursor_u16(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);

/* Copy, pass over, or step to an absolute offset (which may be the end). */
bool cursor_copy(struct cursor *cursor, void *to, size_t bytes);
bool cursor_skip(struct cursor *cursor, size_t bytes);
bool cursor_seek(struct cursor *cursor, size_t offset);

/* A cursor over the next `bytes` bytes, which are passed over in `cursor`; a failed, empty one when
 * there are fewer. */
struct cursor cursor_take(struct cursor *cursor, size_t bytes);

/*
 * The NUL-terminated string at the cursor, whose NUL must lie before the end; the cursor is left
 * behind the NUL.
 * @return the string inside the bytes, or NULL (and failed) when no NUL follows
 */
const char *cursor_string(struct cursor *cursor);

/*
 * Physical memory as a decoder sees it: `bytes` is where physical address 0 appears, `size` how
 * much can be reached. On the target that is the identity map; on the host an array.
 */
struct physical_view {
    const uint8_t *bytes;
    uint64_t size;
};

/* A cursor over [pa, pa + bytes), or a failed, empty one when that is not wholly inside the view.
 */
struct cursor view_cursor(const struct physical_view *view, uint64_t pa, uint64_t bytes);

#endif
