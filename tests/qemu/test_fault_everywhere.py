"""At no point of the boot does a fault reset the machine: an invalid instruction and an NMI in every phase.

QEMU's debug stub stops the machine where a phase begins, and an invalid instruction is put there. What must come of it
is the whole report; in 32-bit code, which has no C, one line with vector, error code and address.
"""
import contextlib
import re
import socket
import tempfile

import mb2_block as mb2
import pytest
import uefi
from berth_qemu import symbols
from berth_shim import BASE, GUEST_PASS, KIB, BerthWorld
from matrix import gdb, pagewalk
from matrix.vm import PATIENCE, Vm
from test_acpi import AcpiWorld, local_apic, madt
from test_exceptions import Dump, check_registers

INVALID = b"\x0f\x0b"  # ud2
STOP_SECONDS = 30
LINK = 0xFFFF82D040200000
NMI, UD = 2, 6
LOAD_BASE = 8  # in struct entry_regs
# Intel SDM volume 3A, section 11.6.1: a start-up message, and its page.
KIND, START, PAGE_NUMBER = 0x700, 0x600, 0xFF


class Stopped(Vm):
    """A machine with Berth in a world made here, which stops where it is told to."""

    def __init__(self, case, world, extra=()):
        self.cpu_log = case.folder / "cpu.log"
        self.cpu_log.unlink(missing_ok=True)
        world.registers = {"eax": mb2.MAGIC, "ebx": world.info_at, **world.registers}
        world.build()
        super().__init__(["-M", "q35", "-m", f"{world.memory >> 20}M", "-S", "-d", "cpu_reset", "-D", self.cpu_log,
                          *world.arguments(case.folder, case.guest("shim.elf")), *extra])
        self.symbols = symbols(case.debug_image)
        self.base = world.base

    def load_address(self, name):
        return self.base + self.symbols[name] - LINK

    def run_to(self, address, wanted=lambda: True):
        """Go on to this address, as often as it takes."""
        while True:
            self.gdb.insert_breakpoint(address)
            self.gdb.go()
            assert self.gdb.wait_stop(self.has_ended, STOP_SECONDS * PATIENCE), \
                f"QEMU ended before {address:#x}:\n{self.text}"
            self.gdb.remove_breakpoint(address)
            if wanted():
                return
            self.gdb.step()

    def spoil(self, address):
        """Put an invalid instruction at an address of the running page tables, or of memory where there are none."""
        self.gdb.use_physical(False)
        self.gdb.write(address, INVALID)
        self.gdb.use_physical(True)

    def wait_halted(self):
        self.gdb.go()
        self.wait_for(r"^\(BERTH\) halted$", STOP_SECONDS)
        self.assert_no_reset()
        return self.log

    def assert_no_reset(self):
        text = self.cpu_log.read_text(errors="replace")
        assert "Triple fault" not in text, self.text

    def wait_guest(self):
        self.gdb.go()
        assert self.wait_exit(STOP_SECONDS) == GUEST_PASS, self.text
        self.assert_no_reset()


def assert_early_report(log, vector, address, base):
    line = re.fullmatch(r"exception 0x([0-9a-f]{8}) error-code=0x00000000 at 0x([0-9a-f]{8}) in 32-bit code, image at "
                        r"0x([0-9a-f]{8}) - report this line", log.one("error: "))
    assert line, log.errors
    assert [int(part, 16) for part in line.groups()] == [vector, address, base]
    assert log.lines[-1] == "halted"


def assert_report(log, vector, name):
    assert len(log.errors) == 1, log.errors
    dump = Dump(log)
    check_registers(dump)
    assert dump.vector == vector and dump.backtrace[0] == name, log.lines[-20:]
    return dump


def raise_at(vm, address, fault):
    vm.run_to(address)
    if fault == UD:
        vm.spoil(address)
    else:
        vm.qmp("inject-nmi")
    return vm.wait_halted()


# --- the first processor, from the entry to the kernel ----------------------------------------------------------------

# In the order in which they are reached. At the load address: 32-bit code, then 64-bit code.
EARLY = ["start_fs_live", "start_paging"]
EARLY_64 = ["start64"]
# At the link address; the calls of __start_xen, or what they call first.
PHASES = ["start64_linked", "__start_xen", "physmap_start", "boot_info_decode", "options_parse", "console_start",
          "report_banner", "cpu_caps_read", "processor_state_establish", "memmap_build", "placement_image",
          "report_boot", "guest_rsdp", "acpi_read", "tsc_rate_watch", "report_memory", "report_modules",
          "report_acpi", "console_acpi", "console_devices", "placement_tables", "page_tables_build", "paging_map",
          "console_continue", "pages_start", "stage_processors", "processors_start", "wait_for_answers",
          "page_tables_take_back", "report_cpu", "debug_fault_raise", "guest_choose", "guest_prepare",
          "bzimage_parse", "report_dom0", "processors_put_back", "guest_put_in_place", "physmap_copy",
          "tsc_rate_find", "report_times", "stage_handover", "init_release", "native_start", "console_retreat",
          "page_tables_use_boot"]
FAULTS = pytest.mark.parametrize("fault", [UD, NMI], ids=["ud", "nmi"])
TWO = [madt(local_apic(0), local_apic(1))]
SMP = ["-smp", "2"]


@pytest.mark.sample(1)
@FAULTS
@pytest.mark.parametrize("name", EARLY)
def test_in_32_bit_code(case, name, fault):
    with Stopped(case, BerthWorld(case)) as vm:
        address = vm.load_address(name)
        assert_early_report(raise_at(vm, address, fault), fault, address, BASE)


@pytest.mark.parametrize("name", EARLY_64)
def test_between_the_switch_and_the_link_address(case, name):
    with Stopped(case, BerthWorld(case)) as vm:
        address = vm.load_address(name)
        assert assert_report(raise_at(vm, address, UD), UD, name).rip == address


@pytest.mark.sample(3)
@FAULTS
@pytest.mark.parametrize("name", PHASES)
def test_in_every_phase(case, name, fault):
    with Stopped(case, AcpiWorld(case, TWO), SMP) as vm:
        address = vm.symbols[name]
        dump = assert_report(raise_at(vm, address, fault), fault, name)
        assert dump.rip == address
        if name not in ("start64_linked", "__start_xen"):
            assert dump.backtrace[-2:] == ["__start_xen", "start64_linked"] or dump.is_cut


@pytest.mark.sample(1)
@FAULTS
@pytest.mark.parametrize("name", ["image_move", "physmap_low"])
def test_while_the_image_moves(case, name, fault):
    """By 2 MiB less 4 KiB, over itself; the second one is called between two pages."""
    world = AcpiWorld(case, TWO)
    world.base = world.base_tag = BASE + 4 * KIB
    with Stopped(case, world, SMP) as vm:
        vm.run_to(vm.symbols["image_move"])
        for _ in range(20 if name == "physmap_low" else 0):
            vm.run_to(vm.symbols["physmap_low"])
            vm.gdb.step()
        if name == "physmap_low":
            vm.run_to(vm.symbols["physmap_low"])
        if fault == UD:
            vm.spoil(vm.symbols[name])
        else:
            vm.qmp("inject-nmi")
        dump = assert_report(vm.wait_halted(), fault, name)
        assert dump.backtrace[-2:] == ["__start_xen", "start64_linked"]


@pytest.mark.sample(1)
@pytest.mark.parametrize("kernel, name", [("zp64", "native_jump_64"), ("zp32", "native_jump_32")])
@FAULTS
def test_in_the_last_jump(case, kernel, name, fault):
    """At the load address again, with the boot tables."""
    with Stopped(case, BerthWorld(case, kernel)) as vm:
        address = vm.load_address(name)
        assert assert_report(raise_at(vm, address, fault), fault, name).rip == address


@pytest.mark.sample(1)
@FAULTS
def test_in_the_last_32_bit_code_before_the_kernel(case, fault):
    with Stopped(case, BerthWorld(case, "zp32")) as vm:
        code = vm.load_address("native_jump_32")
        vm.run_to(code)
        # wrmsr, with paging off already
        address = code + vm.gdb.read(code, 256).index(b"\x0f\x30")
        assert_early_report(raise_at(vm, address, fault), fault, address, BASE)


# --- the others -------------------------------------------------------------------------------------------------------

def start_page(vm):
    """Stop when the others are told to start; where that will be."""
    command = [0]

    def starts():
        command[0] = vm.gdb.register(gdb.RSI)
        return command[0] & KIND == START
    vm.run_to(vm.symbols["local_apic_send"], starts)
    return (command[0] & PAGE_NUMBER) << 12


def assert_costs_that_processor_alone(vm):
    vm.wait_guest()
    assert vm.log.warnings == ["1 of 1 other processors do not answer, APIC ids 0x1: they are not used"]


def in_trampoline(vm, mode):
    """Where `xor %esi, %esi` is, in 16-bit code, or `cpuid`, in 32-bit code."""
    page = start_page(vm)
    return page + vm.gdb.read(page, 256).index(b"\x66\x31\xf6" if mode == "real-mode" else b"\x0f\xa2")


MODES = pytest.mark.parametrize("mode", ["real-mode", "protected-mode"])


@pytest.mark.slow
@MODES
def test_in_the_trampoline(case, mode):
    """That costs the processor, and the boot goes on."""
    with Stopped(case, AcpiWorld(case, TWO), SMP) as vm:
        vm.gdb.write(in_trampoline(vm, mode), INVALID)
        assert_costs_that_processor_alone(vm)


@pytest.mark.slow
@MODES
def test_an_nmi_in_the_trampoline(case, mode):
    """QEMU's monitor sends it to all processors: the first one reports it."""
    with Stopped(case, AcpiWorld(case, TWO), SMP) as vm:
        vm.run_to(in_trampoline(vm, mode))
        vm.qmp("inject-nmi")
        dump = Dump(vm.wait_halted())
    assert dump.vector == NMI and dump.backtrace[-3:] == ["stage_processors", "__start_xen", "start64_linked"]


@pytest.mark.sample(1)
@pytest.mark.parametrize("count", [2, 8])
def test_before_a_processor_has_a_stack(case, count):
    """All of them fault at the same instruction at the same time: one reports, and says whom it is about."""
    entries = [madt(*[local_apic(n) for n in range(count)])]
    with Stopped(case, AcpiWorld(case, entries), ["-smp", str(count)]) as vm:
        vm.run_to(vm.symbols["processors_start"])
        code = vm.symbols["processor_enter"]
        vm.spoil(code + 2 + vm.gdb.read(vm.load_address("processor_enter"), 64).index(b"\x0f\x32"))  # behind rdmsr
        log = vm.wait_halted()
    assert_report(log, UD, "processor_enter")
    assert re.fullmatch(r"a processor that is being started, APIC id 0x[1-7]", log.one("on "))


@pytest.mark.sample(1)
@pytest.mark.parametrize("count", [2, 8])
def test_when_a_processor_has_just_got_its_stack(case, count):
    entries = [madt(*[local_apic(n) for n in range(count)])]
    with Stopped(case, AcpiWorld(case, entries), ["-smp", str(count)]) as vm:
        vm.run_to(vm.symbols["processors_start"])
        vm.spoil(vm.symbols["processor_main"])
        log = vm.wait_halted()
    dump = assert_report(log, UD, "processor_main")
    assert dump.backtrace == ["processor_main", "processor_enter"]
    assert re.fullmatch(r"processor (\d), APIC id 0x\1", log.one("on "))


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", ["report_cpu", "guest_prepare"])
def test_an_nmi_while_others_wait(case, name):
    """All get it at the same moment; one reports."""
    with Stopped(case, AcpiWorld(case, TWO), SMP) as vm:
        vm.run_to(vm.symbols[name])
        vm.qmp("inject-nmi")
        log = vm.wait_halted()
    assert len(log.errors) == 1 and Dump(log).vector == NMI


def test_processors_that_no_list_names_are_left_alone_by_a_report(case):
    """They were not started, and have no stacks for what stops the others."""
    world = AcpiWorld(case, [madt(local_apic(0), local_apic(2))])
    world.cmdline = "debug=ap-ud"
    with Stopped(case, world, ["-smp", "6"]) as vm:
        assert_report(vm.wait_halted(), UD, "ud_raise")


# --- faults of the report ---------------------------------------------------------------------------------------------

VGA_PAGE = 0xFFFF8300000B8000


def unmap(vm, va):
    """Take a page out of the running tables."""
    top = vm.gdb.register(gdb.CR3)
    table = top & pagewalk.ADDRESS
    for level in (4, 3, 2, 1):
        place = table + 8 * (va >> pagewalk.LEVEL_SHIFT[level] & 511)
        entry = int.from_bytes(vm.gdb.read(place, 8), "little")
        assert entry & pagewalk.PRESENT and not (level > 1 and entry & pagewalk.LARGE)
        table = entry & pagewalk.ADDRESS
    vm.gdb.write(place, bytes(8))
    vm.gdb.set_register(gdb.CR3, top)


def test_a_console_that_faults_is_left_out_and_the_others_have_it_all(case):
    with Stopped(case, BerthWorld(case), ["-vga", "std"]) as vm:
        vm.run_to(vm.symbols["console_continue"])
        unmap(vm, VGA_PAGE)
        log = vm.wait_halted()
    dump = Dump(log)
    check_registers(dump)
    assert dump.vector == 14 and dump.registers["cr2"] & ~0xFFF == VGA_PAGE
    assert "vga_send" in dump.backtrace or "line_feed.part.0" in dump.backtrace
    assert [line for line in log.errors if "while reporting another one: a console is left out" in line] == \
        log.errors[:1] and len(log.errors) == 2
    assert log.one("cause: ").endswith("(physical memory): not mapped")


def test_a_console_that_faults_in_a_report_is_left_out_at_once(case):
    world = BerthWorld(case)
    world.cmdline = "debug=ud"
    with Stopped(case, world, ["-vga", "std"]) as vm:
        vm.run_to(vm.symbols["debug_fault_raise"])
        unmap(vm, VGA_PAGE)
        log = vm.wait_halted()
    assert len(log.errors) == 2
    assert re.match(r"exception 14 \(#PF page fault\) at .* while reporting another one: a console is left out",
                    log.errors[0])
    dump = Dump(log)
    check_registers(dump)
    assert dump.vector == UD and dump.backtrace[:2] == ["ud_raise", "debug_fault_raise"]


def test_a_part_of_the_report_that_faults_costs_that_part(case):
    world = BerthWorld(case)
    world.cmdline = "debug=gp"
    with Stopped(case, world) as vm:
        vm.run_to(vm.symbols["debug_fault_raise"])
        vm.spoil(vm.symbols["code_report"])
        log = vm.wait_halted()
    assert log.errors[0].startswith("exception 13 (#GP")
    assert re.match(r"exception 6 \(#UD invalid opcode\) at .* while reporting another one: the report goes on",
                    log.errors[1])
    assert log.starting("code:") == []
    behind = log.lines[log.lines.index("error: " + log.errors[1]) + 1:]
    assert behind[0] == "backtrace:" and "gp_raise+" in behind[1] and behind[-1] == "halted"


# --- UEFI -------------------------------------------------------------------------------------------------------------

FIRMWARE_DUMP = r"^!!!! X64 Exception Type - 06\(#UD - Invalid Opcode\)"


@contextlib.contextmanager
def efi_debugged(case, name, files):
    """A machine with OVMF, stopped before its first instruction, and its debug stub."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as connection:
        path = f"{folder}/gdb"  # must be short
        stub = ["-S", "-chardev", f"socket,id=gdb,path={path},server=on,wait=off", "-gdb", "chardev:gdb"]
        with uefi.machine(case, files, name=name, extra=stub) as vm:
            vm.qmp("query-status")  # when QEMU answers, it listens
            connection.connect(path)
            yield vm, gdb.Gdb(connection, STOP_SECONDS * PATIENCE)


def efi_run_to(vm, stub, address, wanted=lambda: True):
    """Go on to this address, as often as it takes: the firmware may have run other code there before."""
    while True:
        stub.insert_breakpoint(address)
        stub.go()
        assert stub.wait_stop(lambda: vm.process.poll() is not None, uefi.BOOT_SECONDS * PATIENCE)
        stub.remove_breakpoint(address)
        if wanted():
            return
        stub.step()


def efi_load_base(case, files, at):
    with efi_debugged(case, "where", files) as (vm, stub):
        efi_run_to(vm, stub, at["__start_xen"])
        stub.use_physical(False)
        return int.from_bytes(stub.read(at["entry_regs"] + LOAD_BASE, 8), "little")


@pytest.mark.slow
@pytest.mark.parametrize("start", ["program", "grub"])
@pytest.mark.parametrize("name", ["entry", "efi_gather", "efi_leave", "start_paging", "start64"])
def test_under_uefi(case, start, name):
    """The firmware's own words as long as its IDT is in force, then ours. Twice, to learn the place of the image."""
    files = uefi.direct_files(case) if start == "program" else uefi.grub_berth_files(case)
    if name == "entry":
        name = "efi_program" if start == "program" else "efi_multiboot2"
    at, image = symbols(case.debug_image), (case.build / "berth.efi").read_bytes()
    offset = at[name] - LINK
    base = efi_load_base(case, files, at)
    address = base + offset
    with efi_debugged(case, "vm", files) as (vm, stub):
        efi_run_to(vm, stub, address, lambda: stub.read(address, 8) == image[offset:offset + 8])
        stub.write(address, INVALID)
        stub.go()
        if name == "start_paging":
            assert_early_report(vm.wait_halted(uefi.BOOT_SECONDS), UD, address, base)
        elif name == "start64":
            assert_report(vm.wait_halted(uefi.BOOT_SECONDS), UD, name)
        else:
            vm.wait_for(FIRMWARE_DUMP, uefi.BOOT_SECONDS)
        assert vm.triple_faults == 0 and vm.resets == 0
