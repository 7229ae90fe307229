"""A part of the matrix on Bochs, with an Intel and an AMD processor: GRUB 2 on BIOS, Berth, and a guest that checks the
handover. Bochs checks the limit of %fs, which QEMU does not.
"""
import mb2patch
import pytest
from berth_qemu import fields, symbols
from berth_shim import MIB, Elf
from bochs import AMD, INTEL, Bochs
from hvm import Guest, berth_words

SLOT = 2 * MIB
PAGE = 4096
MEMORY_MIB = 256
# The firmware's tables at the end of RAM leave room for the image.
HIGHEST_SLOT = MEMORY_MIB * MIB - SLOT
GUEST_WORDS = "rsdp=some initrd=none"


def pinned(image, base, align=SLOT):
    """The image, for one place only."""
    return mb2patch.patch(image, min_addr=base, max_addr=base + Elf(image).bytes, align=align,
                          preference=mb2patch.PREFERENCES["none"])


# VM_CR and SYSCFG, which a processor with SVM has.
UNKNOWN_TO_BOCHS = ["RDMSR: Unknown register 0xc0010114", "WRMSR: Unknown register 0xc0010114",
                    "RDMSR: Unknown register 0xc0010010"]


def machine(case, model, image, processors=1, cmdline="", mode="native", **iso):
    iso = case.berth_iso(cmdline=f"{cmdline} dom0={mode}", image=case.write("berth.bochs", image),
                         modules=[(case.guest("zp64.bzimage"), GUEST_WORDS)], **iso)
    return Bochs(case.folder / "bochs", model=model, iso=iso, memory_mib=MEMORY_MIB, processors=processors)


def boot(case, model, image, **iso):
    """Boot to the guest's verdict, which has to be a pass; returns Berth's log."""
    with machine(case, model, image, **iso) as vm:
        vm.wait_for(r"^GUEST-(OK|FAIL) |^\(BERTH\) halted$")
        assert "GUEST-OK" in vm.text, vm.error("the guest is not content")
        complaints = [words for device, words in vm.complaints if device.startswith("CPU")]
        assert [words for words in complaints if words not in UNKNOWN_TO_BOCHS] == []
        assert vm.log.errors == []
        return vm.log


def processors(*quick):
    """A case takes about ten seconds: the processors named are for every push, the others for the long runs."""
    return pytest.mark.parametrize("model", [model if model in quick else pytest.param(model, marks=pytest.mark.slow)
                                             for model in (INTEL, AMD)])


@processors(INTEL)
def test_unchanged_image(case, model):
    log = boot(case, model, case.berth.read_bytes())
    assert log.boot["moved-by"] == "loader" and log.boot["protocol"] == "multiboot2"
    # GRUB itself is at the end of RAM, which may cost the last slot.
    assert log.base in (HIGHEST_SLOT, HIGHEST_SLOT - SLOT)


def moves_itself_when_aligned_to_4k_only(case, model, base):
    log = boot(case, model, pinned(case.berth.read_bytes(), base, align=PAGE))
    assert log.boot["moved-by"] == "self" and log.base == HIGHEST_SLOT


@processors(AMD)
def test_image_that_moves_upwards_over_itself(case, model):
    moves_itself_when_aligned_to_4k_only(case, model, HIGHEST_SLOT - PAGE)


@processors()
def test_image_that_moves_downwards_over_itself(case, model):
    moves_itself_when_aligned_to_4k_only(case, model, HIGHEST_SLOT + PAGE)


@processors()
def test_image_aligned_to_4k_only(case, model):
    moves_itself_when_aligned_to_4k_only(case, model, 0x15FF000)


@processors()
@pytest.mark.parametrize("base_mib", [2, 16, 64, 250])
def test_slots(case, model, base_mib):
    log = boot(case, model, pinned(case.berth.read_bytes(), base_mib * MIB))
    assert log.base == base_mib * MIB and log.boot["moved-by"] == "loader"


@processors()
def test_image_without_the_relocatable_tag(case, model):
    log = boot(case, model, mb2patch.remove(case.berth.read_bytes()))
    assert log.boot["moved-by"] == "self" and log.base == HIGHEST_SLOT


@processors()
def test_multiboot1(case, model):
    log = boot(case, model, case.berth.read_bytes(), protocol="multiboot")
    assert log.boot["protocol"] == "multiboot1" and log.boot["moved-by"] == "self"
    assert log.base == HIGHEST_SLOT


# --- the test of the test -----------------------------------------------------------------------------------------
BOOT_FS = 0x20           # SEL_BOOT_FS, include/x86/segments.h
FILE_HEADER = 0x1000     # in front of the image in its file


def with_short_fs(case, first_beyond):
    """The image, with a limit of %fs that ends right before the page of the symbol `first_beyond`."""
    image, symbol = bytearray(case.berth.read_bytes()), symbols(case.debug_image)
    at = FILE_HEADER + symbol["boot_gdt"] - symbol["_start"] + BOOT_FS
    limit = (symbol["_end"] - symbol["_start"]) // PAGE - 1
    assert image[at:at + 2] == limit.to_bytes(2, "little")
    image[at:at + 2] = ((symbol[first_beyond] - symbol["_start"]) // PAGE - 1).to_bytes(2, "little")
    return bytes(image)


@processors()
def test_a_limit_of_fs_that_is_too_short_is_seen(case, model):
    """The boot page tables lie behind it: an exception here, which is told in words; to QEMU that is all the same."""
    image = with_short_fs(case, "boot_page_table_l4")
    with machine(case, model, image) as vm:
        vm.wait_for(r"^\(BERTH\) error: exception 0x0000000d error-code=0x00000000 at 0x[0-9a-f]{8} in 32-bit code")
        assert ("CPU0", "write_virtual_checks(): write beyond limit, r/w") in vm.complaints
    iso = case.folder / "berth.iso"
    with case.machine(iso=iso, machine="pc") as vm:
        vm.wait_for("^GUEST-OK ")


@pytest.mark.slow
def test_guest_inside_svm(case):
    """Bochs checks a VMCB, segments among it, more strictly than QEMU. VMX: test_hvm_vmx.py."""
    log = boot(case, AMD, case.berth.read_bytes(), mode="hvm")
    assert log.one("hvm: ").startswith("SVM, 1 processors, kept ")


# push %rbx; cpuid, behind a prefix that means nothing there; pop %rbx; ret
LONG_CPUID = int.from_bytes(bytes.fromhex("53 660fa2 5b c3").ljust(8, b"\0"), "little")


def test_an_instruction_inside_svm_is_as_long_as_the_processor_says(case):
    """
    Bochs's processor tells it; QEMU's does not. The code is in memory that is no RAM to Berth, which cannot look there,
    and would take the instruction for the usual one of two bytes.
    """
    iso = case.berth_iso(modules=[(case.guest("probe.bzimage"), "")], cmdline=berth_words("hvm"))
    with Bochs(case.folder / "bochs", model=AMD, iso=iso, memory_mib=MEMORY_MIB) as vm:
        guest = Guest(vm).ready()
        at = next(start for start, _, kind in vm.log.memory if kind == "reserved")
        guest.ask(f"write {at:#x} {LONG_CPUID:#x}")
        assert guest.ask_one(f"execute {at:#x}") == "execute done"
        assert vm.log.errors == []


# Intel SDM volume 3A, section 11.12.1: bits 8, 10 and 11 of IA32_APIC_BASE, and where the APIC is.
X2APIC_ON = "wrmsr 0x1b 0xfee00d00"


SLOW_APICS = [(INTEL, "x2apic", 4), (INTEL, "xapic", 4), (AMD, "xapic", 4)]


@pytest.mark.parametrize("model, mode, count", [
    (INTEL, "x2apic", 2), *(pytest.param(*row, marks=pytest.mark.slow) for row in SLOW_APICS)])
def test_all_processors_in_both_modes_of_the_apic(case, model, mode, count):
    """In x2APIC mode, which QEMU does not have, the first one's APIC has no page any more."""
    log = boot(case, model, case.berth.read_bytes(), processors=count, cmdline="loglevel=debug",
               grub_text=X2APIC_ON if mode == "x2apic" else "")
    assert log.one("cpu: ") == f"{count} online" and log.warnings == []
    first, *others = [fields(line) for line in log.starting("debug: processor ")]
    assert [state.pop("apic-id") for state in (first, *others)] == [hex(number) for number in range(count)]
    assert all(state == first for state in others)
