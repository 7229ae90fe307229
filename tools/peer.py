#!/usr/bin/python3
"""The peer that Berth's costs are compared with, Debian's Xen: fetched without installing it, and started.

usage: peer.py [--into build/xen]

Prints the path of the hypervisor, <into>/xen: an ELF file that GRUB's `multiboot` command loads at a fixed address.
"""
import argparse
import gzip
import os
import pathlib
import shutil
import sys

import fetch_kernel
import mkiso

PACKAGE = "xen-hypervisor-4.17-amd64"
# Where multiboot1 enters it: the ELF header's entry point.
ENTRY = 0x200000
# How it runs the kernel: its own command line; PVH wants to be told how much memory that has.
MODES = {"PVH": "dom0=pvh dom0_mem=512M console=none loglvl=none", "PV": "console=none loglvl=none"}


def fetch_xen(into="build/xen"):
    """Path of the hypervisor. Raises FetchError."""
    home = pathlib.Path(into).absolute()
    image = home / "xen"
    if image.exists():
        return image
    work = home.with_name(f"{home.name}.tmp-{os.getpid()}")
    work.mkdir(parents=True)
    try:
        files = fetch_kernel.unpacked(lambda: PACKAGE, work)
        home.mkdir(parents=True, exist_ok=True)
        (work / "xen").write_bytes(gzip.decompress(fetch_kernel.one_file(files, "xen-*-amd64.gz").read_bytes()))
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
    except (fetch_kernel.FetchError, OSError) as error:
        sys.exit(f"peer: {error}")


if __name__ == "__main__":
    main()
