/*
 * Any bytes as a kernel file; what is accepted keeps its promises, and a zero page can be made from
 * it.
 */
#include <stdlib.h>
#include <string.h>

#include "bzimage.h"
#include "zeropage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void make_zero_page(const uint8_t *data, size_t size, const struct bzimage *kernel)
{
    static struct memmap map;
    struct boot_framebuffer framebuffer = {.kind = FRAMEBUFFER_TEXT};
    struct zeropage_request request = {
        .kernel_file = data,
        .kernel_file_bytes = size,
        .kernel = kernel,
        .cmdline = "console=ttyS0",
        .map = &map,
        .framebuffer = &framebuffer,
    };

    map.count = kernel->payload_bytes % 200;
    for (uint32_t i = 0; i < map.count; i++) {
        map.ranges[i] = (struct memory_range){{i * 2ULL, i * 2ULL + 1}, MEMORY_RAM};
    }
    uint64_t bytes = zeropage_bytes(&request);
    uint8_t *block = malloc(bytes);

    require(block != NULL);
    zeropage_build(&request, block, bytes);
    require(block[bytes - 1] == '\0');
    free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bzimage kernel;

    memset(&kernel, 0xff, sizeof(kernel));
    if (!is_ok(bzimage_parse(data, size, &kernel))) {
        return 0;
    }
    require(kernel.payload_bytes > 0 && kernel.payload_offset <= size);
    require(kernel.payload_bytes <= size - kernel.payload_offset);
    require(kernel.init_bytes >= kernel.payload_bytes);
    require(kernel.alignment != 0 && (kernel.alignment & (kernel.alignment - 1)) == 0);
    require(kernel.header_bytes <= 0x281 - 0x1f1 && kernel.initrd_below != 0 &&
            kernel.preferred != 0);
    require(memchr(kernel.version, '\0', sizeof(kernel.version)) != NULL);
    make_zero_page(data, size, &kernel);
    return 0;
}
