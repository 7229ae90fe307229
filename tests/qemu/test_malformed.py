"""Loaders that say nonsense: each defect gives one error line in words, then Berth stays halted. And what is odd but
right still boots. The blocks are made here and handed over by tests/guests/shim.
"""
import struct

import mb2_block as mb2
import pytest
from berth_shim import BASE, FIRST_PAGE, GIB, INFO_AT, INITRD_AT, KERNEL_AT, KIB, MIB, BerthWorld
from guest_report import GuestReport, dashed

# The words of boot/report.c, boot/guest.c and boot/early_error.S.
ERRORS = {
    "bad-loader": "not started by a multiboot1 or multiboot2 loader - start this file with GRUB's multiboot2 command",
    "unreachable": "the loader's information at 0x{:x} is out of reach - use a loader that keeps it below 4 GiB",
    "total-size": "the loader's information block has an impossible size of 0x{:x} bytes - use another loader",
    "tag-size": "the loader's tag at offset 0x{:x} is shorter than its type needs - use another loader",
    "tag-overrun": "the loader's tag at offset 0x{:x} runs over the end of the information block - use another loader",
    "no-end": "the loader's tags stop at offset 0x{:x} without an end tag - use another loader",
    "string": "the loader's string at offset 0x{:x} has no end - use another loader",
    "module": "the loader's module at offset 0x{:x} ends before it starts - use another loader",
    "modules": "more than 64 modules are given - leave some out",
    "entry-size": "the loader's memory map at offset 0x{:x} has an impossible entry size - use another loader",
    "ranges": "the loader's memory map has more than 4096 entries - update the firmware or the loader",
    "strings-full": "the loader's command lines are longer than 65536 bytes together - shorten them",
    "no-memory": "the loader gave no memory map with RAM in it - use a loader that passes one (GRUB 2 does)",
    "not-ram": "module {} does not lie in RAM - use another loader",
    "over-berth": "module {} overlaps Berth itself - use another loader",
    "modules-overlap": "modules {} and {} overlap - use another loader",
    "no-kernel": "no kernel was given - add the line 'module2 /vmlinuz ...' to the GRUB menu entry",
    "not-bzimage": "module 0 is not a Linux kernel (bzImage) - give the kernel as the first module",
    "truncated": "the kernel is cut short, it should have 0x{:x} bytes - copy the file again",
    "too-old": "the kernel's boot protocol 2.05 is older than 2.06 - use Linux 2.6.22 or later",
    "zimage": "the kernel is a zImage, which loads below 1 MiB - use a bzImage",
}

# The tags of a BerthWorld's block, by their place in the list.
CMDLINE, LOADER, KERNEL, INITRD, BASIC, MAP, LOAD_BASE, BEHIND = range(8)


def at(index, behind=0):
    """The offset of tag `index` in the block, and `behind` bytes more, as what the message names."""
    return lambda tags: [mb2.offset_of(tags, index) + behind]


def says(*values):
    return lambda tags: values


nothing = says()


CASES = []


def case_of(name, error, values=nothing):
    """Register a function that spoils the list of tags (or the world) and may return a whole block."""
    def register(spoil):
        CASES.append(pytest.param(spoil, error, values, id=dashed(name)))
        return spoil
    return register


def replace(index, new):
    def spoil(world, tags):
        tags[index] = new(tags[index]) if callable(new) else new
    return spoil


def resized(size):
    """The tag with another length in its header, its bytes unchanged."""
    return lambda old: old[:4] + struct.pack("<I", size) + old[8:]


def add(name, error, values, spoil):
    case_of(name, error, values)(spoil)


# --- tags ---------------------------------------------------------------------------------------------------------
add("tag of size 0", "tag-size", at(CMDLINE), replace(CMDLINE, resized(0)))
add("tag of size 7", "tag-size", at(BASIC), replace(BASIC, resized(7)))
add("last tag of size 0", "tag-size", at(LOAD_BASE), replace(LOAD_BASE, resized(0)))
add("tag running over the end", "tag-overrun", at(LOAD_BASE), replace(LOAD_BASE, resized(64 * KIB)))
add("tag of the largest size", "tag-overrun", at(LOADER), replace(LOADER, resized(0xFFFFFFFF)))
add("tag whose size wraps the offset", "tag-overrun", at(LOADER), replace(LOADER, resized(0xFFFFFFF9)))


@case_of("end tag of size 0", "tag-size", at(BEHIND))
def _(world, tags):
    return mb2.block(tags, end=mb2.tag(mb2.TAG_END, size=0))


@case_of("missing end tag", "no-end", at(BEHIND))
def _(world, tags):
    return mb2.block(tags, end=b"")


@case_of("block cut in the middle of a tag", "tag-overrun", at(MAP))
def _(world, tags):
    return mb2.block(tags, total_size=mb2.offset_of(tags, MAP) + 40)


@case_of("block cut in the header of a tag", "no-end", at(MAP))
def _(world, tags):
    return mb2.block(tags, total_size=mb2.offset_of(tags, MAP) + 4)


for _size in (0, 4, 7, 0xFFFFFFFF, 0xFFFFF000):
    def _spoil(world, tags, size=_size):
        return mb2.block(tags, total_size=size)
    add(f"total size {_size:#x}", "total-size", says(_size), _spoil)


@case_of("total size 8: no tag at all", "no-end", says(8))
def _(world, tags):
    return mb2.block(tags, total_size=8)


# --- strings ------------------------------------------------------------------------------------------------------
add("command line without its NUL", "string", at(CMDLINE), replace(CMDLINE, mb2.tag(mb2.TAG_CMDLINE, b"loglevel")))
add("empty command line tag", "string", at(CMDLINE), replace(CMDLINE, mb2.tag(mb2.TAG_CMDLINE)))
add("loader name without its NUL", "string", at(LOADER), replace(LOADER, mb2.tag(mb2.TAG_LOADER, b"GRUB 2.06")))
add("module string without its NUL", "string", at(INITRD),
    replace(INITRD, mb2.tag(mb2.TAG_MODULE, struct.pack("<II", INITRD_AT, INITRD_AT + 1) + b"abc")))
add("strings beyond 64 KiB", "strings-full", nothing,
    lambda world, tags: tags.__setitem__(INITRD, mb2.module(INITRD_AT, INITRD_AT + 1, "x" * 70000)))

# --- modules ------------------------------------------------------------------------------------------------------
add("module tag too short", "tag-size", at(KERNEL), replace(KERNEL, mb2.tag(mb2.TAG_MODULE, b"\0" * 4)))
add("module that ends before it starts", "module", at(INITRD), replace(INITRD, mb2.module(INITRD_AT, INITRD_AT - 1)))
add("module outside RAM", "not-ram", says(1), replace(INITRD, mb2.module(0xA0000, 0xA1000)))
add("module beyond the end of RAM", "not-ram", says(1), replace(INITRD, mb2.module(GIB, GIB + 4096)))
add("module up to the last byte of 4 GiB", "not-ram", says(1),
    replace(INITRD, mb2.module(INITRD_AT, 0xFFFFFFFF)))
add("module half in a hole", "not-ram", says(1), replace(INITRD, mb2.module(0x9F000, 0xA0000)))
add("kernel outside RAM", "not-ram", says(0), replace(KERNEL, mb2.module(0xF0000, 0xF8000)))
add("module over Berth", "over-berth", says(1), replace(INITRD, mb2.module(BASE + 4096, BASE + 8192)))
add("modules over each other", "modules-overlap", says(0, 1),
    replace(INITRD, mb2.module(KERNEL_AT + 4096, KERNEL_AT + 1 * MIB)))
add("65 modules", "modules", nothing,
    lambda world, tags: tags.extend(mb2.module(INITRD_AT, INITRD_AT) for _ in range(63)))


@case_of("no module", "no-kernel")
def _(world, tags):
    del tags[KERNEL:INITRD + 1]


# --- memory map ---------------------------------------------------------------------------------------------------
for _bytes in (0, 8, 16, 23, 25, 28, 0xFFFFFFFF):
    def _spoil(world, tags, entry_bytes=_bytes):
        tags[MAP] = mb2.tag(mb2.TAG_MEMORY_MAP, struct.pack("<II", entry_bytes, 0) + b"\0" * 72)
    # The largest is no multiple of 8.
    add(f"map entries of {_bytes} bytes", "entry-size", at(MAP), _spoil)

add("map tag too short", "tag-size", at(MAP), replace(MAP, mb2.tag(mb2.TAG_MEMORY_MAP, b"\x18\0\0\0")))
add("map with part of an entry", "tag-size", at(MAP, 16 + 24),
    replace(MAP, mb2.tag(mb2.TAG_MEMORY_MAP, struct.pack("<IIQQII", 24, 0, 0, GIB, 1, 0) + b"\0" * 16)))
add("map with one entry larger than the tag", "tag-size", at(MAP, 16),
    replace(MAP, mb2.tag(mb2.TAG_MEMORY_MAP, struct.pack("<IIQQII", 4096, 0, 0, GIB, 1, 0))))
add("empty map", "no-memory", nothing, replace(MAP, mb2.memory_map([])))
add("map without RAM", "no-memory", nothing,
    replace(MAP, mb2.memory_map([(0, 256 * MIB, kind) for kind in (mb2.RESERVED, mb2.ACPI_RECLAIM, mb2.ACPI_NVS)])))
add("map of RAM of no length", "no-memory", nothing, replace(MAP, mb2.memory_map([(MIB, 0, mb2.RAM)] * 5)))
add("reserved over all RAM", "no-memory", nothing,
    replace(MAP, mb2.memory_map([(0, 256 * MIB, mb2.RAM), (0, (1 << 64) - 1, mb2.RESERVED)])))
add("6145 reservations", "ranges", nothing,
    replace(MAP, mb2.memory_map([(0, 256 * MIB, mb2.RAM)] + [(GIB + i * 8192, 4096, 2) for i in range(6145)])))


@case_of("no memory map, only the old sizes", "no-memory")
def _(world, tags):
    del tags[MAP]


# --- other tags ---------------------------------------------------------------------------------------------------
add("framebuffer tag too short", "tag-size", at(BEHIND),
    lambda world, tags: tags.append(mb2.tag(mb2.TAG_FRAMEBUFFER, b"\0" * 22)))
add("RSDP tag too short", "tag-size", at(BEHIND),
    lambda world, tags: tags.append(mb2.tag(mb2.TAG_RSDP_NEW, b"RSD PTR " + b"\0" * 27)))
add("load base tag too short", "tag-size", at(LOAD_BASE), replace(LOAD_BASE, mb2.tag(mb2.TAG_LOAD_BASE)))


# --- registers ----------------------------------------------------------------------------------------------------
@case_of("wrong magic number", "bad-loader")
def _(world, tags):
    world.registers["eax"] = 0x36D76288


@case_of("magic number 0 and no information", "bad-loader")
def _(world, tags):
    world.registers.update(eax=0, ebx=0)


@case_of("information at the top of memory", "unreachable", says(0xFFFFFFFC))
def _(world, tags):
    world.registers["ebx"] = 0xFFFFFFFC


@case_of("information where there is no memory: reads as 0", "total-size", says(0))
def _(world, tags):
    world.registers["ebx"] = 0xC0000000


# --- the kernel ---------------------------------------------------------------------------------------------------
@case_of("kernel that is no bzImage", "not-bzimage")
def _(world, tags):
    world.kernel = b"\x7fELF" + world.kernel[4:0x202] + b"nope" + world.kernel[0x206:]


@case_of("kernel of no bytes", "not-bzimage")
def _(world, tags):
    tags[KERNEL] = mb2.module(KERNEL_AT, KERNEL_AT)


@case_of("kernel of one sector", "not-bzimage")
def _(world, tags):
    tags[KERNEL] = mb2.module(KERNEL_AT, KERNEL_AT + 512)


# What a kernel says of its own size: syssize, and eight sectors for its real-mode part.
SAYS_PARAGRAPHS, SETUP_BYTES = 0x100000, 4096


@case_of("truncated kernel", "truncated", says(SAYS_PARAGRAPHS * 16 + SETUP_BYTES))
def _(world, tags):
    world.kernel = world.kernel[:0x1F4] + struct.pack("<I", SAYS_PARAGRAPHS) + world.kernel[0x1F8:]


@case_of("kernel of protocol 2.05", "too-old")
def _(world, tags):
    world.kernel = world.kernel[:0x206] + b"\x05\x02" + world.kernel[0x208:]


@case_of("zImage", "zimage")
def _(world, tags):
    world.kernel = world.kernel[:0x211] + b"\0" + world.kernel[0x212:]


@pytest.mark.parametrize("spoil, error, values", CASES)
def test_defect_is_named_and_berth_halts(case, spoil, error, values):
    world = BerthWorld(case)
    tags = world.tags()
    block = spoil(world, tags)
    block = mb2.block(tags) if block is None else block
    with world.machine(block) as vm:
        log = vm.wait_halted()
        assert log.errors == [ERRORS[error].format(*values(tags))]
        assert log.is_halted
        assert vm.triple_faults == 0 and vm.resets == 0
        # Nothing that is not Berth's has changed.
        assert vm.physical_memory(0, 4 * KIB) == bytes([FIRST_PAGE]) * 4 * KIB
        assert vm.physical_memory(INFO_AT, len(block)) == block
        for address, data, _ in world.modules():
            assert vm.physical_memory(address, len(data)) == data


# --- odd, but right: these boot -----------------------------------------------------------------------------------
def boots(world, block=None, **options):
    """Reach the guest, which checks the first page and the areas that the map calls reserved too."""
    world.words += [world.canary(0, 4 * KIB), world.canary(0x9FC00, 0x400), world.canary(0xF0000, 64 * KIB)]
    return world.run(block, **options)


@pytest.mark.parametrize("entry_bytes", [24, 32, 40, 128])
def test_map_entries_may_be_longer(case, entry_bytes):
    world = BerthWorld(case)
    world.entries = None
    world.extra_tags = [mb2.memory_map(BerthWorld(case).entries, entry_bytes, version=7)]
    boots(world)


LOW_RAM = (0, 0x9FC00, 1)
HIGH_RAM = (MIB, 255 * MIB, 1)
TOP = (1 << 64) - (1 << 32)
ALL_RAM = [(0, 0x9FC00, 1), (MIB, 256 * MIB, 1)]
# What the loader says (start, length, type), and what the kernel gets (start, end, type).
LYING_MAPS = {
    "unsorted": ([HIGH_RAM, (0xF0000, 0x10000, 2), LOW_RAM],
                 [(0, 0x9FC00, 1), (0xF0000, MIB, 2), (MIB, 256 * MIB, 1)]),
    "touching pieces": ([LOW_RAM, *[(MIB + i * MIB, MIB, 1) for i in range(255)]], ALL_RAM),
    "the same twice": ([LOW_RAM, HIGH_RAM, HIGH_RAM, LOW_RAM], ALL_RAM),
    "empty entries": ([(5, 0, 1), LOW_RAM, (MIB, 0, 2), HIGH_RAM, (0, 0, 9)], ALL_RAM),
    "reserved inside RAM": ([LOW_RAM, HIGH_RAM, (8 * MIB, MIB, 2)],
                            [(0, 0x9FC00, 1), (MIB, 8 * MIB, 1), (8 * MIB, 9 * MIB, 2), (9 * MIB, 256 * MIB, 1)]),
    "RAM over the edge of reserved": ([(0, 0xA0000, 1), (0x9FC00, 0x400, 2), HIGH_RAM],
                                      [(0, 0x9FC00, 1), (0x9FC00, 0xA0000, 2), (MIB, 256 * MIB, 1)]),
    "unknown type": ([LOW_RAM, HIGH_RAM, (8 * MIB, MIB, 0x70000000), (16 * MIB, MIB, 0)],
                     [(0, 0x9FC00, 1), (MIB, 8 * MIB, 1), (8 * MIB, 9 * MIB, 2), (9 * MIB, 16 * MIB, 1),
                      (16 * MIB, 17 * MIB, 2), (17 * MIB, 256 * MIB, 1)]),
    "RAM beyond what the CPU addresses": ([LOW_RAM, HIGH_RAM, (1 << 52, GIB, 1)], ALL_RAM),
    "reserved that wraps": ([LOW_RAM, HIGH_RAM, (TOP, 1 << 33, 2)],
                            [(0, 0x9FC00, 1), (MIB, 256 * MIB, 1), (TOP, (1 << 64) - 1, 2)]),
}


@pytest.mark.parametrize("name", LYING_MAPS, ids=dashed)
def test_lying_memory_map_is_put_right(case, name):
    world = BerthWorld(case)
    world.entries, expected = LYING_MAPS[name]
    assert GuestReport(world.run().text).e820 == expected


def test_unknown_tags_are_passed_over(case):
    world = BerthWorld(case)
    strange = [mb2.tag(0x1234, b"x" * 5), mb2.tag(0xFFFFFFFF), mb2.tag(22, b"\0" * 999)]
    boots(world, lambda tags: mb2.block(strange + tags[:2] + strange + tags[2:] + strange))


def test_last_of_two_command_lines_counts(case):
    world = BerthWorld(case)
    vm = boots(world, lambda tags: mb2.block([mb2.cmdline("loglevel=error"), *tags, mb2.cmdline("loglevel=debug")]))
    assert vm.log.cmdline == "loglevel=debug"


def test_bytes_behind_the_end_tag_do_not_matter(case):
    world = BerthWorld(case)
    boots(world, lambda tags: mb2.block(tags, end=mb2.END + b"\xff" * 64))


@pytest.mark.parametrize("info_at", [0x0, 0x4, 0x500, 0x1000, 0x9001, 0x7FFFC, 80 * MIB + 4])
def test_information_may_lie_anywhere(case, info_at):
    world = BerthWorld(case)
    world.info_at = info_at
    world.run()


@pytest.mark.parametrize("esp", [0, 1, 4, 0x1000, 0x105FF1, 0xFFFFFFFF])
def test_stack_pointer_means_nothing(case, esp):
    world = BerthWorld(case)
    world.registers["esp"] = esp
    boots(world)


@pytest.mark.parametrize("claim", [None, 0x1000, 8 * MIB, 0xFFE00000])
def test_load_base_is_not_believed(case, claim):
    world = BerthWorld(case)
    world.base_tag = claim
    vm = boots(world)
    assert vm.log.base == BASE
    assert vm.log.boot["moved-by"] == "loader"


@pytest.mark.parametrize("flags", [0x2, 0x2 | 0x4000, 0x2 | 0x40000, 0x2 | 0x400])
def test_flags_that_the_loader_leaves_mean_nothing(case, flags):
    """NT, AC, DF."""
    world = BerthWorld(case)
    world.flags = flags
    boots(world)


@pytest.mark.parametrize("initrd_at", [0x0, 0x1000, 0x8000, 0x9C000 - 20000, 0x9FC00 - 20000, 110 * MIB + 1])
def test_initrd_may_lie_anywhere_in_ram(case, initrd_at):
    world = BerthWorld(case)
    world.initrd_at = initrd_at
    world.info_at = 70 * MIB
    world.run()


@pytest.mark.parametrize("kernel_at", [0x0, 0x1000, 0x10000, 100 * MIB + 3])
def test_kernel_may_lie_anywhere_in_ram(case, kernel_at):
    world = BerthWorld(case)
    world.kernel_at = kernel_at
    world.info_at = 70 * MIB
    world.run()


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097])
def test_initrd_of_any_size(case, size):
    world = BerthWorld(case, initrd=b"\x77" * size)
    boots(world)


def test_64_modules_are_accepted(case):
    world = BerthWorld(case)
    pages = [130 * MIB + i * 4 * KIB for i in range(62)]
    world.extra_tags = [mb2.module(page, page + 100, "unused") for page in pages]
    vm = boots(world)
    assert len(vm.log.modules) == 64
    assert vm.log.warnings == ["62 modules behind the initrd are not used"]


@pytest.mark.parametrize("loader", ["", "syslinux 6.04", "GNU GRUB 0.97", "kexec 2.0.25"])
def test_loaders_that_put_the_file_name_first(case, loader):
    world = BerthWorld(case)
    world.loader, words = loader, world.kernel_words
    world.kernel_words = lambda: "/boot/vmlinuz " + words()
    vm = boots(world)
    assert vm.log.modules[0]["name"] == "vmlinuz"
    assert vm.log.modules[0]["cmdline"].startswith("initrd=")


@pytest.mark.parametrize("ebda", [0x0000, 0x0001, 0x7C00, 0x9FC0, 0xFFFF, 0x1000])
def test_ebda_word_is_not_believed(case, ebda):
    """The word at 0x40e where a BIOS keeps the segment of its extended data area."""
    world = BerthWorld(case)
    world.words += ["rsdp=some", world.canary(0, 4 * KIB)]
    build = world.build

    def build_with_ebda(block=None):
        build(block)
        world.put(0x40E, struct.pack("<H", ebda))
    world.build = build_with_ebda
    world.run()
