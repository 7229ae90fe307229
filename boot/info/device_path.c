/*
 * The folder in an EFI device path. This code also runs before the image is at its link address: it
 * keeps no address of anything.
 */
#include "abi/efi.h"
#include "config.h"
#include "cursor.h"

/* The path so far: characters[length] is free. */
struct path {
    uint16_t *characters;
    size_t length;
    size_t capacity;
};

static bool append(struct path *path, uint16_t character)
{
    if (path->length >= path->capacity) {
        return false;
    }
    path->characters[path->length++] = character;
    return true;
}

/* One node's text, up to its NUL or the node's end, with one backslash between it and the text before it. */
static bool append_text(struct path *path, struct cursor text, bool is_first)
{
    bool at_start = true;

    while (cursor_left(&text) >= sizeof(uint16_t)) {
        const uint16_t character = cursor_u16(&text);

        if (character == 0) {
            break;
        }
        if (at_start && !is_first) {
            if (path->length > 0 && path->characters[path->length - 1] == '\\') {
                path->length--;
            }
            if (character != '\\' && !append(path, '\\')) {
                return false;
            }
        }
        at_start = false;
        if (!append(path, character)) {
            return false;
        }
    }
    return true;
}

/* The text of the next node; false at a node that is no file path. A node that is too short, or leaves the path, fails
 * the cursor. */
static bool next_file_path(struct cursor *nodes, struct cursor *text)
{
    struct efi_device_path node;
    size_t node_bytes;

    if (!cursor_copy(nodes, &node, sizeof(node)) || node.type != EFI_DEVICE_PATH_MEDIA ||
        node.subtype != EFI_DEVICE_PATH_FILE_PATH) {
        return false;
    }
    node_bytes = node.bytes[0] | (size_t)node.bytes[1] << 8;
    if (node_bytes < sizeof(node)) {
        nodes->failed = true;
        return false;
    }
    *text = cursor_take(nodes, node_bytes - sizeof(node));
    return !nodes->failed;
}

bool device_path_folder(const void *device_path, size_t limit_bytes, uint16_t *out,
                        size_t out_characters)
{
    struct path path = {out, 0, out_characters - 1};
    struct cursor nodes = cursor_over(device_path, limit_bytes);
    bool good = true;
    bool is_first = true;
    struct cursor text;

    out[0] = 0;
    if (device_path == NULL) {
        return true;
    }
    while (good && next_file_path(&nodes, &text)) {
        good = append_text(&path, text, is_first);
        is_first = false;
    }
    good = good && !nodes.failed;
    while (path.length > 0 && (!good || out[path.length - 1] != '\\')) {
        path.length--;
    }
    out[path.length] = 0;
    return good;
}
