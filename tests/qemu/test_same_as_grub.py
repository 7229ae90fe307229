"""Linux sees the same machine whether GRUB starts it directly or through Berth."""
import re

import pytest
from berth_qemu import LINUX_WORDS

MACHINES = ["pc", "q35"]
SIZES = ["128M", "1G", "3G", "5G", "64G"]
# GRUB's `linux` command alone puts the file's name in front of the command line.
GRUB_IMAGE_NAME = re.compile(r"^BOOT_IMAGE=\S+ ")
KERNEL_CMDLINE = f"{LINUX_WORDS} same=1"
SAME = ("uname", "memmap", "iomem", "acpi", "payload")


def report_of(case, name, iso, machine, memory):
    with case.machine(name, iso=iso, machine=machine, memory=memory) as vm:
        report = vm.wait_userspace(seconds=120)
        assert vm.wait_exit() == 0
        assert vm.triple_faults == 0 and vm.resets == 0
        return report


@pytest.mark.sample(1)
@pytest.mark.parametrize("memory", SIZES)
@pytest.mark.parametrize("machine", MACHINES)
def test_linux_sees_what_it_sees_from_grub(case, machine, memory):
    direct = report_of(case, "direct", case.linux_iso(KERNEL_CMDLINE), machine, memory)
    berth = report_of(case, "berth", case.berth_iso(kernel_cmdline=KERNEL_CMDLINE), machine, memory)

    assert GRUB_IMAGE_NAME.match(direct.cmdline)
    assert berth.cmdline == GRUB_IMAGE_NAME.sub("", direct.cmdline) == KERNEL_CMDLINE
    assert berth.e820 == direct.e820
    for section in SAME:
        assert direct[section], f"the report has nothing on {section}"
        assert berth[section] == direct[section]


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_the_installed_kind_of_kernel_sees_the_same_too(case, machine):
    kernel = case.build / "kernel/amd64/vmlinuz"
    modules = [(kernel, KERNEL_CMDLINE), (case.initrd, "")]
    direct = report_of(case, "direct", case.linux_iso(KERNEL_CMDLINE, kernel), machine, "2G")
    berth = report_of(case, "berth", case.berth_iso(modules=modules), machine, "2G")
    assert berth.e820 == direct.e820
    for section in SAME:
        assert berth[section] == direct[section]
