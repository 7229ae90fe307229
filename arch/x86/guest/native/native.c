/*
 * The last jump into a native kernel. The code that makes it runs at its load address, which the
 * page tables map at its own place, because the kernel is entered there too (or without paging).
 */
#include "native.h"

#include "abi/linux_entry.h"
#include "console.h"
#include "image.h"
#include "page_tables.h"
#include "processor_state.h"

typedef void native_jump_fn(uint64_t entry_pa, uint64_t zero_page_pa, uint64_t gdt_pa,
                            uint64_t stack_pa);

native_jump_fn native_jump_64, native_jump_32;
extern const uint8_t native_gdt_64[], native_gdt_32[], boot_stack_top[];

static uint64_t at_load_address(const struct native_entry *entry, const void *place)
{
    return entry->image.pa + image_offset(place);
}

paddr_t native_entry_point(const struct native_entry *entry)
{
    return (paddr_t){entry->kernel.pa + (entry->entry_64 ? LINUX_ENTRY_64_OFFSET : 0)};
}

NORETURN void native_start(const struct native_entry *entry)
{
    native_jump_fn *const linked = entry->entry_64 ? native_jump_64 : native_jump_32;
    native_jump_fn *const jump =
        (native_jump_fn *)at_load_address(entry, (const void *)(uintptr_t)linked);
    const uint8_t *gdt = entry->entry_64 ? native_gdt_64 : native_gdt_32;

    console_retreat();
    processor_state_leave();
    /* Linux expects its memory at its own address, to be written and executed. */
    page_tables_use_boot(entry->image);
    jump(native_entry_point(entry).pa, entry->zero_page.pa, at_load_address(entry, gdt),
         at_load_address(entry, boot_stack_top));
    __builtin_unreachable();
}
