"""memtest86+, a bzImage that is not Linux, starts through Berth and draws its screen."""
import pathlib
import re

import pytest
from berth_qemu import TEXT_COLUMNS, TEXT_ROWS

PROGRAMS = {"x64": "/boot/memtest86+x64.bin", "ia32": "/boot/memtest86+ia32.bin"}

CELL_WIDTH, CELL_HEIGHT = 9, 16
# The VGA text palette's blue and light grey, as QEMU draws them.
VGA_BLUE = (0, 0, 168)
VGA_GREY = (168, 168, 168)


class Picture:
    """A binary PPM, as QEMU's screendump writes it."""

    def __init__(self, data):
        header = re.match(rb"P6\s(\d+)\s(\d+)\s255\s", data)
        assert header, "not a binary PPM with 8-bit samples"
        self.width, self.height = int(header[1]), int(header[2])
        self.pixels = data[header.end():]

    def share(self, colour):
        """How much of the picture has exactly this colour (0 to 1)."""
        pixels = [self.pixels[i:i + 3] for i in range(0, len(self.pixels), 3)]
        return pixels.count(bytes(colour)) / len(pixels)


@pytest.mark.sample(1)
@pytest.mark.parametrize("program", PROGRAMS)
def test_memtest_draws_its_screen(case, program):
    path = pathlib.Path(PROGRAMS[program])
    assert path.exists(), "the Debian package memtest86+ is missing"
    # Its serial console tells when the screen is complete: the name of a running test is the last thing drawn.
    iso = case.berth_iso(modules=[(path, "nosmp console=ttyS0,115200")])
    with case.machine(iso=iso, vga="std", memory="128M") as vm:
        vm.wait_for(r"^\(BERTH\) dom0: ")
        vm.wait_for(r"Moving inversions")
        text = vm.screen_text()
        picture = Picture(vm.screendump().read_bytes())
        assert vm.triple_faults == 0 and vm.resets == 0
    assert text[0].strip().startswith("Memtest86+ v6."), text[0]
    assert "Errors: 0" in "".join(text)
    assert (picture.width, picture.height) == (TEXT_COLUMNS * CELL_WIDTH, TEXT_ROWS * CELL_HEIGHT)
    assert picture.share(VGA_BLUE) > 0.8, "the background is not memtest86+'s blue"
    assert picture.share(VGA_GREY) > 0.02, "there is no text in the picture"
