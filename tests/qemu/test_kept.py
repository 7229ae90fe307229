"""What Berth keeps of the memory when it stays below the guest, and what the guest is told of that."""
import re

import pytest

PAGE = 4096
KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
SVM = "qemu64,+svm,+npt"
RAM, RESERVED = 1, 2

FOOTPRINT = (r"(\d+) processors, kept (\d+) KiB: image (\d+), tables (\d+), processors (\d+), "
             r"nested tables (\d+)")


def footprint(log):
    return [int(number) for number in re.fullmatch(FOOTPRINT, log.one("hvm: SVM, ")).groups()]


def total(spans):
    return sum(end - start for start, end in spans)


def overlap(some, others):
    """Bytes that are in both."""
    return sum(max(0, min(a[1], b[1]) - max(a[0], b[0])) for a in some for b in others)


def booted(case, cmdline="dom0=hvm", **machine):
    """The log and Linux's report, of a machine that came up and went off."""
    with case.machine(iso=case.berth_iso(cmdline=cmdline), **{"cpu": SVM, **machine}) as vm:
        report = vm.wait_userspace(180)
        assert vm.wait_exit() == 0 and vm.triple_faults == 0 and vm.resets == 0
        assert vm.log.errors == []
        return vm.log, report


def test_the_kernel_is_told_that_what_berth_keeps_is_reserved(case):
    log, report = booted(case, extra=["-smp", "2"])
    processors, kept, image, tables, others, nested = footprint(log)
    assert processors == 2 and kept == image + tables + others + nested and min(others, nested) > 0
    assert log.starting("dom0: mode=")[0].startswith("hvm ")

    before = [(first, last + 1) for first, last, kind in log.memory if kind == "ram"]
    ram = [(start, start + size) for start, size, kind in report.e820 if kind == RAM]
    reserved = [(start, start + size) for start, size, kind in report.e820 if kind == RESERVED]
    assert overlap(reserved, before) == kept * KIB and overlap(ram, before) == total(before) - kept * KIB
    assert overlap(reserved, [(log.base, log.base + image * KIB)]) == image * KIB
