"""PVH by the book and beyond: start information made here, registers that the ABI leaves undefined, and bad structures.

The tests' shim plays the machine monitor: it enters at the address that the image's ELF note names, at any load base.
Source: Xen, docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h.
"""
import struct

import pytest
from berth_shim import BASE, FLAGS_CLEAN, GIB, INFO_AT, KERNEL_AT, KIB, MIB, BerthWorld
from guest_report import GuestReport, dashed

MAGIC = 0x336EC578
START = struct.Struct("<4I4QII")
MODULE, ENTRY = struct.Struct("<4Q"), struct.Struct("<QQII")
CMDLINE_AT, MODULES_AT, MAP_AT = 24, 16, 40  # fields
VERSION_AT, COUNT_AT = 4, 12
PT_NOTE, PHYS32_ENTRY = 4, 18


def note_entry(image):
    """The address in the PVH note (System V ABI, chapter 5: name and description are padded to 4 bytes)."""
    (table,) = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    headers = [struct.unpack_from("<IIQ", image, table + size * number) for number in range(count)]
    (note,) = [offset for kind, _, offset in headers if kind == PT_NOTE]
    assert struct.unpack_from("<3I4s", image, note) == (4, 8, PHYS32_ENTRY, b"Xen\0")
    return struct.unpack_from("<Q", image, note + 16)[0]


class PvhWorld(BerthWorld):
    """A BerthWorld whose loader speaks PVH. `spoil` may change the structure's bytes."""

    def __init__(self, case, **options):
        super().__init__(case, **options)
        self.registers["eax"] = 0xA5A50000
        self.version, self.rsdp = 1, 0
        self.spoil = None

    def start_info(self):
        data = bytearray(START.size)

        def append(content):
            data.extend(bytes(-len(data) % 8))
            data.extend(content)
            return self.info_at + len(data) - len(content)

        def text(words):
            return append(words.encode("latin-1") + b"\0") if words else 0

        modules = [MODULE.pack(at, len(content), text(words), 0) for at, content, words in self.modules()]
        entries = [ENTRY.pack(*entry, 0) for entry in self.entries]
        START.pack_into(data, 0, MAGIC, self.version, 0, len(modules), append(b"".join(modules)), text(self.cmdline),
                        self.rsdp, append(b"".join(entries)), len(entries), 0)
        if self.spoil:
            self.spoil(data)
        return bytes(data)

    def build(self, block=None):
        super().build(self.start_info())
        self.target = self.base + note_entry(self.case.berth.read_bytes()) - self.elf.link


def field(at, form, value):
    def spoil(data):
        struct.pack_into(form, data, at, value)
    return spoil


def pointed(field_at, behind, form, value):
    """Change what the address in a field points to."""
    def spoil(data):
        struct.pack_into(form, data, struct.unpack_from("<Q", data, field_at)[0] - INFO_AT + behind, value)
    return spoil


@pytest.mark.parametrize("base", [2 * MIB, BASE, 0x1401000, 200 * MIB], ids=hex)
def test_start_information_arrives(case, base):
    world = PvhWorld(case, base=base)
    world.poison = []
    world.cmdline = "loglevel=debug  com1=115200"
    world.words.append("first=1 last")
    vm = world.run()
    boot = vm.log.boot
    assert (boot["protocol"], boot["firmware"], boot["loader"]) == ("pvh", "none", "")
    assert boot["moved-by"] == ("loader" if base % (2 * MIB) == 0 and base != 2 * MIB else "self")
    assert vm.log.cmdline == world.cmdline
    # Nothing is taken for a file's name.
    assert [module["name"] for module in vm.log.modules] == ["", ""]
    assert vm.log.modules[0]["cmdline"] == world.kernel_words()


RSDP_AT = 0x8000


def rsdp_and_xsdt():
    """ACPI's root pointer, version 2, and behind it an empty XSDT (ACPI specification 6.5, sections 5.2.5.3, 5.2.8)."""
    pointer = bytearray(struct.pack("<8sB6sBIIQI", b"RSD PTR ", 0, b"BERTH ", 2, 0, 36, RSDP_AT + 36, 0))
    pointer[8] = -sum(pointer[:20]) & 0xFF
    pointer[32] = -sum(pointer) & 0xFF
    xsdt = bytearray(struct.pack("<4sIBB26s", b"XSDT", 36, 1, 0, b"BERTH"))
    xsdt[9] = -sum(xsdt) & 0xFF
    return bytes(pointer + xsdt)


def test_rsdp_is_handed_on(case):
    world = PvhWorld(case)
    world.rsdp = RSDP_AT
    world.words.append("rsdp=some")
    build = world.build

    def build_with_rsdp(block=None):
        build(block)
        world.put(RSDP_AT, rsdp_and_xsdt())
    world.build = build_with_rsdp
    vm = world.run()
    assert GuestReport(vm.text).rsdp == RSDP_AT
    assert vm.log.warnings == []


@pytest.mark.parametrize("registers", [
    {"esp": 0}, {"esp": 0xFFFFFFFF}, {"eax": 0x2BADB002}, {"eax": 0x36D76289}, {"eax": 0, "ebp": 0, "esi": 0},
], ids=str)
def test_undefined_registers_mean_nothing(case, registers):
    world = PvhWorld(case)
    world.registers.update(registers)
    world.words.append(world.canary(0, 4 * KIB))
    world.run()


@pytest.mark.parametrize("flags", [FLAGS_CLEAN, FLAGS_CLEAN | 0x4000, FLAGS_CLEAN | 0x40000, FLAGS_CLEAN | 0x400])
def test_undefined_flags_mean_nothing(case, flags):
    """NT, AC, DF."""
    world = PvhWorld(case)
    world.flags = flags
    world.run()


def test_structure_need_not_be_aligned(case):
    world = PvhWorld(case)
    world.info_at = 70 * MIB + 1
    world.run()


def test_structure_may_lie_above_2_gib(case):
    world = PvhWorld(case, memory=3 * GIB)
    world.info_at, world.poison = 2 * GIB + 64 * MIB, []
    assert world.run(machine="pc").log.boot["protocol"] == "pvh"


OUT_OF_REACH = "the loader's field at offset 0x{:x} points out of reach - use a loader that stays below 4 GiB"
BAD = {
    "no magic": (field(0, "<I", MAGIC + 1), "the loader's magic number 0x336ec579 is not known - "),
    "no memory map": (field(VERSION_AT, "<I", 0), "the loader gave no memory map with RAM in it - "),
    "command line above 4 GiB": (field(CMDLINE_AT, "<Q", 4 * GIB), OUT_OF_REACH.format(CMDLINE_AT)),
    "module list above 4 GiB": (field(MODULES_AT, "<Q", 4 * GIB), OUT_OF_REACH.format(MODULES_AT)),
    "too many modules": (field(COUNT_AT, "<I", 0xFFFFFFFF), OUT_OF_REACH.format(MODULES_AT)),
    "memory map above 4 GiB": (field(MAP_AT, "<Q", 2**64 - 1), OUT_OF_REACH.format(MAP_AT)),
    "module above 4 GiB": (pointed(MODULES_AT, 0, "<Q", 5 * GIB), OUT_OF_REACH.format(MODULES_AT)),
    "module that wraps": (pointed(MODULES_AT, 8, "<Q", 2**64 - KERNEL_AT), OUT_OF_REACH.format(MODULES_AT)),
    "module that is not RAM": (pointed(MODULES_AT, 0, "<Q", 0xE0000000), "module 0 does not lie in RAM - "),
}


@pytest.mark.parametrize("name", BAD, ids=dashed)
def test_bad_structure_is_one_error_in_words(case, name):
    world = PvhWorld(case)
    world.cmdline = "loglevel=debug"
    world.spoil, words = BAD[name]
    with world.machine() as vm:
        log = vm.wait_halted()
        assert vm.triple_faults == 0 and vm.resets == 0
    assert len(log.errors) == 1 and log.errors[0].startswith(words)


def test_memory_that_is_nobodys_is_left_alone(case):
    """The word that the entry borrows is put back."""
    world = PvhWorld(case)
    world.words += [world.canary(0, 4 * KIB), world.canary(INFO_AT, START.size)]
    world.run()
