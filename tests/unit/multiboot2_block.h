/*
 * For tests: multiboot2 information blocks put together tag by tag, and shown to the decoder.
 */
#ifndef TEST_MULTIBOOT2_BLOCK_H
#define TEST_MULTIBOOT2_BLOCK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "abi/multiboot2.h"
#include "abi/multiboot_headers.h"
#include "block.h"
#include "boot_info.h"

#define INFO_PA   0x1008
#define FIRST_TAG 8 /* offset of the first tag in a block */

#define GRUB2 "GRUB 2.06-13+deb12u2"

static struct block block;
static struct boot_info info;
static uint8_t map_storage[BOOT_EFI_MAP_BYTES];
static uint8_t *map_room = map_storage;

/* --- building blocks --- */

static inline void start_block(void)
{
    block.size = 0;
    put32(&block, 0);
    put32(&block, 0);
}

/* Returns the tag's offset; end_tag fills in its size. */
static inline size_t start_tag(uint32_t type)
{
    size_t at;

    pad_to(&block, (block.size + 7) & ~(size_t)7);
    at = block.size;
    put32(&block, type);
    put32(&block, 0);
    return at;
}

static inline size_t end_tag(size_t at)
{
    set32(&block, at + 4, (uint32_t)(block.size - at));
    return at;
}

static inline size_t string_tag(uint32_t type, const char *text)
{
    size_t at = start_tag(type);

    put_string(&block, text);
    return end_tag(at);
}

static inline size_t module_tag(uint32_t start, uint32_t end, const char *text)
{
    size_t at = start_tag(MB2_TAG_MODULE);

    put32(&block, start);
    put32(&block, end);
    put_string(&block, text);
    return end_tag(at);
}

static inline size_t start_map_tag(uint32_t entry_bytes)
{
    size_t at = start_tag(MB2_TAG_MEMORY_MAP);

    put32(&block, entry_bytes);
    put32(&block, 0);
    return at;
}

static inline void map_entry(uint64_t base, uint64_t length, uint32_t type)
{
    put64(&block, base);
    put64(&block, length);
    put32(&block, type);
    put32(&block, 0xa5a5a5a5);
}

static inline size_t efi_map_tag(uint32_t descriptor_bytes, size_t map_bytes)
{
    size_t at = start_tag(MB2_TAG_EFI_MAP);

    put32(&block, descriptor_bytes);
    put32(&block, 1);
    for (size_t i = 0; i < map_bytes; i++) {
        put8(&block, (uint8_t)i);
    }
    return end_tag(at);
}

static inline size_t value32_tag(uint32_t type, uint32_t value)
{
    size_t at = start_tag(type);

    put32(&block, value);
    return end_tag(at);
}

static inline size_t value64_tag(uint32_t type, uint64_t value)
{
    size_t at = start_tag(type);

    put64(&block, value);
    return end_tag(at);
}

/* A tag of `bytes` bytes in all, which count up from 0 behind its header. */
static inline size_t sized_tag(uint32_t type, size_t bytes)
{
    size_t at = start_tag(type);

    for (size_t i = 8; i < bytes; i++) {
        put8(&block, (uint8_t)(i - 8));
    }
    return end_tag(at);
}

static inline size_t framebuffer_tag(uint8_t type, size_t color_bytes)
{
    size_t at = start_tag(MB2_TAG_FRAMEBUFFER);

    put64(&block, 0x1fd000000);
    put32(&block, 5120);
    put32(&block, 1280);
    put32(&block, 800);
    put8(&block, 32);
    put8(&block, type);
    put16(&block, 0xa5a5);
    for (size_t i = 0; i < color_bytes; i++) {
        put8(&block, (uint8_t)(16 - i));
    }
    return end_tag(at);
}

/* --- decoding them --- */

static inline struct status decode_bytes(const void *bytes, size_t size, uint64_t pa)
{
    struct physical_view memory = memory_with(pa, bytes, size);
    struct entry_regs regs = {.magic = MB2_BOOT_MAGIC, .info_pa = (uint32_t)pa};
    struct status status;

    memset(&info, 0xa5, sizeof(info));
    info.efi.map_room = map_room;
    status = boot_info_decode(&regs, &memory, &info);
    /* Whatever was kept must have been copied. */
    memset((void *)(uintptr_t)memory.bytes, 0xee, memory.size);
    memory_free(memory);
    return status;
}

static inline struct status decode(void)
{
    set32(&block, 0, (uint32_t)block.size);
    return decode_bytes(block.bytes, block.size, INFO_PA);
}

static inline void decode_good(void)
{
    struct status status;

    end_tag(start_tag(MB2_TAG_END));
    status = decode();
    assert_int_equal(status.code, STATUS_OK);
    assert_int_equal(status.offset, 0);
}

static inline void assert_status(struct status status, enum status_code code, uint64_t offset)
{
    assert_int_equal(status.code, code);
    assert_int_equal(status.offset, offset);
}

/* The block up to here is refused, with a proper end tag. */
static inline void assert_refused(enum status_code code, uint64_t offset)
{
    end_tag(start_tag(MB2_TAG_END));
    assert_status(decode(), code, offset);
}

static inline int before_each(void **state)
{
    (void)state;
    start_block();
    return 0;
}

/* A block with one of each tag, as a loader would make it. */
static inline void build_full_block(void)
{
    start_block();
    string_tag(MB2_TAG_CMDLINE, "com1=115200 dom0=native");
    string_tag(MB2_TAG_LOADER_NAME, GRUB2);
    module_tag(0x400000, 0x900000, "console=ttyS0");
    module_tag(0x900000, 0x900001, "");
    value64_tag(MB2_TAG_BASIC_MEMORY, 0x0001fb8000000280);
    sized_tag(MB2_TAG_BIOS_DEVICE, 20);
    {
        size_t at = start_map_tag(24);

        map_entry(0, 0x9fc00, 1);
        map_entry(0x9fc00, 0x400, 2);
        map_entry(0x100000, 0x7ee0000, 1);
        end_tag(at);
    }
    framebuffer_tag(MB2_FRAMEBUFFER_RGB, 6);
    sized_tag(MB2_TAG_ELF_SECTIONS, 60);
    sized_tag(MB2_TAG_APM, 28);
    value64_tag(MB2_TAG_EFI64, 0x7f5ec018);
    sized_tag(MB2_TAG_SMBIOS, 16 + 24);
    sized_tag(MB2_TAG_ACPI_OLD, 28);
    sized_tag(MB2_TAG_ACPI_NEW, 44);
    efi_map_tag(48, 96);
    sized_tag(MB2_TAG_EFI_BS, 8);
    value64_tag(MB2_TAG_EFI64_IMAGE, 0x7e3b8c98);
    value32_tag(MB2_TAG_LOAD_BASE, 0x7de00000);
    end_tag(start_tag(MB2_TAG_END));
    set32(&block, 0, (uint32_t)block.size);
}

#endif
