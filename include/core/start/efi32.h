/*
 * 32-bit UEFI: a loader like GRUB's i386-efi enters boot/head.S with boot services alive and without a memory map. The
 * firmware is then called once more, with its IDT and paging as they were, on a stack of the size that it expects, and
 * with descriptors that suit its interrupt handlers.
 */
#ifndef START_EFI32_H
#define START_EFI32_H

#include <stdint.h>

#include "boot_info.h"
#include "compiler.h"
#include "efi_handoff.h"

/* UEFI 2.10 section 2.3.2: what the firmware expects of a stack. */
#define EFI32_STACK_BYTES 0x20000

/*
 * The processor as the loader left it, as far as the firmware needs it back. (The loader's GDT and stack are its own,
 * and lie in memory that is perhaps nobody's.) Writer: head.S.
 */
struct loader_state {
    uint16_t pad;
    uint16_t idt_limit; /* sidt writes six bytes from here */
    uint32_t idt_base;
    uint32_t cr0;
    uint32_t cr3;
    uint32_t cr4;
    uint32_t efer; /* its low half; the other is reserved */
};

/* What exit32.S asks of the firmware, and the answer. All addresses are physical. */
struct efi32_call {
    uint16_t pad;
    uint16_t gdt_limit; /* lgdt reads six bytes from here */
    uint32_t gdt_pa;
    uint32_t code; /* selectors of that table */
    uint32_t data;
    uint32_t stack_pa; /* its top */
    uint32_t get_memory_map;
    uint32_t exit_boot_services;
    uint32_t image;
    uint32_t map_pa;
    uint32_t map_capacity_bytes;
    uint32_t attempts; /* how often ExitBootServices is tried at most */
    uint32_t map_bytes;
    uint32_t key;
    uint32_t descriptor_bytes;
    uint32_t descriptor_version;
    uint32_t status; /* 0, or the firmware's last error */
};

/*
 * Get the memory map from the 32-bit firmware of `info`, and end its boot services. Stops with an error when that
 * fails.
 *
 * @info     says that boot services are alive, and where the system table is
 * @base     of the image
 * @stack    EFI32_STACK_BYTES in the image, aligned to 16, for the firmware
 * @handoff  receives the map
 */
void efi32_boot_services_exit(const struct boot_info *info, uint64_t base, uint8_t *stack,
                              struct efi_handoff *handoff);

#endif
