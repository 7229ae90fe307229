"""All processors: each that the firmware names comes online, in the state of the first one, and waits for Linux again
before Linux starts; what is in the way of that costs a warning, not the boot.
"""
import re
import struct
import time

import pytest
import uefi
from berth_qemu import LINUX_WORDS, PATIENCE, fields, symbols
from berth_shim import GUEST_PASS, BerthWorld
from test_acpi import AcpiWorld, local_apic, madt, x2apic
from test_boot import pinned
from test_exceptions import Dump, check_stack_overflow
from test_paging import LINK_VA, PLACES, SCREEN, Pages, is_ram_page

PAGE = 4096
MANY_SECONDS = 300


def smp(count):
    return ["-smp", str(count)]


def online(vm):
    return int(vm.log.one("cpu: ").split()[0])


def as_list(count):
    """The processors from 0 on as Linux writes a list."""
    return "0" if count == 1 else f"0-{count - 1}"


# --- from the firmware's tables to Linux ------------------------------------------------------------------------------

def linux_has_all(case, count, seconds=90, **machine):
    iso = case.berth_iso(kernel_cmdline=f"{LINUX_WORDS} tsc=reliable")
    with case.machine(iso=iso, extra=smp(count), **machine) as vm:
        report = vm.wait_userspace(seconds)
        assert online(vm) == count
        assert report["processors"] == [as_list(count)]
        assert vm.log.warnings == [] and vm.triple_faults == 0


@pytest.mark.sample(3)
@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_linux_brings_up_all_that_berth_had(case, machine, count):
    linux_has_all(case, count, machine=machine)


@pytest.mark.slow
def test_linux_brings_up_64(case):
    # In one thread of the host, because each of them waits for the others.
    linux_has_all(case, 64, MANY_SECONDS, memory="1G", accel="tcg,thread=single")


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_255_come_online(case, machine):
    """As many as have ids below 0xff. (Linux itself has not started them within 10 minutes in QEMU.)"""
    iso = case.berth_iso(modules=[(case.guest("zp64.bzimage"), "rsdp=some initrd=none")])
    with case.machine(iso=iso, machine=machine, extra=smp(255)) as vm:
        assert vm.wait_exit(MANY_SECONDS) == GUEST_PASS, vm.error("the guest is not content")
        assert online(vm) == 255 and vm.log.warnings == []


def test_processors_that_may_come_later_are_left_alone(case):
    with case.machine(iso=case.berth_iso(), extra=smp("2,maxcpus=4")) as vm:
        assert vm.wait_userspace()["processors"] == ["0-1"]
        assert online(vm) == 2 and vm.log.warnings == []


@pytest.mark.sample(1)
@pytest.mark.parametrize("base", PLACES, ids=hex)
def test_all_come_online_wherever_the_image_is(case, base):
    iso = case.berth_iso(image=pinned(case, base, align=PAGE))
    with case.machine(iso=iso, extra=smp(4)) as vm:
        assert vm.wait_userspace()["processors"] == ["0-3"]
        assert online(vm) == 4 and vm.log.warnings == []


@pytest.mark.sample(3)
@pytest.mark.parametrize("cpu", ["Conroe", "Opteron_G1", "Skylake-Client", "EPYC", "max", "qemu64,-pat", "qemu64,-mtrr",
                                 "kvm64"])
def test_all_come_online_on_any_model(case, cpu):
    """Among them old ones, which need time after their INIT."""
    with case.machine(iso=case.berth_iso("dom0=native"), cpu=cpu, extra=smp(3)) as vm:
        assert vm.wait_userspace()["processors"] == ["0-2"]
        assert online(vm) == 3 and vm.log.warnings == []


@pytest.mark.sample(1)
@pytest.mark.parametrize("start", ["grub", "direct"])
def test_all_come_online_under_uefi(case, start):
    files = uefi.grub_berth_files(case) if start == "grub" else uefi.direct_files(case)
    with uefi.machine(case, files, extra=smp(4)) as vm:
        assert uefi.wait_userspace(vm)["processors"] == ["0-3"]
        assert online(vm) == 4 and vm.log.warnings == []


@pytest.mark.slow
def test_fifty_boots_in_a_row(case):
    iso = case.berth_iso(modules=[(case.guest("zp64.bzimage"), "rsdp=some initrd=none")])
    for number in range(50):
        with case.machine(f"vm{number}", iso=iso, extra=smp(8)) as vm:
            assert vm.wait_exit() == GUEST_PASS, vm.error(f"boot {number}")
            assert online(vm) == 8 and vm.log.warnings == []


# --- tables made here, and what they say that is not so ---------------------------------------------------------------

def silent(count, of, ids):
    return [f"{count} of {of} other processors do not answer, APIC ids {ids}: they are not used"]


LISTS = {
    "one-is-missing": ([local_apic(0), local_apic(1), local_apic(2)], 2, silent(1, 2, "0x2")),
    "nobody-answers": ([local_apic(n) for n in range(0, 30, 2)], 1,
                       silent(14, 14, "0x2 0x4 0x6 0x8 0xa 0xc 0xe 0x10 ...")),
    "first-is-not-named": ([local_apic(1), local_apic(9)], 2, silent(1, 2, "0x9")),
    "first-is-last": ([local_apic(1), local_apic(0)], 2, []),
    "named-twice": ([local_apic(0), local_apic(1), local_apic(1), x2apic(1)], 2, []),
    "may-come-later": ([local_apic(0), local_apic(1), local_apic(2, flags=2)], 2, []),
    "only-the-first": ([local_apic(0)], 1, []),
    "ids-above-the-mode": ([local_apic(0), local_apic(1), x2apic(0x100), x2apic(0xFF)], 2, [
        "2 processors have APIC ids above 0xfe and the firmware left x2APIC mode off: they are not used"]),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_is_not_true_costs_one_wait(case, name):
    """By QEMU's instruction clock, at which three seconds are three million instructions, whatever the host does."""
    entries, count, warnings = LISTS[name]
    vm = AcpiWorld(case, [madt(*entries)]).run(extra=[*smp(2), "-icount", "shift=10,sleep=off"])
    assert online(vm) == count
    assert vm.log.warnings == warnings


def test_a_processor_that_is_not_named_is_not_counted_and_does_no_harm(case):
    """It gets no message at all."""
    vm = AcpiWorld(case, [madt(local_apic(0), local_apic(2))]).run(extra=smp(6))
    assert online(vm) == 2 and vm.log.warnings == []


# Intel SDM volume 3A, section 11.6.1: kinds of messages; the destination "all but the sender" would be 0xc0000.
INIT, START = 0x4500, 0x600
COMMAND = re.compile(r"apic_mem_writel 0x300 = (0x[0-9a-f]+)")


@pytest.mark.parametrize("first", [0, 1], ids=["all-named", "first-not-named"])
def test_each_gets_its_messages_and_waits_for_another_one_when_the_guest_starts(case, first):
    """An INIT is the last that they get: that is how a firmware leaves them. (SeaBIOS sends INIT and START to all.)"""
    entries = [local_apic(number) for number in range(first, 3)]
    with AcpiWorld(case, [madt(*entries)]).machine(extra=[*smp(4), "-trace", "apic_mem_writel"]) as vm:
        assert vm.wait_exit() == GUEST_PASS, vm.error("the guest is not content")
        of_firmware, sent = 2, [int(word, 16) for word in COMMAND.findall(vm.cpu_log)]
    sent = [word & ~0xFF if word & 0x700 == START else word for word in sent[of_firmware:]]
    assert sent[:4] == [INIT, INIT, START, START] and sent[-2:] == [INIT, INIT]
    assert set(sent[4:-2]) <= {START}, "those that are slow get a second one"


# --- the page that they start in --------------------------------------------------------------------------------------

LOW_RAM_END = 0x9F000
TWO = [madt(local_apic(0), local_apic(1))]


def test_the_page_has_its_own_bytes_afterwards(case):
    """Low memory is full of a pattern; the guest sees that all of it is as it was."""
    world = AcpiWorld(case, TWO)
    world.words.append(world.canary(0x70000, LOW_RAM_END - 0x70000))
    vm = world.run(extra=smp(2))
    assert online(vm) == 2


def test_no_ram_below_1_mib_means_one_processor(case):
    world = AcpiWorld(case, TWO)
    world.entries = [(start, size, kind if start >= 1 << 20 else 2) for start, size, kind in world.entries]
    vm = world.run(extra=smp(2))
    assert online(vm) == 1
    assert vm.log.warnings == ["no page of RAM between 4 KiB and 1 MiB: other processors cannot be started, and Linux "
                               "may panic for want of a trampoline"]


def test_a_module_in_all_of_low_memory_means_one_processor(case):
    world = BerthWorld(case, initrd=bytes(n * 7 % 251 for n in range(LOW_RAM_END - PAGE)))
    world.initrd_at, world.info_at = PAGE, 110 << 20
    vm = world.run(extra=smp(2))
    assert online(vm) == 1
    assert vm.log.warnings == ["no page between 4 KiB and 640 KiB is free: other processors cannot be started"]


# --- state ------------------------------------------------------------------------------------------------------------

# Intel SDM volume 4, table 2-2: IA32_MTRR_DEF_TYPE, IA32_MTRR_PHYSBASE0 and PHYSMASK0.
MTRR_DEFAULT, MTRR_BASE, MTRR_MASK = 0x2FF, 0x200, 0x201
ODD = {MTRR_DEFAULT: 0xC06, MTRR_BASE: 0xC0000000, MTRR_MASK: 0xFFC0000800}


def states(vm):
    """The registers that the log shows of each processor, without what is its own."""
    found = [fields(line) for line in vm.log.starting("debug: processor ")]
    for state in found:
        del state["apic-id"]
    return found


@pytest.mark.parametrize("odd", [[], [MTRR_BASE, MTRR_MASK], [MTRR_DEFAULT], list(ODD)], ids=str)
def test_registers_are_those_of_the_first_processor(case, odd):
    world = AcpiWorld(case, [madt(*[local_apic(n) for n in range(4)])])
    world.cmdline = "loglevel=debug"
    world.msrs = [(number, ODD[number]) for number in odd]
    vm = world.run(extra=smp(4))
    first, *others = states(vm)
    assert len(others) == 3
    assert all(state == first for state in others)
    if MTRR_DEFAULT in odd:
        assert int(first["mtrr-default"], 16) == ODD[MTRR_DEFAULT]
    if MTRR_BASE in odd:
        assert [int(part, 16) for part in first["mtrr-0"].split("/")] == [ODD[MTRR_BASE], ODD[MTRR_MASK]]
    assert vm.log.warnings == []


# --- data of each processor -------------------------------------------------------------------------------------------

GS_BASE = re.compile(r"^GS =\S+ ([0-9a-f]+)", re.MULTILINE)
FIRST_BYTES = struct.Struct("<QII")  # its own address, its number, its APIC's id


def assert_gs_bases_lead_to_own_data(case, vm, numbers_and_ids):
    text = vm.qmp("human-monitor-command", **{"command-line": "info registers -a"}).replace("\r", "")
    bases = [int(base, 16) for base in GS_BASE.findall(text)]
    assert bases[0] == symbols(case.debug_image)["first_processor"]
    data = [vm.physical_memory(vm.physical_address(base), FIRST_BYTES.size) for base in bases]
    assert [FIRST_BYTES.unpack(words) for words in data] == [(base, *numbers) for base, numbers
                                                             in zip(bases, numbers_and_ids)]


def test_gs_base_leads_each_processor_to_its_own_data(case):
    """Numbers follow the firmware's list, QEMU's order that of the APICs' ids."""
    world = AcpiWorld(case, [madt(local_apic(2), local_apic(0), local_apic(1))])
    world.cmdline = "debug=ud"
    with world.machine(extra=smp(3)) as vm:
        vm.wait_halted()
        assert_gs_bases_lead_to_own_data(case, vm, [(0, 0), (2, 1), (1, 2)])


def test_gs_base_is_the_same_behind_32_bit_firmware(case):
    """Its boot services are ended from 64-bit code, with its segments in between."""
    files = uefi.grub_berth_files(case, target="i386-efi", cmdline="debug=ud")
    with uefi.machine(case, files, firmware="uefi32") as vm:
        vm.wait_halted(uefi.BOOT_SECONDS)
        assert_gs_bases_lead_to_own_data(case, vm, [(0, 0)])


# --- the page tables of all -------------------------------------------------------------------------------------------

LOCAL_APIC = 0xFEE00000


@pytest.mark.parametrize("base", PLACES, ids=hex)
def test_the_page_they_started_in_is_not_left_mapped_but_their_apic_is(case, base):
    iso = case.berth_iso("debug=ud", image=pinned(case, base, align=PAGE))
    with case.machine(iso=iso, extra=smp(4)) as vm:
        log = vm.wait_halted()
        pages = Pages(vm)
    assert all(va >= LINK_VA for va, _, _ in pages.all)
    devices = {at: letters for at, (_, span, letters) in pages.direct().items() if not is_ram_page(log, at)}
    assert sorted(devices) == [SCREEN, LOCAL_APIC]
    assert all("C" in letters and "T" in letters for letters in devices.values()), "a device is cached"
    assert all("W" not in letters or "X" in letters for _, _, letters in pages.all)


# --- exceptions -------------------------------------------------------------------------------------------------------

FLAGS = re.compile(r"[ER]FL=([0-9a-f]+) .* HLT=(\d)")
INTERRUPTS_ON = 0x200


def wait_all_halted(vm, count, seconds=30):
    """Until all processors are asleep with interrupts off."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        text = vm.qmp("human-monitor-command", **{"command-line": "info registers -a"})
        states = [(int(flags, 16) & INTERRUPTS_ON, halted) for flags, halted in FLAGS.findall(text)]
        if states == [(0, "1")] * count:
            return
        if time.monotonic() > deadline:
            raise vm.error(f"waited {seconds * PATIENCE:.0f} s for {count} processors to halt: {states}")


@pytest.mark.parametrize("fault, vector, function, stack", [
    ("ap-ud", 6, "ud_raise", "interrupted"), ("ap-df", 8, "df_raise", "#DF")])
def test_an_exception_names_its_processor(case, fault, vector, function, stack):
    with case.machine(iso=case.berth_iso(f"debug={fault}"), extra=smp(3)) as vm:
        log = vm.wait_halted()
        dump = Dump(log)
        assert dump.vector == vector and dump.backtrace[0] == function and "processor_enter" in dump.backtrace
        assert log.one("on processor ") == "1, APIC id 0x1"
        assert log.one("rsp=").endswith(f"reported on the {stack} stack")
        wait_all_halted(vm, 3)
        assert vm.log.is_halted and vm.triple_faults == 0


def test_a_stack_overflow_of_another_one_is_told_in_words(case):
    with case.machine(iso=case.berth_iso("debug=ap-stack-overflow", modules=[]), extra=smp(2)) as vm:
        dump = Dump(vm.wait_halted())
        check_stack_overflow(vm, dump)
        assert vm.log.one("on processor ") == "1, APIC id 0x1"
        wait_all_halted(vm, 2)


def test_an_exception_of_the_first_one_stops_all(case):
    with case.machine(iso=case.berth_iso("debug=ud"), extra=smp(3)) as vm:
        log = vm.wait_halted()
        assert Dump(log).vector == 6 and log.starting("on processor ") == []
        wait_all_halted(vm, 3)
        assert len(vm.log.errors) == 1 and vm.log.is_halted and vm.triple_faults == 0
