"""Load addresses that are no slot: all 512 offsets of one slot by 4 KiB, and random ones in all of a machine's RAM.

No loader that is asked for a slot gives such an address, but one that does not read the header's wish, or a PE loader,
does. The shim (tests/guests/shim) plays that loader. Berth must move itself to the highest free slot below 4 GiB; that
place is worked out here from the map that the shim hands over, not taken from Berth.
"""
import pathlib
import tempfile

import berth_qemu
import mb2_block as mb2
from berth_shim import GIB, KERNEL_AT, KIB, MIB, SHIM_CODE, SHIM_START, BerthWorld

from . import BUILD
from .image import SLOT_BYTES
from .record import Case, Outcome
from .slots import log_defects, verdict_defects

PAGE_BYTES = 4096
OFFSETS_FROM = 64 * MIB
OFFSETS_MEMORY, RANDOM_MEMORY = 256 * MIB, 3 * GIB
# The first of those are a part of every check.
RANDOM_COUNT, RANDOM_IN_CHECK = 2000, 500
# Behind the image's slot, and before it: whose pages lie there must not notice.
NEIGHBOUR_BYTES = 16 * KIB
RUN_SECONDS = 30
# The shim's code, its tables, and its module, which holds Berth, the kernel and the initrd.
SHIM_AREA = (SHIM_START, SHIM_CODE + 2 * MIB)
MODULES_AREA = (KERNEL_AT, KERNEL_AT + 32 * MIB)


class Place:
    """What BerthWorld wants of a test case: the built files and a folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.berth = BUILD / "berth"

    def guest(self, name):
        return BUILD / "guests" / name

    def machine(self, **options):
        return berth_qemu.Machine(self.folder, machine="microvm", **options)


def touches(start, end, areas):
    return any(start < high and low < end for low, high in areas)


def highest_slot(world, image_bytes):
    """Where Berth should go: the highest slot in RAM that overlaps no module. (It may overlap the image itself.)"""
    modules = [(at, at + len(data)) for at, data, _ in world.modules()]
    ram = [(at, at + count) for at, count, kind in world.entries if kind == mb2.RAM]
    return max(slot for low, high in ram for slot in range(-(-low // SLOT_BYTES) * SLOT_BYTES, high, SLOT_BYTES)
               if slot + image_bytes <= min(high, 4 * GIB) and not touches(slot, slot + image_bytes, modules))


def reserve(entries, start, end):
    """The list of memory with [start, end), which lies in one entry of RAM, cut out of it and reserved."""
    out = []
    for at, count, kind in entries:
        if kind == mb2.RAM and at <= start and end <= at + count:
            out += [(at, start - at, kind), (start, end - start, mb2.RESERVED), (end, at + count - end, kind)]
        else:
            out.append((at, count, kind))
    return out


def run(image, base, memory, has_neighbours):
    folder = BUILD / "matrix"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shim-", dir=folder) as work:
        world = BerthWorld(Place(work), base=base, memory=memory)
        world.poison = []
        end = base + image.memory_bytes
        if has_neighbours:
            for at in (base - NEIGHBOUR_BYTES, end):
                world.fill(at, NEIGHBOUR_BYTES)
                world.words.append(world.canary(at, NEIGHBOUR_BYTES))
                world.entries = reserve(world.entries, at, at + NEIGHBOUR_BYTES)
        aligned = base % SLOT_BYTES == 0
        with world.machine() as vm:
            vm.wait_for(r"^GUEST-(OK|FAIL) |^\(BERTH\) halted$", RUN_SECONDS)
            status = None if vm.log.is_halted else vm.wait_exit(RUN_SECONDS)
        target = base if aligned else highest_slot(world, image.memory_bytes)
        defects = verdict_defects(vm.text, "zp64", status)
        defects += log_defects(vm.log, target, "loader" if aligned else "self")
        if vm.triple_faults:
            defects.append("triple fault")
        return Outcome(defects, vm.text, has_places=False)


def make_case(image, group, base):
    memory, has_neighbours = {"offsets": (OFFSETS_MEMORY, True), "random-4k": (RANDOM_MEMORY, False)}[group]
    axes = {"loader": "shim", "machine": "microvm", "memory": f"{memory >> 20}M", "cpu": "qemu64", "processors": 1,
            "guest": "zp64", "base": f"{base:#x}"}
    return Case(group, f"{base:#x}", axes, lambda: run(image, base, memory, has_neighbours))


def offset_cases(image):
    return [make_case(image, "offsets", base) for base in range(OFFSETS_FROM, OFFSETS_FROM + SLOT_BYTES, PAGE_BYTES)]


def random_cases(image, random, count=RANDOM_COUNT):
    """Addresses anywhere in RAM where nothing else of the world lies."""
    end = RANDOM_MEMORY - MIB - image.memory_bytes
    bases = set()
    while len(bases) < count:
        base = random.randrange(MIB, end, PAGE_BYTES)
        if not touches(base, base + image.memory_bytes, [SHIM_AREA, MODULES_AREA]):
            bases.add(base)
    return [make_case(image, "random-4k", base) for base in sorted(bases)]
