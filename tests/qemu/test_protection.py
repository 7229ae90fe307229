"""The processor's registers are Berth's own, whatever firmware or loader left in them, on every model; and the kernel
is started with none of it.

Source of the numbers: Intel SDM volume 3A, sections 2.2.1, 2.5, 12.12 and 17.2; volume 4, table 2-2.
"""
import re

import pytest
from berth_qemu import fields, symbols
from berth_shim import BerthWorld
from hostile import PATHS, Hostile
from test_acpi import AcpiWorld, local_apic, madt

PAE, MCE, PGE, UMIP, LA57, SMEP, SMAP = 0x20, 0x40, 0x80, 0x800, 0x1000, 0x100000, 0x200000
DE, FSGSBASE, OSXSAVE, PKE = 0x8, 0x10000, 0x40000, 0x400000
CR0, CR0_PAGING = 0x31, 0x80010031  # NE, ET, PE; with PG and WP
MP, EM, TS, NW, CD = 0x2, 0x4, 0x8, 1 << 29, 1 << 30
EFER, NXE, LONG_MODE = 0xC0000080, 0x800, 0x500
PAT, PAT_LAYOUT = 0x277, 0x0007050100070406
MISC_ENABLE, FAST_STRINGS, XD_DISABLE = 0x1A0, 1, 1 << 34
NO_NX = ("this CPU has no NX, or the firmware hides it: data is not protected from being executed - enable 'execute "
         "disable' in the firmware's setup")


def expected(cr0=CR0_PAGING, cr4=PAE, efer=LONG_MODE + NXE, pat=PAT_LAYOUT, more=()):
    """What the kernel is to find, in words for the zeropage guest."""
    msrs = [(EFER, efer), *([(PAT, pat)] if pat else []), *more]
    return [f"cr0={cr0:#x}", f"cr4={cr4:#x}", "dr7=0x400", *[f"msr={number:#x}:{value:#x}" for number, value in msrs]]


def expect(world, **registers):
    world.words += expected(**registers)


def protection(vm):
    """The numbers of the line that says what is on."""
    return {name: int(value, 0) for name, value in fields(vm.log.one("debug: protection: ")).items()}


# --- models -----------------------------------------------------------------------------------------------------------

ALWAYS = PAE + MCE
MODELS = {
    "qemu64": (ALWAYS + PGE, NXE, PAT_LAYOUT),
    "max": (ALWAYS + PGE + UMIP + SMEP + SMAP, NXE, PAT_LAYOUT),
    "max,-smap": (ALWAYS + PGE + UMIP + SMEP, NXE, PAT_LAYOUT),
    "max,-smep,-umip": (ALWAYS + PGE + SMAP, NXE, PAT_LAYOUT),
    "qemu64,-pge": (ALWAYS, NXE, PAT_LAYOUT),
    "qemu64,-nx": (ALWAYS + PGE, 0, PAT_LAYOUT),
    "qemu64,-pat": (ALWAYS + PGE, NXE, 0),
    "qemu64,-nx,-pat,-pge": (ALWAYS, 0, 0),
    "Conroe,-nx": (ALWAYS + PGE, 0, PAT_LAYOUT),
}


@pytest.mark.parametrize("cpu", MODELS)
def test_each_processor_has_all_that_its_model_has(case, cpu):
    cr4, nxe, pat = MODELS[cpu]
    world = AcpiWorld(case, [madt(local_apic(0), local_apic(1))])
    world.cmdline = "dom0=native loglevel=debug"
    expect(world, efer=LONG_MODE + nxe, pat=pat)
    vm = world.run(cpu=cpu, extra=["-smp", "2"])
    assert protection(vm) == {
        "nx": nxe > 0, "smep": cr4 & SMEP > 0, "smap": cr4 & SMAP > 0, "umip": cr4 & UMIP > 0,
        "global-pages": cr4 & PGE > 0, "machine-check": 1, "cr0": CR0_PAGING, "cr4": cr4, "efer": LONG_MODE + nxe,
        "pat": pat}
    states = [fields(line) for line in vm.log.starting("debug: processor ")]
    assert [[int(state[name], 16) for name in ("cr0", "cr4", "efer", "pat")] for state in states] == 2 * [
        [CR0_PAGING, cr4, LONG_MODE + nxe, pat]]
    assert vm.log.warnings == ([] if nxe else [NO_NX])


def test_a_kernel_entered_without_paging_finds_no_more_than_that(case):
    world = BerthWorld(case, kernel="zp32")
    world.cmdline = "dom0=native"
    expect(world, cr0=CR0, cr4=0, efer=0)
    world.run(cpu="max")


def test_what_hides_nx_is_switched_off_where_it_is(case):
    """QEMU's register does nothing, so NX stays away; but the bit that hides it does not."""
    world = BerthWorld(case)
    world.msrs = [(MISC_ENABLE, XD_DISABLE | FAST_STRINGS)]
    expect(world, efer=LONG_MODE, more=[(MISC_ENABLE, FAST_STRINGS)])
    world.run(cpu="Conroe,-nx")


def test_what_hides_nx_is_no_register_of_other_vendors(case):
    world = BerthWorld(case)
    world.msrs = [(MISC_ENABLE, XD_DISABLE | FAST_STRINGS)]
    expect(world, efer=LONG_MODE, more=[(MISC_ENABLE, XD_DISABLE | FAST_STRINGS)])
    world.run(cpu="qemu64,-nx")


# --- what firmware or loader may leave --------------------------------------------------------------------------------

def watch_start(world):
    """A breakpoint on the first instruction behind the switch to long mode, where there is no IDT yet."""
    return [(0, world.base + start64_offset(world.case)), (7, 0x2)]


def start64_offset(case):
    found = symbols(case.debug_image)
    return found["start64"] - found["_start"]


ODD = {
    "pge": {"control": [(4, PGE)]},
    "mce": {"control": [(4, MCE)]},
    "la57": {"control": [(4, LA57 + PAE)]},
    "much-of-cr4": {"control": [(4, LA57 + PAE + MCE + PGE + UMIP + SMEP + SMAP + DE + FSGSBASE + OSXSAVE + PKE)]},
    "caches-off": {"control": [(0, 0x11 + CD)]},
    "caches-off-not-written-through": {"control": [(0, 0x11 + CD + NW)]},
    "no-fpu": {"control": [(0, 0x11 + EM + MP)]},
    "task-switched": {"control": [(0, 0x11 + TS + MP)]},
    "pat-all-uncacheable": {"msrs": [(PAT, 0)]},
    "pat-write-protected": {"msrs": [(PAT, 0x0505050505050505)]},
    "efer": {"msrs": [(EFER, NXE + 1)]},
    "flags": {"flags": 0x2 | 0x400 | 0x4000 | 0x40000 | 0x3000},
    "breakpoint": {"debug": watch_start},
}


@pytest.mark.parametrize("name", ODD)
def test_whatever_a_loader_leaves_the_kernel_gets_the_same(case, name):
    world = BerthWorld(case)
    for what, value in ODD[name].items():
        setattr(world, what, value(world) if callable(value) else value)
    world.cmdline = "dom0=native loglevel=debug"
    expect(world)
    vm = world.run(cpu="max")
    found = protection(vm)
    assert (found["cr0"], found["pat"]) == (CR0_PAGING, PAT_LAYOUT)
    assert (found["cr4"], found["efer"]) == (MODELS["max"][0], LONG_MODE + NXE)
    assert vm.log.warnings == []


# --- what UEFI may leave ----------------------------------------------------------------------------------------------

ODD_FIRMWARE = {
    "five-levels": ["five-levels"],
    "much-of-cr4": [f"control 4 {MCE + PGE + UMIP + DE + FSGSBASE + OSXSAVE + PKE:#x}"],
    "caches-off": [f"control 0 {CD:#x}"],
    "pat-all-uncacheable": [f"msr {PAT:#x} 0"],
    "all-of-them": ["five-levels", f"control 4 {MCE + PGE + UMIP + DE + FSGSBASE + OSXSAVE + PKE:#x}",
                    f"control 0 {CD:#x}", f"msr {PAT:#x} 0"],
}


@pytest.mark.sample(2)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ODD_FIRMWARE)
def test_whatever_firmware_leaves_the_kernel_gets_the_same(case, name, path):
    hostile = Hostile(case, path)
    hostile.cpu, hostile.late, hostile.cmdline = "max", ODD_FIRMWARE[name], "dom0=native loglevel=debug"
    hostile.kernel_cmdline += " " + " ".join(expected())
    outcome = hostile.boots()
    done = " ".join(outcome.said(r"(?:five-levels|control|msr): "))
    if "five-levels" in hostile.late:
        assert int(re.search(r"cr4=(0x[0-9a-f]+)", done)[1], 16) & LA57, "the firmware had four levels"
    assert outcome.log.warnings == []
    found = protection(outcome)
    assert (found["cr4"], found["pat"]) == (MODELS["max"][0], PAT_LAYOUT)
