"""Every 2 MiB slot below 4 GiB, each image loaded there by the real GRUB and started into a guest that checks.

Which slots GRUB refuses is not measured but expected: those whose range GRUB's own list of memory, printed when the
snapshot was made, does not offer. Source for the range that is asked for: Multiboot2 specification 2.0, section 3.1.13.
"""
import re
import threading
import zlib

from berth_qemu import LINUX_WORDS, USERSPACE
from berth_shim import GUEST_PASS, INITRD

from . import BUILD
from .gdb import GdbError
from .look import Look
from .record import Case, Outcome, kernel_path
from .snapshot import ICOUNT, KINDS, REFUSED_STATUS, Snapshot, slots
from .vm import VmError

PAGE_BYTES = 4096
RUN_SECONDS = 60
DEBIAN_SECONDS = 180
NO_ROOM = "error: couldn't find suitable memory target."
# What GRUB for UEFI says on a machine without a screen.
HARMLESS = "error: no suitable video mode found."
# The firmware's names for memory that is free, and for what GRUB has taken: its program and its heap.
EFI_FREE, EFI_GRUB = ("conv-mem",), ("ldr-code", "ldr-data")
BIOS_FREE = ("available RAM",)
BIOS_KINDS = {"available RAM": "ram", "reserved RAM": "reserved"}
EFI_LINE = re.compile(r"^.*?(\S+)\s+([0-9a-f]{16})-([0-9a-f]{16}) ", re.MULTILINE)
BIOS_LINE = re.compile(r"base_addr = (\S+), length = (\S+), (.+)$", re.MULTILINE)
KERNEL_WORDS = f"initrd={len(INITRD)}:{zlib.crc32(INITRD):08x} rsdp=some"
DEBIAN_WORDS = LINUX_WORDS
END = {"bios": 1 << 32, "efi": 2 << 30}


def grub_map(kind, text):
    """GRUB's list of memory: [(start, end, what it is)]."""
    if KINDS[kind].map_command == "lsefimmap":
        return [(int(start, 16), int(last, 16) + 1, name) for name, start, last in EFI_LINE.findall(text)]
    return [(int(start, 16), int(start, 16) + int(count, 16), name) for start, count, name in BIOS_LINE.findall(text)]


def obstacle(memory, start, end, usable):
    """The first thing in [start, end) that is not usable memory, in words; "" when all of it is."""
    for low, high, what in sorted(memory):
        if low > start:
            break
        if high > start and what not in usable:
            return f"the firmware's {what}"
        if high > start:
            start = high
        if start >= end:
            return ""
    return "no RAM"


class Sweep:
    """One snapshot, and the cases that start from it."""

    def __init__(self, folder, kind, image, guest="zp64", extra=()):
        self.kind, self.image, self.guest = kind, image, guest
        # A machine that is stopped by its debug stub goes on at its next timer: the clock would count more than Berth.
        self.counts_instructions = extra == ICOUNT
        if guest == "zp64":
            modules = [("(memdisk)/kernel", KERNEL_WORDS), ("(memdisk)/initrd", "")]
            files = {"kernel": kernel_path(guest), "initrd": INITRD}
            self.snapshot = Snapshot(folder, kind, image, modules, files, extra=extra)
        else:
            modules = [("(hd0)/kernel", DEBIAN_WORDS), ("(hd0)/initrd", "")]
            disk = {"kernel": kernel_path(guest), "initrd": BUILD / "initrd-report.gz"}
            self.snapshot = Snapshot(folder, kind, image, modules, {}, disk, extra=extra)
        self.memory = grub_map(kind, self.snapshot.memory_map)
        self.free = (*EFI_FREE, *EFI_GRUB) if kind == "efi" else BIOS_FREE
        assert self.memory, f"GRUB printed no list of memory:\n{self.snapshot.memory_map}"

    def no_room(self, slot):
        """Why GRUB must refuse this slot; "" when it must not."""
        return obstacle(self.memory, slot, slot + self.image.memory_bytes, self.free)

    def grub_itself(self, slot):
        """Why GRUB may refuse this slot: what it uses itself lies there, and cannot always be moved away."""
        for start, end, what in self.memory:
            if what in EFI_GRUB:
                # A region's first page (the head of GRUB's heap) and its end, with the files that the script loads.
                files = min([at for at in self.snapshot.tags_at if start <= at < end], default=end - PAGE_BYTES)
                for low, high in ((start, start + PAGE_BYTES), (files, end)):
                    if low < slot + self.image.memory_bytes and slot < high:
                        return "GRUB itself"
        return ""

    # --- one slot -------------------------------------------------------------------------------------------------

    def run(self, slot):
        with self.snapshot.resume_at_slot(slot) as vm:
            look = Look(vm, self.image)
            try:
                if self.counts_instructions:
                    look.finish()
                elif look.at_segment(slot) and look.at_tables(slot, lambda: ram(vm.log)):
                    look.finish()
                status = self._wait_end(vm)
            except (VmError, GdbError) as error:
                vm.read_available()
                return Outcome([*look.findings, str(error)], vm.text)
            refused = self.no_room(slot)
            if status == REFUSED_STATUS:
                refused = refused or self.grub_itself(slot)
            defects = self._refusal_defects(vm, status) if refused else self._defects(vm, status, slot, look)
            return Outcome(defects, vm.text, refused, has_places=False)

    def _wait_end(self, vm):
        """The exit status; None when a Debian kernel, which has none of its own, came to its end."""
        if self.guest.startswith("zp"):
            return vm.wait_exit(RUN_SECONDS)
        vm.wait_for(rf"^{USERSPACE}$|^\(BERTH\) halted$|{NO_ROOM}", DEBIAN_SECONDS)
        return vm.wait_exit(RUN_SECONDS) if NO_ROOM in vm.text else None

    def _refusal_defects(self, vm, status):
        if status == REFUSED_STATUS and NO_ROOM in vm.text and not vm.log.lines:
            return []
        return [f"GRUB should have refused this slot: exit status {status}"]

    def _defects(self, vm, status, slot, look):
        defects = list(look.findings)
        if status == REFUSED_STATUS:
            return [f"GRUB refused a slot that its list of memory offers: {grub_errors(vm.text)}"]
        if not self.counts_instructions and look.was_seen != {"segment", "tables"}:
            defects.append(f"of the two looks from outside, only {sorted(look.was_seen)} happened")
        defects += self._map_defects(vm.log)
        return defects + verdict_defects(vm.text, self.guest, status) + log_defects(vm.log, slot)

    def _map_defects(self, log):
        """Under a BIOS, Berth has the map that GRUB has. (Under UEFI the firmware and GRUB go on changing it.)"""
        if self.kind != "bios":
            return []
        expected = [(start, end - 1, BIOS_KINDS[what]) for start, end, what in sorted(self.memory)]
        return [] if log.memory == expected else [f"the memory map is {log.memory}, and GRUB's {expected}"]


def ram(log):
    """The pages of RAM as Berth printed it: a page of which only a part is RAM, as at 0x9fc00, may be mapped."""
    return [(first & -PAGE_BYTES, (last | PAGE_BYTES - 1) + 1) for first, last, kind in log.memory
            if kind in ("ram", "boot-services")]


def grub_errors(text):
    return [line for line in text.splitlines() if line.startswith("error: ") and line != HARMLESS]


def verdict_defects(text, guest, status):
    """What the guest itself says."""
    if not guest.startswith("zp"):
        return [] if re.search(rf"^{USERSPACE}$", text, re.MULTILINE) else ["userspace was not reached"]
    if status == GUEST_PASS and "GUEST-OK" in text:
        return []
    failed = re.findall(r"^FAIL .*$", text, re.MULTILINE)
    return failed or [f"the guest did not say GUEST-OK (exit status {status})"]


# Where Berth stays below the guest, as it does by itself where it can.
WITHOUT_IOMMU = "iommu: none: the guest's devices can reach Berth's memory by DMA"


def log_defects(log, base=None, moved_by="loader", expected_warnings=()):
    """What Berth's own log must and must not say; `base`, `moved_by` None: anything."""
    boots = log.starting("boot: ")
    if len(boots) != 1:
        return [f"{len(boots)} boot: lines"] + [f"error: {line}" for line in log.errors]
    defects = [f"error: {line}" for line in log.errors]
    if log.starting("dom0: mode=hvm "):
        expected_warnings = (*expected_warnings, WITHOUT_IOMMU)
    defects += [f"warning: {line}" for line in log.warnings if line not in expected_warnings]
    if base is not None and log.base != base:
        defects.append(f"base={log.base:#x}, not {base:#x}")
    if moved_by is not None and log.boot["moved-by"] != moved_by:
        defects.append(f"moved-by={log.boot['moved-by']}, not {moved_by}")
    return defects


# --- the groups -----------------------------------------------------------------------------------------------------

class Sweeps:
    """Snapshots, made when the first case wants one."""

    def __init__(self, folder, image):
        self.folder, self.image = folder, image
        self.made = {}
        self.lock = threading.Lock()

    def get(self, kind, guest="zp64", extra=()):
        key = "-".join([kind, guest, *(["icount"] if extra else [])])
        with self.lock:
            if key not in self.made:
                self.made[key] = Sweep(self.folder / key, kind, self.image, guest, extra)
            return self.made[key]


def axes_of(kind, slot, guest):
    return {"loader": {"bios": "grub-bios-mb2", "efi": "grub-efi"}[kind], "machine": {"bios": "pc", "efi": "q35"}[kind],
            "memory": KINDS[kind].memory, "cpu": "qemu64", "processors": 1, "guest": guest, "base": f"{slot:#x}"}


def slot_case(sweeps, group, kind, slot, guest="zp64", extra=(), prefix=""):
    case = Case(group, f"{prefix}{slot:#x}", axes_of(kind, slot, guest))
    case.run = lambda: sweeps.get(kind, guest, extra).run(slot)
    return case


def sweep_cases(sweeps, kind):
    return [slot_case(sweeps, f"slots-{kind}", kind, slot) for slot in slots(END[kind])]


def cost_cases(sweeps, count=64):
    """Slots evenly spread over the BIOS machine's RAM, where each instruction is one tick of the time-stamp counter."""
    places = slots(END["bios"] * 15 // 16)
    return [slot_case(sweeps, "cost", "bios", places[len(places) * i // count], extra=ICOUNT) for i in range(count)]


def debian_cases(sweeps, random, count):
    """A sample of both machines' slots, into a real kernel."""
    chosen = []
    for kind, share in (("bios", count - count // 2), ("efi", count // 2)):
        for slot in sorted(random.sample(slots(END[kind]), share)):
            chosen.append(slot_case(sweeps, "debian", kind, slot, "cloud", prefix=f"{kind}-"))
    return chosen


def slot_of(kind, text):
    """The slot that a case's name names; ValueError where the machine has no such slot."""
    slot = int(text, 16)
    if kind not in END or slot not in slots(END[kind]):
        raise ValueError("bios or efi, and an address that is a multiple of 0x200000 and that the machine has")
    return slot


def case_by_name(sweeps, group, name):
    """The case `make case C=group.name` means."""
    if group == "debian":
        kind, slot = name.split("-")
        return slot_case(sweeps, group, kind, slot_of(kind, slot), "cloud", prefix=f"{kind}-")
    if group == "cost":
        return slot_case(sweeps, group, "bios", slot_of("bios", name), extra=ICOUNT)
    kind = group.removeprefix("slots-")
    return slot_case(sweeps, group, kind, slot_of(kind, name))
