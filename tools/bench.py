#!/usr/bin/python3
"""What Berth costs, counted in instructions: QEMU's icount clock, and a plugin that counts (tools/bench_plugin.c).

usage: bench.py [--build build] [--kernel amd64|cloud] [--functions N]
       bench.py [--build build] [--kernel amd64|cloud] --phases FILE

Prints the size of the image; for several sizes of RAM and numbers of processors the instructions from Berth's entry to
the kernel's first, of all processors together, with the console quiet, beside the peer's, and with waits and the
copying of kernel and initrd apart; the functions and the phases that they went to; and the way to userspace beside
GRUB's own `linux` command. With --phases it writes what each phase of a boot takes, as JSON, for the report of the
matrix (tools/report.py).
"""
import argparse
import bisect
import functools
import json
import pathlib
import re
import subprocess
import sys
import threading
from typing import NamedTuple

import mkiso

LINKED_BYTES = 2 << 20
# What a further processor and a further GiB of RAM cost.
PROCESSORS = [1, 2, 8, 64]
RAM_SIZES = ["1G", "4G", "16G", "64G"]
# The peer's, Debian's Xen 4.17.7, by the same method: docs/performance.md.
PEER_PROCESSOR = 150_000
PEER_INIT = 12_000_000
PEER_GIB = 27_000_000
MACHINE = ["qemu-system-x86_64", "-accel", "tcg", "-nodefaults", "-display", "none", "-no-reboot",
           "-rtc", "base=2024-01-01T00:00:00,clock=vm"]
# One guest nanosecond is one instruction: the same instructions in every run. With the other one an instruction takes
# 128 ns, so that what is waited for takes 128 times fewer of them.
SHIFT, LONG_SHIFT = 0, 7
# Without address randomisation the kernel does the same in every run.
KERNEL_CMDLINE = "console=ttyS0 quiet nokaslr"
QUIET = "console=none"
DEBUG = "loglevel=debug"
RUN_SECONDS = 300
# Where GRUB's `linux` command enters a kernel: its preferred address, in 32-bit mode.
# Linux Documentation/arch/x86/boot.rst, "32-bit BOOT PROTOCOL".
PREFERRED_ADDRESS = 0x1000000

# Called at the end of each phase of a boot: boot/start.c.
PHASE_END = "phase_end"


class BenchError(Exception):
    pass


class Counts(NamedTuple):
    """Instructions, and those of them that were iterations of rep movs and rep stos."""
    total: int
    moves: int
    stores: int

    def __sub__(self, other):
        return Counts(*(a - b for a, b in zip(self, other)))

    @property
    def work(self):
        """Without the byte copies."""
        return self.total - self.moves


def machine_arguments(memory, processors=1, shift=SHIFT):
    """RAM that the host backs only where the guest touches it; and processors."""
    return ["-icount", f"shift={shift},sleep=off", "-smp", str(processors),
            "-M", "q35,memory-backend=ram", "-m", memory, "-object",
            f"memory-backend-ram,id=ram,size={memory},reserve=off"]


def symbols(image):
    """{name: address}, of functions and labels."""
    listing = subprocess.run(["nm", str(image)], check=True, text=True, capture_output=True).stdout
    found = re.findall(r"^([0-9a-f]+) [A-Za-z] (\S+)$", listing, re.MULTILINE)
    return {name: int(address, 16) for address, name in found}


def run(arguments, until=None):
    """Run QEMU to its end, or until its output matches `until`; returns the output."""
    process = subprocess.Popen(arguments + ["-serial", "stdio"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               text=True, encoding="latin-1")
    too_long = threading.Timer(RUN_SECONDS, process.kill)
    too_long.start()
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if until and re.search(until, line):
                return "".join(lines)
        # The output ends before QEMU does: the plugin has its last words only then.
        process.wait()
    finally:
        expired = not too_long.is_alive()
        too_long.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
    if expired:
        raise BenchError(f"QEMU did not end within {RUN_SECONDS} s:\n" + "".join(lines[-20:]))
    if until:
        raise BenchError(f"QEMU ended before {until!r} was printed:\n" + "".join(lines[-20:]))
    return "".join(lines)


class Bench:
    def __init__(self, build, folder=None):
        self.build = pathlib.Path(build)
        self.folder = pathlib.Path(folder or self.build / "bench")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.image = self.build / "berth"
        self.symbols = symbols(self.build / "berth.debug")

    def berth_iso(self, kernel, cmdline):
        modules = [(self.build / f"kernel/{kernel}/vmlinuz", KERNEL_CMDLINE), (self.build / "initrd-quiet.gz", "")]
        name = f"berth-{kernel}-{cmdline or 'loud'}.iso"
        return mkiso.berth_iso(self.folder / name, self.image, cmdline, modules)

    def linux_iso(self, kernel):
        return mkiso.linux_iso(self.folder / f"linux-{kernel}.iso", self.build / f"kernel/{kernel}/vmlinuz",
                               KERNEL_CMDLINE, self.build / "initrd-quiet.gz")

    def counted(self, iso, memory, marks, stop, profile=False, processors=1, shift=SHIFT):
        """Boot with the plugin, which counts on all processors. Returns {mark: Counts}, with "end", {address: count}
        and the output."""
        out = self.folder / "counts"
        plugin = [f"out={out}", *(f"mark={name}:{address:#x}" for name, address in marks)]
        if stop:
            plugin.append("stop=on")
        if profile:
            plugin.append(f"profile={self.symbols['_start']:#x}:{LINKED_BYTES:#x}")
        out.unlink(missing_ok=True)
        output = run([*MACHINE, *machine_arguments(memory, processors, shift), "-cdrom", str(iso),
                      "-plugin", ",".join([str((self.build / "bench-plugin.so").absolute()), *plugin])])
        text = out.read_text() if out.exists() else ""
        reached = {name: Counts(int(a), int(b), int(c))
                   for name, a, b, c in re.findall(r"^(?:mark )?(\S+) (\d+) (\d+) (\d+)$", text, re.MULTILINE)}
        for name, address in marks:
            if name not in reached:
                raise BenchError(f"{name} at {address:#x} was never reached:\n{output[-2000:]}")
        return reached, {int(a, 16): int(n) for a, n in re.findall(r"^at (\S+) (\d+)$", text, re.MULTILINE)}, output

    def entry(self, output):
        """Where Berth's first instruction was in this boot."""
        base = int(re.search(r"\(BERTH\) boot: .* base=(0x[0-9a-f]+)", output)[1], 16)
        return base + self.symbols["start"] - self.symbols["_start"]

    @functools.cache
    def places(self, kernel, memory, processors=1):
        """Where Berth and the kernel start on this machine, from a boot with the console on; and that boot's time."""
        machine = [*MACHINE, *machine_arguments(memory, processors)]
        output = run([*machine, "-cdrom", str(self.berth_iso(kernel, ""))],
                     until=r"\(BERTH\) time: ")
        entry = int(re.search(r"\(BERTH\) dom0: mode=.* entry=(0x[0-9a-f]+)", output)[1], 16)
        time = re.search(r"\(BERTH\) time: entry-to-start=(\d+) start-to-handoff=(\d+) unit=tsc", output)
        marks = [("entry", self.entry(output)), ("start", self.symbols["__start_xen"]), ("kernel", entry)]
        return marks, (int(time[1]), int(time[2]))

    def handover(self, memory, kernel="cloud", processors=1):
        """(entry to __start_xen, __start_xen to the kernel's first instruction, {function: instructions})"""
        marks, _ = self.places(kernel, memory, processors)
        reached, profile, _ = self.counted(self.berth_iso(kernel, QUIET), memory, marks, stop=True, profile=True,
                                           processors=processors)
        return reached["start"] - reached["entry"], reached["kernel"] - reached["start"], self.by_function(profile)

    def loud_handover(self, memory, kernel="cloud"):
        """The same with the console on, counted by the plugin and by Berth itself: two pairs of numbers."""
        marks, logged = self.places(kernel, memory)
        reached, _, _ = self.counted(self.berth_iso(kernel, ""), memory, marks, stop=True)
        return ((reached["start"] - reached["entry"]).total, (reached["kernel"] - reached["start"]).total), logged

    def waits(self, memory, processors=1, kernel="cloud"):
        """How many of the instructions to the kernel only let time pass."""
        marks, _ = self.places(kernel, memory, processors)
        short, long = (self.counted(self.berth_iso(kernel, QUIET), memory, marks, stop=True, processors=processors,
                                    shift=shift)[0] for shift in (SHIFT, LONG_SHIFT))
        fewer = (short["kernel"] - short["entry"]).total - (long["kernel"] - long["entry"]).total
        return max(0, fewer) * (1 << LONG_SHIFT) // ((1 << LONG_SHIFT) - 1)

    def phases(self, kernel, memory="1G", cmdline=QUIET):
        """A boot's phases: {name: instructions}, and what Berth says itself with loglevel=debug."""
        machine = [*MACHINE, *machine_arguments(memory)]
        output = run([*machine, "-cdrom", str(self.berth_iso(kernel, DEBUG))], until=r"^\(BERTH\) debug: {.*}")
        logged = json.loads(re.search(r"^\(BERTH\) debug: ({.*})", output, re.MULTILINE)[1])
        names = [phase["name"] for phase in logged["phases"]]
        marks = [("begin", self.entry(output)), *((name, self.symbols[PHASE_END]) for name in names)]
        reached, _, _ = self.counted(self.berth_iso(kernel, cmdline), memory, marks, stop=True)
        starts = [reached[name] for name, _ in marks[:-1]]
        return {name: (reached[name] - start).total for name, start in zip(names, starts)}, logged

    def by_function(self, profile):
        places = sorted((address, name) for name, address in self.symbols.items())
        starts = [address for address, _ in places]
        functions = {}
        for address, count in profile.items():
            name = places[bisect.bisect_right(starts, address) - 1][1]
            functions[name] = functions.get(name, 0) + count
        return functions

    def userspace(self, kernel, memory="1G"):
        """Instructions from entry to power-off after userspace: (through Berth, from GRUB's linux command)."""
        marks, _ = self.places(kernel, memory)
        through, _, output = self.counted(self.berth_iso(kernel, QUIET), memory, marks[:1], stop=False)
        direct, _, direct_output = self.counted(self.linux_iso(kernel), memory, [("kernel", PREFERRED_ADDRESS)],
                                                stop=False)
        for text in (output, direct_output):
            if "USERSPACE-OK" not in text:
                raise BenchError("userspace was not reached:\n" + text[-2000:])
        return (through["end"] - through["entry"]).total, (direct["end"] - direct["kernel"]).total

    def image_sizes(self):
        """(bytes in the file, bytes in memory)"""
        headers = subprocess.run(["readelf", "-lW", str(self.image)], check=True, text=True, capture_output=True).stdout
        loads = re.findall(r"^\s+LOAD\s+\S+\s+\S+\s+(0x\S+)\s+\S+\s+(0x\S+)", headers, re.MULTILINE)
        start = min(int(physical, 16) for physical, _ in loads)
        end = max(int(physical, 16) + int(size, 16) for physical, size in loads)
        return self.image.stat().st_size, end - start


def report(bench, kernel, functions):
    file_bytes, memory_bytes = bench.image_sizes()
    print(f"image: {file_bytes} bytes in the file, {memory_bytes} bytes in memory\n")

    print("instructions from entry to the kernel's first, console quiet; work is without waits and copies")
    print(f"{'RAM':>4} {'processors':>11} {'to start':>9} {'copies':>10} {'waits':>8} {'work':>9} {'Xen: init':>12}")
    for memory, processors in [*((size, 1) for size in RAM_SIZES), *(("1G", count) for count in PROCESSORS[1:])]:
        to_start, to_kernel, profile = bench.handover(memory, processors=processors)
        waits = bench.waits(memory, processors)
        peer = PEER_INIT + PEER_GIB * int(memory[:-1]) + PEER_PROCESSOR * (processors - 1)
        print(f"{memory:>4} {processors:>11} {to_start.total:>9,} {to_kernel.moves:>10,} {waits:>8,} "
              f"{to_start.work + to_kernel.work - waits:>9,} {peer:>12,}", flush=True)
    print(f"\nwhere they went ({memory}, {processors} processors):")
    for name, count in sorted(profile.items(), key=lambda item: -item[1])[:functions]:
        print(f"  {count:>12,}  {name}")

    phases, _ = bench.phases(kernel)
    print("\nthe phases (1G, 1 processor):")
    for name, count in phases.items():
        print(f"  {count:>12,}  {name}")

    counted, logged = bench.loud_handover("1G")
    print(f"\nwith the console on (1G): {counted[0]:,} + {counted[1]:,} counted; "
          f"{logged[0]:,} + {logged[1]:,} in the time: line")

    through, direct = bench.userspace(kernel)
    print(f"\nto userspace ({kernel} kernel, 1G): {through:,} through Berth, {direct:,} from GRUB's linux: "
          f"{through / direct:.5f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--kernel", choices=("amd64", "cloud"), default="amd64")
    parser.add_argument("--functions", type=int, default=12)
    parser.add_argument("--phases", metavar="FILE", type=pathlib.Path)
    arguments = parser.parse_args()
    try:
        if arguments.phases:
            phases, _ = Bench(arguments.build).phases(arguments.kernel)
            arguments.phases.parent.mkdir(parents=True, exist_ok=True)
            record = {"phases": [{"name": name, "tsc": count} for name, count in phases.items()]}
            arguments.phases.write_text(json.dumps(record) + "\n")
            return
        report(Bench(arguments.build), arguments.kernel, arguments.functions)
    except (BenchError, mkiso.IsoError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"bench: {error}")


if __name__ == "__main__":
    main()
