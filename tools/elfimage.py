#!/usr/bin/python3
"""Make every address in the headers of the stripped ELF file a physical one.

usage: elfimage.py FILE

Loaders enter the image without paging, and kexec takes a virtual address for a physical one. The file with the symbols
keeps the addresses that the code runs at. The file is changed in place. Source: System V ABI, chapters 4 and 5 (ELF64).
"""
import pathlib
import struct
import sys

ENTRY_AT, PROGRAM_TABLE_AT, SECTION_TABLE_AT, PROGRAM_SIZES_AT, SECTION_SIZES_AT = 24, 32, 40, 54, 58
P_TYPE, P_VADDR, P_PADDR = 0, 16, 24
SH_FLAGS, SH_ADDR = 8, 16
PT_LOAD, SHF_ALLOC = 1, 2


class ImageError(Exception):
    pass


def quadword(image, at):
    return struct.unpack_from("<Q", image, at)[0]


def table(image, table_at, sizes_at):
    """The offsets of a header table's entries."""
    entry_bytes, count = struct.unpack_from("<HH", image, sizes_at)
    start = quadword(image, table_at)
    return [start + number * entry_bytes for number in range(count)]


def to_physical(image):
    """Every virtual address of the ELF headers becomes the physical address of the same byte."""
    segments = table(image, PROGRAM_TABLE_AT, PROGRAM_SIZES_AT)
    loads = [at for at in segments if struct.unpack_from("<I", image, at + P_TYPE)[0] == PT_LOAD]
    if len(loads) != 1:
        raise ImageError(f"{len(loads)} loadable segments, expected one")
    distance = quadword(image, loads[0] + P_VADDR) - quadword(image, loads[0] + P_PADDR)
    sections = [at for at in table(image, SECTION_TABLE_AT, SECTION_SIZES_AT)
                if quadword(image, at + SH_FLAGS) & SHF_ALLOC]
    for at in [ENTRY_AT, *[at + P_VADDR for at in segments], *[at + SH_ADDR for at in sections]]:
        struct.pack_into("<Q", image, at, quadword(image, at) - distance)
    for at in segments:
        if quadword(image, at + P_VADDR) != quadword(image, at + P_PADDR):
            raise ImageError("the segments are not equally far from their physical addresses")


def main():
    path = pathlib.Path(sys.argv[1])
    try:
        image = bytearray(path.read_bytes())
        to_physical(image)
        path.write_bytes(image)
    except (ImageError, OSError, struct.error) as error:
        sys.exit(f"elfimage: {path}: {error}")


if __name__ == "__main__":
    main()
