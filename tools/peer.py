#!/usr/bin/python3
"""The peer that Berth's costs are compared with, Debian's Xen: fetched without installing it, and started.

usage: peer.py [--into build/xen]

Prints the path of the hypervisor, <into>/xen: an ELF file that GRUB's `multiboot` command loads at a fixed address.
"""
import argparse
import gzip
import lzma
import os
import pathlib
import shutil
import struct
import sys

import mkiso
from fetch_kernel import FetchError, one_file, unpacked

PACKAGE = "xen-hypervisor-4.17-amd64"
# Where multiboot1 enters it: the ELF header's entry point.
ENTRY = 0x200000
# How it runs the kernel: its own command line; PVH wants to be told how much memory that has.
MODES = {"PVH": "dom0=pvh dom0_mem=512M console=none loglvl=none", "PV": "console=none loglvl=none"}
# Notes in a kernel by which Xen finds where to enter it: xen/include/public/elfnote.h, by number.
ENTRY_NOTES = {"PVH": 18, "PV": 1}


def kernel_elf(bzimage):
    """The kernel proper out of a file compressed by xz: Linux Documentation/arch/x86/boot.rst, "payload_offset"."""
    sectors, (offset, length) = bzimage[0x1F1], struct.unpack_from("<II", bzimage, 0x248)
    payload = bzimage[(sectors + 1) * 512 + offset:][:length]
    return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(payload)


def kernel_entry(bzimage, mode):
    """The address at which Xen enters a kernel, by the note in its ELF file: physical for PVH, virtual for PV."""
    elf = kernel_elf(bzimage)
    headers, = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    for at in range(headers, headers + size * count, size):
        kind, _, start, _, _, length = struct.unpack_from("<IIQQQQ", elf, at)
        end = start + length
        while kind == 4 and start < end:  # PT_NOTE
            name, value, number = struct.unpack_from("<III", elf, start)
            content = start + 12 + (name + 3 & ~3)
            if (elf[start + 12:start + 16], number) == (b"Xen\0", ENTRY_NOTES[mode]):
                return int.from_bytes(elf[content:content + value], "little")
            start = content + (value + 3 & ~3)
    raise FetchError(f"the kernel does not say where Xen's {mode} mode is to enter it")


def fetch_xen(into="build/xen"):
    """Path of the hypervisor. Raises FetchError."""
    home = pathlib.Path(into).absolute()
    image = home / "xen"
    if image.exists():
        return image
    work = home.with_name(f"{home.name}.tmp-{os.getpid()}")
    work.mkdir(parents=True)
    try:
        files = unpacked(lambda: PACKAGE, work)
        home.mkdir(parents=True, exist_ok=True)
        (work / "xen").write_bytes(gzip.decompress(one_file(files, "xen-*-amd64.gz").read_bytes()))
        os.replace(work / "xen", image)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return image


def iso(out, image, mode, kernel, kernel_cmdline, initrd):
    """An ISO that starts it with a kernel as its first domain."""
    return mkiso.berth_iso(out, image, MODES[mode], [(kernel, kernel_cmdline), (initrd, "")], protocol="multiboot")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", default="build/xen")
    arguments = parser.parse_args()
    try:
        print(fetch_xen(arguments.into))
    except (FetchError, OSError) as error:
        sys.exit(f"peer: {error}")


if __name__ == "__main__":
    main()
