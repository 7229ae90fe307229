"""dom0=hvm by VMX, on Bochs: QEMU without hardware virtualisation has none. The guests are those of the tests on QEMU:
one that checks what it is handed, one that tries everything (hvm.py), and Debian's kernel.
"""
import contextlib

import pytest
from berth_qemu import LINUX_WORDS
from bochs import INTEL, Bochs
from hvm import Guest, berth_words, numbers_of

MEMORY_MIB = 256
UD, GP = "fault 6 error 0x0", "fault 13 error 0x0"
ONES = (1 << 64) - 1
PAGE_BYTES = 0x1000
IMAGE_CODE = PAGE_BYTES  # the first page of it, in the image


def bochs(case, iso, *, model=INTEL, processors=1):
    return Bochs(case.folder / "bochs", model=model, iso=iso, memory_mib=MEMORY_MIB, processors=processors)


def checking_guest(case, cmdline, **kind):
    return bochs(case, case.berth_iso(modules=[(case.guest("zp64.bzimage"), "rsdp=some initrd=none")],
                                      cmdline=cmdline), **kind)


@contextlib.contextmanager
def probe(case, mode="hvm", *, words=(), **kind):
    """The probe kernel, ready for orders."""
    iso = case.berth_iso(modules=[(case.guest("probe.bzimage"), "")], cmdline=berth_words(mode, *words))
    with bochs(case, iso, **kind) as vm:
        yield Guest(vm).ready()
        assert vm.log.errors == []


# Bochs has no IOMMU.
HVM_WARNINGS = ["iommu: none: the guest's devices can reach Berth's memory by DMA"]


def content(vm, warnings):
    vm.wait_for(r"^GUEST-(OK|FAIL) |^\(BERTH\) halted$")
    assert "GUEST-OK" in vm.text, vm.error("the guest is not content")
    assert vm.log.errors == [] and vm.log.warnings == warnings


# --- where it is possible, and where not ------------------------------------------------------------------------------

def test_auto_is_hvm_where_vmx_has_all(case):
    with checking_guest(case, "dom0=auto") as vm:
        content(vm, HVM_WARNINGS)
        assert vm.log.one("dom0: auto ") == "is hvm: VMX with nested paging"
        assert vm.log.one("hvm: ").startswith("VMX, 1 processor")
        assert vm.log.one("dom0: mode=").startswith("hvm ")


# Each of them came before what it lacks: the second has EPT, but no unrestricted guest.
LACKING = [("core2_penryn_t9600", "the processor's VMX has no nested paging (EPT)"),
           ("corei5_lynnfield_750", "the processor's VMX cannot run a guest without paging (unrestricted guest)")]
SOME_LACKING = [pytest.param(*LACKING[0], marks=pytest.mark.slow), LACKING[1]]


@pytest.mark.parametrize("model, lack", SOME_LACKING)
def test_what_vmx_lacks_is_an_error_with_its_remedy(case, model, lack):
    with checking_guest(case, "dom0=hvm", model=model) as vm:
        log = vm.wait_halted(60)
        assert log.errors == [f"dom0=hvm is not possible: {lack} - use dom0=native"]


@pytest.mark.slow
@pytest.mark.parametrize("model, lack", LACKING)
def test_auto_is_native_where_vmx_lacks_something(case, model, lack):
    with checking_guest(case, "dom0=auto", model=model) as vm:
        content(vm, [])
        assert vm.log.one("dom0: auto ") == f"is native: {lack}"
        assert vm.log.starting("hvm: ") == []


# --- a guest that tries what it must not ------------------------------------------------------------------------------

VMX = ["vmxon", "vmxoff", "vmclear", "vmptrld", "vmlaunch", "vmresume"]
FEATURE_CONTROL, VMX_BASIC, EFER = 0x3A, 0x480, 0xC0000080
START, NMI = 0x4600, 0x4400
OTHER = 1 << 24  # the second processor, as a destination
VERSION = 0


def virtualisation_is_not_there(guest):
    for name in VMX:
        assert guest.ask_one(f"do {name}") == f"{name} {UD}"
    assert guest.ask_one(f"rdmsr {FEATURE_CONTROL:#x}") == "rdmsr done value 0x1"
    assert guest.ask_one(f"wrmsr {FEATURE_CONTROL:#x} 0x5") == f"wrmsr {GP}"
    assert guest.ask_one(f"rdmsr {VMX_BASIC:#x}") == f"rdmsr {GP}"
    features = next(leaf for leaf in guest.numbers("cpuid 0") if leaf["leaf"] == 1)
    assert features["c"] & 1 << 5 == 0
    efer = numbers_of(guest.ask_one(f"rdmsr {EFER:#x}"))["value"]
    assert efer == 0x500


def hypercalls_answer(guest):
    version = numbers_of(guest.ask_one(f"vmcall {VERSION} 0 0"))["answer"]
    assert any(line.startswith(f"Berth {version >> 32}.{version >> 16 & 0xFFFF}.{version & 0xFFFF} ")
               for line in guest.vm.log.lines)
    assert numbers_of(guest.ask_one("vmcall 0x77 0 0"))["answer"] == ONES


def berths_memory_is_not_there(guest):
    at = guest.vm.log.base + IMAGE_CODE
    for page, order in enumerate(["read {:#x}", "write {:#x} 0x1234", "execute {:#x}", "walk {:#x} 1"]):
        guest.ask(order.format(at + page * PAGE_BYTES))
        assert guest.ask_one(f"read {at + page * PAGE_BYTES:#x}") == f"read reads {ONES:#x}"
    assert [(who, what) for who, what, _ in guest.touches] == [
        (0, "read"), (0, "wrote to"), (0, "executed"), (0, "walked")]
    # The frame of an exception: the processor pushes it, and there is no instruction to be left out.
    stack = at + 4 * PAGE_BYTES
    assert guest.ask_one(f"use-stack {stack:#x}") == f"use-stack {UD}"
    assert guest.touches[-1] == (0, "walked", stack + PAGE_BYTES - 8)


# Real-mode code that a processor is started with: page 9, its stack below it.
PAGE = 9
#     mov $0x7000, %sp; 1: pushf; push %cs; push $2f; iret; 2: cpuid; jmp 1b
# An entry into the guest ends the blocking of NMIs (SDM volume 3C, section 26.7.1); in Bochs 2.7 only iret does.
EXITS_WITHOUT_END = bytes.fromhex("bc0070 9c 0e 680900 cf 0fa2 ebf6")
HANDLER, COUNTER, VECTOR_NMI = 0x100, 0x200, 2
#     incw %cs:0x200; iret
COUNTS = bytes.fromhex("2eff060002 cf")


def put(guest, at, code):
    """Eight bytes at a time."""
    for offset in range(0, len(code), 8):
        value = int.from_bytes(code[offset:offset + 8].ljust(8, b"\0"), "little")
        guest.ask(f"write {at + offset:#x} {value:#x}")


def send(guest, command):
    assert guest.ask_one(f"icr {OTHER:#x} {command:#x}").startswith("icr done")


def start(guest, page):
    """
    Without INIT: the processor waits for its start as it is. Bochs 2.7 keeps an INIT for ever, whatever it has led to:
    from then on each entry ends in an exit for it, in the wait for a start, too.
    """
    send(guest, START | page)


def nmis_that_come_between_exits_reach_the_guest(guest):
    """The other processor is in Berth most of the time."""
    put(guest, PAGE << 12, EXITS_WITHOUT_END)
    put(guest, (PAGE << 12) + HANDLER, COUNTS)
    put(guest, (PAGE << 12) + COUNTER, bytes(8))
    put(guest, 4 * VECTOR_NMI, HANDLER.to_bytes(2, "little") + (PAGE << 8).to_bytes(2, "little"))
    start(guest, PAGE)
    for count in range(1, 21):
        send(guest, NMI)
        assert counted(guest) == count


def counted(guest):
    return numbers_of(guest.ask_one(f"read {(PAGE << 12) + COUNTER:#x}"))["reads"]


def a_processor_starts_in_real_mode(guest, page):
    guest.ask(f"prepare {page:#x} 0 0")
    start(guest, page)
    found = numbers_of(guest.ask_one(f"arrived {page:#x} 1"))
    signature = next(leaf["a"] for leaf in guest.numbers("cpuid 0") if leaf["leaf"] == 1)
    assert found["count"] == 1 and found["edx"] == signature
    assert found["cs"] == page << 8 and found["ds"] == 0 and found["cr0"] & ~0x60000000 == 0x10


def test_a_guest_that_tries_everything_lives_on(case):
    with probe(case) as guest:
        virtualisation_is_not_there(guest)
        hypercalls_answer(guest)
        berths_memory_is_not_there(guest)
        assert guest.ask_one("places").startswith("places buffer")


@pytest.mark.slow
def test_nmis_come_to_a_second_processor(case):
    with probe(case, processors=2) as guest:
        nmis_that_come_between_exits_reach_the_guest(guest)
        assert guest.ask_one("places").startswith("places buffer")


@pytest.mark.slow
def test_a_processor_starts_in_real_mode_at_any_page(case):
    with probe(case, processors=2) as guest:
        a_processor_starts_in_real_mode(guest, 0x9E)


# --- Debian -----------------------------------------------------------------------------------------------------------

@pytest.mark.slow
@pytest.mark.parametrize("mode", ["hvm", "native"])
def test_debian_reaches_userspace(case, mode):
    """A minute or two on a machine that does nothing else."""
    iso = case.berth_iso(cmdline=berth_words(mode), modules=[
        (case.kernel, LINUX_WORDS), (case.build / "initrd-quiet.gz", "")])
    with bochs(case, iso) as vm:
        vm.wait_for(r"^USERSPACE-OK|^\(BERTH\) halted$|Kernel panic", 300)
        assert "USERSPACE-OK" in vm.text, vm.error("no userspace")
        assert vm.log.errors == [] and vm.log.warnings == (HVM_WARNINGS if mode == "hvm" else [])
