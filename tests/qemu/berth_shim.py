"""Hand Berth (or any 32-bit or 64-bit code) a world made here: every byte and register of it.

tests/guests/shim carries out the list of commands that `World` makes; its README and shim.h say how. A world is: data
put at addresses, areas filled with poison, checksums written into strings, registers, and the address to jump to.
"""
import struct
import zlib

import mb2_block as mb2

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

# The shim, its module and its tables: where no test may want anything. Linked in tests/guests/shim/shim.lds.
SHIM_START = 48 * MIB - 64 * KIB
SHIM_CODE = 48 * MIB
SHIM_ROOM = 64 * KIB
GDT_AT = SHIM_START
TABLES_AT = SHIM_START + 4 * KIB

COPY, FILL, CRC, JUMP, OUT, MSR, CONTROL, DEBUG = 1, 2, 3, 4, 5, 6, 7, 8
PLACEHOLDER = "@CRC{:03}@"

POISON = 0xA5
FLAGS_CLEAN = 0x2
# What Multiboot2, section 3.3, leaves undefined: DF, IOPL 3, ID and all arithmetic flags.
FLAGS_HOSTILE = 0x2 | 0x400 | 0x3000 | 0x200000 | 0x8D5
REGISTERS = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp")
REGISTERS_POISON = {name: 0xA5A50000 + number for number, name in enumerate(REGISTERS)}

FLAT_CODE32, FLAT_CODE64, FLAT_DATA = 0x00CF9B000000FFFF, 0x00AF9B000000FFFF, 0x00CF93000000FFFF


def gdt(descriptors):
    """{selector: descriptor} as bytes."""
    table = [0] * (max(descriptors) // 8 + 1)
    for selector, descriptor in descriptors.items():
        table[selector // 8] = descriptor
    return struct.pack(f"<{len(table)}Q", *table)


# Selectors that no specification names and a GDTR that is no good: what Multiboot2, section 3.3, allows a loader.
ODD_CS, ODD_DS = 0x38, 0x48
ODD_GDT = gdt({ODD_CS: FLAT_CODE32, ODD_DS: FLAT_DATA})


def identity_tables(at, gib=4):
    """Page tables for physical address `at` that map the low memory one to one, with 2 MiB pages."""
    level4 = struct.pack("<Q", at + 0x1000 | 3) + bytes(4088)
    level3 = b"".join(struct.pack("<Q", at + 0x2000 + 0x1000 * i | 3) for i in range(gib)).ljust(4096, b"\0")
    level2 = b"".join(struct.pack("<Q", page * 2 * MIB | 0x83) for page in range(512 * gib))
    return level4 + level3 + level2


class Elf:
    """The loadable part of an ELF64 file (System V ABI, chapter 5), as a multiboot2 loader sees it."""

    def __init__(self, image):
        self.entry, table = struct.unpack_from("<QQ", image, 24)
        size, count = struct.unpack_from("<HH", image, 54)
        headers = [struct.unpack_from("<IIQQQQQQ", image, table + size * i) for i in range(count)]
        self.segments = [(pa, va, image[offset:offset + filled], memory)
                         for kind, _, offset, va, pa, filled, memory, _ in headers if kind == 1]
        self.link = min(pa for pa, _, _, _ in self.segments)
        self.bytes = max(pa + memory for pa, _, _, memory in self.segments) - self.link

    def entry_at(self, base):
        for pa, va, _, memory in self.segments:
            if va <= self.entry < va + memory:
                return base + pa - self.link + self.entry - va
        raise ValueError("the entry lies in no segment")


FIRMWARE_BYTES = 256 * KIB  # at the end of low RAM


def firmware_map(memory_bytes, hole=3 * GIB):
    """The map that QEMU's BIOS would report, roughly; and what is said to be RAM is RAM."""
    low_end = min(memory_bytes, hole) - FIRMWARE_BYTES
    entries = [(0, 0x9FC00, mb2.RAM), (0x9FC00, 0x400, mb2.RESERVED), (0xF0000, 0x10000, mb2.RESERVED),
               (MIB, low_end - MIB, mb2.RAM), (low_end, FIRMWARE_BYTES, mb2.RESERVED),
               (0xFEFFC000, 0x4000, mb2.RESERVED), (0xFFFC0000, 0x40000, mb2.RESERVED)]
    if memory_bytes > hole:
        entries.append((4 * GIB, memory_bytes - hole, mb2.RAM))
    return entries


class World:
    def __init__(self):
        self.gdt_at = GDT_AT
        self.data = []      # (address, bytes)
        self.fills = []     # (address, bytes, value), before the data
        self.canaries = []  # (address, bytes)
        self.outs = []      # (port, value)
        self.msrs = []      # (number, value), of the processor that boots
        self.control = []   # (number of the control register: 0 or 4, value)
        self.debug = []     # (number of the debug register: 0, 1, 6 or 7, value)
        self.registers = dict(REGISTERS_POISON)
        self.flags = FLAGS_HOSTILE
        self.gdt, self.cs, self.ds = ODD_GDT, ODD_CS, ODD_DS
        self.gdtr_after = (0, 0)  # limit, base
        self.cr3 = 0
        self.target = None

    def put(self, address, data):
        self.data.append((address, bytes(data)))
        return address + len(data)

    def fill(self, address, count, value=POISON):
        self.fills.append((address, count, value))

    def canary(self, address, count):
        """A word for the zeropage guest's command line; the shim writes the checksum into it just before the jump."""
        self.canaries.append((address, count))
        return f"canary={address:#x}:{count}:" + PLACEHOLDER.format(len(self.canaries) - 1)

    def load_elf(self, image, base):
        elf = Elf(image)
        for pa, _, data, memory in elf.segments:
            self.put(base + pa - elf.link, data)
            self.fill(base + pa - elf.link + len(data), memory - len(data), 0)
        self.target = elf.entry_at(base)
        return elf

    def long_mode(self, tables_at=TABLES_AT, leaves=()):
        """
        Enter in 64-bit mode, as the 64-bit boot protocol says. `leaves`: {number of a 2 MiB page: its entry}, where
        that is to differ from the identity.
        """
        tables = bytearray(identity_tables(tables_at))
        for page, entry in dict(leaves).items():
            struct.pack_into("<Q", tables, 0x2000 + 8 * page, entry)
        self.put(tables_at, tables)
        self.cr3 = tables_at

    def _placeholder_address(self, number):
        wanted = PLACEHOLDER.format(number).encode()
        found = [address + data.index(wanted) for address, data in self.data if wanted in data]
        assert len(found) == 1, f"{wanted} occurs {len(found)} times"
        return found[0]

    def _launch(self):
        limit, base = self.gdtr_after
        tables = struct.pack("<HQ6xHQ6x", len(self.gdt) - 1, self.gdt_at, limit, base)
        state = struct.pack("<IIIIQ", self.cs, self.ds, self.cr3, self.flags, self.target)
        return tables + state + struct.pack("<8I", *(self.registers[name] for name in REGISTERS))

    def module(self):
        """The shim's module. Data goes to its place after all fills, in the order given."""
        pieces = [*self.data, (self.gdt_at, self.gdt)]
        commands = 16 * (len(self.fills) + len(pieces) + len(self.canaries) + len(self.outs)
                         + len(self.msrs) + len(self.control) + len(self.debug)) + 8
        launch_at = commands
        body = self._launch()
        words = b"".join(struct.pack("<4I", FILL, *fill) for fill in self.fills if fill[1])
        for address, data in pieces:
            words += struct.pack("<4I", COPY, launch_at + len(body), address, len(data))
            body += data
        for number, (address, count) in enumerate(self.canaries):
            words += struct.pack("<4I", CRC, address, count, self._placeholder_address(number))
        words += b"".join(struct.pack("<3I", OUT, *out) for out in self.outs)
        words += b"".join(struct.pack("<IIQ", MSR, *msr) for msr in self.msrs)
        words += b"".join(struct.pack("<3I", CONTROL, *control) for control in self.control)
        words += b"".join(struct.pack("<3I", DEBUG, *debug) for debug in self.debug)
        words += struct.pack("<2I", JUMP, launch_at)
        assert len(words) <= commands
        blob = words.ljust(commands, b"\0") + body
        self._assert_clear_of_shim(len(blob))
        return blob

    def _assert_clear_of_shim(self, module_bytes):
        start, end = SHIM_CODE, SHIM_CODE + SHIM_ROOM + module_bytes
        for address, count in [(a, len(d)) for a, d in self.data] + [(a, n) for a, n, _ in self.fills]:
            assert address + count <= start or address >= end, f"{address:#x} is the shim's ({start:#x}-{end:#x})"

    def arguments(self, folder, shim):
        """QEMU's arguments; the module's file goes to `folder`."""
        path = folder / "world.bin"
        path.write_bytes(self.module())
        return ["-kernel", str(shim), "-initrd", str(path)]


# Where a BerthWorld puts things unless told otherwise.
BASE = 4 * MIB
INFO_AT = 0x9000
KERNEL_AT = 100 * MIB
INITRD_AT = 120 * MIB
INITRD = bytes(i * 7 % 251 for i in range(20000))
FIRST_PAGE = 0x5C  # what its first page of memory is filled with
GUEST_PASS = 33    # QEMU's exit status when the zeropage guest found nothing wrong


class BerthWorld(World):
    """Berth started by a made-up multiboot2 loader, with a zeropage guest as its kernel.

    Change attributes, `entries` (the memory map) or `words` (the kernel's command line), then run.
    """

    def __init__(self, case, kernel="zp64", base=BASE, memory=256 * MIB, initrd=INITRD):
        super().__init__()
        self.case, self.base, self.memory, self.initrd = case, base, memory, initrd
        self.image = case.berth
        self.kernel = case.guest(kernel + ".bzimage").read_bytes() if isinstance(kernel, str) else kernel
        self.info_at, self.kernel_at, self.initrd_at = INFO_AT, KERNEL_AT, INITRD_AT
        self.entries = firmware_map(memory)
        self.words = []
        self.cmdline = ""
        self.loader = mb2.LOADER
        self.extra_tags = []
        self.base_tag = base  # None: no tag 21
        low_end = min(memory, 3 * GIB) - FIRMWARE_BYTES
        # Much of the low RAM, and its end, where things are put that may lie anywhere. More would take time.
        self.poison = [(MIB, SHIM_START - MIB), (64 * MIB, min(low_end, 80 * MIB) - 64 * MIB),
                       (low_end - 2 * MIB, 2 * MIB)]
        del self.registers["eax"], self.registers["ebx"]  # the protocol's, unless a test sets them

    def kernel_words(self):
        if not self.initrd:
            return " ".join(["initrd=none", *self.words])
        return " ".join([f"initrd={len(self.initrd)}:{zlib.crc32(self.initrd):08x}", *self.words])

    def modules(self):
        yield self.kernel_at, self.kernel, self.kernel_words()
        if self.initrd is not None:
            yield self.initrd_at, self.initrd, ""

    def tags(self):
        """The block's tags, in the order of a real loader's."""
        tags = [mb2.cmdline(self.cmdline), mb2.loader(self.loader)]
        tags += [mb2.module(at, at + len(data), text) for at, data, text in self.modules()]
        tags += [mb2.basic_memory(639, (self.memory >> 10) - 1024)]
        if self.entries is not None:
            tags.append(mb2.memory_map(self.entries))
        if self.base_tag is not None:
            tags.append(mb2.load_base(self.base_tag))
        return tags + self.extra_tags

    def build(self, block=None):
        """Everything in its place; `block` replaces the information block, or makes it from the tags."""
        self.block = block(self.tags()) if callable(block) else mb2.block(self.tags()) if block is None else block
        self.fill(0, 4 * KIB, FIRST_PAGE)
        self.fill(4 * KIB, 0x9F000 - 4 * KIB)
        for area in self.poison:
            self.fill(*area)
        self.elf = self.load_elf(self.image.read_bytes(), self.base)
        for at, data, _ in self.modules():
            self.put(at, data)
        self.put(self.info_at, self.block)

    def machine(self, block=None, **options):
        self.registers = {"eax": mb2.MAGIC, "ebx": self.info_at, **self.registers}
        self.build(block)
        extra = [*self.arguments(self.case.folder, self.case.guest("shim.elf")), *options.pop("extra", ())]
        return self.case.machine(memory=f"{self.memory >> 20}M", extra=extra, **options)

    def run(self, block=None, seconds=30, **options):
        """Boot to the guest's verdict, which has to be a pass. Returns the finished machine."""
        with self.machine(block, **options) as vm:
            vm.wait_for(r"^GUEST-(OK|FAIL) |^\(BERTH\) halted$", seconds)
            assert not vm.log.is_halted, vm.text
            status = vm.wait_exit(seconds)
            assert status == GUEST_PASS and "GUEST-OK" in vm.text, f"exit status {status}:\n{vm.text}"
            assert vm.triple_faults == 0 and vm.resets == 0
            assert vm.log.errors == []
            return vm
