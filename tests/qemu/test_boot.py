"""Berth runs, and Linux after it, wherever GRUB 2 puts the image (BIOS)."""
import struct

import mb2patch
import pytest
from berth_qemu import LINUX_WORDS
from mkinitrd import payload_sha256

MIB = 1 << 20
SLOT = 2 * MIB
PAGE = 4096
FOUR_GIB = 1 << 32
# PC machines put the PCI hole at 3 GiB once there is that much memory.
PCI_HOLE = 3 << 30
LINKED_BASE = 2 * MIB

PT_LOAD = 1


def image_memory_bytes(image):
    """What the loader has to find room for: the span of all loadable segments (ELF64, System V ABI chapter 5)."""
    (table,) = struct.unpack_from("<Q", image, 32)
    entry_bytes, entries = struct.unpack_from("<HH", image, 54)
    spans = []
    for number in range(entries):
        entry = struct.unpack_from("<IIQQQQQQ", image, table + number * entry_bytes)
        kind, physical, memory_bytes = entry[0], entry[4], entry[6]
        if kind == PT_LOAD:
            spans.append((physical, physical + memory_bytes))
    return max(end for _, end in spans) - min(start for start, _ in spans)


def highest_slot(log, image):
    """The highest slot below 4 GiB from which on the image fits, in the map that Berth printed."""
    need = image_memory_bytes(image)
    ram = [(first, min(last + 1, FOUR_GIB)) for first, last, kind in log.memory if kind == "ram" and first < FOUR_GIB]
    return max((end - need) // SLOT * SLOT for start, end in ram if (end - need) // SLOT * SLOT >= start)


def reach_userspace(case, image=None, **machine):
    """Boot Linux through Berth; returns Berth's log. The initrd has arrived whole, and no CPU was reset."""
    with case.machine(iso=case.berth_iso(image=image), **machine) as vm:
        report = vm.wait_userspace()
        assert vm.wait_exit() == 0, "Linux did not power off"
        assert vm.triple_faults == 0 and vm.resets == 0
        assert report["payload"][0].split()[0] == payload_sha256()
        assert vm.log.errors == []
        return vm.log


def pinned(case, base, align=SLOT):
    """A copy of the image that a loader can put at `base` only."""
    image = case.berth.read_bytes()
    end = base + image_memory_bytes(image)
    patched = mb2patch.patch(image, min_addr=base, max_addr=end, align=align, preference=mb2patch.PREFERENCES["none"])
    return case.write("berth.patched", patched)


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_unchanged_image_is_put_at_the_top_of_ram_below_4g(case, machine):
    log = reach_userspace(case, machine=machine, memory="1G")
    assert log.boot["moved-by"] == "loader"
    assert log.boot["protocol"] == "multiboot2"
    assert log.boot["firmware"] == "bios"
    assert log.boot["loader"].startswith("GRUB 2.")
    assert int(log.boot["link"], 16) == LINKED_BASE
    # GRUB has about a megabyte of its own at the end of RAM, which may cost the last slot.
    assert highest_slot(log, case.berth.read_bytes()) - log.base in (0, SLOT)


LOW_BASES = [2, 4, 6, 16, 30, 64]
HIGH_BASES = [1024, 2046]


@pytest.mark.sample(2)
@pytest.mark.parametrize("base_mib", LOW_BASES + HIGH_BASES)
def test_image_runs_where_the_loader_put_it(case, base_mib):
    base = base_mib * MIB
    memory = "256M" if base_mib in LOW_BASES else "3G"
    log = reach_userspace(case, pinned(case, base), machine="pc", memory=memory)
    assert log.base == base
    assert log.boot["moved-by"] == "loader"


def test_image_runs_in_the_last_slot_below_the_pci_hole(case):
    image = case.berth.read_bytes()
    # The firmware keeps its tables at the very end of low memory, less than a slot.
    base = PCI_HOLE - SLOT
    if image_memory_bytes(image) > SLOT - 128 * 1024:
        base -= SLOT
    log = reach_userspace(case, pinned(case, base), machine="pc", memory="4G")
    assert log.base == base == highest_slot(log, image)
    assert log.boot["moved-by"] == "loader"


def test_image_without_the_relocatable_tag_moves_itself(case):
    image = case.write("berth.fixed", mb2patch.remove(case.berth.read_bytes()))
    log = reach_userspace(case, image)
    assert log.boot["moved-by"] == "self"
    assert log.base != LINKED_BASE
    assert log.base % SLOT == 0


@pytest.mark.sample(1)
@pytest.mark.parametrize("base", [0x1401000, 0x15FF000], ids=hex)
def test_image_aligned_to_4k_only_moves_itself(case, base):
    log = reach_userspace(case, pinned(case, base, align=PAGE))
    assert log.boot["moved-by"] == "self"
    assert log.base % SLOT == 0


def test_command_lines_arrive_as_they_were_given(case):
    kernel_cmdline = f"{LINUX_WORDS} first=1 module.second=a,b=c last"
    with case.machine(iso=case.berth_iso(cmdline="loglevel=debug", kernel_cmdline=kernel_cmdline)) as vm:
        report = vm.wait_userspace()
        assert report.cmdline == kernel_cmdline
        assert vm.log.cmdline == "loglevel=debug"
        assert vm.log.modules[0]["cmdline"] == kernel_cmdline
