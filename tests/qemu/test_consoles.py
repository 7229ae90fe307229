"""The consoles: serial lines wherever they are, and text on a linear framebuffer, read back from its pixels.

Memory of the device ivshmem, which is a file on the host, stands in for what this machine does not have: a UART in
memory, framebuffers of every layout, and both above 4 GiB.
"""
import re
import socket
import struct
import time

import berth_qemu
import mb2_block as mb2
import pytest
import uefi
from berth_shim import GIB, GUEST_PASS, KIB, MIB, BerthWorld
from screen import Picture, assert_shows_end
from test_paging import DIRECT_MAP, PAGE, Pages, debugged, run_to

LINE_STATUS, LINE_CONTROL, MODEM_CONTROL, INTERRUPTS, DATA = 5, 3, 4, 1, 0
READY = 0x60
GIVEN_UP = "a serial line does not get ready: {} is not used any more"
FIFO_BYTES = 16
SHARED = 1 << 24


def log_lines(path):
    """Berth's lines of a serial line that went to a file."""
    text = path.read_text(errors="replace").replace("\r", "")
    return [line for line in text.splitlines() if line.startswith("(BERTH) ")]


def printed(vm):
    return ["(BERTH) " + line for line in vm.log.lines]


# --- I/O ports --------------------------------------------------------------------------------------------------------

def test_another_port(case):
    """The machine's first serial line is a file, the second one is what the test reads."""
    other = case.folder / "com1.log"
    iso = case.berth_iso("com1=115200,8n1,0x2f8", modules=[])
    with case.machine(iso=iso, extra=["-serial", f"file:{other}"]) as vm:
        log = vm.wait_halted()
    assert log.warnings == [] and len(log.errors) == 1
    assert log_lines(other) == []


def test_two_serial_lines(case):
    other = case.folder / "com1.log"
    with case.machine(iso=case.berth_iso("com2=57600,7e1", modules=[]), extra=["-serial", f"file:{other}"]) as vm:
        vm.wait_halted()
    assert log_lines(other) == printed(vm)


def test_no_uart_where_one_is_expected(case):
    """No COM1: nobody misses it, unless the command line names it."""
    for words, warnings in [("com2=115200", []),
                            ("com2=115200 com1=9600",
                             ["there is no serial line where com1 should be - see docs/options.md"])]:
        with case.machine(iso=case.berth_iso(words, modules=[]), extra=["-serial", "none"]) as vm:
            assert vm.wait_halted().warnings == warnings


@pytest.mark.parametrize("format, control", [("8n1", 0x03), ("7e1", 0x1A), ("8o2", 0x0F)])
def test_line_format_and_fifo_in_the_device(case, format, control):
    """The device's own state, through its ports: the line control as told, and the FIFO on."""
    with case.machine(iso=case.berth_iso(f"com1=9600,{format}", modules=[])) as vm:
        vm.wait_halted()
        seen = [vm.qmp("human-monitor-command", **{"command-line": f"i/1b {0x3f8 + register:#x}"})
                for register in (LINE_CONTROL, 2)]
    assert int(seen[0].split("=")[1], 16) == control
    assert int(seen[1].split("=")[1], 16) & 0xC0 == 0xC0


LEFT_ODD = [(LINE_CONTROL, 0x80), (0, 0), (1, 0), (LINE_CONTROL, 0x40), (INTERRUPTS, 0x0F), (MODEM_CONTROL, 0x10),
            (LINE_CONTROL, 0xC0)]


@pytest.mark.parametrize("cpu, words", [("qemu64", "no kernel was given"), ("qemu32", "this CPU has no 64-bit mode")])
def test_a_uart_that_was_left_odd_is_set_up_anew(case, cpu, words):
    """A divisor of 0, the latch open, a break, interrupts on, and what is sent coming back: for 32-bit code, too."""
    with case.machine(extra=["-kernel", case.build / "berth.efi", "-S"], cpu=cpu) as vm:
        for register, value in LEFT_ODD:
            vm.qmp("human-monitor-command", **{"command-line": f"o/1b {0x3f8 + register:#x} {value:#x}"})
        vm.qmp("cont")
        log = vm.wait_halted()
        assert vm.triple_faults == 0
    assert len(log.errors) == 1 and log.errors[0].startswith(words) and log.warnings == []


def test_the_device_is_asked_once_for_a_fifo_of_bytes(case):
    """QEMU traces each read of the line status; without GRUB nobody else reads it."""
    with case.machine(extra=["-kernel", case.build / "berth.efi", "-trace", "serial_read"]) as vm:
        log = vm.wait_halted()
        vm.wait_asleep()
        reads = vm.cpu_log.count("addr 0x05")
    sent = len(vm.text) + vm.text.count("\n")  # each line end is two bytes
    assert sent > 600 and len(log.lines) > 10
    assert sent // FIFO_BYTES <= reads <= sent // FIFO_BYTES + 2


def test_a_reset_waits_for_the_last_byte(case):
    """The last access to COM1 is a look whether all is sent, behind the last byte."""
    trace = ["-trace", "serial_read", "-trace", "serial_write"]
    with case.machine(extra=["-kernel", case.build / "berth.efi", "-append", "reboot", *trace]) as vm:
        vm.wait_exit()
        accesses = re.findall(r"serial_(read|write) \D*addr 0x0(\d) val 0x(\w+)", vm.cpu_log)
    assert vm.log.lines[-1].startswith("rebooting: ")
    assert accesses[-2:] == [("write", "0", "0a"), ("read", "5", "60")]


# --- PCI --------------------------------------------------------------------------------------------------------------

PCI_PLACES = {
    "bus 0": [],
    "behind a bridge": ["-device", "pcie-pci-bridge,id=b1"],
    "behind two bridges": ["-device", "pcie-pci-bridge,id=b0",
                           "-device", "pci-bridge,id=b1,bus=b0,chassis_nr=1,addr=1"],
}


@pytest.mark.parametrize("place", PCI_PLACES, ids=lambda name: name.replace(" ", "-"))
def test_pci_card(case, place):
    card, bridges = case.folder / "card.log", PCI_PLACES[place]
    slot = "bus=b1,addr=2" if bridges else "addr=7"
    extra = [*bridges, "-chardev", f"file,id=card,path={card}", "-device", f"pci-serial,chardev=card,{slot}"]
    words = "com1=115200,8n1,pci com2=115200,8n1,0x3f8"
    with case.machine(iso=case.berth_iso(words, modules=[]), extra=extra) as vm:
        log = vm.wait_halted()
    assert log.warnings == []
    assert log_lines(card) == printed(vm)


def test_no_pci_card(case):
    with case.machine(iso=case.berth_iso("com1=115200,8n1,pci com2=115200,8n1,0x3f8", modules=[])) as vm:
        log = vm.wait_halted()
    assert log.warnings == ["there is no serial line where com1 should be - see docs/options.md"]


# --- a device's memory that is a file ---------------------------------------------------------------------------------

class SharedMemory:
    """A device whose memory is a file; 4 GiB and more do not fit below 4 GiB, where the firmware would put it."""

    def __init__(self, case, size=SHARED):
        self.path = case.folder / "shared"
        with open(self.path, "wb") as file:
            file.truncate(size)
        self.arguments = ["-object", f"memory-backend-file,id=shared,share=on,mem-path={self.path},size={size}",
                          "-device", "ivshmem-plain,memdev=shared,addr=9"]
        with case.machine("where", extra=["-kernel", case.build / "berth.efi", *self.arguments]) as vm:
            vm.wait_halted()
            devices = vm.qmp("query-pci")[0]["devices"]
        regions = [device["regions"] for device in devices if device["slot"] == 9]
        self.address = max(regions[0], key=lambda region: region["size"])["address"]

    def write(self, offset, data):
        with open(self.path, "r+b") as file:
            file.seek(offset)
            file.write(data)

    def read(self, offset, count):
        with open(self.path, "rb") as file:
            file.seek(offset)
            return file.read(count)


def to_guest(case, words):
    """An ISO that leads to the guest that checks the handover."""
    return case.berth_iso(words, modules=[(case.guest("zp64.bzimage"), "rsdp=some initrd=none")])


BELOW_AND_ABOVE = pytest.mark.parametrize("size", [SHARED, 8 * GIB], ids=["below-4-GiB", "above-4-GiB"])


@pytest.mark.sample(2)
@BELOW_AND_ABOVE
@pytest.mark.parametrize("stride", [1, 4])
def test_uart_in_memory(case, stride, size):
    """A device that is always ready keeps the last byte it was sent, and its registers as they were set."""
    shared = SharedMemory(case, size)
    assert (shared.address >= 4 * GIB) == (size > SHARED)
    shared.write(LINE_STATUS * stride, bytes([READY]))
    words = f"com2=115200,7e1,{shared.address:#x}" + ("/1" if stride == 1 else "")
    with case.machine(iso=to_guest(case, words), extra=shared.arguments) as vm:
        assert vm.wait_exit() == GUEST_PASS, vm.error("the guest is not content")
    assert vm.log.warnings == []
    registers = shared.read(0, 8 * stride)[::stride]
    assert registers[LINE_CONTROL] == 0x1A and registers[MODEM_CONTROL] == 3 and registers[INTERRUPTS] == 0
    assert registers[DATA] == ord("\n")


def test_uart_that_never_gets_ready_is_given_up(case):
    shared = SharedMemory(case)
    with case.machine(iso=to_guest(case, f"com2=115200,8n1,{shared.address:#x}"), extra=shared.arguments) as vm:
        assert vm.wait_exit() == GUEST_PASS, vm.error("the guest is not content")
    assert shared.read(DATA, 1) == bytes([1]), "only the divisor has been written"
    assert vm.log.warnings == [GIVEN_UP.format("com2")]


def test_uart_that_stops_when_other_processors_run_is_given_up(case):
    """The warning comes in the middle of a line, of which the log's lock is held."""
    shared = SharedMemory(case)
    shared.write(4 * LINE_STATUS, bytes([READY]))
    iso = to_guest(case, f"com2=115200,8n1,{shared.address:#x}")
    with debugged(case.machine, 2, shared.arguments, iso=iso) as (vm, stub):
        run_to(vm, stub, berth_qemu.symbols(case.debug_image)["guest_choose"])
        shared.write(4 * LINE_STATUS, bytes(1))
        stub.go()
        assert vm.wait_exit() == GUEST_PASS, vm.error("the guest is not content")
    assert vm.log.warnings == [GIVEN_UP.format("com2")]


def test_uart_whose_bytes_nobody_takes_is_given_up(case):
    """What is behind COM1 takes some bytes and then no more, which is seen by the UART never being empty."""
    world = BerthWorld(case)
    world.cmdline = "com2=115200 debug=ud"
    many_ranges(world, 100)
    peer, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # as few bytes as the host allows
    stuck = ["-chardev", f"socket,id=stuck,fd={theirs.fileno()}", "-serial", "chardev:stuck"]
    with peer, theirs, world.machine(extra=stuck, pass_fds=[theirs.fileno()]) as vm:
        log = vm.wait_halted()
    assert log.warnings == [GIVEN_UP.format("com1")]
    assert len(log.memory) > 100 and "backtrace:" in log.lines


def wait_until(what, seconds, condition):
    deadline = time.monotonic() + seconds * berth_qemu.PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}"


def test_report_while_consoles_are_being_set_up(case):
    """The NMI comes when COM1, in memory, is up, and COM2 is about to be: COM1 has the report, to its last byte."""
    shared = SharedMemory(case)
    shared.write(4 * LINE_STATUS, bytes([READY]))
    iso = case.berth_iso(f"com1=115200,8n1,{shared.address:#x} com2=115200,8n1,0x3f8", modules=[])
    uart_start = berth_qemu.symbols(case.debug_image)["uart_start"]
    with debugged(case.machine, 1, shared.arguments, iso=iso) as (vm, stub):
        run_to(vm, stub, uart_start)
        stub.step()
        run_to(vm, stub, uart_start)
        assert shared.read(4 * MODEM_CONTROL, 1) == bytes([3]), "COM1 is not up"
        shared.write(DATA, bytes(1))
        vm.qmp("inject-nmi")
        stub.go()
        wait_until("the halt", 60, lambda: "HLT=1" in vm.qmp("human-monitor-command",
                                                             **{"command-line": "info registers"}))
        assert shared.read(DATA, 1) == b"\n"
        assert vm.triple_faults == 0 and vm.resets == 0


def stop_in(case, vm, functions):
    """Stop the machine when its processor is in one of these functions."""
    names = berth_qemu.symbols(case.debug_image)

    def is_there():
        vm.qmp("stop")
        registers = vm.qmp("human-monitor-command", **{"command-line": "info registers"})
        rip = int(re.search(r"RIP=([0-9a-f]+)", registers)[1], 16)
        at = max((name for name in names if names[name] <= rip), key=names.get, default="")
        if at.partition(".")[0] in functions:
            return True
        vm.qmp("cont")
        return False
    wait_until(f"the processor to be in {functions}", 30, is_there)


def test_report_in_the_middle_of_a_line_is_on_the_interrupted_console_too(case):
    """COM2, in memory, is not ready: Berth waits inside its first line when the NMI comes, and is then ready."""
    shared = SharedMemory(case)
    words = f"com1=115200 com2=2,8n1,{shared.address:#x}"
    with case.machine(iso=case.berth_iso(words, modules=[]), extra=shared.arguments) as vm:
        vm.wait_for(r"^\(BERTH\) Berth .*\n")
        stop_in(case, vm, ("uart_send", "byte_send", "status_wait", "register_read"))
        vm.qmp("inject-nmi")
        vm.qmp("cont")
        vm.wait_for(r"^\(BERTH\) Berth .*\n\n")
        shared.write(4 * LINE_STATUS, bytes([READY]))
        log = vm.wait_halted()
        vm.wait_asleep()  # COM2 comes after COM1
    assert log.lines[1].startswith("error: exception 2 (NMI)")
    assert any(re.search(r"0x[0-9a-f]+ uart_send\+", line) for line in log.lines)
    assert shared.read(DATA, 1) == b"\n"


def test_uart_in_ram_is_refused(case):
    with case.machine(iso=case.berth_iso(f"com2=115200,8n1,{64 * MIB:#x}", modules=[])) as vm:
        log = vm.wait_halted()
        assert vm.physical_memory(64 * MIB, 32) == bytes(32)
    assert log.warnings == ["there is no serial line where com2 should be - see docs/options.md"]


# --- framebuffers of every layout, through a made-up loader -----------------------------------------------------------

LAYOUTS = {
    "1280x800x32": (1280, 800, 5120, 32, ((16, 8), (8, 8), (0, 8)), 0x00C0C0C0),
    "640x480x32, 10 bits a colour": (640, 480, 2560, 32, ((20, 10), (10, 10), (0, 10)), 0x303C0F03),
    "800x600x24, padded lines": (800, 600, 4096, 24, ((16, 8), (8, 8), (0, 8)), 0xC0C0C0),
    "1024x768x16": (1024, 768, 2048, 16, ((11, 5), (5, 6), (0, 5)), 0xC618),
    "650x490x15": (650, 490, 1300, 15, ((10, 5), (5, 5), (0, 5)), 0x6318),
    "3840x2160x32, two pixels a dot": (3840, 2160, 15360, 32, ((0, 8), (8, 8), (16, 8)), 0xC0C0C0),
}


def framebuffer_world(case, shared, layout, cmdline=""):
    width, height, pitch, depth, colours, _ = layout
    shared.write(0, b"\xEE" * (pitch * height + 4 * KIB))
    world = BerthWorld(case)
    world.cmdline = cmdline
    world.extra_tags = [mb2.framebuffer(shared.address, width, height, pitch, depth, colours=colours)]
    return world


def urgent_ink(layout):
    """The pixel of errors and warnings, yellow, as bytes: a longer field repeats what 8 bits say."""
    depth, colours = layout[3], layout[4]
    pixel = sum((value << 8 | value) >> 16 - size << at for value, (at, size) in zip((0xFF, 0xFF, 0x55), colours))
    return struct.pack("<I", pixel)[:(depth + 7) // 8]


def rows_with(shared, layout, pixel, scale):
    """The rows of characters in which there are such pixels."""
    _, height, pitch, depth, _, _ = layout
    data, pixel_bytes = shared.read(0, pitch * height), (depth + 7) // 8
    return {y // (16 * scale) for y in range(height)
            if pixel in {data[x:x + pixel_bytes] for x in range(y * pitch, y * pitch + layout[0] * pixel_bytes,
                                                                pixel_bytes)}}


def urgent_rows(screen):
    """The rows of a screen's text that errors and warnings take."""
    rows, urgent = set(), False
    for row, text in enumerate(screen):
        if text.startswith("(BERTH) "):
            urgent = text.startswith(("(BERTH) error: ", "(BERTH) warning: "))
        if urgent and text.strip():
            rows.add(row)
    return rows


def shown(shared, layout):
    width, height, pitch, depth, _, ink = layout
    pixel_bytes = (depth + 7) // 8
    data = shared.read(0, pitch * height + 4 * KIB)
    assert data[pitch * height:] == b"\xEE" * (4 * KIB), "written behind its end"
    lines = [data[y * pitch:(y + 1) * pitch] for y in range(height)]
    for line in lines[:-1]:
        assert line[width * pixel_bytes:] == b"\xEE" * (pitch - width * pixel_bytes), "written between the lines"
    pixels = {line[x:x + pixel_bytes] for line in lines for x in range(0, width * pixel_bytes, pixel_bytes)}
    assert pixels - {urgent_ink(layout)} == {bytes(pixel_bytes), struct.pack("<I", ink)[:pixel_bytes]}
    return Picture.from_memory(data, width, height, pitch, pixel_bytes)


@pytest.mark.parametrize("name", LAYOUTS, ids=lambda name: name.replace(", ", "-").replace(" ", "-"))
def test_every_layout(case, name):
    layout, shared = LAYOUTS[name], SharedMemory(case, 64 * MIB)
    with framebuffer_world(case, shared, layout, "unknown debug=ud").machine(extra=shared.arguments) as vm:
        log = vm.wait_halted()
    scale = 2 if layout[0] > 2000 else 1
    screen = shown(shared, layout).text(scale)
    assert assert_shows_end(screen, log) >= 20
    assert urgent_rows(screen) == rows_with(shared, layout, urgent_ink(layout), scale) != set()


def test_a_framebuffer_above_4_gib_comes_up_late_and_shows_all(case):
    layout, shared = LAYOUTS["1280x800x32"], SharedMemory(case, 8 * GIB)
    with framebuffer_world(case, shared, layout, "debug=ud").machine(extra=shared.arguments) as vm:
        log = vm.wait_halted()
    screen = shown(shared, layout).text()
    assert_shows_end(screen, log)
    assert screen[0].startswith("(BERTH) Berth "), "the beginning has been lost"


# Bits of a page-table entry (Intel SDM volume 3A, section 4.5.4): PAT is elsewhere in a large page's.
PRESENT, PWT, PCD, PAT, LARGE, LARGE_PAT = 0x1, 0x8, 0x10, 0x80, 0x80, 0x1000


def memory_type(vm, va):
    """The place in PAT that the page of this address names."""
    registers = vm.qmp("human-monitor-command", **{"command-line": "info registers"})
    table = int(re.search(r"CR3=([0-9a-f]+)", registers)[1], 16)
    for shift in (39, 30, 21, 12):
        entry, = struct.unpack("<Q", vm.physical_memory((table & ~0xFFF) + 8 * (va >> shift & 511), 8))
        assert entry & PRESENT, f"{va:#x} is not mapped"
        is_large = shift > 12 and entry & LARGE
        if shift == 12 or is_large:
            return (4 if entry & (LARGE_PAT if is_large else PAT) else 0) + (entry & (PCD | PWT)) // PWT
        table = entry & 0x000FFFFFFFFFF000


COMBINING, UNCACHED = 4, 3


@BELOW_AND_ABOVE
@pytest.mark.parametrize("name", ["1024x768x16", "1280x800x32"])
@pytest.mark.parametrize("cpu, kind", [("qemu64", COMBINING), ("qemu64,-pat", UNCACHED)], ids=["pat", "no-pat"])
@pytest.mark.sample(2)
def test_a_framebuffer_is_mapped_to_combine_writes_and_nothing_beside_it(case, cpu, kind, name, size):
    """In 4 KiB pages, and in a large one."""
    layout, shared = LAYOUTS[name], SharedMemory(case, max(size, 64 * MIB))
    world = framebuffer_world(case, shared, layout, "debug=ud")
    with world.machine(extra=shared.arguments, cpu=cpu) as vm:
        log = vm.wait_halted()
        direct = Pages(vm).direct()
        end = shared.address + layout[2] * layout[1]
        ours = {at: at + span for at, (_, span, letters) in direct.items()
                if at >= world.memory and {"W", "X"} <= set(letters)}
        assert {memory_type(vm, DIRECT_MAP + at) for at in ours} == {kind}
        assert memory_type(vm, DIRECT_MAP + berth_qemu.VGA_TEXT_PA) == UNCACHED
    assert min(ours) == shared.address and max(ours.values()) == -(-end // PAGE) * PAGE
    assert sum(to - at for at, to in ours.items()) == max(ours.values()) - shared.address
    assert set(direct.keys()) - set(ours) <= set(range(0, world.memory, PAGE))
    assert_shows_end(shown(shared, layout).text(), log)


def test_a_uart_is_mapped_uncached(case):
    shared = SharedMemory(case)
    shared.write(4 * LINE_STATUS, bytes([READY]))
    words = f"com2=115200,8n1,{shared.address:#x} debug=ud"
    with case.machine(iso=case.berth_iso(words, modules=[]), extra=shared.arguments) as vm:
        vm.wait_halted()
        assert memory_type(vm, DIRECT_MAP + shared.address) == UNCACHED


@BELOW_AND_ABOVE
def test_a_kernel_starts_with_a_framebuffer_console(case, size):
    layout, shared = LAYOUTS["650x490x15"], SharedMemory(case, size)
    world = framebuffer_world(case, shared, layout)
    vm = world.run(extra=shared.arguments)
    assert_shows_end(shown(shared, layout).text(), vm.log)


def many_ranges(world, count):
    """So many further lines in the log: reserved ranges far above all RAM."""
    world.entries += [((1 << 36) + n * MIB, 4 * KIB, 2) for n in range(count)]


@pytest.mark.parametrize("size, count", [(64 * MIB, 150), (8 * GIB, 1200)], ids=["early", "late-and-longer-than-kept"])
def test_scrolling(case, size, count):
    layout, shared = LAYOUTS["640x480x32, 10 bits a colour"], SharedMemory(case, size)
    world = framebuffer_world(case, shared, layout, "loglevel=debug debug=ud")
    many_ranges(world, count)
    with world.machine(extra=shared.arguments) as vm:
        log = vm.wait_halted()
    assert len(log.memory) > count
    assert assert_shows_end(shown(shared, layout).text(), log) >= 30 - 30 // 4


NOT_USED = "console: the framebuffer is not used: "
ABSURD = {
    "a palette": (dict(depth=8, kind=mb2.FRAMEBUFFER_INDEXED), "its pixels are not colours"),
    "pixels of 8 bits": (dict(depth=8), "its pixels are not of 15, 16, 24 or 32 bits"),
    "lines that overlap": (dict(pitch=1279 * 4), "its lines overlap"),
    "no size": (dict(width=0, height=0), "it is too small"),
    "absurd width": (dict(width=1 << 20, pitch=1 << 22), "it is too large"),
    "absurd pitch": (dict(pitch=0xFFFFFFFF), "it is too large"),
    "colours outside": (dict(colours=((30, 8), (8, 8), (0, 8))), "its colours do not fit its pixels"),
    "address 0": (dict(base=0), "it has no address that can be"),
    "address beyond all": (dict(base=(1 << 64) - 4096), "it has no address that can be"),
    "in RAM": (dict(base=64 * MIB), "it lies in RAM"),
    "nothing there": (dict(base=0xE0000000), "there is no device memory behind it"),
    "beyond the processor": (dict(base=1 << 42), "there is no device memory behind it"),
}


@pytest.mark.parametrize("name", ABSURD, ids=lambda name: name.replace(" ", "-"))
def test_absurd_framebuffers_are_left_alone(case, name):
    change, words = ABSURD[name]
    fields = dict(base=0xFD000000, width=1280, height=800, pitch=5120, depth=32)
    world = BerthWorld(case)
    world.extra_tags = [mb2.framebuffer(**{**fields, **change})]
    vm = world.run()
    assert NOT_USED + words in vm.log.lines


# --- console= ---------------------------------------------------------------------------------------------------------

def test_only_the_named_consoles_are_used(case):
    layout, shared = LAYOUTS["1280x800x32"], SharedMemory(case, 64 * MIB)
    with framebuffer_world(case, shared, layout, "console=com1 debug=ud").machine(extra=shared.arguments) as vm:
        vm.wait_halted()
    assert shared.read(0, 64 * KIB) == b"\xEE" * (64 * KIB)


def test_the_framebuffer_alone(case):
    """COM2 tells the test when the machine has come to its end; COM1 stays silent."""
    layout, shared = LAYOUTS["1280x800x32"], SharedMemory(case, 64 * MIB)
    other = case.folder / "com1.log"
    world = framebuffer_world(case, shared, layout, "console=fb,com2 debug=ud")
    with world.machine(extra=["-serial", f"file:{other}", *shared.arguments]) as vm:
        log = vm.wait_halted()
    assert other.read_bytes() == b""
    assert_shows_end(shown(shared, layout).text(), log)


def test_a_framebuffer_that_is_missed(case):
    with case.machine(iso=case.berth_iso("console=fb,com1,lpt console=fb,com1", modules=[])) as vm:
        assert vm.wait_halted().warnings == ['option "console=fb,com1,lpt" has a bad value - ignored',
                                             "there is no framebuffer for a console - see docs/options.md"]


# --- UEFI -------------------------------------------------------------------------------------------------------------

@pytest.mark.sample(1)
@pytest.mark.parametrize("width, height", [(1280, 800), (640, 480)])
def test_exception_on_the_framebuffer_of_uefi(case, width, height):
    files = uefi.direct_files(case, options="loglevel=debug debug=ud")
    display = ["-device", f"VGA,edid=on,xres={width},yres={height}"]
    with uefi.machine(case, files, extra=display) as vm:
        log = vm.wait_halted(uefi.BOOT_SECONDS)
        picture = Picture.from_ppm(vm.screendump())
    assert log.boot["firmware"] == "uefi64"
    assert (picture.width, picture.height) == (width, height)
    assert_shows_end(picture.text(), log)


def test_framebuffer_of_uefi_behind_grub(case):
    """GRUB has no framebuffer tag to answer: Berth asks the firmware."""
    with uefi.machine(case, uefi.grub_berth_files(case, cmdline="debug=ud"), vga="std") as vm:
        log = vm.wait_halted(uefi.BOOT_SECONDS)
        picture = Picture.from_ppm(vm.screendump())
    assert log.boot["protocol"] == "multiboot2-efi"
    assert_shows_end(picture.text(), log)
