"""Berth's image as the matrix needs it: its bytes, its size in memory, where its symbols are, and its revision."""
import hashlib
import re
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
        self.memory_bytes = berth_shim.Elf(self.bytes).bytes
        self.relocatable_at = mb2patch.relocatable_tag(self.bytes)
        listing = subprocess.run(["nm", str(build / "berth.debug")], check=True, capture_output=True, text=True).stdout
        self.symbols = {name: int(address, 16) for address, _, name in map(str.split, listing.splitlines())}

    @property
    def link_va(self):
        return self.symbols["_start"]

    def offset(self, symbol):
        return self.symbols[symbol] - self.link_va

    def in_file(self, offset, count):
        """Bytes of the image in memory, as the file has them. One segment holds everything (xen.lds.S)."""
        (_, _, data, _), = berth_shim.Elf(self.bytes).segments
        return data[offset:offset + count]

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
