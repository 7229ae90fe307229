"""One QEMU as the sweeps need it: started in milliseconds, its serial line, its monitor (QMP) and its debug stub."""
import json
import os
import re
import select
import socket
import subprocess
import time

import berth_qemu

from .gdb import Gdb

PATIENCE = berth_qemu.PATIENCE
ANSWER_SECONDS = 30 * PATIENCE
COMMON = ["qemu-system-x86_64", "-accel", "tcg", "-display", "none", "-vga", "none", "-nodefaults", "-no-reboot",
          "-serial", "stdio", "-device", f"isa-debug-exit,iobase={berth_qemu.DEBUG_EXIT_PORT:#x},iosize=4"]


class VmError(Exception):
    pass


class Vm:
    """Use as a context manager. The machine is stopped until `go`, or `gdb.go`."""

    def __init__(self, arguments):
        self.text = ""
        self.status = None
        self.is_open = True
        ours, theirs = [], []
        for _ in range(2):
            here, there = socket.socketpair()
            ours.append(here)
            theirs.append(there)
        monitor, debugger = (end.fileno() for end in theirs)
        self.process = subprocess.Popen(
            [*COMMON, "-chardev", f"socket,id=qmp,fd={monitor}", "-mon", "chardev=qmp,mode=control",
             "-chardev", f"socket,id=gdb,fd={debugger}", "-gdb", "chardev:gdb", *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[monitor, debugger])
        for end in theirs:
            end.close()
        ours[0].settimeout(ANSWER_SECONDS)
        self._qmp = ours[0].makefile("rw")
        self._sockets = ours
        self._gdb = None
        try:
            self._answer("QMP")
            self.qmp("qmp_capabilities")
        except Exception:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr, self._qmp, *self._sockets):
            stream.close()

    # --- monitor and debugger -------------------------------------------------------------------------------------

    def _answer(self, *keys):
        """The next message that has one of `keys`."""
        for line in self._qmp:
            message = json.loads(line)
            if "error" in message:
                raise VmError(f"QMP: {message['error']['desc']}")
            if any(key in message for key in keys):
                return message
        raise VmError(f"QEMU ended: {self.process.stderr.read().decode(errors='replace').strip()}")

    def qmp(self, command, **arguments):
        json.dump({"execute": command, "arguments": arguments}, self._qmp)
        self._qmp.flush()
        return self._answer("return")["return"]

    def wait_event(self, name, **data):
        """Wait for an event, with this data where some is given."""
        while True:
            message = self._answer("event")
            if message["event"] == name and all(message["data"].get(key) == value for key, value in data.items()):
                return

    def migration_capabilities(self, *names):
        self.qmp("migrate-set-capabilities", capabilities=[{"capability": name, "state": True} for name in names])

    @property
    def gdb(self):
        if self._gdb is None:
            self._gdb = Gdb(self._sockets[1], ANSWER_SECONDS)
        return self._gdb

    # --- serial line and end --------------------------------------------------------------------------------------

    def _read(self, seconds):
        """Read what is there, waiting at most `seconds`; False at the end."""
        ready, _, _ = select.select([self.process.stdout], [], [], max(seconds, 0))
        if ready:
            data = os.read(self.process.stdout.fileno(), 65536)
            self.text += data.decode("latin-1").replace("\r", "")
            self.is_open = bool(data)
        return self.is_open

    def read_available(self):
        """Take what the machine has printed so far."""
        self._read(0)

    def has_ended(self):
        return not self._read(0)

    def wait_for(self, pattern, seconds):
        deadline = time.monotonic() + seconds * PATIENCE
        while not re.search(pattern, self.text, re.MULTILINE):
            left = deadline - time.monotonic()
            if left <= 0:
                raise VmError(f"waited {seconds * PATIENCE:.0f} s for {pattern!r}")
            if not self._read(left) and not re.search(pattern, self.text, re.MULTILINE):
                raise VmError(f"QEMU ended (status {self.process.wait()}) before {pattern!r} was printed")

    def wait_said(self, words, seconds):
        """Wait until QEMU, or a command that it runs, has said these words on standard error."""
        deadline, said = time.monotonic() + seconds * PATIENCE, ""
        while words not in said:
            ready, _, _ = select.select([self.process.stderr], [], [], max(deadline - time.monotonic(), 0))
            data = os.read(self.process.stderr.fileno(), 65536) if ready else b""
            if not data:
                raise VmError(f"{words!r} was not said in {seconds * PATIENCE:.0f} s: {said.strip()}")
            said += data.decode(errors="replace")

    def wait_exit(self, seconds):
        """Wait until QEMU ends by itself; returns its exit status."""
        deadline = time.monotonic() + seconds * PATIENCE
        while self._read(deadline - time.monotonic()):
            if time.monotonic() > deadline:
                raise VmError(f"waited {seconds * PATIENCE:.0f} s for QEMU to end")
        return self.process.wait(max(deadline - time.monotonic(), 1))

    @property
    def log(self):
        return berth_qemu.BerthLog(self.text)
