"""How fast the time-stamp counter runs, found out by whatever the machine has; and where a boot's time went.

With QEMU's instruction clock the time-stamp counter counts nanoseconds: its frequency is known here to the last digit.
"""
import json
import re
import struct

import pytest
import uefi
from berth_qemu import fields
from berth_shim import MIB, BerthWorld
from test_acpi import AcpiWorld, local_apic, madt, table

ICOUNT = ["-icount", "shift=0,sleep=off"]
MHZ = 1000
WITHIN = 0.001
PHASES = ["entry", "loader", "memmap", "image", "acpi", "log", "paging", "processors", "kernel", "place", "clock"]
PARTS = ["prepare", "init", "answers", "give-back"]

# ACPI 6.5, table 5.9, and IA-PC HPET 1.0a, section 3.2.4: offsets behind the header. The port is PIIX4's and ICH9's, as
# SeaBIOS sets it; the address is where chipsets have their HPET.
FADT_BYTES, PM_TIMER_AT, PM_TIMER_BYTES_AT = 116 - 36, 76 - 36, 91 - 36
PM_TIMER_PORT = 0x608
HPET_AT = 0xFED00000
HPET_CONFIGURATION, HPET_REVISION, HPET_PERIOD_FS = 0x10, 1, 69841279
# What the headers of a kernel say: Linux Documentation/arch/x86/boot.rst.
SETUP_SECTORS_AT, SECTOR, ENTRY_64 = 0x1F1, 512, 0x200
# 2,000 ticks of the PIT.
PIT_WAIT_NS = 2000 * 10**9 // 1193182
HALT_FOR_EVER = b"\xf4\xeb\xfd"


def clock(vm):
    """The fields of the clock: line, and the frequency in MHz; None where it is not known."""
    line = vm.log.one("clock: ")
    found = re.fullmatch(r"tsc=(?:(\d+\.\d{3}) MHz|unknown) (from=.*)", line)
    assert found, line
    return fields(found[2]), float(found[1]) if found[1] else None


def assert_clock(vm, source, skipped=None):
    found, mhz = clock(vm)
    assert (found["from"], found.get("skipped")) == (source, skipped)
    assert mhz == (pytest.approx(MHZ, rel=WITHIN) if source != "none" else None)
    assert found["invariant"] == "no", "QEMU without KVM has no counter that is"


def quick(world):
    """Without the areas that are filled, which take time."""
    world.poison = []
    return world


MACHINES = {
    "hpet": ("q35", "hpet", None),
    "no-hpet": ("q35,hpet=off", "pm-timer", None),
    "no-acpi": ("pc,acpi=off", "pit", None),
    "nothing": ("pc,acpi=off,pit=off", "none", "pit"),
}


@pytest.mark.parametrize("name", MACHINES)
def test_the_frequency_is_right_by_any_counter(case, name):
    machine, source, skipped = MACHINES[name]
    vm = quick(BerthWorld(case)).run(machine=machine, extra=ICOUNT)
    assert_clock(vm, source, skipped)


def fadt(port):
    data = bytearray(FADT_BYTES)
    struct.pack_into("<I", data, PM_TIMER_AT, port)
    data[PM_TIMER_BYTES_AT] = 4
    return table(b"FACP", bytes(data))


def hpet(address):
    return table(b"HPET", struct.pack("<I4BQBHB", 0, 0, 64, 0, 0, address, 0, 0, 0))


FALSE_HPET_AT = 112 * MIB
FALSE_HPET = struct.pack("<II", HPET_REVISION, HPET_PERIOD_FS)


def world_with_hpet(case, at, port=PM_TIMER_PORT):
    world = quick(AcpiWorld(case, [fadt(port), hpet(at)]))
    world.put(FALSE_HPET_AT, FALSE_HPET + bytes(4096 - len(FALSE_HPET)))
    return world


def reserve(world, address):
    """Say of one page that it is no RAM."""
    at = next(i for i, (start, size, kind) in enumerate(world.entries) if start <= address < start + size)
    start, size, kind = world.entries[at]
    world.entries[at:at + 1] = [(start, address - start, kind), (address, 4096, 2),
                                (address + 4096, start + size - address - 4096, kind)]


def test_an_hpet_that_does_not_count_is_skipped(case):
    world = world_with_hpet(case, FALSE_HPET_AT)
    reserve(world, FALSE_HPET_AT)
    assert_clock(world.run(extra=ICOUNT), "pm-timer", skipped="hpet")


def test_an_hpet_that_lies_in_ram_is_not_touched(case):
    world = world_with_hpet(case, FALSE_HPET_AT)
    world.words.append(world.canary(FALSE_HPET_AT, 4096))
    assert_clock(world.run(extra=ICOUNT), "pm-timer")


@pytest.mark.parametrize("at", [0, HPET_AT + 4, HPET_AT + 0xD00, 1 << 32, 0xE0000000], ids=hex)
def test_an_hpet_that_cannot_be_there_is_none(case, at):
    """No address, not aligned, across pages, out of reach, or nothing that answers."""
    assert_clock(world_with_hpet(case, at).run(extra=ICOUNT), "pm-timer")


@pytest.mark.parametrize("port", [0x40, 0x5FFC], ids=hex)
def test_a_timer_that_says_something_else_is_skipped(case, port):
    """The PIT's own ports, which count something; and ports where nothing is."""
    assert_clock(world_with_hpet(case, HPET_AT, port).run(extra=ICOUNT), "hpet", skipped="pm-timer")


def test_an_hpet_that_stood_still_does_so_again(case):
    kernel = bytearray(case.guest("zp64.bzimage").read_bytes())
    entry = (kernel[SETUP_SECTORS_AT] + 1) * SECTOR + ENTRY_64
    kernel[entry:entry + len(HALT_FOR_EVER)] = HALT_FOR_EVER
    with quick(BerthWorld(case, kernel=bytes(kernel))).machine() as vm:
        vm.wait_for(r"^\(BERTH\) phases: .*\n")
        assert clock(vm)[0]["from"] == "hpet"
        answer = vm.qmp("human-monitor-command", **{"command-line": f"xp /1wx {HPET_AT + HPET_CONFIGURATION:#x}"})
        assert int(answer.split()[-1], 16) == 0


def guest_started_at(case, loglevel):
    """In nanoseconds, on a machine that has the PIT alone."""
    world = quick(BerthWorld(case))
    world.cmdline = f"loglevel={loglevel}"
    vm = world.run(machine="pc,acpi=off", extra=ICOUNT)
    return int(re.search(r"^FIRST-TSC (\d+)", vm.text, re.MULTILINE)[1])


def test_who_does_not_read_it_does_not_wait_for_it(case):
    assert guest_started_at(case, "info") - guest_started_at(case, "warning") >= PIT_WAIT_NS


# --- where the time went ----------------------------------------------------------------------------------------------

def assert_adds_up(parts, total_ticks, hz):
    assert sum(part["tsc"] for part in parts) == total_ticks
    assert sum(part["us"] for part in parts) == total_ticks * 1_000_000 // hz


@pytest.mark.parametrize("processors", [1, 4])
def test_phases_add_up_to_the_whole(case, processors):
    world = quick(AcpiWorld(case, [madt(*map(local_apic, range(processors)))]))
    world.cmdline = "loglevel=debug"
    vm = world.run(extra=[*ICOUNT, "-smp", str(processors)])
    times = json.loads("{" + vm.log.one("debug: {"))
    assert [phase["name"] for phase in times["phases"]] == PHASES
    assert times["source"] == clock(vm)[0]["from"] == "pit"
    assert times["tsc-hz"] == pytest.approx(MHZ * 1e6, rel=WITHIN)
    to_start, to_handoff = (int(vm.log.time[name]) for name in ("entry-to-start", "start-to-handoff"))
    assert times["phases"][0]["tsc"] == to_start
    assert_adds_up(times["phases"], to_start + to_handoff, times["tsc-hz"])

    line = fields(vm.log.one("phases: "))
    assert line.pop("unit") == "us"
    assert line == {phase["name"]: str(phase["us"]) for phase in times["phases"]}

    if processors == 1:
        assert times["bring-up"] == [] and vm.log.starting("bring-up: ") == []
        return
    assert [part["name"] for part in times["bring-up"]] == PARTS
    line = fields(vm.log.one("bring-up: "))
    assert line.pop("unit") == "us"
    assert line == {part["name"]: str(part["us"]) for part in times["bring-up"]}
    whole = next(phase["tsc"] for phase in times["phases"] if phase["name"] == "processors")
    assert 0 < sum(part["tsc"] for part in times["bring-up"]) < whole


def test_without_a_frequency_phases_are_ticks(case):
    world = quick(BerthWorld(case))
    world.cmdline = "loglevel=debug"
    vm = world.run(machine="pc,acpi=off,pit=off", extra=ICOUNT)
    times = json.loads("{" + vm.log.one("debug: {"))
    assert times["tsc-hz"] == 0 and times["source"] == "none"
    assert all(sorted(phase) == ["name", "tsc"] for phase in times["phases"])
    line = fields(vm.log.one("phases: "))
    assert line.pop("unit") == "tsc"
    assert line == {phase["name"]: str(phase["tsc"]) for phase in times["phases"]}


@pytest.mark.slow
@pytest.mark.parametrize("start", ["grub", "direct"])
def test_the_frequency_is_found_under_uefi(case, start):
    """OVMF on q35: HPET and ACPI's timer; here without the instruction clock, by which OVMF takes half a minute."""
    files = uefi.grub_berth_files(case) if start == "grub" else uefi.direct_files(case)
    with uefi.machine(case, files) as vm:
        uefi.wait_userspace(vm)
        found, mhz = clock(vm)
        assert found["from"] == "hpet" and 100 <= mhz <= 20_000
