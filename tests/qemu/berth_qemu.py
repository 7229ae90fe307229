"""Run QEMU for a test: start it, wait for what it prints, and read its log as objects.

Every wait is bounded and says what it waited for. Each case keeps its files in one folder: `run.sh` repeats the machine
with the serial line on the terminal, `serial.log` is what it printed, `cpu.log` holds CPU resets and triple faults.
"""
import contextlib
import fcntl
import json
import os
import pathlib
import re
import select
import shlex
import socket
import subprocess
import time

# QEMU resets each CPU twice before its first instruction: once when it is made, once with the machine.
POWER_ON_RESETS = 2
DEBUG_EXIT_PORT = 0xF4
USERSPACE = "USERSPACE-OK"
# Linux checks early that the timer's interrupts come at their rate; on a busy host QEMU's do not, and Linux panics.
# The self-tests of its ciphers take a tenth of a boot, and tell nothing of Berth.
LINUX_WORDS = "console=ttyS0 quiet no_timer_check cryptomgr.notests"
VGA_TEXT_PA = 0xB8000
TEXT_COLUMNS, TEXT_ROWS = 80, 25
TAIL_LINES = 25
# Berth gives up a UART whose bytes nobody takes for a tenth of a second: a whole log fits, should this process sleep.
PIPE_BYTES = 1 << 20
# Each wait may take this many times longer on a slow or busy machine.
PATIENCE = float(os.environ.get("BERTH_PATIENCE", "1"))


class MachineError(AssertionError):
    """A wait that failed. The text says what was waited for, what came instead, and how to repeat it."""


def debug_exit_status(value):
    """Exit status of QEMU when a guest writes `value` to its isa-debug-exit port."""
    return (value << 1 | 1) & 0xFF


def memory_arguments(machine, memory):
    """RAM that the host backs only where the guest touches it, so that 64G is no problem."""
    return ["-M", f"{machine},memory-backend=ram", "-m", memory,
            "-object", f"memory-backend-ram,id=ram,size={memory},reserve=off"]


def symbols(debug_file):
    """{name: link address} of an image with its symbols."""
    lines = subprocess.run(["nm", str(debug_file)], check=True, capture_output=True, text=True).stdout.splitlines()
    return {name: int(address, 16) for address, _, name in (line.split() for line in lines)}


class Machine:
    """One QEMU. Use as a context manager; leaving it ends the process."""

    def __init__(self, folder, *, machine="q35", memory="256M", cpu=None, iso=None, vga="none", accel="tcg",
                 extra=(), pass_fds=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cpu_log_path = self.folder / "cpu.log"
        self.arguments = ["qemu-system-x86_64", "-accel", accel, *memory_arguments(machine, memory), "-nodefaults",
                          "-display", "none", "-vga", vga, "-no-reboot",
                          "-device", f"isa-debug-exit,iobase={DEBUG_EXIT_PORT:#x},iosize=4"]
        if cpu:
            self.arguments += ["-cpu", cpu]
        if iso:
            self.arguments += ["-cdrom", str(iso)]
        self.arguments += [str(argument) for argument in extra]
        self.pass_fds = list(pass_fds)  # open files that `extra` names by their numbers
        self.text = ""
        self.process = None
        self._qmp = None
        self._qmp_greeted = False

    # --- life -----------------------------------------------------------------------------------------------------

    def __enter__(self):
        self.cpu_log_path.unlink(missing_ok=True)
        script = self.folder / "run.sh"
        script.write_text("#!/bin/sh\nexec " + shlex.join(self.arguments + ["-serial", "stdio"]) + "\n")
        script.chmod(0o755)
        self._serial_log = open(self.folder / "serial.log", "wb")
        self._stderr = open(self.folder / "qemu.stderr", "wb")
        # QEMU inherits its end of the QMP connection: there is no path and no moment at which nobody listens.
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                self.arguments + ["-serial", "stdio", "-d", "cpu_reset", "-D", str(self.cpu_log_path),
                                  "-chardev", f"socket,id=qmp,fd={theirs.fileno()}",
                                  "-mon", "chardev=qmp,mode=control"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr,
                pass_fds=[theirs.fileno(), *self.pass_fds])
        with contextlib.suppress(OSError):  # not every host allows it
            fcntl.fcntl(self.process.stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        with ours:
            ours.settimeout(30 * PATIENCE)
            self._qmp = ours.makefile("rw")
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._read_available(0)
        for stream in (self.process.stdin, self.process.stdout, self._serial_log, self._stderr,
                       self._qmp):
            stream.close()

    # --- the serial line --------------------------------------------------------------------------------------------

    def _read_available(self, seconds):
        """Read what is there, waiting at most `seconds`. False at the end of the stream."""
        stream = self.process.stdout
        ready, _, _ = select.select([stream], [], [], max(seconds, 0))
        if not ready:
            return True
        data = os.read(stream.fileno(), 65536)
        self._serial_log.write(data)
        self._serial_log.flush()
        self.text += data.decode("latin-1").replace("\r", "")
        return bool(data)

    def wait_for(self, pattern, seconds=60):
        """Wait until the serial output matches `pattern`; returns the match."""
        deadline = time.monotonic() + seconds * PATIENCE
        while True:
            found = re.search(pattern, self.text, re.MULTILINE)
            if found:
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise self.error(f"waited {seconds * PATIENCE:.0f} s for {pattern!r}")
            if not self._read_available(left):
                if re.search(pattern, self.text, re.MULTILINE):
                    continue
                raise self.error(f"QEMU ended (status {self.process.wait()}) before {pattern!r} was printed")

    def wait_exit(self, seconds=60):
        """Wait until QEMU ends by itself; returns its exit status."""
        deadline = time.monotonic() + seconds * PATIENCE
        while self._read_available(deadline - time.monotonic()):
            if time.monotonic() > deadline:
                raise self.error(f"waited {seconds * PATIENCE:.0f} s for QEMU to end")
        try:
            return self.process.wait(max(deadline - time.monotonic(), 1))
        except subprocess.TimeoutExpired:
            raise self.error(f"waited {seconds * PATIENCE:.0f} s for QEMU to end") from None

    def wait_userspace(self, seconds=90):
        """Wait until our /init has printed its last line; returns the sections that it reported."""
        self.wait_for(rf"^{USERSPACE}$", seconds)
        return LinuxReport(self.text)

    def wait_halted(self, seconds=30):
        """Wait for Berth's last words; returns its log."""
        self.wait_for(r"^\(BERTH\) halted$", seconds)
        return self.log

    def wait_asleep(self, seconds=30):
        """Wait until the first processor is in `hlt`: the last words are out a moment before."""
        deadline = time.monotonic() + seconds * PATIENCE
        while "HLT=1" not in self.qmp("human-monitor-command", **{"command-line": "info registers"}):
            assert time.monotonic() < deadline, self.error("waited for the processor to halt")

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    @property
    def log(self):
        return BerthLog(self.text)

    # --- the processor ----------------------------------------------------------------------------------------------

    @property
    def cpu_log(self):
        return self.cpu_log_path.read_text(errors="replace") if self.cpu_log_path.exists() else ""

    @property
    def triple_faults(self):
        return self.cpu_log.count("Triple fault")

    @property
    def resets(self):
        """Resets of the first CPU after power-on. (The others are reset by every INIT.)"""
        return self.cpu_log.count("CPU Reset (CPU 0)") - POWER_ON_RESETS

    # --- QMP ----------------------------------------------------------------------------------------------------------

    def qmp(self, command, **arguments):
        """Send one QMP command; returns its result."""
        if not self._qmp_greeted:
            self._qmp_greeted = True
            json.loads(self._qmp.readline())
            self.qmp("qmp_capabilities")
        json.dump({"execute": command, "arguments": arguments}, self._qmp)
        self._qmp.flush()
        for line in self._qmp:
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise self.error(f"QMP {command}: {answer['error']['desc']}")
        raise self.error(f"QMP {command}: QEMU closed the connection")

    def shutdown_reason(self):
        """Of a machine that has ended by itself, and was asked something before: why, in QEMU's words."""
        events = [json.loads(line) for line in self._qmp]
        reasons = [event["data"]["reason"] for event in events if event.get("event") == "SHUTDOWN"]
        if len(reasons) != 1:
            raise self.error(f"expected one SHUTDOWN event, found {reasons}")
        return reasons[0]

    def screendump(self, name="screen.ppm"):
        path = self.folder / name
        self.qmp("screendump", filename=str(path.absolute()))
        return path

    def physical_memory(self, address, length):
        path = self.folder / f"memory-{address:#x}"
        self.qmp("pmemsave", val=address, size=length, filename=str(path.absolute()))
        return path.read_bytes()

    def physical_address(self, address):
        """Where the processor's page tables map a virtual address to; None: nowhere."""
        answer = self.qmp("human-monitor-command", **{"command-line": f"gva2gpa {address:#x}"})
        return int(answer.split()[1], 16) if answer.startswith("gpa:") else None

    def screen_text(self):
        """The rows of the VGA text screen; every even byte is a character."""
        cells = self.physical_memory(VGA_TEXT_PA, 2 * TEXT_COLUMNS * TEXT_ROWS)[::2].decode("cp437")
        return [cells[start:start + TEXT_COLUMNS] for start in range(0, len(cells), TEXT_COLUMNS)]

    def error(self, what):
        tail = "\n".join(self.text.splitlines()[-TAIL_LINES:])
        stderr = (self.folder / "qemu.stderr").read_text(errors="replace").strip()
        faults = f"triple faults: {self.triple_faults}, CPU resets after power-on: {self.resets}"
        return MachineError(f"{what}\n{faults}\nrepeat it with {self.folder}/run.sh\n"
                            f"{'QEMU says: ' + stderr if stderr else ''}\n--- last lines ---\n{tail}\n---")


FIELD = re.compile(r'([\w-]+)=("(?:[^"\\]|\\.)*"|\S+)')


def fields(line):
    """`a=1 b="x y"` as a dictionary of strings, without the quotes."""
    return {name: value[1:-1] if value.startswith('"') else value for name, value in FIELD.findall(line)}


class BerthLog:
    """Berth's lines of a serial log, parsed. See docs/design.md, "The log is an interface"."""

    PREFIX = "(BERTH) "

    def __init__(self, text):
        self.lines = [line[line.index(self.PREFIX) + len(self.PREFIX):] for line in text.splitlines()
                      if self.PREFIX in line]

    def starting(self, start):
        return [line[len(start):] for line in self.lines if line.startswith(start)]

    def one(self, start):
        found = self.starting(start)
        assert len(found) == 1, f"expected one line {start!r}, found {len(found)} in:\n" + "\n".join(self.lines)
        return found[0]

    @property
    def boot(self):
        return fields(self.one("boot: "))

    @property
    def base(self):
        return int(self.boot["base"], 16)

    @property
    def cmdline(self):
        return self.one("cmdline: ")

    @property
    def memory(self):
        """[(first byte, last byte, type)]"""
        pattern = re.compile(r"0x([0-9a-f]+)-0x([0-9a-f]+) (.+)")
        matches = [pattern.fullmatch(line) for line in self.starting("mem: ")]
        assert all(matches), "a mem: line is not understood:\n" + "\n".join(self.starting("mem: "))
        return [(int(m[1], 16), int(m[2], 16), m[3]) for m in matches]

    @property
    def modules(self):
        """[(range text, fields)] in the order of their numbers"""
        found = [re.fullmatch(r'module (\d+): (\S+) "(.*?)" cmdline="(.*)"', line) for line in self.lines]
        found = [m for m in found if m]
        assert [int(m[1]) for m in found] == list(range(len(found)))
        return [{"range": m[2], "name": m[3], "cmdline": m[4]} for m in found]

    @property
    def dom0(self):
        return fields(self.one("dom0: mode="))

    @property
    def time(self):
        return fields(self.one("time: "))

    @property
    def errors(self):
        return self.starting("error: ")

    @property
    def warnings(self):
        return self.starting("warning: ")

    @property
    def is_halted(self):
        return bool(self.lines) and self.lines[-1] == "halted"


class LinuxReport:
    """What the report /init printed: {section: [lines]}. See tools/mkinitrd.py."""

    def __init__(self, text):
        self.sections = {}
        current = None
        for line in text.splitlines():
            if line.startswith("BEGIN "):
                current = self.sections.setdefault(line.split()[1], [])
            elif line == "END":
                current = None
            elif current is not None:
                current.append(line)

    def __getitem__(self, name):
        return self.sections[name]

    @property
    def cmdline(self):
        return self["cmdline"][0]

    @property
    def boot_params(self):
        return bytes.fromhex("".join(self["boot_params"]))

    @property
    def e820(self):
        """[(start, size, type)] from the zero page: Linux Documentation/arch/x86/zero-page.rst."""
        page = self.boot_params
        count = page[0x1E8]
        entries = [page[0x2D0 + 20 * i:0x2D0 + 20 * (i + 1)] for i in range(count)]
        return [(int.from_bytes(e[0:8], "little"), int.from_bytes(e[8:16], "little"),
                 int.from_bytes(e[16:20], "little")) for e in entries]
