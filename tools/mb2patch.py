#!/usr/bin/python3
"""Change the multiboot2 header in a copy of an image: its relocatable tag, or which tags it has.

usage: mb2patch.py IN OUT [--min N] [--max N] [--align N] [--preference none|lowest|highest]
       mb2patch.py IN OUT --remove
       mb2patch.py IN OUT --remove-tag KIND [--remove-tag KIND]...

  --max          end of the range the image must lie in, exclusive
  --remove       make the relocatable tag an unknown, optional one: loaders load the image where it is linked
  --remove-tag   the same for tags of another kind, e.g. 7: the loader ends UEFI's boot services

Numbers may be given as 0x... Source: Multiboot2 specification 2.0, sections 3.1.1 and 3.1.13.
"""
import argparse
import pathlib
import struct
import sys

HEADER_MAGIC = 0xE85250D6
HEADER_SEARCH_BYTES = 32768
HEADER_ALIGNMENT = 8
HEADER = struct.Struct("<IIII")  # magic, architecture, header_length, checksum
TAG = struct.Struct("<HHI")  # type, flags, size
RELOCATABLE = struct.Struct("<HHIIIII")  # type, flags, size, min_addr, max_addr, align, preference
TAG_END = 0
TAG_EFI_BOOT_SERVICES = 7
TAG_ENTRY_EFI64 = 9
TAG_RELOCATABLE = 10
TAG_FLAG_OPTIONAL = 1
TAG_UNKNOWN = 0x7FFF  # no specification gives this type a meaning
PREFERENCES = {"none": 0, "lowest": 1, "highest": 2}


class PatchError(Exception):
    pass


def find_header(image):
    """Offset of the multiboot2 header, and its length."""
    for offset in range(0, min(len(image), HEADER_SEARCH_BYTES) - HEADER.size + 1, HEADER_ALIGNMENT):
        magic, architecture, length, checksum = HEADER.unpack_from(image, offset)
        if magic == HEADER_MAGIC and (magic + architecture + length + checksum) & 0xFFFFFFFF == 0:
            return offset, length
    raise PatchError("no multiboot2 header in the first 32 KiB")


def tags(image):
    """(offset, type, flags, size) of every tag of the header, the end tag included."""
    header, length = find_header(image)
    offset, end = header + HEADER.size, header + length
    while offset + TAG.size <= end:
        kind, flags, size = TAG.unpack_from(image, offset)
        yield offset, kind, flags, size
        if kind == TAG_END:
            return
        if size < TAG.size:
            raise PatchError(f"header tag at {offset:#x} has size {size}")
        offset += (size + HEADER_ALIGNMENT - 1) & -HEADER_ALIGNMENT
    raise PatchError("the multiboot2 header has no end tag")


def relocatable_tag(image):
    for offset, kind, _, size in tags(image):
        if kind == TAG_RELOCATABLE and size == RELOCATABLE.size:
            return offset
    raise PatchError("the multiboot2 header has no relocatable tag")


def patch(image, min_addr=None, max_addr=None, align=None, preference=None):
    """The image's bytes with these fields replaced; None leaves a field as it is."""
    image = bytearray(image)
    offset = relocatable_tag(image)
    kind, flags, size, *fields = RELOCATABLE.unpack_from(image, offset)
    wanted = (min_addr, max_addr, align, preference)
    fields = [old if new is None else new for old, new in zip(fields, wanted)]
    RELOCATABLE.pack_into(image, offset, kind, flags, size, *fields)
    return bytes(image)


def remove_tags(image, *kinds):
    """The image's bytes without tags of these kinds; each must be there."""
    image = bytearray(image)
    found = [(offset, kind) for offset, kind, _, _ in tags(image) if kind in kinds]
    for kind in kinds:
        if kind not in [there for _, there in found]:
            raise PatchError(f"the multiboot2 header has no tag {kind}")
    for offset, _ in found:
        struct.pack_into("<HH", image, offset, TAG_UNKNOWN, TAG_FLAG_OPTIONAL)
    return bytes(image)


def remove(image):
    """The image's bytes without a relocatable tag."""
    return remove_tags(image, TAG_RELOCATABLE)


def number(text):
    return int(text, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image")
    parser.add_argument("out")
    parser.add_argument("--min", type=number, dest="min_addr")
    parser.add_argument("--max", type=number, dest="max_addr")
    parser.add_argument("--align", type=number)
    parser.add_argument("--preference", choices=PREFERENCES)
    parser.add_argument("--remove", action="store_true")
    parser.add_argument("--remove-tag", type=number, action="append", default=[], metavar="KIND")
    arguments = parser.parse_args()
    try:
        image = pathlib.Path(arguments.image).read_bytes()
        if arguments.remove or arguments.remove_tag:
            image = remove_tags(image, *[TAG_RELOCATABLE] * arguments.remove, *arguments.remove_tag)
        else:
            image = patch(image, arguments.min_addr, arguments.max_addr, arguments.align,
                          PREFERENCES.get(arguments.preference))
        pathlib.Path(arguments.out).write_bytes(image)
    except (PatchError, OSError, struct.error) as error:
        sys.exit(f"mb2patch: {arguments.image}: {error}")


if __name__ == "__main__":
    main()
