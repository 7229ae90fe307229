#!/usr/bin/python3
"""What Berth costs, counted in instructions: QEMU's icount clock, and a plugin that counts (tools/bench_plugin.c).

usage: bench.py [--build build] [--kernel amd64|cloud] [--functions N]
       bench.py [--build build] [--kernel amd64|cloud] --phases FILE

Prints the size of the image; for several sizes of RAM and numbers of processors the instructions from Berth's entry to
the kernel's first, of all processors together, with the console quiet, beside the peer's, and with waits and the
copying of kernel and initrd apart; the functions and the phases that they went to; the same for dom0=hvm, and what
single exits cost; and the way to userspace from GRUB's own `linux` command, through Berth (native and hvm, with its
exits counted by reason) and through the peer (PVH and PV). With --phases it writes what each phase of a boot takes, as
JSON, for the report of the matrix (tools/report.py).
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
import peer

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
NATIVE, HVM = "dom0=native", "dom0=hvm"
DEBUG = "loglevel=debug"
RUN_SECONDS = 300
# Where GRUB's `linux` command loads a kernel, and enters it in 32-bit mode: its preferred address. The 64-bit entry is
# behind that. What unpacks a kernel moves out of the way, so the kernel proper begins where the file's was loaded, as
# long as addresses are not randomised.
# Linux Documentation/arch/x86/boot.rst, "32-bit BOOT PROTOCOL".
PREFERRED_ADDRESS = 0x1000000
ENTRY_64_OFFSET = 0x200

# More words for the machine, and arguments. Xen's PVH mode wants an IOMMU.
PLAIN = ("", [])
SVM = ("", ["-cpu", "qemu64,+svm,+npt"])
SVM_IOMMU = (",kernel-irqchip=split", [*SVM[1], "-device", "amd-iommu"])
DEBUG_EXIT = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]

# Ways to userspace, beside each other.
GRUB = "GRUB's linux"
BERTH = {"Berth, native": NATIVE, "Berth, hvm": HVM}
XEN = {"Xen, PVH": "PVH", "Xen, PV": "PV"}

# Berth's answers to exits, in the order of include/abi/hypercall.h: how often a boot needed them.
EXITS = {"CPUID": "hvm_cpuid", "MSR read": "hvm_msr_read", "MSR write": "hvm_msr_write", "hypercall": "hvm_hypercall",
         "APIC write": "hvm_apic_write"}

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


class Way(NamedTuple):
    """A way to start a kernel: where it begins, and where the kernel proper does, behind what unpacks it."""
    iso: pathlib.Path
    begin: int
    kernel: int
    platform: tuple


def machine_arguments(memory, processors=1, shift=SHIFT, platform=PLAIN):
    """RAM that the host backs only where the guest touches it; and processors."""
    return ["-icount", f"shift={shift},sleep=off", "-smp", str(processors),
            "-M", f"q35,memory-backend=ram{platform[0]}", "-m", memory, "-object",
            f"memory-backend-ram,id=ram,size={memory},reserve=off", *platform[1]]


def start(iso):
    """QEMU's arguments to start from a disk; or those that are given in its place."""
    return iso if isinstance(iso, list) else ["-cdrom", str(iso)]


def platform_for(mode):
    return SVM if mode == HVM else PLAIN


def waited(short, long):
    """Instructions that only let time pass, of two counts of the same with SHIFT and with LONG_SHIFT."""
    return max(0, short - long) * (1 << LONG_SHIFT) // ((1 << LONG_SHIFT) - 1)


def symbols(image):
    """[(address, name)], of functions and labels, in order. Functions of two files may have one name."""
    listing = subprocess.run(["nm", str(image)], check=True, text=True, capture_output=True).stdout
    found = re.findall(r"^([0-9a-f]+) [A-Za-z] (\S+)$", listing, re.MULTILINE)
    return sorted((int(address, 16), name) for address, name in found)


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
        self.labels = symbols(self.build / "berth.debug")
        self.symbols = {name: address for address, name in self.labels}

    def berth_iso(self, kernel, cmdline):
        modules = [(self.build / f"kernel/{kernel}/vmlinuz", KERNEL_CMDLINE), (self.build / "initrd-quiet.gz", "")]
        name = f"berth-{kernel}-{cmdline or 'loud'}.iso"
        return mkiso.berth_iso(self.folder / name, self.image, cmdline, modules)

    def linux_iso(self, kernel):
        return mkiso.linux_iso(self.folder / f"linux-{kernel}.iso", self.build / f"kernel/{kernel}/vmlinuz",
                               KERNEL_CMDLINE, self.build / "initrd-quiet.gz")

    def counted(self, iso, memory, marks, stop, profile=False, processors=1, shift=SHIFT, platform=PLAIN):
        """Boot with the plugin, which counts on all processors. Returns {mark: Counts}, with "end", {address: count}
        and the output."""
        out = self.folder / "counts"
        plugin = [f"out={out}", *(f"mark={name}:{address:#x}" for name, address in marks)]
        if stop:
            plugin.append("stop=on")
        if profile:
            plugin.append(f"profile={self.symbols['_start']:#x}:{LINKED_BYTES:#x}")
        out.unlink(missing_ok=True)
        output = run([*MACHINE, *machine_arguments(memory, processors, shift, platform), *start(iso),
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
    def boot_text(self, kernel, memory, processors=1, mode=NATIVE):
        """The log of a boot, up to the line behind which the kernel starts."""
        machine = [*MACHINE, *machine_arguments(memory, processors, platform=platform_for(mode))]
        return run([*machine, *start(self.berth_iso(kernel, mode))], until=r"\(BERTH\) time: ")

    def places(self, kernel, memory, processors=1, mode=NATIVE):
        """Where Berth and the kernel start on this machine, from a boot with the console on; and that boot's time."""
        output = self.boot_text(kernel, memory, processors, mode)
        entry = int(re.search(r"\(BERTH\) dom0: mode=.* entry=(0x[0-9a-f]+)", output)[1], 16)
        time = re.search(r"\(BERTH\) time: entry-to-start=(\d+) start-to-handoff=(\d+) unit=tsc", output)
        marks = [("entry", self.entry(output)), ("start", self.symbols["__start_xen"]), ("kernel", entry)]
        return marks, (int(time[1]), int(time[2]))

    def handover(self, memory, kernel="cloud", processors=1, mode=NATIVE):
        """(entry to __start_xen, __start_xen to the kernel's first instruction, {function: instructions})"""
        marks, _ = self.places(kernel, memory, processors, mode)
        reached, profile, _ = self.counted(self.berth_iso(kernel, f"{QUIET} {mode}"), memory, marks, stop=True,
                                           profile=True, processors=processors, platform=platform_for(mode))
        return reached["start"] - reached["entry"], reached["kernel"] - reached["start"], self.by_function(profile)

    def loud_handover(self, memory, kernel="cloud"):
        """The same with the console on, counted by the plugin and by Berth itself: two pairs of numbers."""
        marks, logged = self.places(kernel, memory)
        reached, _, _ = self.counted(self.berth_iso(kernel, NATIVE), memory, marks, stop=True)
        return ((reached["start"] - reached["entry"]).total, (reached["kernel"] - reached["start"]).total), logged

    def waits(self, memory, processors=1, kernel="cloud", mode=NATIVE):
        """How many of the instructions to the kernel only let time pass."""
        marks, _ = self.places(kernel, memory, processors, mode)
        short, long = (self.counted(self.berth_iso(kernel, f"{QUIET} {mode}"), memory, marks, stop=True,
                                    processors=processors, shift=shift, platform=platform_for(mode))[0]
                       for shift in (SHIFT, LONG_SHIFT))
        return waited((short["kernel"] - short["entry"]).total, (long["kernel"] - long["entry"]).total)

    def phases(self, kernel, memory="1G", cmdline=QUIET):
        """A boot's phases: {name: instructions}, and what Berth says itself with loglevel=debug."""
        machine = [*MACHINE, *machine_arguments(memory)]
        output = run([*machine, *start(self.berth_iso(kernel, f"{DEBUG} {NATIVE}"))],
                     until=r"^\(BERTH\) debug: {.*}")
        logged = json.loads(re.search(r"^\(BERTH\) debug: ({.*})", output, re.MULTILINE)[1])
        names = [phase["name"] for phase in logged["phases"]]
        marks = [("begin", self.entry(output)), *((name, self.symbols[PHASE_END]) for name in names)]
        reached, _, _ = self.counted(self.berth_iso(kernel, f"{cmdline} {NATIVE}"), memory, marks, stop=True)
        starts = [reached[name] for name, _ in marks[:-1]]
        return {name: (reached[name] - start).total for name, start in zip(names, starts)}, logged

    def by_function(self, profile):
        starts = [address for address, _ in self.labels]
        functions = {}
        for address, count in profile.items():
            name = self.labels[bisect.bisect_right(starts, address) - 1][1]
            functions[name] = functions.get(name, 0) + count
        return functions

    def way(self, name, kernel):
        """One of WAYS to start a kernel."""
        if name == GRUB:
            return Way(self.linux_iso(kernel), PREFERRED_ADDRESS, PREFERRED_ADDRESS, SVM)
        if name in BERTH:
            at = dict(self.places(kernel, "1G", mode=BERTH[name])[0])
            iso = self.berth_iso(kernel, f"{QUIET} {BERTH[name]}")
            return Way(iso, at["entry"], at["kernel"] - ENTRY_64_OFFSET, SVM)
        mode = XEN[name]
        files = self.build / f"kernel/{kernel}/vmlinuz", KERNEL_CMDLINE, self.build / "initrd-quiet.gz"
        return Way(peer.iso(self.folder / f"xen-{mode}-{kernel}.iso", self.build / "xen/xen", mode, *files), peer.ENTRY,
                   peer.kernel_entry(files[0].read_bytes(), mode), SVM_IOMMU if mode == "PVH" else SVM)

    def to_userspace(self, way, profile=False):
        """Instructions from the first one to the kernel proper, from there to power-off behind userspace; and {address:
        count} of Berth's with `profile`. On a machine of 1 GiB with one processor."""
        marks = [("begin", way.begin), ("kernel", way.kernel)]
        reached, counts, output = self.counted(way.iso, "1G", marks, stop=False, platform=way.platform, profile=profile)
        if "USERSPACE-OK" not in output:
            raise BenchError("userspace was not reached:\n" + output[-2000:])
        return (reached["kernel"] - reached["begin"]).total, (reached["end"] - reached["kernel"]).total, counts

    def waits_before_kernel(self, way):
        marks = [("begin", way.begin), ("kernel", way.kernel)]
        short, long = (self.counted(way.iso, "1G", marks, stop=True, platform=way.platform, shift=shift)[0]
                       for shift in (SHIFT, LONG_SHIFT))
        return waited((short["kernel"] - short["begin"]).total, (long["kernel"] - long["begin"]).total)

    def exits(self, profile):
        """{reason: how often}, of Berth's instructions counted by address."""
        return {reason: profile.get(self.symbols[function], 0) for reason, function in EXITS.items()}

    def guest_costs(self, mode):
        """What the guest tests/guests/cost says: {name: instructions}, [counts of exits, before and after]."""
        iso = mkiso.berth_iso(self.folder / f"cost-{mode}.iso", self.image, mode,
                              [(self.build / "guests/cost.bzimage", "")])
        output = run([*MACHINE, *machine_arguments("1G", platform=SVM), *DEBUG_EXIT, "-cdrom", str(iso)])
        if "GUEST-OK" not in output:
            raise BenchError("the cost guest did not come to its end:\n" + output[-2000:])
        costs = {name: int(ticks) for name, ticks in re.findall(r"^COST (\S+) (\d+)", output, re.MULTILINE)}
        exits = [[int(word) for word in line.split()] for line in re.findall(r"^EXITS (.*)$", output, re.MULTILINE)]
        return costs, exits

    def exit_costs(self):
        """{name: Berth's instructions for one}, of instructions that exit and of some that do not; and {reason: how
        often} by the statistics of exits, between two questions for them."""
        (with_berth, (before, after)), (alone, _) = self.guest_costs(HVM), self.guest_costs(NATIVE)
        # There is no hypercall on the bare machine: there it counts as the one instruction that it is.
        costs = {name: ticks - alone.get(name, with_berth["nothing"] + 1) for name, ticks in with_berth.items()}
        return costs, dict(zip(EXITS, (b - a for a, b in zip(before, after))))

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
        xen = PEER_INIT + PEER_GIB * int(memory[:-1]) + PEER_PROCESSOR * (processors - 1)
        print(f"{memory:>4} {processors:>11} {to_start.total:>9,} {to_kernel.moves:>10,} {waits:>8,} "
              f"{to_start.work + to_kernel.work - waits:>9,} {xen:>12,}", flush=True)
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

    report_hvm(bench, kernel)
    report_userspace(bench, kernel)


def report_hvm(bench, kernel):
    print(f"\nunder dom0=hvm, from entry to the kernel's first instruction, console quiet, {kernel} kernel")
    print(f"{'RAM':>4} {'processors':>11} {'all':>10} {'copies':>10} {'waits':>8} {'work':>9}  kept")
    for memory, processors in [*((size, 1) for size in RAM_SIZES), ("1G", 8), ("64G", 8)]:
        to_start, to_kernel, _ = bench.handover(memory, kernel, processors, HVM)
        waits = bench.waits(memory, processors, kernel, HVM)
        kept = re.search(r"kept (\d+ KiB.*)", bench.boot_text(kernel, memory, processors, HVM))[1]
        print(f"{memory:>4} {processors:>11} {to_start.total + to_kernel.total:>10,} {to_kernel.moves:>10,} "
              f"{waits:>8,} {to_start.work + to_kernel.work - waits:>9,}  {kept}", flush=True)

    print("\nBerth's instructions for one instruction of the guest's (tests/guests/cost):")
    for name, cost in bench.exit_costs()[0].items():
        print(f"  {cost:>12,}  {name}")


def report_userspace(bench, kernel):
    print(f"\nto userspace and power-off ({kernel} kernel, 1G, 1 processor), without Xen's waits before the kernel")
    print(f"  {'':<14} {'to the kernel proper':>21} {'from there':>15} {'ratio':>7} {'sum':>15} {'ratio':>7}")
    first = profile = None
    for name in [GRUB, *BERTH, *XEN]:
        way = bench.way(name, kernel)
        to_kernel, behind, counts = bench.to_userspace(way, profile=name in BERTH)
        to_kernel -= bench.waits_before_kernel(way) if name in XEN else 0
        first = first or (behind, to_kernel + behind)
        print(f"  {name:<14} {to_kernel:>21,} {behind:>15,} {behind / first[0]:>7.4f} {to_kernel + behind:>15,} "
              f"{(to_kernel + behind) / first[1]:>7.4f}", flush=True)
        profile = counts or profile
    print("exits under hvm: " + ", ".join(f"{reason} {count:,}" for reason, count in bench.exits(profile).items()))


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
    except (BenchError, mkiso.IsoError, peer.FetchError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"bench: {error}")


if __name__ == "__main__":
    main()
