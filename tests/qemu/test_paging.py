"""The final page tables, as QEMU's monitor shows them: the image with the rights of its sections, RAM, and the screen;
and the control registers that go with them, on all processors.

Berth is stopped by a fault on purpose, which is raised once they are in force; or, to see what is given back, by QEMU's
debug stub just before the guest starts.
"""
import contextlib
import re
import socket
import struct

import pytest
from berth_qemu import PATIENCE, fields, symbols
from matrix.gdb import Gdb
from test_acpi import AcpiWorld, local_apic, madt
from test_boot import pinned
from test_protection import CR0_PAGING, LONG_MODE, MODELS, NXE

MIB, GIB = 1 << 20, 1 << 30
PAGE = 4096
STOP_SECONDS = 30
LINK_VA, AREAS_VA, DIRECT_MAP = 0xFFFF82D040200000, 0xFFFF82D060000000, 0xFFFF830000000000
SCREEN = 0xB8000
# `info tlb` of QEMU 7.2: one line a page, its address, its physical address, and letters; X: not executable.
TLB_LINE = re.compile(r"^([0-9a-f]{16}): ([0-9a-f]{16}) ([XGPDACTUW-]+)$", re.MULTILINE)


class Pages:
    def __init__(self, vm):
        text = vm.qmp("human-monitor-command", **{"command-line": "info tlb"}).replace("\r", "")
        self.all = [(int(va, 16), int(pa, 16), letters) for va, pa, letters in TLB_LINE.findall(text)]

    def span(self, va, letters):
        """Large pages have the letter P; which of the two sizes, the alignment of the next one tells."""
        following = [next_va for next_va, _, _ in self.all if next_va > va]
        if "P" not in letters:
            return PAGE
        return GIB if va % GIB == 0 and (not following or following[0] - va >= GIB) else 2 * MIB

    def direct(self):
        return {va - DIRECT_MAP: (pa, self.span(va, letters), letters) for va, pa, letters in self.all
                if va >= DIRECT_MAP}

    def image(self):
        return {va - LINK_VA: (pa, letters) for va, pa, letters in self.all if va < AREAS_VA}

    def areas(self):
        """What processors other than the first have of their own."""
        return {va: pa for va, pa, letters in self.all if AREAS_VA <= va < DIRECT_MAP}


def stopped(case, image=None, **machine):
    machine.setdefault("memory", "256M")
    with case.machine(iso=case.berth_iso("debug=ud", image=image), **machine) as vm:
        log = vm.wait_halted()
        return log, Pages(vm)


def is_ram_page(log, pa):
    return any(first < pa + PAGE and pa <= last for first, last, kind in log.memory if kind == "ram")


def guard_pages(debug_image):
    """Of the image: one below each of the first processor's stacks."""
    at = symbols(debug_image)
    return {at[stack] - LINK_VA - PAGE for stack in ("stack_df", "stack_nmi", "stack_mc", "boot_stack")}


PROCESSORS = 3
PLACES = [4 * MIB, 64 * MIB + PAGE, 200 * MIB]


@pytest.mark.parametrize("cpu, base", [("qemu64", PLACES[0]), ("qemu64,+pdpe1gb", PLACES[1]), ("max", PLACES[2])])
def test_nothing_is_mapped_but_the_image_ram_and_the_screen(case, cpu, base):
    log, pages = stopped(case, pinned(case, base, align=PAGE), cpu=cpu)
    assert len(pages.all) > 200
    for va, _, letters in pages.all:
        assert "W" not in letters or "X" in letters, f"{va:#x} is writable and executable: {letters}"
        assert "U" not in letters

    image = pages.image()
    assert sorted(image) == sorted(set(range(0, max(image) + PAGE, PAGE)) - guard_pages(case.debug_image))
    assert pages.areas() == {}
    for offset, (pa, _) in image.items():
        assert pa == log.base + offset
    rights = "".join("x" if "X" not in letters else "w" if "W" in letters else "r" for _, letters in image.values())
    assert re.fullmatch(r"rx+r+w+", rights)

    direct = pages.direct()
    mapped = set()
    for at, (pa, span, letters) in direct.items():
        assert pa == at
        if at == SCREEN:
            assert "C" in letters and "T" in letters, "the screen is cached"
            continue
        for page in (at, at + span - PAGE):
            assert is_ram_page(log, page), f"{page:#x} is mapped and not RAM"
        mapped.update(range(at, at + span, PAGE))
    for first, last, kind in log.memory:
        if kind == "ram" and first < 4 * GIB:
            assert {first & -PAGE, last & -PAGE} <= mapped


def test_large_pages_are_used_where_the_processor_has_them(case):
    _, pages = stopped(case, cpu="qemu64,+pdpe1gb", machine="pc", memory="4G")
    assert [at for at, (_, span, _) in pages.direct().items() if span == GIB] == [GIB]


def test_null_pointers_fault(case):
    """Page 0 is RAM at its place in the direct map, and nothing at its own address."""
    _, pages = stopped(case)
    assert all(va >= LINK_VA for va, _, _ in pages.all)
    assert 0 in pages.direct()


def world_of(case, base, cmdline=""):
    world = AcpiWorld(case, [madt(*[local_apic(n) for n in range(PROCESSORS)])])
    world.base = world.base_tag = base
    world.cmdline = cmdline
    return world


@contextlib.contextmanager
def debugged(machine, processors, extra=(), **options):
    """What `machine()` makes, waiting at its first instruction, and its debug stub."""
    ours, theirs = socket.socketpair()
    with machine(extra=[*extra, "-smp", str(processors), "-S", "-chardev", f"socket,id=gdb,fd={theirs.fileno()}",
                        "-gdb", "chardev:gdb"], pass_fds=[theirs.fileno()], **options) as vm, ours, theirs:
        yield vm, Gdb(ours, STOP_SECONDS * PATIENCE)


def run_to(vm, stub, address):
    stub.insert_breakpoint(address)
    stub.go()
    assert stub.wait_stop(lambda: vm.process.poll() is not None, STOP_SECONDS * PATIENCE), vm.error("never got there")
    stub.remove_breakpoint(address)


# --- guard pages ------------------------------------------------------------------------------------------------------

FAULT_STACK, FIRST_STACK, OTHER_STACK = 4 << 10, 12 << 10, 8 << 10
# One processor of `info registers -a`; the task register's base is where its task state segment is.
PROCESSOR = re.compile(r"RSP=([0-9a-f]+).*?^TR =\S+ ([0-9a-f]+).*?CR3=([0-9a-f]+)", re.MULTILINE | re.DOTALL)
# Intel SDM volume 3A, section 8.7: IST1 in the 64-bit TSS; Berth uses three.
IST1, IST_COUNT, TSS_BYTES = 36, 3, 104


def stacks(vm):
    """Of each processor: (an address in its ordinary stack, the tops of the others), and the page tables' address."""
    text = vm.qmp("human-monitor-command", **{"command-line": "info registers -a"}).replace("\r", "")
    for rsp, tss, cr3 in PROCESSOR.findall(text):
        state = vm.physical_memory(vm.physical_address(int(tss, 16)), TSS_BYTES)
        yield int(rsp, 16), struct.unpack_from(f"<{IST_COUNT}Q", state, IST1), int(cr3, 16)


def bottom(mapped, inside):
    """The lowest address that is mapped without a gap below this one."""
    page = (inside - 1) & -PAGE
    assert page in mapped, f"{inside:#x} is not in a stack: nothing is mapped there"
    while page - PAGE in mapped:
        page -= PAGE
    return page


@pytest.mark.parametrize("base", PLACES, ids=hex)
def test_no_stack_has_memory_below_it(case, base):
    """Looked at when the others are asleep on their ordinary stacks, and the first one is on its own."""
    with debugged(world_of(case, base).machine, PROCESSORS) as (vm, stub):
        run_to(vm, stub, symbols(case.debug_image)["guest_choose"])
        pages = Pages(vm)
        found = list(stacks(vm))
        stub.go()
        assert vm.wait_exit() == 33, vm.error("the guest is not content")
        log = vm.log
    mapped = {va for va, _, _ in pages.all}
    assert len(found) == PROCESSORS and len({cr3 for _, _, cr3 in found}) == 1
    for number, (rsp, tops, _) in enumerate(found):
        assert rsp - bottom(mapped, rsp) <= (OTHER_STACK if number else FIRST_STACK), f"processor {number}"
        for top in tops:
            assert top - bottom(mapped, top) == FAULT_STACK, f"processor {number}, the stack that ends at {top:#x}"
    assert len({bottom(mapped, inside) for rsp, tops, _ in found for inside in (rsp, *tops)}) == 4 * PROCESSORS
    memory = pages.areas().values()
    assert len(set(memory)) == len(memory) and all(is_ram_page(log, pa) for pa in memory)


# --- the same on every model, and the registers of all processors -----------------------------------------------------

REGISTERS = re.compile(r"CR0=([0-9a-f]+) .* CR4=([0-9a-f]+)[\s\S]*?EFER=([0-9a-f]+)")
WITH_1_GIB = [f"{cpu},+pdpe1gb" for cpu in MODELS if not cpu.startswith("max")] + ["max,-pdpe1gb"]
QUICK = [("max", PLACES[1]), ("qemu64,-nx,-pat,-pge", PLACES[0])]


def monitor(vm, command):
    return vm.qmp("human-monitor-command", **{"command-line": command})


def control_registers(vm):
    """[(CR0, CR4, EFER)] of all processors."""
    return [tuple(int(value, 16) for value in found) for found in REGISTERS.findall(monitor(vm, "info registers -a"))]


def slow_rows(rows):
    return [row if row in QUICK else pytest.param(*row, marks=pytest.mark.slow) for row in rows]


@pytest.mark.parametrize("cpu, base", slow_rows([(cpu, base) for cpu in [*MODELS, *WITH_1_GIB] for base in PLACES]))
def test_tables_and_registers_are_as_the_model_allows(case, cpu, base):
    cr4, nxe, pat = MODELS[cpu.replace(",+pdpe1gb", "").replace(",-pdpe1gb", "")]
    world = world_of(case, base, "loglevel=debug debug=ud")
    with world.machine(cpu=cpu, extra=["-smp", "3"]) as vm:
        log, pages, registers = vm.wait_halted(), Pages(vm), control_registers(vm)
    assert registers == 3 * [(CR0_PAGING, cr4, LONG_MODE + nxe)]
    assert [int(fields(line)["pat"], 16) for line in log.starting("debug: processor ")] == 3 * [pat]

    assert all("G" in letters and "U" not in letters for _, _, letters in pages.all)
    for va, _, letters in pages.all:
        assert nxe == 0 or "W" not in letters or "X" in letters, f"{va:#x} is writable and executable: {letters}"
        assert nxe > 0 or "X" not in letters, f"{va:#x} has a bit that is reserved without NX"
    rights = "".join("w" if "W" in letters else "x" if "X" not in letters else "r"
                     for _, letters in pages.image().values())
    assert re.fullmatch(r"rx+r+w+" if nxe else r"x+w+", rights)
    assert all(pa == log.base + offset for offset, (pa, _) in pages.image().items())


# --- what is given back -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("base", PLACES, ids=hex)
def test_what_only_the_boot_needs_is_not_mapped_when_the_guest_starts(case, base):
    names = symbols(case.debug_image)
    ranges = [(names["__init_start"], names["__init_end"]), (names["__init_noinit_start"], names["__init_noinit_end"])]
    given_back = {page for start, end in ranges for page in range(start - LINK_VA, end - LINK_VA, PAGE)}
    whole = set(range(0, names["_end"] - LINK_VA, PAGE)) - guard_pages(case.debug_image)
    with debugged(world_of(case, base).machine, PROCESSORS) as (vm, stub):
        run_to(vm, stub, names["stage_handover"])
        before = Pages(vm)
        run_to(vm, stub, names["native_start"])
        after = Pages(vm)
        stub.go()
        assert vm.wait_exit() == 33, vm.error("the guest is not content")
        log = vm.log
    assert set(before.image()) == whole
    assert set(after.image()) == whole - given_back
    assert after.direct() == before.direct()
    assert all("X" in letters or "W" not in letters for _, letters in after.image().values())
    assert log.one("init: ") == f"{len(given_back) * PAGE >> 10} KiB given back"
    assert len(given_back) > len(whole) / 2
