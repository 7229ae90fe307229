"""What Berth cannot start is refused in words: one exact error line, then "halted", and no CPU reset."""
import re

import pytest

MIB = 1 << 20

# The words of boot/report.c, boot/guest.c and boot/early_error.S; # stands for one hexadecimal number.
NO_KERNEL = "no kernel was given - add the line 'module2 /vmlinuz ...' to the GRUB menu entry"
NOT_BZIMAGE = "module 0 is not a Linux kernel (bzImage) - give the kernel as the first module"
TRUNCATED = "the kernel is cut short, it should have # bytes - copy the file again"
TOO_OLD = "the kernel's boot protocol 2.05 is older than 2.06 - use Linux 2.6.22 or later"
ZIMAGE = "the kernel is a zImage, which loads below 1 MiB - use a bzImage"
NO_ROOM_KERNEL = "no room for the kernel, # bytes are missing - add memory or use a smaller kernel"
NO_ROOM_INITRD = ("no room for the initrd beside the kernel, # bytes are missing - "
                  "add memory or use a smaller one")
NO_LONG_MODE = "this CPU has no 64-bit mode - use a CPU with long mode (CPUID 0x80000001 EDX bit 29)"
WRONG_MODE = "this build cannot run the kernel in the wanted dom0= mode - use dom0=native, dom0=hvm or dom0=auto"
NO_NESTED_PAGING = "dom0=hvm is not possible: the processor has no nested paging - use dom0=native"
NO_SVM = ("dom0=hvm is not possible: the processor has neither SVM nor VMX, or the firmware hides them - "
          "enable virtualisation in the firmware's setup, or use dom0=native")

# Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"
SETUP_SECTORS = 0x1F1
SYSTEM_SIZE = 0x1F4
VERSION = 0x206
LOAD_FLAGS = 0x211
LOADED_HIGH = 1
SECTOR_BYTES = 512
PARAGRAPH_BYTES = 16


def refused(case, words, modules, cmdline="", **machine):
    """Boot; the machine must stop with exactly these words. Returns the number in them, if there is one."""
    with case.machine(iso=case.berth_iso(cmdline=cmdline, modules=modules), **machine) as vm:
        log = vm.wait_halted()
        assert vm.qmp("query-status")["running"]
        assert vm.triple_faults == 0 and vm.resets == 0
    assert len(log.errors) == 1 and log.is_halted
    found = re.fullmatch(re.escape(words).replace(r"\#", "0x([0-9a-f]+)"), log.errors[0])
    assert found, f"expected {words!r}, got {log.errors[0]!r}"
    return int(found[1], 16) if found.groups() else None


def changed_kernel(case, offset, value):
    content = bytearray(case.kernel.read_bytes())
    content[offset:offset + len(value)] = value
    return case.write("vmlinuz.changed", content)


def whole_kernel_bytes(kernel):
    setup_sectors = kernel[SETUP_SECTORS] or 4
    system_size = int.from_bytes(kernel[SYSTEM_SIZE:SYSTEM_SIZE + 4], "little")
    return (setup_sectors + 1) * SECTOR_BYTES + system_size * PARAGRAPH_BYTES


def test_no_module(case):
    refused(case, NO_KERNEL, modules=[])


def test_module_that_is_no_kernel(case):
    refused(case, NOT_BZIMAGE, modules=[(case.initrd, "")])


def test_empty_module(case):
    refused(case, NOT_BZIMAGE, modules=[(case.write("empty", b""), "")])


def test_truncated_kernel(case):
    kernel = case.kernel.read_bytes()
    half = case.write("vmlinuz.half", kernel[:len(kernel) // 2])
    assert refused(case, TRUNCATED, modules=[(half, "")]) == whole_kernel_bytes(kernel)


def test_kernel_cut_inside_its_header(case):
    kernel = case.kernel.read_bytes()
    stub = case.write("vmlinuz.stub", kernel[:VERSION + 2])
    with case.machine(iso=case.berth_iso(modules=[(stub, "")])) as vm:
        log = vm.wait_halted()
        assert vm.triple_faults == 0 and vm.resets == 0
    assert len(log.errors) == 1 and re.search("bzImage|cut short", log.errors[0])


def test_boot_protocol_older_than_2_06(case):
    refused(case, TOO_OLD, modules=[(changed_kernel(case, VERSION, b"\x05\x02"), "")])


def test_kernel_that_loads_low(case):
    flags = case.kernel.read_bytes()[LOAD_FLAGS] & ~LOADED_HIGH
    refused(case, ZIMAGE, modules=[(changed_kernel(case, LOAD_FLAGS, bytes([flags])), "")])


def test_kernel_does_not_fit(case):
    missing = refused(case, NO_ROOM_KERNEL, modules=[(case.kernel, "")], memory="48M")
    assert 0 < missing < 64 * MIB


def test_initrd_does_not_fit_beside_the_kernel(case):
    # The loader finds room for 70 MiB of 128; with the room that the kernel asks for beside it there is none.
    initrd = case.write("initrd.large", bytes(70 * MIB))
    missing = refused(case, NO_ROOM_INITRD, modules=[(case.kernel, ""), (initrd, "")], memory="128M")
    assert 0 < missing < 70 * MIB


@pytest.mark.parametrize("cpu", ["qemu32", "pentium3", "486", "max,-lm"])
def test_cpu_without_long_mode(case, cpu):
    refused(case, NO_LONG_MODE, modules=[], cpu=cpu)


@pytest.mark.parametrize("mode", ["pvh", "pv"])
def test_guest_mode_that_is_not_there(case, mode):
    refused(case, WRONG_MODE, modules=[(case.initrd, "")], cmdline=f"dom0={mode}")


@pytest.mark.parametrize("cpu, words", [("qemu64", NO_NESTED_PAGING), ("qemu64,-svm", NO_SVM)])
def test_a_processor_that_cannot_be_below_a_guest(case, cpu, words):
    refused(case, words, modules=[(case.initrd, "")], cmdline="dom0=hvm", cpu=cpu)


def test_reboot_instead_of_halting(case):
    with case.machine(iso=case.berth_iso(cmdline="reboot", modules=[])) as vm:
        assert vm.wait_exit(30) == 0
        assert vm.triple_faults == 0
        assert vm.log.errors == [NO_KERNEL]
        assert vm.log.lines[-1] == "rebooting: acpi"
