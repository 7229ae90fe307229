"""The image moves itself when nobody else did: to where, over what, and what happens when there is no room.

Most worlds are made by hand (berth_shim.py), so that there is just one place to go to. Every move is made twice: by the
image as it is, and by the one built with DEBUG=1, which fills its old place afterwards.
"""
import re
import zlib

import mb2_block as mb2
import mb2patch
import pytest
from berth_qemu import symbols
from berth_shim import GUEST_PASS, KIB, MIB, BerthWorld, Elf
from guest_report import dashed
from test_paging import guard_pages

PAGE = 4 * KIB
SLOT = 2 * MIB
# Where the only free slot is.
HOLE = 128 * MIB
# include/x86/address_map.h
LINK_VA = 0xFFFF82D040200000
# arch/x86/cpu/image.c
OLD_IMAGE_PATTERN = 0xCC
# Room for the kernel, and for the modules and what is handed over: no slot fits into the second.
KERNEL_ROOM = (16 * MIB, 6 * MIB)
MODULES_ROOM = (MIB, MIB)
# What belongs to others right before and behind the RAM around the image.
NEIGHBOUR = 16 * KIB

# boot/report.c
NO_ROOM_KERNEL = "no room for the kernel, {:#x} bytes are missing - add memory or use a smaller kernel"
# tests/guests/zeropage/variant.h
INIT_BYTES = 6 * MIB

BUILDS = ["release", "debug"]
# How the image moves, and so on which side of the hole it is.
DIRECTIONS = {"upwards": -1, "downwards": 1}


def page_up(size):
    return (size + PAGE - 1) // PAGE * PAGE


def built(case, build):
    return {"release": case.berth, "debug": case.debug_build}[build]


class MoveWorld(BerthWorld):
    """Berth at `base`; the RAM is room for the kernel, for the modules, and `ram` (start, end)."""

    def __init__(self, case, base, ram, build="release", kernel_room=KERNEL_ROOM):
        super().__init__(case, base=base)
        self.image = built(case, build)
        self.base_tag = None  # nobody moved the image
        self.kernel_at, self.initrd_at = MIB, MIB + 512 * KIB
        start, end = ram
        around = [(start - NEIGHBOUR, NEIGHBOUR), (end, NEIGHBOUR)]
        self.entries = [(0, 0x9FC00, mb2.RAM), (0x9FC00, 0x400, mb2.RESERVED), (0xF0000, 0x10000, mb2.RESERVED),
                        (*MODULES_ROOM, mb2.RAM), (*kernel_room, mb2.RAM), (start, end - start, mb2.RAM)]
        self.entries += [(*area, mb2.RESERVED) for area in around]
        self.words = [self.canary(*area) for area in around]
        self.poison = [(MIB, 2 * MIB), (start - MIB, end - start + 2 * MIB)]


def image_bytes(case, build):
    return Elf(built(case, build).read_bytes()).bytes


def ram_around(base, size):
    """The image where it is, and the hole: just large enough for the image, so that every byte of both is used."""
    return min(base, HOLE), max(base, HOLE) + size


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("overlap", ["all but a page", "half", "a page"], ids=dashed)
def test_the_only_slot_overlaps_the_image(case, build, direction, overlap):
    size = image_bytes(case, build)
    distance = {"all but a page": PAGE, "half": page_up(size // 2), "a page": size - PAGE}[overlap]
    base = HOLE + DIRECTIONS[direction] * distance
    world = MoveWorld(case, base, ram_around(base, size), build)
    log = world.run().log
    assert log.base == HOLE
    assert log.boot["moved-by"] == "self"
    assert ("debug" in log.lines[0]) == (build == "debug")


@pytest.mark.slow
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_every_overlap(case, build, direction):
    size = image_bytes(case, build)
    for distance in range(PAGE, size + PAGE, PAGE):
        base = HOLE + DIRECTIONS[direction] * distance
        assert MoveWorld(case, base, ram_around(base, size), build).run().log.base == HOLE


def first_writable_offset(debug_file):
    """Up to here the image in memory is the image in the file."""
    address = symbols(debug_file)
    return address["__data_start"] - address["_start"]


TABLES_MOST = 24 * PAGE


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("base", [2 * MIB, HOLE - 64 * KIB, HOLE + 64 * KIB], ids=["apart", "upwards", "downwards"])
def test_what_is_left_behind(case, build, base):
    """The image is whole where it is now. A release build leaves its old place alone, a debug build fills it."""
    size = image_bytes(case, build)
    ram = (HOLE, HOLE + size) if base < HOLE - SLOT else ram_around(base, size)
    world = MoveWorld(case, base, ram, build)
    world.cmdline = "dom0=pv"  # stops after the move
    with world.machine() as vm:
        assert vm.wait_halted().base == HOLE
        mapped = [vm.physical_address(LINK_VA + offset) for offset in range(0, size + PAGE, PAGE)]
        now = vm.physical_memory(HOLE, size)
        old = vm.physical_memory(base, size)
    file = Elf(world.image.read_bytes()).segments[0][2]
    constant = first_writable_offset(world.image.with_suffix(".debug"))
    assert now[:constant] == file[:constant]
    guards = {HOLE + offset for offset in guard_pages(world.image.with_suffix(".debug"))}
    assert mapped == [None if page in guards else page for page in range(HOLE, HOLE + size, PAGE)] + [None]
    # Berth's page tables lie behind the image.
    kept = [offset for offset in range(size) if not HOLE <= base + offset < HOLE + size + TABLES_MOST]
    left = bytes(old[offset] for offset in kept)
    if build == "debug":
        assert left == bytes([OLD_IMAGE_PATTERN]) * len(left)
    elif base < HOLE:  # else its end is left, which the file does not have
        assert left[:constant] == file[:min(constant, len(left))]


def test_an_image_whose_place_is_in_no_memory_map_moves_over_itself(case):
    """The loader put it half into memory that the map does not know."""
    size = image_bytes(case, "release")
    base = HOLE + size - PAGE
    log = MoveWorld(case, base, (HOLE, HOLE + size)).run().log
    assert log.base == HOLE and log.boot["moved-by"] == "self"


def test_the_loaders_information_is_no_longer_needed(case):
    """It lies where the image goes."""
    size = image_bytes(case, "debug")
    world = MoveWorld(case, HOLE + 64 * KIB, (HOLE, HOLE + 64 * KIB + size), "debug")
    world.info_at = HOLE + 4 * KIB
    world.poison = []
    log = world.run().log
    assert log.base == HOLE and log.modules[0]["cmdline"].startswith("initrd=")


@pytest.mark.parametrize("build", BUILDS)
def test_exceptions_are_reported_after_a_move(case, build):
    size = image_bytes(case, build)
    base = HOLE + 64 * KIB
    world = MoveWorld(case, base, ram_around(base, size), build)
    world.cmdline = "debug=df"
    with world.machine() as vm:
        log = vm.wait_halted()
        assert log.base == HOLE
        assert log.errors[0].startswith("exception 8 (#DF ")
        assert any("__start_xen" in line for line in log.lines)
        assert vm.triple_faults == 0 and vm.resets == 0


@pytest.mark.parametrize("build", BUILDS)
def test_an_image_that_the_loader_moved_stays(case, build):
    size = image_bytes(case, build)
    world = MoveWorld(case, 4 * MIB, (4 * MIB, 4 * MIB + size), build)
    world.entries += [(HOLE, 8 * MIB, mb2.RAM)]
    world.base_tag = 4 * MIB
    log = world.run().log
    assert log.base == 4 * MIB and log.boot["moved-by"] == "loader"


# Enough for a kernel that takes only what its file has, too little for the image.
SMALL_KERNEL_ROOM = (16 * MIB, 768 * KIB)


def without_a_slot(case, base):
    """All RAM that is large enough for the image lies between two slots."""
    end = HOLE + MIB + image_bytes(case, "release")
    return MoveWorld(case, base, (HOLE + PAGE, end), kernel_room=SMALL_KERNEL_ROOM)


@pytest.mark.parametrize("base", [HOLE + PAGE, HOLE + MIB], ids=hex)
def test_without_a_slot_the_image_runs_where_it_is(case, base):
    world = without_a_slot(case, base)
    world.kernel = case.guest("zp32-206.bzimage").read_bytes()
    assert world.run().log.base == base


def test_without_a_slot_and_without_room_for_the_kernel(case):
    with without_a_slot(case, HOLE + PAGE).machine() as vm:
        log = vm.wait_halted()
        assert vm.triple_faults == 0 and vm.resets == 0
    assert log.base == HOLE + PAGE
    assert log.errors == [NO_ROOM_KERNEL.format(INIT_BYTES - SMALL_KERNEL_ROOM[1])]


# --- sweeps: the whole image at its link address, on machines of every size --------------------------------------
LINKED_BASE = 2 * MIB
SWEPT_MIB = 64
FOUR_GIB = 1 << 32
NO_ROOM = re.compile(r"no room for the (kernel|initrd beside the kernel), 0x([0-9a-f]+) bytes are missing - .*")


def highest_slot(log, size):
    """Where the image should go from its link address, by the map and the modules that the log shows."""
    taken = [tuple(int(end, 16) for end in module["range"].split("-")) for module in log.modules]
    slots = [base for first, last, kind in log.memory if kind == "ram"
             for base in range((first + SLOT - 1) // SLOT * SLOT, min(last + 1, FOUR_GIB) - size + 1, SLOT)
             if base >= LINKED_BASE and not any(start < base + size and base <= end for start, end in taken)]
    return max(slots, default=LINKED_BASE)


def checked(vm, size):
    """Wait for the guest's verdict or for Berth's error; returns that error, or None."""
    vm.wait_for(r"^GUEST-(OK|FAIL) |^\(BERTH\) halted$")
    log = vm.log
    assert log.base == highest_slot(log, size)
    assert log.boot["moved-by"] == ("none" if log.base == LINKED_BASE else "self")
    assert vm.triple_faults == 0 and vm.resets == 0
    if not log.is_halted:
        assert vm.wait_exit() == GUEST_PASS and "GUEST-OK" in vm.text, vm.text
    assert len(log.errors) == (1 if log.is_halted else 0)
    return log.errors[0] if log.is_halted else None


def missing_bytes(error, what):
    found = NO_ROOM.fullmatch(error)
    assert found and found[1].startswith(what), error
    return int(found[2], 16)


def boot_by_qemu(case, image, memory_mib, initrd=b"", name="vm"):
    """QEMU's own multiboot1 loader puts the image where it is linked, and its modules right behind."""
    modules = f"{case.guest('zp64.bzimage')} rsdp=some initrd="
    if initrd:
        path = case.write("initrd", initrd)
        modules += f"{len(initrd)}:{zlib.crc32(initrd):08x},{path}"
    else:
        modules += "none"
    with case.machine(name, machine="pc", memory=f"{memory_mib}M", extra=["-kernel", image, "-initrd", modules]) as vm:
        return checked(vm, Elf(image.read_bytes()).bytes)


def first_that_boots(boot, smallest_mib):
    """Every size from the smallest up to the first that boots is refused, and says how much is missing.

    That may be more for a MiB more: the image takes the higher slot as soon as it fits there, and parts what was whole.
    """
    size = smallest_mib
    while error := boot(size):
        assert 0 < missing_bytes(error, "kernel") <= INIT_BYTES
        size += 1
    return size


@pytest.mark.parametrize("build", [pytest.param("debug", marks=pytest.mark.slow), "release"])
def test_every_size_of_ram(case, build):
    def boot(size):
        return boot_by_qemu(case, built(case, build), size, name=f"{size}M")

    least = first_that_boots(boot, smallest_mib=4)
    # The kernel wants to be at 16 MiB or above; behind it are the image and what the firmware keeps.
    assert 16 * MIB + INIT_BYTES < least * MIB <= 16 * MIB + INIT_BYTES + 2 * SLOT
    for size in range(least, least + SWEPT_MIB + 1):
        assert boot(size) is None, f"{size} MiB are too few, {least} were enough"


def boot_by_grub(case, iso, memory_mib):
    with case.machine(f"{memory_mib}M", machine="pc", memory=f"{memory_mib}M", iso=iso) as vm:
        return checked(vm, image_bytes(case, "release"))


@pytest.fixture
def fixed_iso(case):
    """An ISO whose image asks GRUB for no other place than the one it is linked at."""
    image = case.write("berth.fixed", mb2patch.remove(case.berth.read_bytes()))
    return case.berth_iso(image=image, modules=[(case.guest("zp64.bzimage"), "rsdp=some initrd=none")])


def test_little_ram_with_grub(case, fixed_iso):
    least = first_that_boots(lambda size: boot_by_grub(case, fixed_iso, size), smallest_mib=21)
    assert 16 * MIB + INIT_BYTES < least * MIB <= 16 * MIB + INIT_BYTES + 2 * SLOT


def test_too_little_ram_for_grub(case, fixed_iso):
    with case.machine(memory="3M", machine="pc", iso=fixed_iso) as vm:
        vm.wait_for("^error: out of memory")
        vm.wait_for("^Press any key")


@pytest.mark.slow
def test_every_size_of_ram_with_grub(case, fixed_iso):
    least = first_that_boots(lambda size: boot_by_grub(case, fixed_iso, size), smallest_mib=4)
    for size in range(least, least + SWEPT_MIB + 1):
        assert boot_by_grub(case, fixed_iso, size) is None


def test_an_initrd_that_fills_nearly_all_ram(case):
    """Too large by the number of bytes that the error names: cut by just those, it boots."""
    def boot(size):
        return boot_by_qemu(case, case.berth, 64, bytes(size), name=f"{size:#x}")

    for size in (40 * MIB, 48 * MIB, 52 * MIB):
        assert boot(size) is None
    fits = {size - missing_bytes(boot(size), "initrd") for size in (55 * MIB, 57 * MIB, 59 * MIB)}
    assert len(fits) == 1
    assert boot(min(fits)) is None
    assert missing_bytes(boot(min(fits) + PAGE), "initrd") == PAGE


def test_an_initrd_larger_than_ram(case):
    """QEMU's loader does not mind."""
    assert boot_by_qemu(case, case.berth, 64, bytes(66 * MIB)) == "module 1 does not lie in RAM - use another loader"
