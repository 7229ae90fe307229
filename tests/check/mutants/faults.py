"""The faults. `old`, once in the file, becomes `new`; `case` is a case of the matrix that fails then."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Fault:
    name: str
    file: str
    old: str
    new: str
    case: str


FAULTS = (
    Fault("page-table entry without its offset", "boot/head.S",
          "cmp     $sym_offs(__pte_rel_end), %edi", "cmp     $sym_offs(__pte_rel_end) - 4, %edi",
          "axes.base=0x7e00000"),
    Fault("memory above 2 GiB is not mapped", "boot/pagetables.S",
          ".rept IDENTITY_MAP_BYTES / L3_PAGE_BYTES", ".rept 2",
          "axes.machine=pc,memory=4G"),
    Fault("limit of %fs one page short", "xen.lds.S",
          "/ PAGE_BYTES - 1;", "/ PAGE_BYTES - 2;",
          "slots-bios.0x7e00000"),
    Fault("base of %fs truncated to 24 bits", "boot/head.S",
          "        mov     %ah, sym_esi(boot_gdt + SEL_BOOT_FS + DESC_BASE_24_31)\n", "",
          "axes.base=0x7e00000"),
    Fault("pages of an unaligned image shifted by one", "boot/head.S",
          "lea     PTE_RWX(%esi), %eax", "lea     PTE_RWX + PAGE_BYTES(%esi), %eax",
          "offsets.0x1801000"),
    Fault("the moved image's tables keep their old place", "arch/x86/cpu/image.c",
          "+= journey->to.pa - journey->from.pa;", "+= 0 * (journey->to.pa - journey->from.pa);",
          "axes.loader=grub-bios-mb1"),
    Fault("a module is not copied", "boot/guest.c",
          "if (guest->place.initrd.start != guest->initrd.start) {",
          "if (guest->place.initrd.start > guest->initrd.start + IDENTITY_MAP_BYTES) {",
          "pairs.loader=efi-direct,guest=zp32-lowinitrd"),
    Fault("a module's end is cut to a page", "boot/info/boot_info.c",
          ".bytes = {start, end}", ".bytes = {start, end & ~0xfffULL}",
          "axes.default"),
    Fault("a reservation ends one page early", "arch/x86/mm/memmap.c",
          "(struct memory_range){{start, end}, type}",
          "(struct memory_range){{start, is_ram(type) ? end : end - 0x1000}, type}",
          "slots-bios.0x7e00000"),
    Fault("RAM begins one page early", "arch/x86/mm/memmap.c",
          "(struct memory_range){{start, end}, type}",
          "(struct memory_range){{is_ram(type) && start ? start - 0x1000 : start, end}, type}",
          "axes.default"),
    Fault("data is executable", "include/x86/paging.h",
          "PTE_DIRTY + PTE_GLOBAL + PTE_NX)", "PTE_DIRTY + PTE_GLOBAL)",
          "slots-bios.0x7e00000"),
    Fault("the UEFI stage leaves with half its base", "efi/entry.S",
          "mov     %r15d, %esi", "movzwl  %r15w, %esi",
          "axes.loader=grub-efi"),
    Fault("the address of the zero page is cut", "arch/x86/guest/native/jump.S",
          "        xor     %edi, %edi\n        xor     %ebp, %ebp\n        .irp",
          "        movzwl  %si, %esi\n        xor     %edi, %edi\n        xor     %ebp, %ebp\n        .irp",
          "axes.default"),
)
