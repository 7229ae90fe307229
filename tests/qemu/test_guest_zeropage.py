"""The zeropage guest itself: it accepts a handover made here by the book, and finds every fault planted in one.

Without this, a check that never fails would look like a check that passes.
"""
import struct
import zlib

import berth_shim
import pytest
from berth_shim import KIB, MIB

LOAD = 16 * MIB
PAGE_AT = 0x90000
CMDLINE_AT = 0x20000
INITRD_AT = 96 * MIB
INITRD = bytes(range(251)) * 41
EXT_NODE_AT = 0x30000
PASS, FAIL = 33, 35
RAM_END = 128 * MIB - 256 * KIB
E820 = [(0, 0x9FC00, 1), (0x9FC00, 0x60400, 2), (MIB, RAM_END - MIB, 1), (RAM_END, 256 * KIB, 2)]


def e820_bytes(entries):
    return b"".join(struct.pack("<QQI", *entry) for entry in entries)


class Handover:
    """What a boot loader makes, by boot.rst and zero-page.rst; a fault is a change to one of its parts."""

    def __init__(self, kernel, entry_64):
        self.kernel, self.entry_64 = kernel, entry_64
        self.load = LOAD
        self.e820 = list(E820)
        self.extension = []
        self.initrd, self.initrd_data = INITRD_AT, INITRD
        self.words = ["one", f"initrd={len(INITRD)}:{zlib.crc32(INITRD):08x}", f"load={LOAD:#x}"]
        self.tables = {}   # arguments for World.long_mode
        self.patches = []  # (offset in the zero page, bytes)
        self.world = berth_shim.World()
        code = berth_shim.FLAT_CODE64 if entry_64 else berth_shim.FLAT_CODE32
        self.world.gdt = berth_shim.gdt({0x10: code, 0x18: berth_shim.FLAT_DATA, 0x28: code})
        self.world.cs, self.world.ds = 0x10, 0x18
        self.world.flags = berth_shim.FLAGS_CLEAN
        self.world.registers.update(esi=PAGE_AT, ebx=0, edi=0, ebp=0)
        self.world.gdtr_after = (len(self.world.gdt) - 1, berth_shim.GDT_AT)

    def patch(self, offset, data):
        self.patches.append((offset, data))

    def zero_page(self):
        page = bytearray(4096)
        header_end = 0x202 + self.kernel[0x201]
        page[0x1F1:header_end] = self.kernel[0x1F1:header_end]
        page[0x210] = 0xFF
        struct.pack_into("<I", page, 0x214, self.load)
        if self.initrd_data:
            struct.pack_into("<II", page, 0x218, self.initrd, len(self.initrd_data))
        struct.pack_into("<I", page, 0x228, CMDLINE_AT)
        page[0x1E8] = len(self.e820)
        entries = e820_bytes(self.e820)
        page[0x2D0:0x2D0 + len(entries)] = entries
        if self.extension:
            struct.pack_into("<Q", page, 0x250, EXT_NODE_AT)
        for offset, data in self.patches:
            page[offset:offset + len(data)] = data
        return page

    def run(self, case):
        world = self.world
        world.fill(MIB, 40 * MIB)
        setup_bytes = (self.kernel[0x1F1] + 1) * 512
        world.put(self.load, self.kernel[setup_bytes:])
        world.put(PAGE_AT, self.zero_page())
        world.put(CMDLINE_AT, " ".join(self.words).encode() + b"\0")
        world.put(INITRD_AT, self.initrd_data)
        if self.extension:
            data = e820_bytes(self.extension)
            world.put(EXT_NODE_AT, struct.pack("<QII", 0, 1, len(data)) + data)
        if self.entry_64:
            world.long_mode(**self.tables)
        world.target = self.load + (0x200 if self.entry_64 else 0)
        with case.machine(memory="128M", extra=world.arguments(case.folder, case.guest("shim.elf"))) as vm:
            status = vm.wait_exit(20)
            assert vm.triple_faults == 0, vm.text
            return status, vm.text


@pytest.fixture(params=["zp64", "zp32"])
def handover(request, case):
    return Handover(case.guest(request.param + ".bzimage").read_bytes(), request.param == "zp64")


def expect_ok(status, text):
    assert status == PASS and "GUEST-OK" in text, text
    assert "FAIL" not in text


def test_a_handover_by_the_book_passes(handover, case):
    handover.words.append(handover.world.canary(0, 4 * KIB))
    handover.words.append(handover.world.canary(0x9FC00, 0x400))
    handover.words.append(f"e820={len(E820)}")
    expect_ok(*handover.run(case))


def test_without_an_initrd_passes(handover, case):
    handover.initrd_data = b""
    handover.words = ["initrd=none"]
    expect_ok(*handover.run(case))


def test_a_map_of_200_entries_passes(handover, case):
    pieces = [(64 * MIB + i * 64 * KIB, 32 * KIB, 1 + i % 2) for i in range(200)]
    everything = E820[:2] + [(MIB, 47 * MIB, 1)] + pieces + [(96 * MIB, 16 * MIB, 1)]
    handover.e820, handover.extension = everything[:128], everything[128:]
    handover.words.append(f"e820={len(everything)}")
    expect_ok(*handover.run(case))


def screen_linear(**changes):
    """A 1024x768x32 frame buffer at 0xfd000000."""
    screen = bytearray(0x40)
    screen[0x0F] = 0x23
    struct.pack_into("<HHHII", screen, 0x12, 1024, 768, 32, 0xFD000000, 1024 * 768 * 4 // 0x10000)
    struct.pack_into("<H8B", screen, 0x24, 4096, 8, 16, 8, 8, 8, 0, 0, 0)
    for offset, value in changes.get("words", {}).items():
        struct.pack_into("<H", screen, offset, value)
    return bytes(screen)


def test_a_linear_screen_passes(handover, case):
    handover.patch(0, screen_linear())
    status, text = handover.run(case)
    expect_ok(status, text)
    assert "SCREEN type 35" in text and "width 1024 height 768 depth 32 pitch 4096 size 48 red 16/8" in text
    assert "base 0xfd000000" in text


def fault(name, change):
    return pytest.param(name, change, id=name.replace(" ", "-"))


def set_registers(**values):
    return lambda h: h.world.registers.update(values)


def set_world(**values):
    def change(h):
        for name, value in values.items():
            setattr(h.world, name, value)
    return change


def patch(offset, data):
    return lambda h: h.patch(offset, data)


def entries(*replacement):
    def change(h):
        h.e820 = list(replacement)
    return change


def words(*extra):
    return lambda h: h.words.extend(extra)


def canary_that_changes(h):
    """The checksum is of other bytes than those named."""
    h.words.append(h.world.canary(0, 4096).replace("canary=0x0:", f"canary={2 * MIB:#x}:"))


def code_selector_28(h):
    h.world.cs = 0x28


def descriptor(selector, value):
    def change(h):
        table = bytearray(h.world.gdt)
        struct.pack_into("<Q", table, selector, value)
        h.world.cs, h.world.ds = 0x28, 0x30
        code = berth_shim.FLAT_CODE64 if h.entry_64 else berth_shim.FLAT_CODE32
        h.world.gdt = bytes(table[:0x28]) + struct.pack("<QQ", code, berth_shim.FLAT_DATA)
        h.world.gdtr_after = (len(h.world.gdt) - 1, berth_shim.GDT_AT)
    return change


def initrd_over_kernel(h):
    h.patch(0x218, struct.pack("<I", LOAD + 3 * MIB))


def load_elsewhere(h):
    h.load = LOAD + 2 * MIB


def other_initrd_bytes(h):
    h.initrd_data = INITRD[:-1] + b"\0"


RAM_LOW, RESERVED_LOW, RAM_HIGH, RESERVED_HIGH = E820
FAULTS = [
    # With both interrupt controllers masked, so that no interrupt comes before the guest has looked.
    fault("interrupts are off", set_world(flags=0x202, outs=[(0x21, 0xFF), (0xA1, 0xFF)])),
    fault("direction flag is clear", set_world(flags=0x402)),
    fault("cs", code_selector_28),
    fault("boot_ds limit", descriptor(0x18, 0x00C093000000FFFF)),
    fault("boot_ds base", descriptor(0x18, 0x00CF93000001FFFF)),
    fault("boot_ds is read/write", descriptor(0x18, 0x00CF91000000FFFF)),
    fault("boot_cs limit", descriptor(0x10, berth_shim.FLAT_CODE32 & ~0xFFFF)),
    fault("boot_cs is execute/read", descriptor(0x10, 0x008F9B000000FFFF)),
    fault("setup header is the kernel's own", patch(0x208, b"\1")),
    fault("setup header is the kernel's own", patch(0x1F4, b"\0\0")),
    fault("type_of_loader is set", patch(0x210, b"\0")),
    fault("loadflags", patch(0x211, b"\0")),
    fault("loadflags", patch(0x211, b"\x41")),
    fault("code32_start is the load address", patch(0x214, struct.pack("<I", MIB))),
    fault("hardware_subarch is PC", patch(0x23C, b"\2")),
    fault("load address is the expected one", load_elsewhere),
    fault("command line pointer", patch(0x228, bytes(4))),
    fault("all unused bytes are zero", patch(0x1EF, b"\xff")),  # the sentinel
    fault("all unused bytes are zero", patch(0x26C, b"\xee")),  # behind the header: copied too much
    fault("all unused bytes are zero", patch(0x1F0, b"\xee")),  # before the header
    fault("efi: nothing without a signature", patch(0x1C4, b"\1")),
    fault("all unused bytes are zero", patch(0x2D0 + 20 * len(E820), b"\1")),
    fault("all unused bytes are zero", patch(0xFFF, b"\1")),
    fault("screen: unused bytes are zero", patch(0x02, b"\1")),
    fault("screen: known type", patch(0x0F, b"\x71")),
    fault("screen: text has columns and lines", patch(0x0F, b"\1")),
    fault("screen: pitch holds a line", patch(0, screen_linear(words={0x24: 4095}))),
    fault("screen: size is the frame's", patch(0, screen_linear(words={0x1C: 47}))),
    fault("screen: frame buffer is not in RAM", patch(0, screen_linear(words={0x18: 0, 0x1A: 0x200}))),
    fault("screen: frame buffer has an address", patch(0, screen_linear(words={0x18: 0, 0x1A: 0}))),
    fault("screen: colours fit the depth", patch(0, screen_linear(words={0x16: 16}))),
    fault("e820: there is a map", entries()),
    fault("e820: sorted and disjoint", entries(RESERVED_LOW, RAM_LOW, RAM_HIGH)),
    fault("e820: sorted and disjoint", entries((0, 0x9FD00, 1), RESERVED_LOW, RAM_HIGH)),
    fault("e820: no empty", entries(RAM_LOW, RESERVED_LOW, RAM_HIGH, (RESERVED_HIGH[0], 0, 2))),
    fault("e820: no empty", entries(RAM_LOW, RAM_HIGH, (1 << 63, 1 << 63 | 4096, 2))),
    fault("e820: no empty", entries(RAM_LOW, RESERVED_LOW, RAM_HIGH, (*RESERVED_HIGH[:2], 0))),
    fault("e820: neighbours of one type", entries((0, 0x9F000, 1), (0x9F000, 0xC00, 1), RAM_HIGH)),
    fault("e820: number of entries", words("e820=5")),
    fault("kernel's room is RAM", entries(RAM_LOW, RESERVED_LOW, (32 * MIB, 95 * MIB, 1))),
    fault("zero page is in RAM", entries((0, 0x8F000, 1), (MIB, 120 * MIB, 1))),
    fault("command line is in RAM", entries((0x80000, 0x18000, 1), (MIB, 120 * MIB, 1))),
    fault("initrd is in RAM", entries(RAM_LOW, (MIB, 64 * MIB, 1))),
    fault("all of it is disjoint", initrd_over_kernel),
    fault("initrd begins at a page", patch(0x218, struct.pack("<I", INITRD_AT + 1))),
    fault("initrd: size", patch(0x21C, struct.pack("<I", len(INITRD) - 1))),
    fault("initrd: bytes", other_initrd_bytes),
    fault("initrd: one expected", words()),
    fault("rsdp: signature", patch(0x70, struct.pack("<Q", INITRD_AT))),
    fault("rsdp: given or not", words("rsdp=some")),
    fault("canary is unchanged", canary_that_changes),
    fault("area left alone", words(f"free={LOAD + MIB:#x}:4096")),
]


@pytest.mark.parametrize("name, change", FAULTS)
def test_a_planted_fault_is_found(handover, case, name, change):
    change(handover)
    if name == "initrd: one expected":
        handover.words = ["initrd=none"]
    status, text = handover.run(case)
    assert status == FAIL, text
    assert f"FAIL {name}" in text, text
    assert "GUEST-FAIL" in text


PAGE_2M = 2 * MIB
KERNEL_PAGE = LOAD // PAGE_2M
TABLE_FAULTS = {
    "missing page": ("kernel's room is mapped one to one", {"leaves": {KERNEL_PAGE + 1: 0}}),
    "page that is another": ("kernel's room is mapped one to one", {"leaves": {KERNEL_PAGE + 2: LOAD | 0x83}}),
    "read-only page": ("kernel's room is mapped one to one", {"leaves": {KERNEL_PAGE + 2: LOAD + 2 * PAGE_2M | 0x81}}),
    "read-only zero page": ("zero page is mapped one to one", {"leaves": {0: 0x81}}),
    "tables in the kernel's room": ("  its page tables are outside the kernel's room", {"tables_at": LOAD + 5 * MIB}),
}


@pytest.mark.parametrize("name", TABLE_FAULTS)
def test_a_fault_in_the_page_tables_is_found(case, name):
    handover = Handover(case.guest("zp64.bzimage").read_bytes(), entry_64=True)
    expected, handover.tables = TABLE_FAULTS[name]
    status, text = handover.run(case)
    assert status == FAIL and f"FAIL {expected}" in text, text


def test_a_descriptor_table_in_the_kernels_room_is_found(handover, case):
    handover.world.gdt_at = LOAD + 5 * MIB
    handover.world.gdtr_after = (len(handover.world.gdt) - 1, LOAD + 5 * MIB)
    status, text = handover.run(case)
    assert status == FAIL and "FAIL gdt is outside the kernel's room" in text, text


def test_an_unreadable_zero_page_is_an_exception_with_a_name(case):
    handover = Handover(case.guest("zp64.bzimage").read_bytes(), entry_64=True)
    handover.tables = {"leaves": {0: 0}}
    status, text = handover.run(case)
    assert status == FAIL and "FAIL no exception: found 0xe" in text, text


@pytest.mark.parametrize("register, name", [("ebx", "ebx is zero"), ("edi", "edi is zero"), ("ebp", "ebp is zero")])
def test_a_register_that_is_not_zero_is_found(case, register, name):
    handover = Handover(case.guest("zp32.bzimage").read_bytes(), entry_64=False)
    handover.world.registers[register] = 1
    status, text = handover.run(case)
    assert status == FAIL and f"FAIL {name}" in text, text
    assert "GUEST-FAIL 1\n" in text


def test_the_32bit_entry_is_refused_where_there_is_a_64bit_one(case):
    handover = Handover(case.guest("zp64.bzimage").read_bytes(), entry_64=False)
    status, text = handover.run(case)
    assert status == FAIL and "FAIL entry: started at the 32-bit entry" in text, text
