"""dom0=hvm by VMX, on Bochs: QEMU without hardware virtualisation has none."""
import pytest
from bochs import INTEL, Bochs

MEMORY_MIB = 256


def machine(case, model, *, processors=1, cmdline="dom0=hvm", words="rsdp=some initrd=none"):
    iso = case.berth_iso(modules=[(case.guest("zp64.bzimage"), words)], cmdline=cmdline)
    return Bochs(case.folder / "bochs", model=model, iso=iso, memory_mib=MEMORY_MIB, processors=processors)


def test_a_guest_is_content(case):
    with machine(case, INTEL) as vm:
        vm.wait_for(r"^GUEST-(OK|FAIL) |^\(BERTH\) halted$")
        assert "GUEST-OK" in vm.text, vm.error("the guest is not content")
        assert vm.log.errors == []
