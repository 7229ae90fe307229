/*
 * The input is physical memory from a low address on: first PVH's start information, then whatever
 * it points to.
 */
#include <stddef.h>
#include <stdint.h>

#include "abi/pvh.h"
#include "sound.h"

#define INFO_PA 0x100

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct boot_info info;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *memory = malloc(INFO_PA + size);
    struct physical_view view = {.bytes = memory, .size = INFO_PA + size};
    struct status status;

    memset(memory, 0xa5, INFO_PA);
    memcpy(memory + INFO_PA, bytes, size);
    memset(&info, 0xa5, offsetof(struct boot_info, strings));
    status = pvh_decode(&view, INFO_PA, &info);
    memset(memory, 0xee, INFO_PA + size); /* all that is kept must have been copied */
    if (is_ok(status)) {
        require_sound(&info);
        require(info.protocol == PROTOCOL_PVH && info.firmware == FIRMWARE_NONE);
        for (uint32_t i = 0; i < info.module_count; i++) {
            require(info.modules[i].bytes.end <= view.size);
        }
    } else if (status.code == INFO_UNREACHABLE) {
        require(status.offset == INFO_PA && size < sizeof(struct pvh_start_info));
    } else if (status.code == INFO_BAD_MAGIC) {
        require(status.offset <= UINT32_MAX);
    } else {
        require(status.code > INFO_UNREACHABLE && status.code <= INFO_STRINGS_FULL);
        require(status.offset < sizeof(struct pvh_start_info));
    }
    free(memory);
    return 0;
}
