#!/usr/bin/python3
"""Put a configuration, a kernel and an initrd into a copy of berth.efi: one file to start and, above all, to sign.

usage: unify.py build/berth.efi [--config FILE] [--kernel FILE] [--ramdisk FILE] OUT

They become the sections .config, .kernel and .ramdisk, which Berth prefers to files of the same purpose. What is in the
image stays where it is: the sections are appended, and only the PE headers change, so that every loader that took
berth.efi takes OUT as well. GNU objcopy --add-section cannot do that: it writes the whole file anew, and the multiboot
headers, which lie between the PE headers and the first section and belong to neither, are lost.

A signature covers the whole file: an image that is signed already is refused, sign the result.
"""
import argparse
import pathlib
import sys

import peimage

PARTS = {"config": ".config", "kernel": ".kernel", "ramdisk": ".ramdisk"}
FOUR_GIB = 1 << 32


def align(value, alignment):
    return -(-value // alignment) * alignment


def check_base(image, pe, names):
    if pe.is_signed:
        raise peimage.PeError("the image is signed, and would not be any more: sign the result instead")
    if align(pe.file_end, pe.file_alignment) < align(len(image), pe.file_alignment):
        raise peimage.PeError(f"{len(image) - pe.file_end} bytes behind the last section belong to no section")
    for name in names:
        if pe.section(name):
            raise peimage.PeError(f"there is a section {name} already")
    end = pe.section_table_end + len(names) * peimage.SECTION.size
    if end > min(pe.headers_bytes, len(image)) or any(image[pe.section_table_end:end]):
        raise peimage.PeError(f"there is no room for {len(names)} more section headers")


def unify(image, parts):
    """The image's bytes with further sections. `parts`: {section name: its bytes}. Raises peimage.PeError."""
    pe = peimage.PeImage(image)
    for name, content in parts.items():
        if not content:
            raise peimage.PeError(f"nothing to put into {name}: the file is empty")
        if not name.isascii() or len(name) > 8:
            raise peimage.PeError(f"{name!r} is no name of a section")
    check_base(image, pe, parts)

    out = bytearray(image)
    rva, added, header = pe.image_bytes, 0, pe.section_table_end
    for name, content in parts.items():
        out += bytes(align(len(out), pe.file_alignment) - len(out))
        section = peimage.Section(name, len(content), align(rva, pe.section_alignment),
                                  align(len(content), pe.file_alignment), len(out),
                                  peimage.SECTION_INITIALISED | peimage.SECTION_READ, header)
        out += content + bytes(section.raw_bytes - len(content))
        out[header:header + peimage.SECTION.size] = section.pack()
        header += peimage.SECTION.size
        rva = align(section.virtual_end, pe.section_alignment)
        added += section.raw_bytes
    if rva >= FOUR_GIB or len(out) >= FOUR_GIB:
        raise peimage.PeError("the result is larger than a PE image can be (4 GiB)")
    peimage.put(out, pe, section_count=pe.section_count + len(parts), image_bytes=rva,
                initialised_bytes=pe.initialised_bytes + added, checksum=0)
    return bytes(out)


def unify_files(base, out, **paths):
    """`paths`: config=, kernel=, ramdisk=; None leaves one out."""
    parts = {section: pathlib.Path(paths[key]).read_bytes() for key, section in PARTS.items() if paths.get(key)}
    if not parts:
        raise peimage.PeError("nothing to put into it: give --config, --kernel or --ramdisk")
    result = unify(pathlib.Path(base).read_bytes(), parts)
    pathlib.Path(out).write_bytes(result)
    return pathlib.Path(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image")
    parser.add_argument("out")
    for key in PARTS:
        parser.add_argument(f"--{key}", metavar="FILE")
    arguments = parser.parse_args()
    try:
        unify_files(arguments.image, arguments.out, **{key: getattr(arguments, key) for key in PARTS})
    except (peimage.PeError, OSError) as error:
        sys.exit(f"unify: {arguments.image}: {error}")


if __name__ == "__main__":
    main()
