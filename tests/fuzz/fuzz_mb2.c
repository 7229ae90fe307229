/*
 * The input is a multiboot2 information block, which lies at the end of memory.
 */
#include <stddef.h>
#include <stdint.h>

#include "abi/multiboot2.h"
#include "sound.h"

#define INFO_PA      0x1000
#define HEADER_BYTES sizeof(struct multiboot2_info)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct boot_info info;
static uint8_t map_room[BOOT_EFI_MAP_BYTES];

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *memory = malloc(INFO_PA + size);
    struct physical_view view = {.bytes = memory, .size = INFO_PA + size};
    struct status status;

    memset(memory, 0xa5, INFO_PA);
    memcpy(memory + INFO_PA, bytes, size);
    memset(&info, 0xa5, offsetof(struct boot_info, strings));
    info.efi.map_room = map_room;
    status = multiboot2_decode(&view, INFO_PA, &info);
    memset(memory, 0xee, INFO_PA + size); /* all that is kept must have been copied */
    if (is_ok(status)) {
        require_sound(&info);
        require(info.protocol == PROTOCOL_MULTIBOOT2);
    } else if (status.code == INFO_UNREACHABLE) {
        require(status.offset == INFO_PA && size < HEADER_BYTES);
    } else if (status.code == INFO_BAD_TOTAL_SIZE) {
        require(status.offset < HEADER_BYTES || status.offset > size);
    } else {
        /* Where an end tag is missing, the offset may lie in the padding behind the block. */
        require(status.code > INFO_UNREACHABLE && status.code <= INFO_STRINGS_FULL);
        require(status.offset >= HEADER_BYTES && status.offset <= size + 7);
    }
    free(memory);
    return 0;
}
