"""Run Bochs for a test: a second opinion on the processor, with checks of segment limits and more that QEMU lacks.

No monitor is used, only the serial line and Bochs's own log, of which a panic ends every wait. Each case keeps bochsrc,
serial.log and bochs.log in its folder.

The line is a socket, so that a guest can be talked to: Bochs connects to it when its serial port is made.
"""
import os
import pathlib
import re
import select
import socket
import subprocess
import time

from berth_qemu import PATIENCE, TAIL_LINES, BerthLog, MachineError

INTEL, AMD = "corei7_skylake_x", "ryzen"
FIRMWARE = "/usr/share/bochs/BIOS-bochs-latest"
VGA_FIRMWARE = "/usr/share/bochs/VGABIOS-lgpl-latest"

# By Bochs's clocks. With few, firmware and GRUB have waited soon, above all with more processors than one.
INSTRUCTIONS_A_SECOND = 50_000_000

# A fault without a handler is a panic, not a reset.
CONFIGURATION = """\
display_library: x
romimage: file={firmware}
vgaromimage: file={vga_firmware}
cpu: model={model}, count={processors}, ips={ips}, reset_on_triple_fault=0
memory: guest={memory}, host={memory}
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
com1: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
log: {log}
panic: action=report
error: action=report
info: action=report
debug: action=ignore
clock: sync=none
sound: waveoutdrv=dummy
"""

# A line of Bochs's log: 00000123456e[CPU0  ] words; p for a panic.
COMPLAINT = re.compile(r"^\d+[ep]\[(\w+) *\] (.*)\n", re.MULTILINE)
PANIC = ">>PANIC<<"


class Line:
    """What Bochs writes to a named pipe. Both ends are open here, so that nobody waits for the other one."""

    def __init__(self, path):
        self.path = path
        self.path.unlink(missing_ok=True)
        os.mkfifo(path)
        self._file = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.text = ""

    def fileno(self):
        return self._file

    def read(self):
        """What is there, but no more than a pipe holds: Bochs may write faster than this reads."""
        try:
            self.text += os.read(self._file, 65536).decode("latin-1").replace("\r", "")
        except BlockingIOError:
            pass

    def close(self, copy):
        """Keep what was read as a file of its own."""
        self.read()
        os.close(self._file)
        self.path.unlink()
        copy.write_text(self.text)


class Socket:
    """What is said on the serial line, in both directions. That Bochs connects is something to read, too."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connection = None
        self.port = self._listener.getsockname()[1]
        self.text = ""

    def fileno(self):
        return (self._connection or self._listener).fileno()

    def read(self):
        """All that is there."""
        if not self._connection:
            if not select.select([self._listener], [], [], 0)[0]:
                return
            self._connection, _ = self._listener.accept()
            self._connection.setblocking(False)
        try:
            while data := self._connection.recv(65536):
                self.text += data.decode("latin-1").replace("\r", "")
        except (BlockingIOError, ConnectionResetError):
            pass

    def send(self, text):
        self._connection.sendall(text.encode())

    def close(self, copy):
        self.read()
        if self._connection:
            self._connection.close()
        self._listener.close()
        copy.write_text(self.text)


class Bochs:
    """One Bochs, and a screen of its own that nobody sees. Use as a context manager; leaving it ends both."""

    def __init__(self, folder, *, model, iso, memory_mib=256, processors=1):
        self.folder = pathlib.Path(folder).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.serial, self.own_log = Socket(), Line(self.folder / "log.fifo")
        self.configuration = CONFIGURATION.format(firmware=FIRMWARE, vga_firmware=VGA_FIRMWARE, model=model, iso=iso,
                                                  memory=memory_mib, processors=processors, ips=INSTRUCTIONS_A_SECOND,
                                                  port=self.serial.port, log=self.own_log.path)

    def __enter__(self):
        (self.folder / "bochsrc").write_text(self.configuration)
        (self.folder / "commands").write_text("continue\n")
        self._output = open(self.folder / "output", "wb")
        self._screen, display = self._start_screen()
        self.process = subprocess.Popen(
            ["bochs", "-q", "-f", "bochsrc", "-rc", "commands"], cwd=self.folder,
            env={**os.environ, "DISPLAY": f":{display}"},
            stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output)
        self._ended = os.pidfd_open(self.process.pid)
        return self

    def _start_screen(self):
        """An X server on a display that it chooses itself. Returns it and the display's number."""
        ours, theirs = os.pipe()
        screen = subprocess.Popen(["Xvfb", "-displayfd", str(theirs), "-nolisten", "tcp"], pass_fds=[theirs],
                                  stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output)
        os.close(theirs)
        with open(ours) as answer:
            ready, _, _ = select.select([answer], [], [], 30 * PATIENCE)
            display = answer.readline().strip() if ready else ""
        if not display:
            screen.kill()
            screen.wait()
            raise MachineError(f"no X server for Bochs: see {self.folder}/output")
        return screen, display

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self._screen.terminate()
        try:
            self._screen.wait(10)
        except subprocess.TimeoutExpired:
            # It begins anew when its only client goes, and does not hear it just then.
            self._screen.kill()
            self._screen.wait()
        self._output.close()
        os.close(self._ended)
        self.serial.close(self.folder / "serial.log")
        self.own_log.close(self.folder / "bochs.log")

    def _read_available(self, seconds):
        """Read what is there, waiting at most `seconds`. False at the end of Bochs."""
        ready, _, _ = select.select([self.serial, self.own_log, self._ended], [], [], max(seconds, 0))
        self.serial.read()
        self.own_log.read()
        return self._ended not in ready and not self.text.endswith("(BERTH) halted\n")

    def wait_for(self, pattern, seconds=60):
        """Wait until the serial output matches `pattern`; returns the match."""
        deadline = time.monotonic() + seconds * PATIENCE
        running = True
        while True:
            found = re.search(pattern, self.text, re.MULTILINE)
            if found:
                return found
            if any(PANIC in words for _, words in self.complaints):
                self.serial.read()
                if re.search(pattern, self.text, re.MULTILINE):
                    continue
                raise self.error(f"Bochs panicked before {pattern!r} was printed")
            if not running:
                raise self.error(f"Bochs ended before {pattern!r} was printed")
            left = deadline - time.monotonic()
            if left <= 0:
                raise self.error(f"waited {seconds * PATIENCE:.0f} s for {pattern!r}")
            running = self._read_available(left)

    def wait_halted(self, seconds=30):
        """Wait for Berth's last words; returns its log."""
        self.wait_for(r"^\(BERTH\) halted$", seconds)
        return self.log

    def send(self, text):
        self.serial.send(text)

    @property
    def text(self):
        return self.serial.text

    @property
    def log(self):
        return BerthLog(self.text)

    @property
    def complaints(self):
        """What Bochs itself called an error or a panic: [(device, words)]."""
        return COMPLAINT.findall(self.own_log.text)

    def error(self, what):
        tail = "\n".join(self.text.splitlines()[-TAIL_LINES:])
        complaints = "\n".join(f"{device}: {words}" for device, words in self.complaints[-TAIL_LINES:])
        return MachineError(f"{what}\nsee {self.folder}\n--- what Bochs says ---\n{complaints}\n"
                            f"--- last lines ---\n{tail}\n---")
