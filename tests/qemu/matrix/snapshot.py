"""A machine stopped in the middle of GRUB's script, just before `multiboot2`: made once, started from there many times.

GRUB stops the machine itself, by a write to QEMU's pvpanic device; nothing is typed. Its memory is a file, which every
later machine maps privately, so that nothing is copied but the pages that are written; the devices' state is another.
Before a machine goes on, the relocatable tag of the image that GRUB is about to read is changed in its memory.
"""
import dataclasses
import mmap
import os
import pathlib

import berth_qemu

from . import grub
from .image import SLOT_BYTES
from .vm import Vm

OVMF = "/usr/share/ovmf/OVMF.fd"
PVPANIC_PORT, PVPANIC_PANICKED = 0x505, 1
# What GRUB writes to the exit port when `boot` came back.
REFUSED = 0x40
REFUSED_STATUS = berth_qemu.debug_exit_status(REFUSED)
MAKE_SECONDS = 120
READY, SAVED = "READY", "SAVED"


@dataclasses.dataclass(frozen=True)
class Kind:
    """A machine and its firmware. `window_sizes`: the relocatable range that forces a slot, in sizes of the image."""

    target: str
    machine: str
    memory: str
    map_command: str
    window_sizes: int = 1
    extra: tuple = ()


KINDS = {
    # RAM up to 40 MiB below 4 GiB.
    "bios": Kind("i386-pc", "pc,max-ram-below-4g=4064M", "4056M", "lsmmap"),
    # GRUB 2.06 reserves the image in the firmware's map only where the range is twice its size.
    "efi": Kind("x86_64-efi", "q35", "2G", "lsefimmap", 2, ("-bios", OVMF)),
}
ICOUNT = ("-icount", "shift=0,sleep=off")


def data_extents(file):
    """(start, end) of what is in a sparse file."""
    size = os.fstat(file).st_size
    end = 0
    while end < size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError:  # nothing but holes behind
            return
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start, end


def places_of(path, wanted):
    """Offsets of a byte string in a sparse file."""
    places = []
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        for start, end in data_extents(file.fileno()):
            at = memory.find(wanted, start, end)
            while at >= 0:
                places.append(at)
                at = memory.find(wanted, at + 1, end)
    return places


class Snapshot:
    """`modules`: pairs of a file as GRUB names it and its words; `files` are on (memdisk), `disk_files` on (hd0)."""

    def __init__(self, folder, kind, image, modules, files, disk_files=None, extra=()):
        self.folder, self.image, self.kind = pathlib.Path(folder), image, KINDS[kind]
        self.memory_path, self.state_path = self.folder / "memory", self.folder / "state"
        commands = [self.kind.map_command, f"echo {READY}", f"outb {PVPANIC_PORT:#x} {PVPANIC_PANICKED}",
                    *grub.load(modules), f"outb {berth_qemu.DEBUG_EXIT_PORT:#x} {REFUSED:#x}"]
        program = grub.program(self.folder, self.kind.target, commands, {"berth": image.bytes, **files})
        self.arguments = ["-M", f"{self.kind.machine},memory-backend=ram", "-m", self.kind.memory, *self.kind.extra,
                          "-device", "pvpanic", "-action", "panic=pause", "-kernel", program, *extra]
        if disk_files:
            self.arguments += grub.disk(self.folder / "disk.img", disk_files)
        self.memory_map = self._make()
        tag = image.bytes[image.relocatable_at:image.relocatable_at + len(image.window(0, 0))]
        page = image.bytes[image.relocatable_at & -4096:image.relocatable_at] + tag
        self.tags_at = [at + len(page) - len(tag) for at in places_of(self.memory_path, page)]
        assert self.tags_at, "the image is not in the memory of the machine where GRUB waits"

    def _backend(self, share):
        return ["-object", f"memory-backend-file,id=ram,size={self.kind.memory},mem-path={self.memory_path},"
                           f"share={share}"]

    def _make(self):
        """Boot to the script's stop and save; returns what GRUB printed of the memory map."""
        self.memory_path.unlink(missing_ok=True)
        with Vm([*self.arguments, *self._backend("on"), "-S"]) as vm:
            vm.migration_capabilities("x-ignore-shared", "events")
            vm.qmp("cont")
            vm.wait_event("GUEST_PANICKED")
            vm.wait_for(rf"^{READY}$", MAKE_SECONDS)
            # That QEMU has handed over all of the state does not mean that it is in the file.
            vm.qmp("migrate", uri=f"exec:cat > '{self.state_path}' && echo {SAVED} >&2")
            vm.wait_event("MIGRATION", status="completed")
            vm.wait_said(SAVED, MAKE_SECONDS)
            return vm.text

    def resume(self, start=None, end=None):
        """A machine that is stopped where GRUB waits; the image must go to [start, end), or wherever it likes."""
        vm = Vm([*self.arguments, *self._backend("off"), "-incoming", "defer"])
        try:
            vm.migration_capabilities("x-ignore-shared", "events")
            vm.qmp("migrate-incoming", uri=f"exec:cat '{self.state_path}'")
            vm.wait_event("MIGRATION", status="completed")
            if start is not None:
                for at in self.tags_at:
                    vm.gdb.write(at, self.image.window(start, end))
        except Exception:
            vm.close()
            raise
        return vm

    def resume_at_slot(self, slot):
        return self.resume(slot, min(slot + self.kind.window_sizes * self.image.memory_bytes, (1 << 32) - 1))


def slots(end):
    """Every slot of [2 MiB, end)."""
    return range(SLOT_BYTES, end, SLOT_BYTES)
