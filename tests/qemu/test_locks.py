"""Several processors at once, in the build with DEBUG=1: what a lock protects stays whole, lines of the log do not mix,
and each misuse of a lock is told with the lock's name and the processor.
"""
import re

import pytest
from berth_qemu import fields
from berth_shim import GUEST_PASS
from test_acpi import AcpiWorld, local_apic, madt
from test_exceptions import Dump
from test_smp import online, smp, wait_all_halted

# As boot/debug_locks.c has them.
ROUNDS, ROUNDS_FOR_LINE = 200, 10
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def machine(case, cmdline, count, image=None, **options):
    world = AcpiWorld(case, [madt(*[local_apic(n) for n in range(count)])])
    world.image = image or case.debug_build
    world.cmdline = cmdline
    return world.machine(extra=smp(count), **options)


# One thread of the host changes the processor at every `pause`, several really run at the same time.
@pytest.mark.parametrize("count, accel", [(8, "tcg,thread=single"), (2, "tcg,thread=multi"),
                                          pytest.param(8, "tcg,thread=multi", marks=pytest.mark.slow)])
def test_counter_memory_and_lines_are_whole_with_all_processors_at_once(case, count, accel):
    with machine(case, "debug=locks console=com1", count, accel=accel) as vm:
        assert vm.wait_exit(120) == GUEST_PASS, vm.error("the guest is not content")
    log = vm.log
    result = fields("processors=" + log.one("locks: processors="))
    assert int(result["processors"]) == count
    assert int(result["counter"]) == int(result["expected"]) == count * ROUNDS
    assert result["pages-before"] == result["pages-after"]
    # Whatever has a piece of such a line in it is one of them, whole; and all are there, each processor's in order.
    lines = [line for line in vm.text.splitlines() if "round=" in line or LETTERS[:5] in line]
    whole = [re.fullmatch(rf"\(BERTH\) locks: processor=(\d+) round=(\d+) {LETTERS}", line) for line in lines]
    assert all(whole), [line for line, match in zip(lines, whole) if not match]
    for number in range(count):
        rounds = [int(match[2]) for match in whole if int(match[1]) == number]
        assert rounds == list(range(0, ROUNDS, ROUNDS_FOR_LINE))
    assert log.warnings == [] and log.errors == []


MISUSE = {
    "lock-again": "takes it, and holds it already",
    "lock-foreign": "gives it free, and does not hold it",
    "lock-order": 'takes it out of order, and holds "test-inner"',
    "lock-sleep": "goes to sleep, and holds it",
    "lock-wait": "waits too long for it, processor 0 holds it",
}


@pytest.mark.parametrize("what", [pytest.param(name, marks=pytest.mark.slow) if name == "lock-wait" else name
                                  for name in MISUSE])
def test_misuse_stops_the_machine_and_says_who_did_what_to_which_lock(case, what):
    with machine(case, f"debug={what}", 2) as vm:
        log = vm.wait_halted(60)
        assert log.errors == [f'lock "test-outer": processor 1 {MISUSE[what]} - report this defect']
        wait_all_halted(vm, 2)
        assert vm.triple_faults == 0 and vm.resets == 0


def test_who_dies_while_printing_is_reported(case):
    """The exception comes while a line is made, and the log's lock is held."""
    with machine(case, "debug=lock-dead", 3) as vm:
        log = vm.wait_halted()
        dump = Dump(log)
        assert dump.vector == 13 and "die_with_the_log" in dump.backtrace
        assert log.one("on processor ") == "1, APIC id 0x1"
        wait_all_halted(vm, 3)


@pytest.mark.slow
def test_a_line_without_an_end_does_not_keep_a_report_back(case):
    """Another processor is printing 16 MiB: that line is ended after a moment, and the report is whole."""
    with machine(case, "debug=lock-kept console=com1", 2) as vm:
        vm.wait_halted(60)
        wait_all_halted(vm, 2)
    *_, endless, rest = vm.text.partition("x" * 1000)[2].partition("\n")
    assert endless == "\n" and rest.startswith("(BERTH) error: exception 6 "), rest[:200]
    dump = Dump(vm.log)
    assert dump.vector == 6 and "debug_locks" in dump.backtrace
    assert "x" * 10 not in rest


def test_other_builds_have_no_such_tests(case):
    with machine(case, "debug=lock-again", 2, image=case.berth) as vm:
        assert vm.wait_exit() == GUEST_PASS, vm.error("the guest is not content")
    assert online(vm) == 2
    assert vm.log.warnings == ["debug: only builds with DEBUG=1 have this test"]
