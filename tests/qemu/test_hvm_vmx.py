"""dom0=hvm by VMX, on Bochs: QEMU without hardware virtualisation has none. The guests are those of the tests on QEMU: one
that checks what it is handed, and one that tries everything (hvm.py).
"""
import contextlib

import pytest
from bochs import INTEL, Bochs
from hvm import Guest, berth_words, kept_ranges, numbers_of

MEMORY_MIB = 256
UD, GP = "fault 6 error 0x0", "fault 13 error 0x0"
ONES = (1 << 64) - 1


def machine(case, kernel, cmdline, *, model=INTEL, processors=1, words=""):
    iso = case.berth_iso(modules=[(case.guest(kernel), words)], cmdline=cmdline)
    return Bochs(case.folder / "bochs", model=model, iso=iso, memory_mib=MEMORY_MIB, processors=processors)


@contextlib.contextmanager
def probe(case, mode="hvm", *, words=(), **kind):
    """The probe kernel, ready for orders."""
    with machine(case, "probe.bzimage", berth_words(mode, *words), **kind) as vm:
        yield Guest(vm).ready()


def test_a_guest_is_content(case):
    with machine(case, "zp64.bzimage", "dom0=hvm", words="rsdp=some initrd=none") as vm:
        vm.wait_for(r"^GUEST-(OK|FAIL) |^\(BERTH\) halted$")
        assert "GUEST-OK" in vm.text, vm.error("the guest is not content")
        assert vm.log.errors == [] and vm.log.warnings == []
        assert vm.log.one("hvm: ").startswith("VMX, 1 processor")


VMX = ["vmxon", "vmxoff", "vmclear", "vmptrld", "vmlaunch", "vmresume"]


def test_try(case):
    with probe(case, processors=2) as guest:
        for name in VMX:
            print(guest.ask_one(f"do {name}"))
        print(guest.ask("vmcall 0 0 0"))
        print(guest.ask("vmcall-ring3 0 0 0"))
        print(guest.ask("rdmsr 0x3a"))
        print(guest.ask("rdmsr 0x480"))
        print(guest.ask("wrmsr 0x3a 5"))
        print(guest.ask("cpuid 0x40000000"))
        base = guest.vm.log.base
        print(guest.ask(f"read {base + 0x1000:#x}"))
        print(guest.ask(f"write {base + 0x1000:#x} 0x1234"))
        print(guest.ask(f"read {base + 0x1000:#x}"))
        print(guest.ask("prepare 0x8 0 0"))
        print(guest.ask("icr 0x1000000 0x4500"))
        print(guest.ask("icr 0x1000000 0x4608"))
        print(guest.ask("arrived 0x8 1"))
        assert 0
