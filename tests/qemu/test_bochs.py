"""A part of the matrix on Bochs, with an Intel and an AMD processor: GRUB 2 on BIOS, Berth, and a guest that checks the
handover. Bochs checks the limit of %fs, which QEMU does not.
"""
import mb2patch
import pytest
from berth_shim import MIB, Elf
from bochs import AMD, INTEL, Bochs

SLOT = 2 * MIB
PAGE = 4096
MEMORY_MIB = 256
GUEST_WORDS = "rsdp=some initrd=none"


def pinned(image, base, align=SLOT):
    """The image, for one place only."""
    return mb2patch.patch(image, min_addr=base, max_addr=base + Elf(image).bytes, align=align,
                          preference=mb2patch.PREFERENCES["none"])


def boot(case, model, image, **iso):
    """Boot to the guest's verdict, which has to be a pass; returns Berth's log."""
    iso = case.berth_iso(image=case.write("berth.bochs", image), modules=[(case.guest("zp64.bzimage"), GUEST_WORDS)],
                         **iso)
    with Bochs(case.folder / "bochs", model=model, iso=iso, memory_mib=MEMORY_MIB) as vm:
        vm.wait_for(r"^GUEST-(OK|FAIL) |^\(BERTH\) halted$")
        assert "GUEST-OK" in vm.text, vm.error("the guest is not content")
        assert [words for device, words in vm.complaints if device.startswith("CPU")] == []
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
    # The firmware's tables and GRUB are at the end of RAM.
    assert log.base in (MEMORY_MIB * MIB - SLOT, MEMORY_MIB * MIB - 2 * SLOT)


def moves_itself_when_aligned_to_4k_only(case, model, base):
    log = boot(case, model, pinned(case.berth.read_bytes(), base, align=PAGE))
    assert log.boot["moved-by"] == "self"
    assert log.base == MEMORY_MIB * MIB - SLOT


@processors(AMD)
def test_image_at_the_end_of_a_slot(case, model):
    moves_itself_when_aligned_to_4k_only(case, model, 0x15FF000)


@processors()
def test_image_at_the_start_of_a_slot(case, model):
    moves_itself_when_aligned_to_4k_only(case, model, 0x1401000)


@processors()
@pytest.mark.parametrize("base_mib", [2, 16, 64, 250])
def test_slots(case, model, base_mib):
    log = boot(case, model, pinned(case.berth.read_bytes(), base_mib * MIB))
    assert log.base == base_mib * MIB and log.boot["moved-by"] == "loader"


@processors()
def test_image_without_the_relocatable_tag(case, model):
    log = boot(case, model, mb2patch.remove(case.berth.read_bytes()))
    assert log.boot["moved-by"] == "self" and log.base == MEMORY_MIB * MIB - SLOT


@processors()
def test_multiboot1(case, model):
    log = boot(case, model, case.berth.read_bytes(), protocol="multiboot")
    assert log.boot["protocol"] == "multiboot1" and log.boot["moved-by"] == "self"
    assert log.base == MEMORY_MIB * MIB - SLOT
