"""Ways out: a machine that is to restart, restarts; one that is to be switched off, is; by the first way that works, in
the order ACPI, EFI, keyboard controller, PCI reset port, triple fault. What was tried is in the log.
"""
import re
import struct
import zlib

import mb2_block as mb2
import pytest
import uefi
from berth_qemu import debug_exit_status, symbols
from berth_shim import BerthWorld
from test_acpi import AcpiWorld, local_apic, madt, table
from test_clock import ICOUNT
from test_consoles import wait_until
from test_smp import COMMAND

RESTART, POWER_OFF = "reset", "poweroff"
REASON = {RESTART: "guest-reset", POWER_OFF: "guest-shutdown"}
WORD = {RESTART: "rebooting", POWER_OFF: "powering off"}
NOT_DONE = {RESTART: "did not restart the machine", POWER_OFF: "did not switch the machine off"}
CANNOT = {RESTART: "cannot restart the machine: ", POWER_OFF: "cannot switch the machine off: "}
NO_KERNEL = "no kernel was given - add the line 'module2 /vmlinuz ...' to the GRUB menu entry"

ACPI, EFI, KEYBOARD, PCI, TRIPLE = "acpi", "efi", "keyboard controller", "pci reset port", "triple fault"
HALTED = ["the machine can be switched off now", "halted"]


def berth(case, cmdline, image=None):
    """QEMU's own loader: the quickest, and the firmware's real tables."""
    return ["-kernel", image or case.berth, "-append", cmdline]


def tried(goal, *ways):
    """The log's lines where all of these ways were tried, and the last one worked."""
    lines = []
    for way in ways[:-1]:
        lines += [f"{WORD[goal]}: {way}", f"warning: {way} {NOT_DONE[goal]}"]
    return [*lines, f"{WORD[goal]}: {ways[-1]}"]


def leave(vm, goal, seconds=30):
    """Run until QEMU ends, which has to be for the reason that was wanted; returns exit_lines()."""
    vm.qmp("cont")
    assert vm.wait_exit(seconds) == 0, vm.error("QEMU's exit status is not 0")
    assert vm.shutdown_reason() == REASON[goal]
    return exit_lines(vm)


def exit_lines(vm):
    """The log's lines from the first way out on."""
    lines = vm.log.lines
    first = [number for number, line in enumerate(lines)
             if re.match(r"rebooting|powering off|warning: \w+ cannot|the machine can be", line)]
    assert first, vm.error("no way out is in the log")
    return lines[first[0]:]


def paused(case, extra, **options):
    """A machine that does not start before leave() has its eyes open."""
    return case.machine(extra=["-S", *extra], **options)


# --- by what the firmware says ----------------------------------------------------------------------------------------

FIRMWARE = {
    ("q35", RESTART): [ACPI],
    ("q35", POWER_OFF): [ACPI],
    ("pc", RESTART): [KEYBOARD],  # its FADT is as old as the machine, without a reset register
    ("pc", POWER_OFF): [ACPI],
    ("pc,acpi=off", RESTART): [KEYBOARD],
    ("pc,i8042=off", RESTART): [KEYBOARD, PCI],
    ("microvm", RESTART): [ACPI],  # hardware-reduced ACPI: registers in memory
    ("microvm", POWER_OFF): [ACPI],
}


@pytest.mark.parametrize("machine, goal", FIRMWARE)
def test_the_first_way_that_the_machine_has_is_taken(case, machine, goal):
    with paused(case, berth(case, f"debug={goal}"), machine=machine) as vm:
        assert leave(vm, goal) == tried(goal, *FIRMWARE[machine, goal])
        assert vm.triple_faults == 0 and vm.log.errors == []


def test_a_machine_that_nothing_switches_off_says_so(case):
    with case.machine(extra=berth(case, f"debug={POWER_OFF}"), machine="pc,acpi=off") as vm:
        vm.wait_halted()
        assert exit_lines(vm) == HALTED


# The OVMF of a q35 without QEMU's ACPI tables has none of its own.
UEFI = {
    ("uefi64", "q35", RESTART): [ACPI],
    ("uefi64", "q35", POWER_OFF): [ACPI],
    ("uefi64", "q35,acpi=off", RESTART): [EFI],
    ("uefi64", "q35,acpi=off", POWER_OFF): [EFI],
    ("uefi32", "q35", RESTART): [ACPI],
    ("uefi32", "q35,acpi=off", RESTART): [EFI],
    ("uefi32", "q35,acpi=off", POWER_OFF): [EFI],
}


@pytest.mark.slow
@pytest.mark.parametrize("firmware, machine, goal", UEFI)
def test_under_uefi(case, firmware, machine, goal):
    kernel = case.guest("zp64.bzimage")
    modules = {"boot/vmlinuz": kernel, "boot/berth": case.berth}
    if firmware == "uefi64":
        files = uefi.direct_files(case, options=f"debug={goal}", ramdisk=None)
        files["EFI/BOOT/vmlinuz"] = kernel
        del files["EFI/BOOT/initrd.gz"]
    else:
        commands = [f"multiboot2 /boot/berth debug={goal}", "module2 /boot/vmlinuz", "boot"]
        files = uefi.grub_files(case, commands, modules, target="i386-efi")
    with uefi.machine(case, files, firmware=firmware, machine=machine, extra=["-S"]) as vm:
        assert leave(vm, goal, uefi.BOOT_SECONDS) == tried(goal, *UEFI[firmware, machine, goal])
        assert vm.log.boot["firmware"] == firmware and vm.triple_faults == 0


# --- by what made-up tables say ---------------------------------------------------------------------------------------

FADT_BYTES = 276
RESET_SUPPORTED, HARDWARE_REDUCED = 1 << 10, 1 << 20
IN_MEMORY, IN_PORTS, IN_PCI = 0, 1, 2
DEAD_PORT = 0x2F0  # nothing is there


def register(space, address, bits=8):
    """A generic address structure: ACPI 6.5, section 5.2.3.2."""
    return struct.pack("<BBBBQ", space, bits, 0, 1, address)


def fadt(flags=RESET_SUPPORTED, **fields):
    """A FADT with these bytes at these offsets: `at_116=...`."""
    data = bytearray(FADT_BYTES - 36)
    struct.pack_into("<I", data, 112 - 36, flags)
    for name, value in fields.items():
        at = int(name.removeprefix("at_")) - 36
        data[at:at + len(value)] = value
    return table(b"FACP", bytes(data), revision=6)


def reset_by(space, address, value=0xF):
    return fadt(at_116=register(space, address) + bytes([value]))


def world_of(case, fadt_table, goal):
    world = AcpiWorld(case, [fadt_table])
    world.cmdline = f"debug={goal}"
    return world


RESET_REGISTERS = {
    "dead": (reset_by(IN_PORTS, DEAD_PORT), tried(RESTART, ACPI, KEYBOARD)),
    "port-0x92": (reset_by(IN_PORTS, 0x92, 3), tried(RESTART, ACPI)),
    "pci-reset-port": (reset_by(IN_PORTS, 0xCF9, 6), tried(RESTART, ACPI)),
    "not-supported": (fadt(flags=0, at_116=register(IN_PORTS, 0xCF9) + b"\x06"), tried(RESTART, KEYBOARD)),
    "in-ram": (reset_by(IN_MEMORY, 64 << 20),
               [f"warning: {ACPI} {CANNOT[RESTART]}its register lies in RAM", *tried(RESTART, KEYBOARD)]),
    "above-4-gib": (reset_by(IN_MEMORY, 1 << 32),
                    [f"warning: {ACPI} {CANNOT[RESTART]}its register lies above 4 GiB", *tried(RESTART, KEYBOARD)]),
    "bus-0-has-no-such": (reset_by(IN_PCI, 32 << 32),
                          [f"warning: {ACPI} {CANNOT[RESTART]}its register is none of PCI's bus 0",
                           *tried(RESTART, KEYBOARD)]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RESET_REGISTERS)
def test_a_reset_register_is_used_if_it_can_be(case, name):
    fadt_table, lines = RESET_REGISTERS[name]
    with world_of(case, fadt_table, RESTART).machine(machine="pc", extra=["-S"]) as vm:
        assert leave(vm, RESTART) == lines
        assert vm.triple_faults == 0


def test_a_register_in_configuration_space_gets_its_byte(case):
    """Of QEMU's chipset none restarts the machine: what was written is what can be seen."""
    smram = 0x72  # of the host bridge, device 0; written to 0x5a by nobody else
    world = world_of(case, reset_by(IN_PCI, 1 << 32 | 0 << 16 | smram + 1, 0x5A), RESTART)
    with world.machine(machine="pc", extra=["-S", "-trace", "pci_cfg_write"]) as vm:
        assert leave(vm, RESTART) == tried(RESTART, ACPI, KEYBOARD)
        assert re.search(r"pci_cfg_write PIIX3 \S+ @0x73 <- 0x5a", vm.cpu_log)


PM1A = 0x604
S5 = b"\x08_S5_\x12\x08\x04\x0a\x00\x0a\x00\x00\x00"  # Name (_S5_, Package () {0, 0, 0, 0})


@pytest.mark.slow
@pytest.mark.parametrize("sleep_type", [True, False], ids=["s5", "no-s5"])
def test_switching_off_needs_to_know_the_sleep_type(case, sleep_type):
    """The control block is where SeaBIOS has put it; its machine's S5 is type 0."""
    dsdt_at = 0x70000
    made = fadt(flags=0, at_40=struct.pack("<I", dsdt_at), at_64=struct.pack("<I", PM1A))
    world = world_of(case, made, POWER_OFF)
    world.put(dsdt_at, table(b"DSDT", S5 if sleep_type else b"\x08_S4_\x00"))
    with world.machine(machine="pc", extra=["-S"]) as vm:
        if sleep_type:
            assert leave(vm, POWER_OFF) == tried(POWER_OFF, ACPI)
        else:
            vm.qmp("cont")
            vm.wait_halted()
            assert exit_lines(vm) == [
                f"warning: {ACPI} {CANNOT[POWER_OFF]}its tables do not tell the sleep type of S5", *HALTED]


# --- firmware made up: what ResetSystem does --------------------------------------------------------------------------

EFI_AT = 0x9FC00  # not in RAM, by the map of a BerthWorld
TAG_EFI32, TAG_EFI64 = 11, 12
RESET_COLD, RESET_SHUTDOWN = 0, 2
# mov dx, 0xf4; out dx, eax; ret: QEMU's exit status tells the argument.
TELL = b"\x66\xba\xf4\x00\xef\xc3"
TELL_ARGUMENT = {64: b"\x89\xc8" + TELL, 32: b"\x8b\x44\x24\x04" + TELL}
# mov al, '*'; mov dx, 0x3f8; out dx, al: seen on COM1
STAR = b"\xb0\x2a\x66\xba\xf8\x03\xee"
RETURN = STAR + b"\xc3"
# ud2
FAULT = STAR + b"\x0f\x0b"


class FirmwareWorld(BerthWorld):
    """With a system table whose only runtime service is this code for ResetSystem."""

    def __init__(self, case, code, bits=64, crc=lambda data: zlib.crc32(data)):
        super().__init__(case)
        word, runtime_at, reset_at, size = ("<Q", 88, 104, 136) if bits == 64 else ("<I", 56, 64, 80)
        system, runtime = bytearray(b"IBI SYST".ljust(120, b"\0")), bytearray(b"RUNTSERV".ljust(size, b"\0"))
        table_at, code_at = EFI_AT + 128, EFI_AT + 512
        struct.pack_into(word, system, runtime_at, table_at)
        struct.pack_into("<I", runtime, 12, size)
        struct.pack_into(word, runtime, reset_at, code_at)
        struct.pack_into("<I", runtime, 16, crc(bytes(runtime)))
        for at, data in ((EFI_AT, system), (table_at, runtime), (code_at, code)):
            self.put(at, data)
        self.extra_tags.append(mb2.tag(TAG_EFI64 if bits == 64 else TAG_EFI32, struct.pack(word, EFI_AT)))


@pytest.mark.parametrize("bits", [64, 32])
@pytest.mark.parametrize("goal, kind", [(RESTART, RESET_COLD), (POWER_OFF, RESET_SHUTDOWN)])
def test_the_firmware_is_asked_for_what_is_wanted(case, bits, goal, kind):
    world = FirmwareWorld(case, TELL_ARGUMENT[bits], bits)
    world.cmdline = f"debug={goal}"
    with world.machine(machine="microvm") as vm:
        assert vm.wait_exit() == debug_exit_status(kind)
        assert exit_lines(vm) == tried(goal, EFI)


@pytest.mark.parametrize("bits", [64, 32])
def test_firmware_that_does_nothing_is_passed_over(case, bits):
    world = FirmwareWorld(case, RETURN, bits)
    world.cmdline = f"debug={RESTART}"
    with world.machine(machine="pc", extra=["-S"]) as vm:
        assert leave(vm, RESTART) == [line.replace("*", "") for line in tried(RESTART, EFI, KEYBOARD)]
        assert vm.text.count("*") == 1, "ResetSystem is called once"


def test_firmware_that_faults_is_passed_over(case):
    world = FirmwareWorld(case, FAULT)
    world.cmdline = f"debug={RESTART}"
    fault_at = EFI_AT + 512 + len(STAR)
    with world.machine(machine="pc", extra=["-S"]) as vm:
        assert leave(vm, RESTART) == [f"rebooting: {EFI}", f"warning: exception 6 at {fault_at:#x} on the way out",
                                      f"rebooting: {KEYBOARD}"]
        assert vm.triple_faults == 0


@pytest.mark.slow
def test_firmware_with_a_bad_checksum_is_not_called(case):
    world = FirmwareWorld(case, RETURN, crc=lambda data: zlib.crc32(data) ^ 1)
    world.cmdline = f"debug={RESTART}"
    with world.machine(machine="pc", extra=["-S"]) as vm:
        assert leave(vm, RESTART) == [
            f"warning: {EFI} {CANNOT[RESTART]}the table of its runtime services is damaged", *tried(RESTART, KEYBOARD)]
        assert "*" not in vm.text


def test_the_last_resort_is_a_triple_fault(case):
    """A machine with nothing but a processor, as it were, and firmware that does nothing."""
    world = FirmwareWorld(case, RETURN)
    world.cmdline = f"debug={RESTART}"
    with world.machine(machine="microvm", extra=["-S"]) as vm:
        assert leave(vm, RESTART) == tried(RESTART, EFI, KEYBOARD, PCI, TRIPLE)
        assert vm.triple_faults == 1


# --- after an error ---------------------------------------------------------------------------------------------------

AFTER = {
    "reboot": RESTART,
    "panic=reboot": RESTART,
    "noreboot reboot": RESTART,
    "panic=poweroff": POWER_OFF,
}


@pytest.mark.parametrize("words", AFTER)
def test_after_an_error_the_machine_does_as_it_is_told(case, words):
    goal = AFTER[words]
    with paused(case, berth(case, words), machine="q35") as vm:
        assert leave(vm, goal) == tried(goal, ACPI)
        assert vm.log.errors == [NO_KERNEL] and vm.triple_faults == 0


@pytest.mark.parametrize("words", ["", "panic=halt", "reboot noreboot", "panic=poweroff noreboot"])
def test_without_such_a_word_it_stays_halted(case, words):
    with case.machine(extra=berth(case, words)) as vm:
        vm.wait_halted()
        assert vm.log.lines[-2:] == ["error: " + NO_KERNEL, "halted"]
        assert vm.qmp("query-status")["status"] == "running" and vm.resets == 0


# A byte for COM1 in QEMU's log: when by the host's clock, and which.
STAMPED_BYTE = re.compile(r"@(\d+\.\d+):serial_write write addr 0x00 val 0x([0-9a-f]+)")


def test_a_reboot_waits_as_long_as_it_is_told(case):
    """By QEMU's own stamps: this process may come to hear of a line late."""
    stamps = ["-trace", "serial_write", "-msg", "timestamp=on"]
    with paused(case, [*berth(case, "reboot=2"), *stamps], machine="q35") as vm:
        assert leave(vm, RESTART) == ["rebooting in 2 seconds", *tried(RESTART, ACPI)]
        sent = [(float(stamp), chr(int(value, 16))) for stamp, value in STAMPED_BYTE.findall(vm.cpu_log)]
    words = "".join(byte for _, byte in sent)
    behind = words.index("\n", words.index("rebooting in 2 seconds"))
    assert sent[behind + 1][0] - sent[behind][0] >= 2


def test_before_the_tables_were_read_there_is_what_every_pc_has(case):
    """No memory map: an error before ACPI's time."""
    world = BerthWorld(case)
    world.entries, world.cmdline = None, "reboot"
    with world.machine(machine="q35", extra=["-S"]) as vm:
        assert leave(vm, RESTART) == tried(RESTART, KEYBOARD)
        assert len(vm.log.errors) == 1 and "memory map" in vm.log.errors[0]


@pytest.mark.parametrize("fault", ["ud", "df", "ap-ud", "ap-df"])
@pytest.mark.parametrize("words, goal", [("reboot", RESTART), ("panic=poweroff", POWER_OFF)])
def test_after_an_exception_on_any_stack_of_any_processor(case, fault, words, goal):
    with paused(case, [*berth(case, f"{words} debug={fault}"), "-smp", "3"], machine="microvm") as vm:
        assert leave(vm, goal) == tried(goal, ACPI)
        assert len(vm.log.errors) == 1 and vm.triple_faults == 0
        assert ("on processor 1" in vm.text) == fault.startswith("ap-")


# --- the other processors ---------------------------------------------------------------------------------------------

def places(vm):
    """{number: (rip, are interrupts on)} of all processors."""
    text = vm.qmp("human-monitor-command", **{"command-line": "info registers -a"})
    blocks = text.split("CPU#")[1:]
    found = [(int(block.split()[0]), int(re.search(r"RIP=([0-9a-f]+)", block)[1], 16),
              int(re.search(r"RFL=([0-9a-f]+)", block)[1], 16)) for block in blocks]
    return {number: (rip, bool(flags & 0x200)) for number, rip, flags in found}


def not_stopped(vm, halt, numbers):
    """{number: rip} of those that are not in processor_halt, which is at `halt`, with interrupts off."""
    return {number: hex(rip) for number, (rip, interruptible) in places(vm).items()
            if number in numbers and (interruptible or not halt <= rip < halt + 16)}


def test_all_others_are_stopped_when_the_first_one_halts(case):
    halt = symbols(case.debug_image)["processor_halt"]
    with case.machine(extra=[*berth(case, ""), "-smp", "4"]) as vm:
        vm.wait_halted()
        wait_until("all to be stopped", 30, lambda: not_stopped(vm, halt, range(4)) == {})


@pytest.mark.parametrize("cmdline, others", [("reboot", [1, 2]), ("reboot debug=ap-ud", [0, 2])])
def test_all_others_are_stopped_when_the_machine_restarts(case, cmdline, others):
    """
    QEMU stops instead of restarting, so that they can be looked at; by its instruction clock, for what Berth waits for
    them does not depend on the host then.
    """
    halt = symbols(case.debug_image)["processor_halt"]
    with paused(case, [*berth(case, cmdline), "-smp", "3", "-no-shutdown", *ICOUNT]) as vm:
        vm.qmp("cont")
        vm.wait_for(f"rebooting: {ACPI}")
        wait_until("the restart", 30, lambda: vm.qmp("query-status")["status"] == "shutdown")
        assert not_stopped(vm, halt, others) == {}


# Intel SDM volume 3A, section 11.6.1: an NMI to one processor.
NMI, KIND = 0x4400, 0x700


def test_processors_that_are_in_no_list_are_not_sent_an_nmi(case):
    """They run, but without a stack: it would be the machine's end."""
    world = AcpiWorld(case, [madt(local_apic(0), local_apic(2))])
    world.cmdline = "debug=ud"
    with world.machine(extra=["-smp", "6", "-trace", "apic_mem_writel"]) as vm:
        vm.wait_halted()
        assert len(vm.log.errors) == 1 and vm.triple_faults == 0 and vm.resets == 0
    sent = [int(word, 16) for word in COMMAND.findall(vm.cpu_log)]
    assert [word for word in sent if word & KIND == NMI & KIND] == [NMI]


# --- the last words ---------------------------------------------------------------------------------------------------

# Offsets from the UART's port, and what its line status reads as when the last bit has left.
DATA, LINE_STATUS, ALL_SENT = 0, 5, 0x60
UART_EVENT = re.compile(r"serial_(read|write) (?:read|write) addr 0x([0-9a-f]+) val 0x([0-9a-f]+)")


@pytest.mark.parametrize("cmdline", ["reboot", "reboot debug=ap-ud", "panic=poweroff debug=df"])
def test_the_last_words_are_out_before_the_machine_is(case, cmdline):
    """What a UART still holds when it is reset is lost. (QEMU's sends a byte at once: what is seen is the question.)"""
    extra = [*berth(case, cmdline), "-smp", "2", "-trace", "serial_read", "-trace", "serial_write"]
    with case.machine(extra=extra) as vm:
        assert vm.wait_exit() == 0
        assert re.search(rf"(rebooting|powering off): {ACPI}$", vm.text.strip())
        events = [(kind, int(at, 16), int(value, 16)) for kind, at, value in UART_EVENT.findall(vm.cpu_log)]
    assert events[-2:] == [("write", DATA, ord("\n")), ("read", LINE_STATUS, ALL_SENT)]
