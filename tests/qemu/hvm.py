"""A guest that takes orders: the probe kernel (tests/guests/probe) or Linux with the initrd of `mkinitrd.py --init
commands`. Each order is a line on its console; when it is done, the guest says so with the order's number.

    with probe(case, "hvm") as guest:
        assert guest.ask("do vmrun") == ["vmrun fault 6 error 0x0"]
"""
import contextlib
import re
import time

import mkiso
import pytest
import uefi
from berth_qemu import LINUX_WORDS, PATIENCE, symbols

MODES = ("native", "hvm")
# SVM with nested paging, in the model that has little else.
CPU = "qemu64,+svm,+npt"
READY_SECONDS = 90
ORDER_SECONDS = 60
# A line of Berth may come in the middle of one of the guest's.
BERTH_LINE = re.compile(r"\(BERTH\) [^\n]*\n")
KEPT_LINE = re.compile(r"hvm: (?P<by>\w+), (?P<processors>\d+) processors?, kept (?P<kib>\d+) KiB: ")
# What the log says of a touch, once a page.
TOUCH_LINE = re.compile(r"warning: hvm: processor (\d+) (wrote to|read|executed|walked) Berth's memory at (0x[0-9a-f]+)"
                        r"(?:, rip 0x[0-9a-f]+)?")


class Guest:
    """Orders to a guest in a running machine, and its answers."""

    def __init__(self, vm):
        self.vm = vm
        self.orders = 0

    @property
    def text(self):
        """All that the guest printed, without Berth's lines."""
        return BERTH_LINE.sub("", self.vm.text)

    def ready(self, seconds=READY_SECONDS):
        self.vm.wait_for(r"^READY$|^\(BERTH\) (error: .+|halted)$", seconds)
        if not self.text.rstrip().endswith("READY"):
            self.vm.wait_halted()
            raise self.vm.error("Berth printed an error")
        return self

    def order(self, line):
        """Say it and wait for nothing."""
        self.vm.send(line + "\n")

    def ask(self, line, seconds=ORDER_SECONDS):
        """The lines of the answer. The guest's own "= " in front of each is away."""
        # By the words before: lines of Berth, which go away when they are whole, leave no place in the text as it is.
        before = rf"^DONE {self.orders}\b.*\n" if self.orders else r"^READY\n"
        self.orders += 1
        self.order(line)
        words = f"DONE {self.orders}"
        answer = re.compile(rf"{before}((?:.*\n)*?){words}\b.*\n", re.MULTILINE)
        deadline = time.monotonic() + seconds * PATIENCE
        while words not in self.vm.text or not (found := answer.search(self.text)):
            left = deadline - time.monotonic()
            if left <= 0:
                raise self.vm.error(f"waited {seconds * PATIENCE:.0f} s for the answer to {line!r}")
            if not self.vm._read_available(left):
                raise self.vm.error(f"the machine ended at {line!r}")
        return [told.removeprefix("= ") for told in found[1].splitlines() if told]

    def ask_one(self, line):
        answers = self.ask(line)
        assert len(answers) == 1, self.vm.error(f"{line!r} has {len(answers)} answers: {answers}")
        return answers[0]

    def numbers(self, line):
        """The answers "name a 0x1 b 0x2" as dictionaries."""
        return [numbers_of(answer) for answer in self.ask(line)]

    @property
    def touches(self):
        """[(processor, what, address)] of the log's lines."""
        return [(int(who), what, int(where, 16)) for who, what, where in
                (TOUCH_LINE.fullmatch(line).groups() for line in self.vm.log.lines if "Berth's memory at" in line)]


def numbers_of(answer):
    return {name: int(value, 16) for name, value in re.findall(r"(\S+) (0x[0-9a-f]+)", answer)}


def berth_words(mode, *more):
    return " ".join([f"dom0={mode}", *more])


def multiboot1(case, words, modules, image=None):
    """QEMU's own loader: no GRUB, no firmware's time."""
    given = ",".join(f"{path} {text}".strip() for path, text in modules)
    return ["-kernel", image or case.berth, "-append", words, "-initrd", given]


@contextlib.contextmanager
def probe(case, mode, *, words=(), processors=1, name=None, cpu=CPU, image=None, extra=(), **machine):
    """The probe kernel in its machine, ready for orders."""
    start = multiboot1(case, berth_words(mode, *words), [(case.guest("probe.bzimage"), "")], image)
    extra = [*start, "-smp", str(processors), *extra]
    with case.machine(name or mode, cpu=cpu, extra=extra, **machine) as vm:
        yield Guest(vm).ready()


# --- Linux ------------------------------------------------------------------------------------------------------------

FLAVOURS = ("cloud", "amd64", "backports")


def linux_files(case, flavour):
    """(kernel, initrd that takes orders)"""
    files = case.build / f"kernel/{flavour}/vmlinuz", case.build / f"initrd-commands-{flavour}.gz"
    for path in files:
        if not path.exists():
            pytest.fail(f"{path} is missing: run `make check-full`, which makes it", pytrace=False)
    return files


def linux_machine(case, mode, flavour="cloud", *, words=(), start="qemu", image=None, processors=1, name=None, cpu=CPU,
                  extra=(), kernel_words="", **machine):
    """
    A machine that starts Linux.

    @start  "qemu": QEMU's own loader; "bios", "uefi": GRUB there; "direct": Berth as an EFI program
    """
    kernel, initrd = linux_files(case, flavour)
    own, cmdline = f"{LINUX_WORDS} {kernel_words}".strip(), berth_words(mode, *words)
    extra, machine["cpu"] = ["-smp", str(processors), *extra], cpu
    name = name or mode
    if start in ("uefi", "direct"):
        if start == "direct":
            files = uefi.direct_files(case, image, initrd=initrd, kernel_cmdline=own, options=cmdline)
            files["EFI/BOOT/vmlinuz"] = kernel
        else:
            files = uefi.grub_berth_files(case, image, cmdline, own, initrd=initrd)
            files["boot/vmlinuz"] = kernel
        return uefi.machine(case, files, name=name, extra=extra, **machine)
    modules = [(kernel, own), (initrd, "")]
    if start == "bios":
        iso = mkiso.berth_iso(case.folder / f"{name}.iso", image or case.berth, cmdline, modules)
        return case.machine(name, iso=iso, extra=extra, **machine)
    return case.machine(name, extra=[*multiboot1(case, cmdline, modules, image), *extra], **machine)


@contextlib.contextmanager
def linux(case, mode, flavour="cloud", **options):
    """Linux, ready for orders."""
    with linux_machine(case, mode, flavour, **options) as vm:
        yield Guest(vm).ready()


def zero_page_map(guest):
    """The zero page's memory map as Linux keeps it: [(start, bytes, type)]."""
    entries = []
    for line in guest.ask("cd /sys/firmware/memmap; for i in *; do echo $(cat $i/start $i/end $i/type); done; cd /"):
        start, last, kind = line.split(" ", 2)
        entries.append((int(start, 0), int(last, 0) + 1 - int(start, 0), kind))
    return sorted(entries)


# --- memory -----------------------------------------------------------------------------------------------------------

RESERVED = (2, "Reserved")  # in the zero page, and as Linux calls it
PAGE = 4096


def kept_ranges(log, e820):
    """
    What Berth keeps: RAM in the map that it printed, and reserved in the guest's. [(start, end)], whole pages.

    @e820  the guest's [(start, bytes, type)]
    """
    reserved = sorted((start, start + size) for start, size, kind in e820 if kind in RESERVED)
    found = []
    for first, last, kind in log.memory:
        if kind in ("ram", "boot-services"):
            for start, end in reserved:
                start, end = max(start, first), min(end, last + 1)
                if start < end:
                    found.append((start, end))
    return sorted(found)


def kept_bytes(ranges):
    return sum(end - start for start, end in ranges)


# What tests write to Berth's memory: anything that would not be there otherwise.
PATTERN = 0x5AA5C33C0FF0699A


class Outside:
    """Berth's memory as QEMU's monitor shows it."""

    def __init__(self, case, vm, kept):
        self.vm, self.kept = vm, kept
        names = symbols(case.debug_image)
        offset = vm.log.base - names["_start"]
        self.start, self.end = names["__text_start"] + offset, names["__rodata_end"] + offset
        self.before = self.constants()
        assert any(self.before)

    def constants(self):
        return self.vm.physical_memory(self.start, self.end - self.start)

    def unchanged(self, written=()):
        """Code and constants are as they were, and where the guest wrote PATTERN it is not."""
        assert self.constants() == self.before, "code or constants of Berth have changed"
        memory = {start: self.vm.physical_memory(start, end - start) for start, end in self.kept}
        for address in written:
            start = max(start for start in memory if start <= address)
            found = memory[start][address - start:address - start + 8]
            assert found != PATTERN.to_bytes(8, "little"), f"the guest has written to {address:#x}"
