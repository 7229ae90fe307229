#!/usr/bin/python3
"""Lengths of instructions as insn_decode() has them, against objdump's: lengths.py COMPARE, the built compare.c."""
import pathlib
import random
import re
import subprocess
import sys
import tempfile

# Each made instruction begins a slot of its own; what follows it is NOPs, at which the disassembler finds its way back.
SLOT = 32
INSN_BYTES_MOST = 15
NOP = b"\x90"

MACHINES = {16: "i8086", 32: "i386", 64: "i386:x86-64"}

PREFIXES = bytes((0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0xf0))
LEGACY_MAPS = {b"": 32, b"\x0f": 32, b"\x0f\x38": 6, b"\x0f\x3a": 6}  # and how many of each opcode
VEX_MAPS, EVEX_MAPS, XOP_MAPS = (1, 2, 3), (1, 2, 3, 5, 6), (8, 9, 10)
VECTORS_OF_EACH = 4

# Of the host: any of these that is there. (Not libcrypto: it has tables between its instructions.)
PROGRAMS = ("/usr/lib/x86_64-linux-gnu/libc.so.6", "/bin/busybox")

# Less than this of what was looked at being comparable would mean that the comparison itself is broken.
COMPARABLE_LEAST = {"made": 0.4, "program": 0.99}


def prefixes(rand, bits):
    legacy = bytes(rand.choices(PREFIXES, k=rand.choice((0, 0, 1, 1, 2))))
    rex = bytes((rand.randrange(0x40, 0x50),)) if bits == 64 and rand.random() < 0.5 else b""
    return legacy + rex


def made_legacy(rand, bits):
    for escape, count in LEGACY_MAPS.items():
        for opcode in range(256):
            for _ in range(count):
                yield prefixes(rand, bits) + escape + bytes((opcode,))


def made_vectors(rand, bits):
    """In 16- and 32-bit code the upper bits must be set, which are inverted registers' numbers in 64-bit code."""
    def upper(width):
        return (rand.randrange(1 << width) if bits == 64 else (1 << width) - 1) << 8 - width

    for opcode in range(256):
        for _ in range(VECTORS_OF_EACH):
            yield bytes((0xc5, upper(2) | rand.randrange(64), opcode))
            for number in VEX_MAPS:
                yield bytes((0xc4, upper(3) | number, rand.randrange(256), opcode))
            for number in EVEX_MAPS:
                yield bytes((0x62, upper(4) | number, rand.randrange(256) | 4, rand.randrange(256), opcode))
            for number in XOP_MAPS:
                yield bytes((0x8f, upper(3) | number, rand.randrange(256), opcode))


def made(bits):
    rand = random.Random(bits)
    out = bytearray()
    for start in (*made_legacy(rand, bits), *made_vectors(rand, bits)):
        insn = start + rand.randbytes(INSN_BYTES_MOST - len(start))
        out += insn.ljust(SLOT, NOP)
    return bytes(out)


def compare(tool, bits, step, arguments):
    """The figures of one comparison: how many instructions were compared, and what part that is."""
    with subprocess.Popen(["objdump", "-w", "-z", *arguments], stdout=subprocess.PIPE) as objdump:
        result = subprocess.run([tool, str(bits), str(step)], stdin=objdump.stdout, capture_output=True, text=True)
    if objdump.returncode or result.returncode:
        sys.exit(f"lengths: {arguments[-1]}, {bits}-bit code:\n{result.stdout}{result.stderr}")
    compared, seen = map(int, re.match(r"(\d+) of (\d+) compared, 0 different\n$", result.stdout).groups())
    return compared, compared / seen


def main():
    tool, total = sys.argv[1], 0
    with tempfile.TemporaryDirectory() as folder:
        for bits, machine in MACHINES.items():
            path = pathlib.Path(folder, f"made-{bits}")
            path.write_bytes(made(bits))
            compared, part = compare(tool, bits, SLOT, ["-D", "-b", "binary", "-m", machine, str(path)])
            if part < COMPARABLE_LEAST["made"]:
                sys.exit(f"lengths: only {part:.0%} of {bits}-bit code could be compared")
            total += compared
    for path in filter(lambda name: pathlib.Path(name).exists(), PROGRAMS):
        compared, part = compare(tool, 64, 1, ["-d", path])
        if part < COMPARABLE_LEAST["program"]:
            sys.exit(f"lengths: only {part:.0%} of {path} could be compared")
        total += compared
    print(f"lengths: {total} instructions, as long as objdump says")


if __name__ == "__main__":
    main()
