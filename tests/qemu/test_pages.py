"""The page allocator on a machine: it knows the RAM that the log shows, its counts add up, what was taken comes back,
and the guest is not put on what is taken.
"""
import mb2_block as mb2
import pytest
from berth_qemu import fields
from berth_shim import FIRMWARE_BYTES, INITRD_AT, KERNEL_AT, MIB, BerthWorld
from test_acpi import AcpiWorld, local_apic, madt
from test_smp import online, smp

PAGE = 4096
AREA_BYTES = 0x6000  # of a processor: include/x86/stacks.h


def counts(vm):
    """What the allocator had at first, and when the guest is about to start."""
    first, last = [fields(line) for line in vm.log.starting("debug: memory: ")]
    return [{name: int(value) for name, value in found.items() if name != "unit"} for found in (first, last)]


def ram_pages(vm):
    return sum(max((last + 1) // PAGE - -(-first // PAGE), 0)
               for first, last, kind in vm.log.memory if kind in ("ram", "boot-services"))


def check(vm):
    first, last = counts(vm)
    for found in (first, last):
        assert found["ram"] == found["free"] + found["allocated"] + found["reserved"] + found["own"] == ram_pages(vm)
        assert found["allocated"] == 0
    # What is reserved by then is where the guest is going to be.
    assert first["free"] + first["own"] + first["reserved"] == last["free"] + last["own"] + last["reserved"]
    assert first["reserved"] < last["reserved"]
    return first


@pytest.mark.parametrize("count", [1, 8])
def test_counts_add_up_and_stacks_come_back(case, count):
    world = AcpiWorld(case, [madt(*[local_apic(n) for n in range(count)])])
    world.cmdline = "loglevel=debug"
    vm = world.run(extra=smp(count))
    assert online(vm) == count
    found = check(vm)
    busy = world.elf.bytes + sum(len(data) for _, data, _ in world.modules())
    assert busy / PAGE < found["reserved"] < busy / PAGE + 100


def test_the_guest_is_clear_of_what_is_taken(case):
    """Both go as high as they can."""
    zero_pages = {}
    for count in (1, 8):
        vm = AcpiWorld(case, [madt(*[local_apic(n) for n in range(count)])]).run(extra=smp(count))
        assert online(vm) == count
        zero_pages[count] = int(vm.log.dom0["zero-page"], 16)
    assert zero_pages[8] <= zero_pages[1] - 7 * AREA_BYTES


def test_a_map_of_thousands_of_ranges(case):
    """As a firmware leaves it that has taken every second page for itself."""
    world = BerthWorld(case)
    low_end = world.memory - FIRMWARE_BYTES
    pieces, end = 128 * MIB, 128 * MIB + 2 * 2040 * PAGE
    assert KERNEL_AT < INITRD_AT < pieces
    world.entries = [(0, 0x9F000, mb2.RAM), (MIB, pieces - MIB, mb2.RAM)]
    for at in range(pieces, end, 2 * PAGE):
        world.entries += [(at, PAGE, mb2.RESERVED), (at + PAGE, PAGE, mb2.RAM)]
    world.entries.append((end, low_end - end, mb2.RAM))
    world.info_at = 127 * MIB
    world.cmdline = "loglevel=debug console=com1"
    vm = world.run()
    found = check(vm)
    assert found["ram"] == 0x9F + (pieces - MIB + low_end - end) // PAGE + 2040
