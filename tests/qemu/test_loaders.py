"""Every loader of loaders.py starts Berth: what Berth says of it is right, and what it hands over arrives."""
import re
import zlib

import berth_qemu
import pytest
from berth_qemu import LINUX_WORDS
from loaders import LOADERS
from mkinitrd import payload_sha256
from uefi import wait_userspace

SLOT = 2 << 20
GUEST_PASS = berth_qemu.debug_exit_status(0x10)
INITRD = bytes(i * 7 % 251 for i in range(20000))
BOOT_SECONDS = 120
CMDLINE = "loglevel=debug"
KERNEL_WORDS = LINUX_WORDS


# One loader starts Debian in every run of the tests, and so does not need the guest there.
ALWAYS_DEBIAN = "kexec-multiboot2"


def marked(names, slow):
    return [pytest.param(name, marks=[pytest.mark.slow] if slow(name) else []) for name in names]


def machine(case, name, modules, image=None):
    loader = LOADERS[name]
    arguments = loader.arguments(case.folder, case.build, CMDLINE, modules, image)
    return case.machine(machine=loader.machine, memory=loader.memory, extra=arguments)


def check_boot(loader, log):
    boot = log.boot
    assert boot["protocol"] == loader.protocol and boot["firmware"] == loader.firmware
    assert re.match(loader.says or "$", boot["loader"]), f"the loader is {boot['loader']!r}"
    assert boot["moved-by"] == loader.moved_by
    assert log.base % SLOT == 0
    assert log.cmdline == CMDLINE
    assert log.errors == []


def check_guest(case, name, image=None):
    """The guest compares its initrd and the boot protocol from inside, and says so by QEMU's exit status."""
    loader = LOADERS[name]
    words = "" if loader.one_module else f"initrd={len(INITRD)}:{zlib.crc32(INITRD):08x} word=a,b"
    modules = [(case.guest("zp64.bzimage"), words)]
    if not loader.one_module:
        modules.append((case.write("initrd", INITRD), ""))
    with machine(case, name, modules, image) as vm:
        vm.wait_for(r"^GUEST-(OK|FAIL) |^\(BERTH\) halted$|^kexec failed$", BOOT_SECONDS)
        assert not vm.log.is_halted, vm.text
        assert vm.wait_exit() == GUEST_PASS and "GUEST-OK" in vm.text, vm.text
        assert vm.triple_faults == 0
        check_boot(loader, vm.log)
        assert [module["cmdline"] for module in vm.log.modules] == [words for _, words in modules]


@pytest.mark.parametrize("name", marked(LOADERS, lambda name: LOADERS[name].slow or name == ALWAYS_DEBIAN))
def test_checking_guest(case, name):
    check_guest(case, name)


# The other container, where it is a flat file with address fields. (GRUB's multiboot2: test_uefi.py.)
TAKE_THE_FLAT_FILE = ["qemu-multiboot1", "grub-bios-multiboot1", "pxelinux", "ipxe-bios", "kexec-multiboot1"]


@pytest.mark.parametrize("name", marked(TAKE_THE_FLAT_FILE, lambda name: name != "qemu-multiboot1"))
def test_flat_file(case, name):
    check_guest(case, name, case.build / "berth.efi")


@pytest.mark.slow
def test_kexec_refuses_the_flat_file(case):
    """Its multiboot2 takes ELF files alone. Should this fail, kexec has learnt it: then change docs/loaders.md."""
    with machine(case, "kexec-multiboot2", [(case.guest("zp64.bzimage"), "")], case.build / "berth.efi") as vm:
        vm.wait_for(r"^kexec failed$", BOOT_SECONDS)


WITH_LINUX = [name for name, loader in LOADERS.items() if not loader.one_module and loader.machine != "microvm"]


@pytest.mark.parametrize("name", marked(WITH_LINUX, lambda name: name != ALWAYS_DEBIAN))
def test_debian(case, name):
    modules = [(case.kernel, KERNEL_WORDS), (case.initrd, "")]
    with machine(case, name, modules) as vm:
        report = wait_userspace(vm)
        assert vm.wait_exit() == 0, "Linux did not power off"
        assert vm.triple_faults == 0
        assert report["payload"][0].split()[0] == payload_sha256()
        assert report.cmdline == KERNEL_WORDS
        check_boot(LOADERS[name], vm.log)
