/*
 * The EFI stage: everything between the firmware's jump and ExitBootServices. Private to efi/.
 */
#ifndef EFI_STAGE_H
#define EFI_STAGE_H

#include "abi/efi.h"
#include "abi/efi_layout.h"
#include "boot_info.h"
#include "config.h"
#include "efi_handoff.h"

/* Bytes below 4 GiB: a section where it lies, or memory of the firmware with one spare byte behind them. */
struct efi_content {
    struct prange bytes;
    bool allocated;
};

/*
 * How often ExitBootServices is tried. More than one failure means firmware whose memory map keeps changing; the bound
 * is there so that this ends.
 */
#define EXIT_ATTEMPTS 32

/* Who called; and what is given back when there is no going on. */
struct efi_start {
    uint64_t base; /* of the image that is running */
    uint64_t
        loaded_at; /* of the image that the firmware started; differs when it lay above 4 GiB */
    uint64_t entry_tsc;
    enum entry_path path;
    uint32_t info_pa; /* multiboot2 only */
    efi_handle image;
    struct efi_system_table *system;
    uint64_t way_back;         /* out of the stage: efi/entry.S */
    struct efi_content kernel; /* these two: what efi_load_guest has read */
    struct efi_content ramdisk;
};

/* Printing, on the firmware's console and on COM1, until ExitBootServices. */
void efi_console_start(struct efi_system_table *system);
void efi_console_stop(void);

/*
 * Memory for a module below 4 GiB.
 *
 * @return  its address, 0 when there is none
 */
uint64_t efi_memory_below_4g(struct efi_system_table *system, uint64_t bytes);

/*
 * The configuration of an image started by the firmware: modules and command lines into the handoff.
 *
 * @return  EFI_SUCCESS, or what to return to the firmware; the error has been printed
 */
efi_status efi_load_guest(struct efi_start *start, struct efi_handoff *handoff);

/* Give back what it has read. It has done so itself where it failed; twice is once. */
void efi_guest_free(struct efi_start *start);

/* Ask the firmware for what only it knows: tables, framebuffer, Secure Boot. */
void efi_gather(const struct efi_start *start, struct efi_handoff *handoff);

#endif
