/*
 * The boot page tables, as data.
 *
 *   l4[0]    -> l3_identity[0..3] -> l2_identity: the low 4 GiB at their own addresses, in 2 MiB pages
 *   l4[261]  -> l3_image[321]     -> l2_image[1]: the image at its link address, one 2 MiB page
 *   l4[262]  -> l3_identity:                      the same 4 GiB again, as the direct map that C reads memory through
 *
 * An entry that holds an address inside the image is written as an offset from the image's start, through the macro
 * `relative`, which also lists it in .pte_rel: adding the load base to all listed entries is all that it takes to make
 * the tables good for that base, at start (head.S) and when the image moves (cpu/image.c).
 */
#include "x86/image.h"
#include "x86/address_map.h"
#include "x86/paging.h"

        .set pte_rel_count, 0

/* One entry: the offset of \target in the image, with \flags; listed. */
.macro relative target, flags
        .pushsection .pte_rel, "a", @progbits
        .long sym_offs(.Lentry\@)
        .popsection
.Lentry\@:
        .quad sym_offs(\target) + \flags
        .set pte_rel_count, pte_rel_count + 1
.endm

/* Empty entries up to \slot of the table at \table. */
.macro up_to table, slot
        .fill (\slot) - (. - \table) / PTE_BYTES, PTE_BYTES, 0
.endm

        .section .data.page_tables, "aw", @progbits
        .balign PAGE_BYTES
        .globl boot_page_table_l4
boot_page_table_l4:
        relative l3_identity, PTE_TABLE
        up_to boot_page_table_l4, L4_SLOT(XEN_VIRT_START)
        relative l3_image, PTE_TABLE
        up_to boot_page_table_l4, L4_SLOT(DIRECT_MAP_START)
        relative l3_identity, PTE_TABLE
        up_to boot_page_table_l4, PT_ENTRIES

l3_identity:
        .set gigabyte, 0
        .rept IDENTITY_MAP_BYTES / L3_PAGE_BYTES
        relative (l2_identity + gigabyte * PAGE_BYTES), PTE_TABLE
        .set gigabyte, gigabyte + 1
        .endr
        up_to l3_identity, PT_ENTRIES

l3_image:
        up_to l3_image, L3_SLOT(XEN_VIRT_START)
        relative l2_image, PTE_TABLE
        up_to l3_image, PT_ENTRIES

l2_image:
        up_to l2_image, L2_SLOT(IMAGE_LINK_VA)
        .globl l2_image_leaf
l2_image_leaf:
        relative _start, PTE_RWX + PTE_LARGE
        up_to l2_image, PT_ENTRIES

l2_identity:
        .set address, 0
        .rept IDENTITY_MAP_BYTES / L2_PAGE_BYTES
        .quad address + PTE_RWX + PTE_LARGE
        .set address, address + L2_PAGE_BYTES
        .endr

        .globl pte_rel_count

/* For an image that lies across slots (head.S) or has moved (cpu/image.c): hung into l2_image in place of the leaf. */
        .section .bss..noinit.page, "aw", @nobits
        .balign PAGE_BYTES
        .globl l1_image
l1_image:
        .skip PAGE_BYTES
