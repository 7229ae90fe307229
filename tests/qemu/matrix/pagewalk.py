"""Page tables read from outside: what they map with which rights, and what is wrong about that.

A walk yields runs: stretches that are contiguous virtually and physically and have the same rights, whatever the size
of the pages they are made of. Source: Intel SDM volume 3A, section 4.5 (4-level and 5-level paging).
"""
import dataclasses
import struct

PAGE_BYTES = 4096
ENTRIES, ENTRY_BYTES = 512, 8
PRESENT, WRITABLE, LARGE, NO_EXECUTE = 1 << 0, 1 << 1, 1 << 7, 1 << 63
ADDRESS = 0x000FFFFFFFFFF000
LEVEL_SHIFT = {1: 12, 2: 21, 3: 30, 4: 39, 5: 48}


@dataclasses.dataclass
class Run:
    va: int
    pa: int
    bytes: int
    writable: bool
    executable: bool

    def __str__(self):
        rights = "r" + ("w" if self.writable else "-") + ("x" if self.executable else "-")
        return f"{self.va:#x}-{self.va + self.bytes - 1:#x} -> {self.pa:#x} {rights}"


def canonical(va, levels):
    """`va` with its sign bit extended to 64 bits."""
    top = 1 << (LEVEL_SHIFT[levels] + 8)
    return va | -(top << 1) & 0xFFFFFFFFFFFFFFFF if va & top else va


def leaves(read, table, level, va=0, rights=(True, True)):
    """(va, pa, bytes, rights) of each mapped page below `table`; `read(pa, count)` gives physical memory."""
    entries = struct.unpack(f"<{ENTRIES}Q", read(table, PAGE_BYTES))
    shift = LEVEL_SHIFT[level]
    for index, entry in enumerate(entries):
        if not entry & PRESENT:
            continue
        here = va | index << shift
        now = (rights[0] and bool(entry & WRITABLE), rights[1] and not entry & NO_EXECUTE)
        if level == 1 or (level < 4 and entry & LARGE):
            size = 1 << shift
            # Bit 12 of a large page's entry is PAT, not address.
            yield here, entry & ADDRESS & -size, size, now
        else:
            yield from leaves(read, entry & ADDRESS, level - 1, here, now)


def walk(read, cr3, levels=4):
    """Everything that the tables at `cr3` map, as runs in the order of virtual addresses."""
    runs = []
    for va, pa, size, (writable, executable) in leaves(read, cr3 & ADDRESS, levels):
        va = canonical(va, levels)
        last = runs[-1] if runs else None
        if (last and last.va + last.bytes == va and last.pa + last.bytes == pa
                and (last.writable, last.executable) == (writable, executable)):
            last.bytes += size
        else:
            runs.append(Run(va, pa, size, writable, executable))
    return runs


# --- what may be wrong ----------------------------------------------------------------------------------------------

def part_findings(runs, at, end, link_va, base):
    """Every byte of a part of the image's virtual range is mapped, and onto its own byte of the image at `base`."""
    findings = []
    for run in runs:
        if run.va + run.bytes <= at or run.va >= end:
            continue
        if run.va > at:
            findings.append(f"the image is not mapped at {at:#x}-{run.va - 1:#x}")
        if run.pa - run.va != base - link_va:
            findings.append(f"the image is mapped wrongly: {run}, with the image at {base:#x}")
        at = run.va + run.bytes
    if at < end:
        findings.append(f"the image is not mapped at {at:#x}-{end - 1:#x}")
    return findings


def image_findings(runs, link_va, base, count, given_back=()):
    """The image is mapped as a whole, but for what is given back: [(start, end)] of its virtual range."""
    findings, at = [], link_va
    for start, end in sorted(given_back):
        findings += part_findings(runs, at, start, link_va, base)
        findings += [f"mapped, although it is given back: {run}" for run in runs
                     if run.va < end and start < run.va + run.bytes]
        at = end
    return findings + part_findings(runs, at, link_va + count, link_va, base)


def listed_findings(listed, in_file, in_memory, base):
    """
    Every entry that holds an address of the image has had the load base added. `listed` are the entries' offsets in
    the image, `in_file(offset, count)` and `in_memory(offset, count)` the image's bytes before and after.
    """
    findings = []
    for offset in listed:
        before, after = (int.from_bytes(part(offset, ENTRY_BYTES), "little") for part in (in_file, in_memory))
        expected = (before & ADDRESS) + base
        if after & ADDRESS != expected:
            findings.append(f"the listed entry at offset {offset:#x} is {after:#x}, and does not lead to {expected:#x}")
    return findings


def outside(start, end, allowed):
    """The first address of [start, end) that lies in none of `allowed`, a list of (start, end), or None."""
    for low, high in sorted(allowed):
        if low <= start < high:
            start = high
        if start >= end:
            return None
    return start


def memory_findings(runs, allowed):
    """Nothing is mapped but `allowed`: RAM and what was asked for."""
    return [f"{place:#x} is mapped ({run}), and is neither RAM nor asked for" for run in runs
            if (place := outside(run.pa, run.pa + run.bytes, allowed)) is not None]


def rights_findings(runs):
    """No page is both writable and executable."""
    return [f"writable and executable: {run}" for run in runs if run.writable and run.executable]
