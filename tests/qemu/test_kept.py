"""What Berth keeps of the memory when it stays below the guest: how much, and what the guest is told of it. And what it
reaches itself: all RAM."""
import re

import pytest
import uefi
from berth_shim import GUEST_PASS
from test_paging import GIB, MIB, Pages, is_ram_page

KIB = 1 << 10
FOUR_GIB = 4 * GIB
SVM = "qemu64,+svm,+npt"
RAM, RESERVED = 1, 2
EFI_MAP = "console=ttyS0 no_timer_check ignore_loglevel efi=debug"
# As Linux prints a descriptor: arch/x86/platform/efi of 6.1, with efi=debug.
EFI_LINE = re.compile(r"efi: mem\d+: \[(.*?) *\|.*range=\[0x([0-9a-f]+)-0x([0-9a-f]+)\]")
FOOTPRINT = (r"SVM, (\d+) processors, kept (\d+) KiB: image (\d+), tables (\d+), processors (\d+), "
             r"nested tables (\d+)")
# What may be kept with eight processors.
MOST = {"1G": 4 * MIB, "64G": 8 * MIB}


class Kept:
    """The footprint's line: everything in bytes."""

    def __init__(self, log):
        self.processors, *sizes = map(int, re.fullmatch(FOOTPRINT, log.one("hvm: ")).groups())
        self.all, self.image, *others = [size * KIB for size in sizes]
        assert self.all == self.image + sum(others) and min(others) > 0


def total(spans):
    return sum(end - start for start, end in spans)


def overlap(some, others):
    """Bytes that are in both."""
    return sum(max(0, min(a[1], b[1]) - max(a[0], b[0])) for a in some for b in others)


def spans(entries, wanted):
    return [(start, start + size) for start, size, kind in entries if kind == wanted]


def assert_told(log, report):
    """The e820 table differs from the map that Berth was given by what is kept. Returns that."""
    kept = Kept(log)
    before = [(first, last + 1) for first, last, kind in log.memory if kind in ("ram", "boot-services")]
    ram, reserved = spans(report.e820, RAM), spans(report.e820, RESERVED)
    assert overlap(reserved, before) == kept.all and total(ram) == total(before) - kept.all
    assert overlap(reserved, [(log.base, log.base + kept.image)]) == kept.image
    return [(max(a[0], b[0]), min(a[1], b[1])) for a in reserved for b in before if a[0] < b[1] and b[0] < a[1]]


def test_the_kernel_is_told_that_what_berth_keeps_is_reserved(case):
    with case.machine(iso=case.berth_iso("dom0=hvm"), cpu=SVM, extra=["-smp", "2"]) as vm:
        report = vm.wait_userspace()
        assert vm.wait_exit() == 0 and vm.triple_faults == 0 and vm.resets == 0
        assert vm.log.errors == []
        assert_told(vm.log, report)
        assert Kept(vm.log).processors == 2
        assert vm.log.starting("dom0: ")[0].startswith("mode=hvm ")


@pytest.mark.parametrize("kernel", ["zp64", "zp32"])
def test_a_guest_that_looks_at_all_it_is_given_finds_nothing_wrong(case, kernel):
    """By either entry: what the boot protocol promises of registers, descriptor table, page tables and zero page."""
    iso = case.berth_iso("dom0=hvm", modules=[(case.guest(f"{kernel}.bzimage"), "rsdp=some initrd=none")])
    with case.machine(iso=iso, cpu=SVM) as vm:
        assert vm.wait_exit() == GUEST_PASS, vm.error("the guest is not content")
        assert vm.log.errors == [] and vm.log.starting("dom0: ")[0].startswith("mode=hvm ")


@pytest.mark.slow
def test_the_firmwares_map_says_the_same(case):
    files = uefi.grub_berth_files(case, cmdline="dom0=hvm", kernel_cmdline=EFI_MAP)
    with uefi.machine(case, files, cpu=SVM) as vm:
        report = uefi.wait_userspace(vm)
        assert vm.wait_exit() == 0 and vm.triple_faults == 0
        kept = assert_told(vm.log, report)
        found = [(name, int(first, 16), int(last, 16) + 1) for name, first, last in EFI_LINE.findall(vm.text)]
    by_type = {name: [(start, end) for other, start, end in found if other == name] for name, _, _ in found}
    assert overlap(by_type.pop("Reserved"), kept) == total(kept)
    assert {name: overlap(those, kept) for name, those in by_type.items()} == dict.fromkeys(by_type, 0)


@pytest.mark.parametrize("memory", MOST)
def test_little_is_kept(case, memory):
    iso = case.berth_iso("dom0=hvm")
    with case.machine(iso=iso, memory=memory, cpu=SVM, extra=["-smp", "8"]) as vm:
        vm.wait_for(r"^\(BERTH\) dom0: mode=hvm ")
        kept = Kept(vm.log)
    assert kept.processors == 8 and kept.all <= MOST[memory]


@pytest.mark.parametrize("cpu, words", [(SVM, "hvm: SVM with nested paging"),
                                        ("qemu64", "native: the processor has no nested paging")])
def test_auto_says_what_it_is_and_why(case, cpu, words):
    with case.machine(iso=case.berth_iso(), cpu=cpu) as vm:
        vm.wait_for(r"^\(BERTH\) dom0: mode=.* initrd=")
        assert vm.log.one("dom0: auto is ") == words
        assert vm.log.starting("dom0: mode=")[0].startswith(words.split(":")[0] + " ")


@pytest.mark.sample(2)
@pytest.mark.parametrize("cpu", [SVM, f"{SVM},+pdpe1gb"])
@pytest.mark.parametrize("mode, above", [("hvm", True), ("native", False)])
def test_who_stays_reaches_all_ram(case, mode, above, cpu):
    iso = case.berth_iso(f"dom0={mode} debug=ud", modules=[])
    with case.machine(iso=iso, memory="5G", cpu=cpu) as vm:
        log, direct = vm.wait_halted(), Pages(vm).direct()
    high = {at: page for at, page in direct.items() if at >= FOUR_GIB}
    ram = sum(last + 1 - first for first, last, kind in log.memory if kind == "ram" and first >= FOUR_GIB)
    assert ram >= GIB and sum(span for _, span, _ in high.values()) == (ram if above else 0)
    for at, (pa, span, letters) in high.items():
        assert pa == at and {"W", "X", "G"} <= set(letters) and "U" not in letters
        assert is_ram_page(log, at) and span == (GIB if "pdpe1gb" in cpu else 2 * MIB)
