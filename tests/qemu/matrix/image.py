"""Berth's image as the matrix needs it: its bytes, its size in memory, where its symbols are, and its revision."""
import hashlib
import re
import struct
import subprocess

import berth_shim
import mb2patch

from . import BUILD

SLOT_BYTES = 2 << 20
FIRST_SLOT = SLOT_BYTES
# "Berth 0.1.0 (gcc 12.2.0, git 1a2b3c4)": the banner, as the image holds it.
REVISION = re.compile(rb"git ([0-9a-z]+)")


class Image:
    def __init__(self, build=BUILD):
        self.path = build / "berth"
        self.bytes = self.path.read_bytes()
        self.sha256 = hashlib.sha256(self.bytes).hexdigest()
        elf = berth_shim.Elf(self.bytes)
        self.memory_bytes = elf.bytes
        # One segment holds everything (xen.lds.S).
        (_, _, self.loaded, _), = elf.segments
        self.relocatable_at = mb2patch.relocatable_tag(self.bytes)
        listing = subprocess.run(["nm", str(build / "berth.debug")], check=True, capture_output=True, text=True).stdout
        self.symbols = {name: int(address, 16) for address, _, name in map(str.split, listing.splitlines())}

    @property
    def link_va(self):
        return self.symbols["_start"]

    def offset(self, symbol):
        return self.symbols[symbol] - self.link_va

    def in_file(self, offset, count):
        """Bytes of the image in memory, as the file has them."""
        return self.loaded[offset:offset + count]

    @property
    def listed_entries(self):
        """Offsets of the boot tables' entries that hold addresses of the image: .pte_rel (boot/pagetables.S)."""
        start, end = self.offset("__pte_rel_start"), self.offset("__pte_rel_end")
        return struct.unpack(f"<{(end - start) // 4}I", self.in_file(start, end - start))

    def window(self, start, end):
        """The relocatable tag with another range: the image must lie in [start, end)."""
        at, size = self.relocatable_at, mb2patch.RELOCATABLE.size
        return mb2patch.patch(self.bytes, start, end, SLOT_BYTES, mb2patch.PREFERENCES["none"])[at:at + size]

    @property
    def revision(self):
        found = REVISION.search(self.bytes)
        return found[1].decode() if found else "unknown"


def revision_of_tree():
    """What `git describe` says of the sources; the image's own bytes are what results are kept for."""
    done = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
