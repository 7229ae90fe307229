/*
 * Any bytes as a configuration file, as load options and as a device path. The first byte says how long the section
 * is that is asked for, which comes next.
 */
#include <stdlib.h>
#include <string.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Inside the file, on one line, without blanks around it. */
static void require_text(struct config_text text, const uint8_t *file, size_t file_bytes)
{
    const char *start = (const char *)file;

    if (text.bytes == 0) {
        return;
    }
    require(text.text >= start && text.bytes <= file_bytes);
    require((size_t)(text.text - start) <= file_bytes - text.bytes);
    require(!memchr(text.text, '\n', text.bytes) && !memchr(text.text, '\0', text.bytes));
    require(!memchr(" \t\r", text.text[0], 3) && !memchr(" \t\r", text.text[text.bytes - 1], 3));
}

static void read_file(const uint8_t *data, size_t size)
{
    const size_t asked = size > 0 && data[0] < size ? data[0] : 0;
    const size_t file_at = size > 0 ? 1 + asked : 0;
    const struct config_text section = {(const char *)data + (size > 0), asked};
    const uint8_t *file = data + file_at;
    struct config config;
    enum config_defect defect;

    memset(&config, 0xa5, sizeof(config));
    defect = config_read(file, size - file_at, section, &config);
    require(defect == CONFIG_OK || defect == CONFIG_NO_SECTION ||
            (defect == CONFIG_NO_DEFAULT && asked == 0));
    require_text(config.options, file, size - file_at);
    require_text(config.kernel, file, size - file_at);
    require_text(config.kernel_args, file, size - file_at);
    require_text(config.ramdisk, file, size - file_at);
    require(config.kernel.bytes != 0 || config.kernel_args.bytes == 0);
    require(defect == CONFIG_OK ||
            config.options.bytes + config.kernel.bytes + config.ramdisk.bytes == 0);
}

static void read_load_options(const uint8_t *data, size_t size)
{
    const size_t out_bytes = size % 64 + 1;
    char *out = malloc(out_bytes);
    bool good = load_options_text(data, size, out, out_bytes) == LOAD_OPTIONS_OK;
    size_t length;

    require(memchr(out, '\0', out_bytes) != NULL);
    length = strlen(out);
    require(good || length == 0);
    require(length <= size / 2);
    for (size_t i = 0; i < length; i++) {
        require(out[i] >= ' ' && out[i] <= '~');
    }
    free(out);
}

/* Nodes; at most 32 characters with the NUL. */
static void read_device_path(const uint8_t *data, size_t size)
{
    const size_t out_characters = size % 32 + 1;
    uint16_t *out = malloc(out_characters * sizeof(*out));
    bool good = device_path_folder(data, size, out, out_characters);
    size_t length = 0;

    while (out[length] != 0) {
        length++;
    }
    require(length < out_characters && length <= size);
    require(length == 0 || (good && out[length - 1] == '\\'));
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_device_path(data, size);
    read_file(data, size);
    read_load_options(data, size);
    return 0;
}
