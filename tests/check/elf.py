#!/usr/bin/python3
"""The linked image is what loaders and the design expect, and PURE objects hold no privileged instruction.

    elf.py BUILD --pure OBJECT... --load-address OBJECT...
"""
import pathlib
import re
import struct
import subprocess
import sys

MIB = 1 << 20
LINK_PA, LINK_VA = 0x200000, 0xFFFF82D040200000
FILE_LIMIT, MEMORY_LIMIT = 512 * 1024, 2 * MIB
MB1_MAGIC, MB2_MAGIC = 0x1BADB002, 0xE85250D6
HEADERS_WITHIN = 8192
MB2_MODULE_ALIGN, MB2_RELOCATABLE = 6, 10
PT_LOAD, PT_NOTE = 1, 4
PVH_PHYS32_ENTRY = 18

# Instructions that need ring 0, or reach a device. Source: Intel SDM volume 3A, section 5.9.
PRIVILEGED = re.compile(
    r"\t(in[bwl]?|out[bwl]?|ins[bwl]|outs[bwl]|hlt|cli|sti|lgdt|lidt|lldt|ltr|lmsw|clts|invlpg|invd|wbinvd|rdmsr|wrmsr|"
    r"rdpmc|sysret|sysexit|swapgs|xsetbv|vm[a-z]+|invept|invvpid|stgi|clgi|skinit|iretq?)\b|%(cr|db|dr)\d")


def check(condition, message):
    if not condition:
        sys.exit(f"elf: {message}")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def segments_of(image, kind):
    check(image[:6] == b"\x7fELF\x02\x01", "not a little-endian ELF64 file")
    entry, offset = struct.unpack_from("<QQ", image, 24)
    size, count = struct.unpack_from("<HH", image, 54)
    segments = [struct.unpack_from("<IIQQQQQQ", image, offset + i * size) for i in range(count)]
    return entry, [segment for segment in segments if segment[0] == kind]


def check_segments(image, link_va):
    entry, segments = segments_of(image, PT_LOAD)
    check(len(segments) == 1, f"{len(segments)} loadable segments, expected one without gaps")
    _, _, offset, va, pa, in_file, in_memory, _ = segments[0]
    check((va, pa) == (link_va, LINK_PA), f"linked at {va:#x}, {pa:#x}")
    check(va <= entry < va + in_file, "the entry point is outside the segment")
    check(in_memory <= MEMORY_LIMIT, f"{in_memory} bytes in memory, at most {MEMORY_LIMIT} are wanted")
    return offset, in_file, in_memory, entry - va


def check_pvh_note(image, in_file):
    """One note, which names an entry inside the segment. Source: Xen, docs/misc/pvh.pandoc; System V ABI, chapter 5."""
    _, notes = segments_of(image, PT_NOTE)
    check(len(notes) == 1 and notes[0][5] == 24, "expected one note segment with one note")
    *kind, name, entry = struct.unpack_from("<3I4sQ", image, notes[0][2])
    check((kind, name) == ([4, 8, PVH_PHYS32_ENTRY], b"Xen\0"), "the note is not PVH's")
    check(LINK_PA <= entry < LINK_PA + in_file, f"PVH: the entry {entry:#x} is outside the segment")


def header_at(image, magic, alignment):
    """The offset of a header whose checksum fits: magic, then words that add up to 0 with it."""
    words = 3 if magic == MB1_MAGIC else 4
    for at in range(0, HEADERS_WITHIN, alignment):
        values = struct.unpack_from(f"<{words}I", image, at)
        if values[0] == magic and sum(values) & 0xFFFFFFFF == 0:
            return at
    sys.exit(f"elf: no header with magic {magic:#x} in the first {HEADERS_WITHIN} bytes")


def check_multiboot1(image, segment_offset, in_file, in_memory, entry):
    at = header_at(image, MB1_MAGIC, 4)
    header, load, load_end, bss_end, start = struct.unpack_from("<5I", image, at + 12)
    check(at - (header - load) == segment_offset, "multiboot1: the address fields do not fit the file")
    check(load == LINK_PA and load_end - load == in_file, "multiboot1: load addresses")
    check(bss_end - load == in_memory, "multiboot1: end of bss")
    check(start - load == entry, "multiboot1: entry address")
    return at


def check_multiboot2(image):
    at = header_at(image, MB2_MAGIC, 8)
    length = struct.unpack_from("<I", image, at + 8)[0]
    tags, tag = {}, at + 16
    while tag < at + length:
        kind, _, size = struct.unpack_from("<HHI", image, tag)
        tags[kind] = image[tag + 8:tag + size]
        tag += (size + 7) & ~7
    check(tag == at + length and 0 in tags, "multiboot2: tags do not end at the header's end")
    relocatable = struct.unpack("<4I", tags[MB2_RELOCATABLE])
    check(relocatable == (2 * MIB, 0xFFFFFFFF, 2 * MIB, 2), "multiboot2: relocatable tag")
    check(MB2_MODULE_ALIGN in tags, "multiboot2: no module alignment tag")
    return at


# Addresses that are right only once the image runs where it was linked. Source: System V AMD64 ABI, table 4.9.
ABSOLUTE = re.compile(r"R_X86_64_(64|32|32S|16|8)\b")
ALLOCATED = re.compile(r"^Relocation section '\.rela\.(?!debug)[^']*'")


def check_position_independence(path):
    """Code that may run at its load address follows no absolute pointer: none may be stored in its sections."""
    allocated = False
    for line in run("readelf", "-rW", path).splitlines():
        if line.startswith("Relocation section"):
            allocated = bool(ALLOCATED.match(line))
        check(not (allocated and ABSOLUTE.search(line)),
              f"{path} runs at its load address too, but holds a pointer: {line}")


def main():
    split = sys.argv.index("--pure"), sys.argv.index("--load-address")
    build, objects, movable = pathlib.Path(sys.argv[1]), sys.argv[split[0] + 1:split[1]], sys.argv[split[1] + 1:]
    image = (build / "berth").read_bytes()
    check(len(image) <= FILE_LIMIT, f"{len(image)} bytes in the file, at most {FILE_LIMIT} are wanted")
    offset, in_file, in_memory, entry = check_segments(image, LINK_PA)
    check_segments((build / "berth.debug").read_bytes(), LINK_VA)
    check_pvh_note(image, in_file)
    mb1 = check_multiboot1(image, offset, in_file, in_memory, entry)
    mb2 = check_multiboot2(image)
    relocations = run("readelf", "-rW", str(build / "berth"))
    check("no relocations" in relocations, f"relocations are left:\n{relocations}")
    check("UND" not in re.sub(r"^.*\b0: 0+ .*$", "", run("readelf", "-sW", str(build / "berth.debug")), flags=re.M),
          "undefined symbols are left")
    for path in objects:
        hit = PRIVILEGED.search(run("objdump", "-d", "--no-show-raw-insn", path))
        check(hit is None, f"{path} is PURE, but contains '{hit and hit.group().strip()}'")
    for path in movable:
        check_position_independence(path)
    print(f"elf: {len(image)} bytes in the file, {in_memory} in memory; multiboot1 header at {mb1:#x}, "
          f"multiboot2 at {mb2:#x}; {len(objects)} PURE objects without a privileged instruction; "
          f"{len(movable)} objects without an absolute pointer")


if __name__ == "__main__":
    main()
