"""Every exception ends in a register dump with a symbolised backtrace, and then in "halted"."""
import re
import subprocess

import pytest

# Intel SDM volume 3A, table 6-1; AMD APM volume 2, table 8-1.
NAMES = {
    0: "#DE", 1: "#DB", 2: "NMI", 3: "#BP", 4: "#OF", 5: "#BR", 6: "#UD", 7: "#NM", 8: "#DF", 10: "#TS", 11: "#NP",
    12: "#SS", 13: "#GP", 14: "#PF", 16: "#MF", 17: "#AC", 18: "#MC", 19: "#XM", 20: "#VE", 21: "#CP", 28: "#HV",
    29: "#VC", 30: "#SX",
}
REGISTERS = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
             "r15", "rip", "rflags", "cs", "ss", "cr0", "cr2", "cr3", "cr4", "efer"]
FAULT_STACK_BYTES = 0x1000
# A machine check as QEMU's monitor injects one: bank 0, an uncorrected error, and "in progress".
MCI_STATUS_UNCORRECTED = 0xBE00000000000000
MCG_STATUS_IN_PROGRESS = 0x4


class Dump:
    """The report of one exception, from Berth's log."""

    def __init__(self, log):
        assert len(log.errors) >= 1
        head = re.fullmatch(r"exception (\d+) \((.+)\) error-code=(0x[0-9a-f]+) at (0x[0-9a-f]+) - "
                            r"report this with the lines below", log.errors[-1])
        assert head, log.errors[-1]
        self.vector, self.name = int(head[1]), head[2]
        self.error_code, self.rip = int(head[3], 16), int(head[4], 16)
        lines = log.lines[log.lines.index("error: " + log.errors[-1]) + 1:]
        middle = lines.index("backtrace:")
        self.registers = {name: int(value, 16)
                          for name, value in re.findall(r"(\w+) *=([0-9a-f]+)", " ".join(lines[:middle]))}
        places = [line for line in lines[middle + 1:-1] if line != "  ..."]
        self.is_cut = len(places) < len(lines[middle + 1:-1])
        self.backtrace = [line.split()[1].split("+")[0] if "+" in line else None for line in places]
        self.cause = "".join(line[len("cause: "):] for line in lines if line.startswith("cause: "))
        self.code = bytes.fromhex("".join(line[len("code:"):] for line in lines if line.startswith("code:")))
        assert lines[-1] == "halted"


def alone(case, words=""):
    """A machine that starts Berth itself, without a kernel."""
    return case.machine(extra=["-kernel", case.build / "berth.efi", "-append", words])


def exception_dump(case, debug):
    with alone(case, f"debug={debug}") as vm:
        log = vm.wait_halted()
        assert vm.triple_faults == 0 and vm.resets == 0
    assert len(log.errors) == 1
    return Dump(log)


def check_registers(dump):
    assert sorted(dump.registers) == sorted(REGISTERS)
    assert dump.registers["rip"] == dump.rip
    assert dump.registers["cr3"] != 0 and dump.registers["cr0"] & 0x80000001 == 0x80000001


@pytest.mark.parametrize("vector", range(32))
def test_every_vector_is_reported(case, vector):
    dump = exception_dump(case, f"int-{vector}")
    assert dump.vector == vector
    assert dump.name.split()[0] == NAMES.get(vector, dump.name.split()[0])
    check_registers(dump)
    assert dump.backtrace[-2:] == ["__start_xen", "start64_linked"]
    assert "debug_fault_raise" in dump.backtrace


def symbol(case, name):
    listing = subprocess.run(["nm", case.debug_image], check=True, text=True, capture_output=True).stdout
    found = re.search(rf"^([0-9a-f]+) \w {name}$", listing, re.MULTILINE)
    assert found, f"{case.debug_image} has no symbol {name}"
    return int(found[1], 16)


def stack_pointer(vm):
    registers = vm.qmp("human-monitor-command", **{"command-line": "info registers"})
    return int(re.search(r"RSP=([0-9a-f]+)", registers)[1], 16)


def assert_runs_on(vm, case, stack):
    top = symbol(case, stack)
    assert top - FAULT_STACK_BYTES <= stack_pointer(vm) < top, f"the handler does not run on {stack}"


def test_double_fault_with_a_useless_stack_is_reported_from_its_own(case):
    with alone(case, "debug=df") as vm:
        dump = Dump(vm.wait_halted())
        assert (dump.vector, dump.error_code) == (8, 0)
        assert dump.registers["rsp"] == 1 << 63
        assert dump.backtrace[0] == "df_raise"
        assert_runs_on(vm, case, "stack_df_top")
        assert vm.triple_faults == 0 and vm.resets == 0


PAGE = 4096
# The largest frame that the Makefile allows, and what a call pushes: that far from the touched address is rsp at most.
FRAME_MOST = 3072 + 64


def check_stack_overflow(vm, dump):
    """The words, the registers and the page tables say the same; the backtrace says who recursed, as far as it goes."""
    touched, rsp = dump.registers["cr2"], dump.registers["rsp"]
    assert (dump.vector, dump.error_code) == (8, 0)
    assert dump.cause == "the ordinary stack has overflowed into its guard page"
    assert vm.log.one("rsp=").endswith("reported on the #DF stack")
    assert vm.physical_address(touched) is None and vm.physical_address((touched | PAGE - 1) + 1) is not None
    assert touched <= rsp < touched + FRAME_MOST
    assert 5 < len(dump.backtrace) <= 32 and set(dump.backtrace) == {"recurse"} and dump.is_cut
    check_registers(dump)
    assert vm.triple_faults == 0 and vm.resets == 0


def test_stack_overflow_is_told_in_words(case):
    with case.machine(iso=case.berth_iso(cmdline="debug=stack-overflow", modules=[])) as vm:
        dump = Dump(vm.wait_halted())
        check_stack_overflow(vm, dump)
        assert dump.registers["cr2"] & -PAGE == symbol(case, "boot_stack") - PAGE
        assert_runs_on(vm, case, "stack_df_top")


def halted(case, vm):
    """Berth halted for want of a kernel: a known moment to inject something from outside."""
    log = vm.wait_halted()
    assert len(log.errors) == 1
    vm.wait_asleep()


def test_nmi_is_reported_from_its_own_stack(case):
    with alone(case) as vm:
        halted(case, vm)
        vm.qmp("inject-nmi")
        vm.wait_for(r"backtrace:(.*\n)*\(BERTH\) halted$")
        dump = Dump(vm.log)
        assert dump.vector == 2
        assert dump.backtrace[0] == "processor_halt"
        assert_runs_on(vm, case, "stack_nmi_top")
        assert vm.triple_faults == 0 and vm.resets == 0


def test_machine_check_is_reported_from_its_own_stack(case):
    with alone(case) as vm:
        halted(case, vm)
        vm.qmp("human-monitor-command",
               **{"command-line": f"mce 0 0 {MCI_STATUS_UNCORRECTED:#x} {MCG_STATUS_IN_PROGRESS:#x} 0 0"})
        vm.wait_for(r"backtrace:(.*\n)*\(BERTH\) halted$")
        assert Dump(vm.log).vector == 18
        assert_runs_on(vm, case, "stack_mc_top")
        assert vm.triple_faults == 0 and vm.resets == 0
