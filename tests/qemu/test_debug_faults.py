"""Every fault of `debug=`, on the first and on another processor: the whole dump, on the serial line, on a VGA text
screen of 80 by 25 and on a framebuffer, read from what the machine shows.
"""
import pytest
from berth_qemu import LINUX_WORDS, TEXT_COLUMNS, TEXT_ROWS, symbols
from screen import PREFIX, Picture, assert_shows_end, rows_of
from test_display import wishing_for_pixels
from test_exceptions import Dump, check_registers

NOT_PRESENT_READ, PRESENT_WRITE, PRESENT_EXECUTE = 0, 3, 0x11
GAP = 0xFFFF82D080000000  # beyond the gigabyte at the link address
# Word: vector, error code, the function that raises it, the cause's words.
FAULTS = {
    "ud": (6, 0, "ud_raise", ""),
    "df": (8, 0, "df_raise", ""),
    "gp": (13, 0, "gp_raise", ""),
    "pf": (14, NOT_PRESENT_READ, "pf_raise", f"read at {GAP:#018x} (nothing of Berth's): not mapped"),
    "pf-null": (14, NOT_PRESENT_READ, "pf_null_raise", f"read at {0:#018x} (a null pointer): not mapped"),
    "nmi": (2, 0, "nmi_raise", ""),
    "write-to-text": (14, PRESENT_WRITE, "write_to_text_raise", r"write to ADDRESS (the image's code): not allowed"),
    "execute-data": (14, PRESENT_EXECUTE, "execute_data_raise", r"execute at ADDRESS (the image's data): not allowed"),
    "stack-overflow": (8, 0, "recurse", "the ordinary stack has overflowed into its guard page"),
    "int-17": (17, 0, "vector_raise", ""),
}
CALLERS_MOST = 7
SMP = ["-smp", "3"]
WIDE, HIGH, DEPTH = 1024, 768, 32
# VGA text mode 3 as QEMU draws it.
CELL_WIDE, CELL_HIGH = 9, 16

EVERY_FAULT = pytest.mark.parametrize("fault", FAULTS)
EITHER = pytest.mark.parametrize("other", [False, True], ids=["first", "another"])


def assert_dump(case, log, fault, other):
    vector, error_code, function, cause = FAULTS[fault]
    assert log.errors[:-1] == [] and log.is_halted
    dump = Dump(log)
    check_registers(dump)
    assert (dump.vector, dump.error_code) == (vector, error_code)
    assert dump.cause == cause.replace("ADDRESS", f"{dump.registers['cr2']:#018x}")
    assert function in dump.backtrace[:2]
    assert dump.backtrace[-1] == ("processor_enter" if other else "start64_linked") or dump.is_cut
    assert dump.is_cut == (fault == "stack-overflow")
    assert log.starting("on processor ") == (["1, APIC id 0x1"] if other else [])
    assert dump.code[:2] == code_at(case, dump.rip)


def code_at(case, address):
    """Two bytes of the image, which is one segment of a file with its symbols at their link addresses."""
    image = (case.build / "berth.efi").read_bytes()
    offset = address - symbols(case.debug_image)["_start"]
    return image[offset:offset + 2]


def dump_rows(log):
    lines = log.lines[log.lines.index("error: " + log.errors[-1]):]
    return rows_of([PREFIX + line for line in lines], TEXT_COLUMNS)


def cells(picture):
    """The pixels of each cell of a VGA text screen, row by row."""
    return [[tuple(tuple(picture.rows[row * CELL_HIGH + y][column * CELL_WIDE:(column + 1) * CELL_WIDE])
                   for y in range(CELL_HIGH)) for column in range(TEXT_COLUMNS)] for row in range(TEXT_ROWS)]


def assert_draws(picture, text):
    """Equal characters look equal, different ones different: what is drawn is that text. (The cursor is left out.)"""
    assert (picture.width, picture.height) == (TEXT_COLUMNS * CELL_WIDE, TEXT_ROWS * CELL_HIGH)
    looks = {}
    for row, drawn in zip(text[:-1], cells(picture)):
        for character, look in zip(row, drawn):
            assert looks.setdefault(character, look) == look, f"{character!r} looks different in {row!r}"
    assert len(set(looks.values())) == len(looks)


@pytest.mark.sample(2)
@EITHER
@EVERY_FAULT
def test_whole_dump_on_serial_and_vga_text(case, fault, other):
    extra = ["-kernel", case.build / "berth.efi", "-append", f"debug={'ap-' if other else ''}{fault}", *SMP]
    with case.machine(vga="std", extra=extra) as vm:
        log = vm.wait_halted()
        screen, picture = vm.screen_text(), Picture.from_ppm(vm.screendump())
        assert vm.triple_faults == 0 and vm.resets == 0
    assert_dump(case, log, fault, other)
    rows = dump_rows(log)
    # With as many callers as are shown, and the line that says that there are more.
    dump = Dump(log)
    assert len(rows) - len(dump.backtrace) - dump.is_cut + CALLERS_MOST + 1 < TEXT_ROWS, "too long for the screen"
    assert screen[-1 - len(rows):-1] == rows
    assert_draws(picture, screen)


@pytest.mark.sample(1)
@EITHER
@EVERY_FAULT
def test_whole_dump_on_a_framebuffer(case, fault, other):
    image = case.write("berth.pixels", wishing_for_pixels(case.berth.read_bytes(), WIDE, HIGH, DEPTH))
    iso = case.berth_iso(f"debug={'ap-' if other else ''}{fault}", image=image, modules=[])
    with case.machine(iso=iso, vga="std", extra=SMP) as vm:
        log = vm.wait_halted()
        picture = Picture.from_ppm(vm.screendump())
        assert vm.triple_faults == 0 and vm.resets == 0
    assert_dump(case, log, fault, other)
    assert (picture.width, picture.height) == (WIDE, HIGH)
    assert assert_shows_end(picture.text(), log) > len(dump_rows(log))


# --- a processor that stops answering ---------------------------------------------------------------------------------

DEAD = "processor 1, APIC id 0x1, has stopped answering: it is not used"


def test_a_processor_that_dies_costs_a_warning_and_linux_has_all(case):
    iso = case.berth_iso("debug=ap-dead", kernel_cmdline=f"{LINUX_WORDS} tsc=reliable")
    with case.machine(iso=iso, extra=SMP) as vm:
        assert vm.wait_userspace()["processors"] == ["0-2"]
        assert vm.log.warnings == [DEAD] and vm.triple_faults == 0


def test_nobody_to_raise_it_on(case):
    extra = ["-kernel", case.build / "berth.efi", "-append", "debug=ap-ud"]
    with case.machine(extra=extra) as vm:
        log = vm.wait_halted()
    assert log.warnings == ["debug: there is no other processor to raise the fault on"]
    assert len(log.errors) == 1 and log.errors[0].startswith("no kernel was given")
