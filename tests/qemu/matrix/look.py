"""A look at Berth from outside while it starts: at the segment that its 32-bit code uses, and at its page tables.

The machine is stopped twice by its debug stub: at `start_fs_live` (boot/head.S), in 32-bit code at the load address,
and at `native_start`, at the link address, with the final page tables in force, just before the guest takes over.
"""
import re

from . import gdb, pagewalk
from .vm import PATIENCE

PAGE_BYTES = 4096
STOP_SECONDS = 30
# Selector, base, limit; QEMU's monitor, `info registers`.
FS_LINE = re.compile(r"^FS *=[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+) ", re.MULTILINE)
# How much of the code at a stop must be the image's: before Berth is there, other code may pass the same address.
CODE_BYTES = 8
# What is asked for beside RAM: the text screen, the HPET, the local APIC (arch/x86/cpu/page_tables.c).
DEVICES = [(0xB8000, 0xB9000), (0xFED00000, 0xFED01000), (0xFEE00000, 0xFEE01000)]
# Where what is given back before the guest starts begins (xen.lds.S); it ends at the same names with "end".
GIVEN_BACK = ("__init_start", "__init_noinit_start")
# Each has a guard page below it.
STACKS = ("stack_df", "stack_nmi", "stack_mc", "boot_stack")


class Look:
    """`findings` says what is wrong; `was_seen` which of the two stops were reached."""

    def __init__(self, vm, image):
        self.vm, self.image = vm, image
        self.findings = []
        self.was_seen = set()

    def _run_to(self, address, is_there):
        """Continue to `address`, as often as it takes until `is_there()`; False when QEMU ended before."""
        while True:
            self.vm.gdb.insert_breakpoint(address)
            self.vm.gdb.go()
            if not self.vm.gdb.wait_stop(self.vm.has_ended, STOP_SECONDS * PATIENCE):
                return False
            self.vm.gdb.remove_breakpoint(address)
            if is_there():
                return True
            self.vm.gdb.step()

    def _holds_image(self, base, offset):
        return self.vm.gdb.read(base + offset, CODE_BYTES) == self.image.in_file(offset, CODE_BYTES)

    def at_segment(self, base):
        """In 32-bit code, right after %fs is loaded: it is based on the load base, as %esi is. False: not reached."""
        offset = self.image.offset("start_fs_live")
        if not self._run_to(base + offset, lambda: self._holds_image(base, offset)):
            return False
        self.was_seen.add("segment")
        for name, number in (("%fs base", gdb.FS_BASE), ("%esi", gdb.RSI)):
            found = self.vm.gdb.register(number)
            if found != base:
                self.findings.append(f"{name} is {found:#x} where %fs is live, and the image is at {base:#x}")
        limit = int(FS_LINE.search(self.vm.gdb.monitor("info registers"))[1], 16)
        if limit != self.image.memory_bytes - 1:
            self.findings.append(f"%fs has a limit of {limit:#x}, and the image {self.image.memory_bytes:#x} bytes")
        return True

    def at_tables(self, base, ram):
        """At the link address, before the guest. `ram()` gives [(start, end)] when it is called there."""
        if not self._run_to(self.image.symbols["native_start"], lambda: True):
            return False
        self.was_seen.add("tables")
        runs = pagewalk.walk(self.vm.gdb.read, self.vm.gdb.register(gdb.CR3))
        self.findings += pagewalk.listed_findings(self.image.listed_entries, self.image.in_file,
                                                  lambda offset, count: self.vm.gdb.read(base + offset, count), base)
        symbols = self.image.symbols
        holes = [(symbols[start], symbols[start.replace("start", "end")]) for start in GIVEN_BACK]
        holes += [(symbols[stack] - PAGE_BYTES, symbols[stack]) for stack in STACKS]
        self.findings += pagewalk.image_findings(runs, self.image.link_va, base, self.image.memory_bytes, holes)
        self.vm.read_available()  # Berth's list of memory
        self.findings += pagewalk.memory_findings(runs, [*ram(), *DEVICES])
        self.findings += pagewalk.rights_findings(runs)
        return True

    def finish(self):
        self.vm.gdb.go()
