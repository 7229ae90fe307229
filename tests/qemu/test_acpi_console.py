"""The serial line that ACPI's tables SPCR and DBG2 name: found, used once, and left alone where it is no good.

Berth runs without modules here, so that it ends with an error; SeaBIOS passes on the tables that QEMU adds.
"""
import re
import struct

import pytest
from berth_shim import GIB, MIB
from test_acpi import AcpiWorld, table
from test_consoles import (BELOW_AND_ABOVE, DATA, INTERRUPTS, LINE_CONTROL, LINE_STATUS, MODEM_CONTROL, READY, SHARED,
                           SharedMemory, log_lines, printed, wait_until)

COM1, COM2 = 0x3F8, 0x2F8
LATCH_OPEN = 0x80
AS_IT_IS, BAUD_9600, BAUD_57600, BAUD_115200 = 0, 3, 6, 7
PLAIN, ANY_16550, PL011 = 0x00, 0x12, 0x03
MEMORY, PORTS = 0, 1
NO_DEVICE = (0xFFFF, 0xFFFF)  # device, vendor
QEMU_CARD = (0x0002, 0x1B36)
NOT_USED = "the serial line that ACPI names is not used: "


def place(space, address, bits=8, access=1):
    return struct.pack("<BBBBQ", space, bits, 0, access, address)


def spcr(where, baud=BAUD_115200, interface=PLAIN, card=NO_DEVICE, slot=(0, 0, 0), segment=0, clock=0, precise=0):
    """The table behind its header: Microsoft, "Serial Port Console Redirection Table"."""
    line = struct.pack("<BBIBBBBBB", 3, 4, 0, baud, 0, 1, 0, 3, 0)
    pci = struct.pack("<HHBBBIB", *card, *slot, 0, segment)
    return struct.pack("<B3x", interface) + where + line + pci + struct.pack("<IIHH", clock, precise, 2, 88) + b".\0"


def dbg2(where, interface=PLAIN):
    """One device: Microsoft, "Debug Port Table 2"."""
    device = struct.pack("<BHBHHHHHHHHH", 0, 38, 1, 0, 0, 0, 0, 0x8000, interface, 0, 22, 34)
    return struct.pack("<II", 44, 1) + device + where + struct.pack("<I", 8)


class Run:
    """QEMU's arguments for Berth with these tables: {signature: (revision, what is behind the header)}."""

    def __init__(self, case, words="", spcr=None, dbg2=None, revision=4):
        self.case = case
        self.extra = ["-kernel", case.build / "berth.efi", "-append", "loglevel=debug " + words]
        for signature, number, payload in (("SPCR", revision, spcr), ("DBG2", 0, dbg2)):
            if payload:
                file = case.write(signature + ".bin", payload)
                self.extra += ["-acpitable", f"sig={signature},rev={number},data={file}"]

    def machine(self, *extra, machine="pc"):
        return self.case.machine(machine=machine, extra=[*self.extra, *extra])

    def halted(self, *extra):
        """A run to its end; returns the machine."""
        with self.machine(*extra) as vm:
            vm.wait_halted()
        return vm

    def com2(self):
        """The machine's COM1 is a file, and COM2 what the test reads: the machine, and the file's lines."""
        path = self.case.folder / "com1.log"
        return self.halted("-serial", f"file:{path}"), log_lines(path)


def is_whole(vm):
    return vm.log.lines[0].startswith("Berth ") and sum(line.startswith("Berth ") for line in vm.log.lines) == 1


def port_registers(vm, port):
    """Divisor and line control of a 16550 behind ports. What Berth still wrote would go to the divisor."""
    vm.wait_asleep()

    def monitor(command):
        return vm.qmp("human-monitor-command", **{"command-line": command})

    def read(register):
        return int(monitor(f"i/1b {port + register:#x}").split("=")[1], 16)

    control = read(LINE_CONTROL)
    monitor(f"o/1b {port + LINE_CONTROL:#x} {LATCH_OPEN | control:#x}")
    return read(0) | read(1) << 8, control


# --- ports ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("tables", [{"spcr": spcr(place(PORTS, COM2))}, {"dbg2": dbg2(place(PORTS, COM2))}],
                         ids=["spcr", "dbg2"])
def test_com2_gets_the_whole_log_and_com1_too(case, tables):
    vm, com1 = Run(case, **tables).com2()
    assert is_whole(vm) and com1 == printed(vm)
    assert "debug: console: ACPI names a serial line at port 0x2f8" in vm.log.lines
    assert vm.log.warnings == []


def test_the_console_goes_before_the_debug_port(case):
    vm, com1 = Run(case, spcr=spcr(place(PORTS, COM2)), dbg2=dbg2(place(PORTS, 0x3E8))).com2()
    assert is_whole(vm) and com1 == printed(vm) and vm.log.warnings == []


def test_com1_is_not_started_twice(case):
    vm = Run(case, spcr=spcr(place(PORTS, COM1))).halted()
    assert is_whole(vm) and vm.log.warnings == []
    assert "debug: console: the serial line that ACPI names is com1, which is used already" in vm.log.lines


@pytest.mark.parametrize("words, divisor, starts", [("", 12, 2), ("console=com1,acpi", 1, 1), ("com1=57600", 2, 1)],
                         ids=["nothing-said", "com1-named", "com1-described"])
def test_com1_gets_the_speed_that_only_acpi_knows(case, words, divisor, starts):
    """A terminal of that speed could not read what was sent before: it is given the log once more."""
    with Run(case, words, spcr=spcr(place(PORTS, COM1), BAUD_9600)).machine() as vm:
        vm.wait_halted()
        assert port_registers(vm, COM1) == (divisor, 3)
    assert sum(line.startswith("Berth ") for line in vm.log.lines) == starts


# Without being told, QEMU's UART has a divisor of 12 and 5 data bits.
@pytest.mark.parametrize("told, revision, divisor, control", [
    (dict(baud=AS_IT_IS), 2, 12, 0),
    (dict(baud=BAUD_57600), 1, 2, 3),
    (dict(baud=BAUD_57600, precise=38400), 4, 3, 3),
    (dict(baud=BAUD_57600, precise=38400, clock=36864000), 3, 40, 3),
    (dict(baud=AS_IT_IS, precise=3000000), 4, 12, 0),
], ids=["as-it-is", "code", "precise", "clock", "beyond-the-clock"])
def test_speed(case, told, revision, divisor, control):
    com1 = case.folder / "com1.log"
    with Run(case, spcr=spcr(place(PORTS, COM2), **told), revision=revision).machine("-serial", f"file:{com1}") as vm:
        vm.wait_halted()
        assert port_registers(vm, COM2) == (divisor, control)


@pytest.mark.parametrize("words", ["com1=115200", "console=com1,vga", "com2=off"])
def test_the_command_line_wins(case, words):
    other = case.folder / "com2.log"
    vm = Run(case, words, spcr=spcr(place(PORTS, COM2))).halted(
        "-chardev", f"file,id=other,path={other}", "-device", "isa-serial,index=1,chardev=other")
    assert other.read_bytes() == b"" and vm.log.warnings == []


def test_acpi_alone(case):
    vm, com1 = Run(case, "console=acpi", spcr=spcr(place(PORTS, COM2))).com2()
    assert is_whole(vm) and com1 == []


def test_acpi_is_named_and_has_no_table(case):
    assert Run(case, "console=acpi,com1").halted().log.warnings == [
        "ACPI names no serial line for a console - see docs/options.md"]


# --- PCI --------------------------------------------------------------------------------------------------------------

CARD = ["-chardev", "file,id=card,path={}", "-device", "pci-serial,chardev=card,addr=7"]


def card(case):
    """QEMU's arguments for a PCI card, the file behind it, and the port where SeaBIOS puts it."""
    log = case.folder / "card.log"
    arguments = [word.format(log) for word in CARD]
    with Run(case).machine(*arguments) as vm:
        vm.wait_halted()
        found = [device for device in vm.qmp("query-pci")[0]["devices"] if device["slot"] == 7]
    return arguments, log, found[0]["regions"][0]["address"]


def test_a_pci_card(case):
    arguments, log, port = card(case)
    named = spcr(place(PORTS, port), card=QEMU_CARD, slot=(0, 7, 0))
    with Run(case, spcr=named).machine(*arguments) as vm:
        vm.wait_halted()
        wait_until("the last line on the card", 10, lambda: log_lines(log)[-1:] == ["(BERTH) halted"])
    assert log_lines(log) == printed(vm) and vm.log.warnings == []


# --- a device's memory ------------------------------------------------------------------------------------------------

@BELOW_AND_ABOVE
@pytest.mark.parametrize("bits, access, stride", [(8, 1, 1), (32, 3, 4), (32, 0, 4), (16, 2, 2), (64, 1, 8)])
def test_registers_in_memory(case, bits, access, stride, size):
    """A device that is always ready keeps the last byte it was sent, and nothing between its registers is written."""
    shared = SharedMemory(case, size)
    shared.write(0, bytes([0xEE]) * 8 * stride)
    shared.write(LINE_STATUS * stride, bytes([READY]))
    assert (shared.address >= 4 * GIB) == (size > SHARED)
    named = spcr(place(MEMORY, shared.address, bits, access), interface=ANY_16550)
    with Run(case, spcr=named).machine(*shared.arguments, machine="q35") as vm:
        vm.wait_halted()
        wait_until("the last byte of the log", 10, lambda: shared.read(DATA, 1) == b"\n")
        registers = shared.read(0, 8 * stride)
    assert vm.log.warnings == []
    assert registers[LINE_CONTROL * stride] == 3 and registers[MODEM_CONTROL * stride] == 3
    assert registers[INTERRUPTS * stride] == 0
    width = 1 << access - 1 if access else stride
    between = [registers[at] for at in range(8 * stride) if at % stride >= width]
    assert set(between) <= {0xEE}


@BELOW_AND_ABOVE
def test_a_kernel_starts_with_it(case, size):
    """Above 4 GiB the console comes with the final page tables and ends with them, before the kernel's jump."""
    shared = SharedMemory(case, size)
    shared.write(4 * LINE_STATUS, bytes([READY]))
    named = spcr(place(MEMORY, shared.address, 32, 3), interface=ANY_16550)
    vm = AcpiWorld(case, [table(b"SPCR", named, revision=4)]).run(extra=shared.arguments)
    assert vm.log.warnings == []
    assert shared.read(4 * MODEM_CONTROL, 1) == bytes([3]) and shared.read(DATA, 1) == b"\n"


# --- what is no good --------------------------------------------------------------------------------------------------

NO_GOOD = {
    "in RAM": (dict(where=place(MEMORY, 64 * MIB, 32, 3), interface=ANY_16550), NOT_USED + "it lies in RAM"),
    "VGA's memory": (dict(where=place(MEMORY, 0xB8000)), NOT_USED + "its address is none that a 16550 can have"),
    "the interrupt controller's port": (dict(where=place(PORTS, 0x20)),
                                        NOT_USED + "its ports are none that a 16550 can have"),
    "port 0x10000": (dict(where=place(PORTS, 0x10000)), NOT_USED + "its address is none that a 16550 can have"),
    "PL011": (dict(where=place(MEMORY, 0xFEDC1000, 32, 3), interface=PL011), NOT_USED + "it is no 16550"),
    "no card": (dict(where=place(PORTS, 0xC000), card=QEMU_CARD, slot=(0, 9, 0)),
                NOT_USED + "its PCI card is not there"),
    "another card": (dict(where=place(PORTS, 0xC000), card=QEMU_CARD, slot=(0, 0, 0)),
                     NOT_USED + "its PCI card is not there"),
    "segment 1": (dict(where=place(PORTS, 0xC000), card=QEMU_CARD, segment=1),
                  NOT_USED + "it is in a PCI configuration space, or segment, that is not looked at"),
    "nothing at the port": (dict(where=place(PORTS, 0x2E8)),
                            "there is no serial line where ACPI's should be - see docs/options.md"),
    "nothing in memory": (dict(where=place(MEMORY, 0xFEDC1000, 32, 3), interface=ANY_16550),
                          "there is no serial line where ACPI's should be - see docs/options.md"),
    "the local APIC": (dict(where=place(MEMORY, 0xFEE00000, 32, 3), interface=ANY_16550),
                       "there is no serial line where ACPI's should be - see docs/options.md"),
    "beyond the processor": (dict(where=place(MEMORY, 1 << 44, 32, 3), interface=ANY_16550),
                             "there is no serial line where ACPI's should be - see docs/options.md"),
}


@pytest.mark.parametrize("name", NO_GOOD, ids=lambda name: re.sub(r"\W+", "-", name))
def test_what_is_no_good_costs_a_warning(case, name):
    told, warning = NO_GOOD[name]
    vm = Run(case, spcr=spcr(**told)).halted()
    assert vm.log.warnings == [warning]
    assert is_whole(vm)


def test_redirection_is_turned_off(case):
    vm = Run(case, spcr=spcr(place(PORTS, 0))).halted()
    assert vm.log.warnings == [] and is_whole(vm)
