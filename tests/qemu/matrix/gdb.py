"""A client of QEMU's debug stub, for what a test wants to see: stop at an address, read registers and physical memory.

Source: "GDB Remote Serial Protocol" (appendix E of GDB's manual); the register numbers are those of QEMU's target
description i386-64bit.xml; QEMU's manual, "GDB usage", for Qqemu.PhyMemMode.
"""
import select
import socket
import time

RSI, RIP, FS_BASE, CR3, EFER = 4, 16, 24, 29, 32
# QEMU takes and gives packets of 4096 characters; memory is two characters a byte.
CHUNK_BYTES = 2048


class GdbError(Exception):
    pass


class Gdb:
    """A connection to a machine that is stopped. Memory is physical memory, unless `use_physical(False)` is called."""

    def __init__(self, connection, seconds):
        self.connection = connection
        self.seconds = seconds
        self.buffer = b""
        self.connection.settimeout(seconds)
        self._ask("QStartNoAckMode")
        self.connection.send(b"+")
        # QEMU gives single registers only to a client that knows their numbers from its description.
        self._ask("qXfer:features:read:target.xml:0,ffb")
        self.use_physical(True)

    # --- packets --------------------------------------------------------------------------------------------------

    def _send(self, text):
        body = text.encode()
        self.connection.sendall(b"$" + body + b"#%02x" % (sum(body) & 0xFF))

    def _packet_in_buffer(self):
        """The next packet's content, or None when it is not there in full."""
        start = self.buffer.find(b"$")
        end = self.buffer.find(b"#", start)
        if start < 0 or end < 0 or len(self.buffer) < end + 3:
            return None
        body, self.buffer = self.buffer[start + 1:end], self.buffer[end + 3:]
        return body

    def _receive(self):
        while (body := self._packet_in_buffer()) is None:
            try:
                data = self.connection.recv(65536)
            except socket.timeout:
                raise GdbError(f"no answer from QEMU's debug stub in {self.seconds:.0f} s") from None
            if not data:
                raise GdbError("QEMU closed the debug connection")
            self.buffer += data
        return body

    def _ask(self, text):
        self._send(text)
        return self._receive()

    def _order(self, text):
        answer = self._ask(text)
        if answer != b"OK":
            raise GdbError(f"{text}: QEMU says {answer.decode()}")

    def use_physical(self, wanted):
        """Whether memory is physical memory, or what the processor's page tables map."""
        if self._ask(f"Qqemu.PhyMemMode:{wanted:d}") != b"OK":
            raise GdbError("QEMU does not give access to physical memory")

    # --- state ----------------------------------------------------------------------------------------------------

    def register(self, number):
        answer = self._ask(f"p{number:x}").decode()
        if not answer or answer.startswith("E"):
            raise GdbError(f"QEMU has no register {number}")
        return int.from_bytes(bytes.fromhex(answer), "little")

    def read(self, address, count):
        data = b""
        while len(data) < count:
            part = min(CHUNK_BYTES, count - len(data))
            answer = self._ask(f"m{address + len(data):x},{part:x}")
            if answer.startswith(b"E"):
                raise GdbError(f"no memory at {address + len(data):#x}")
            data += bytes.fromhex(answer.decode())
        return data

    def write(self, address, data):
        self._order(f"M{address:x},{len(data):x}:{data.hex()}")

    def monitor(self, command):
        """What QEMU's monitor says to a command."""
        said = b""
        self._send(f"qRcmd,{command.encode().hex()}")
        while (answer := self._receive()).startswith(b"O") and answer != b"OK":
            said += bytes.fromhex(answer[1:].decode())
        return said.decode().replace("\r", "")

    # --- running --------------------------------------------------------------------------------------------------

    def insert_breakpoint(self, address):
        self._order(f"Z0,{address:x},1")

    def remove_breakpoint(self, address):
        self._order(f"z0,{address:x},1")

    def go(self):
        self._send("c")

    def step(self):
        self._ask("s")

    def wait_stop(self, end_of, seconds):
        """Wait until the machine stops by itself: True. False when QEMU ends first, which `end_of` (bool()) tells."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if (body := self._packet_in_buffer()) is not None:
                return not body.startswith(b"W")
            ready, _, _ = select.select([self.connection], [], [], min(left, 0.5))
            if ready:
                try:
                    data = self.connection.recv(65536)
                except ConnectionError:
                    data = b""
                if not data:
                    return False
                self.buffer += data
            elif end_of():
                return False
        raise GdbError(f"waited {seconds:.0f} s for the machine to stop")
