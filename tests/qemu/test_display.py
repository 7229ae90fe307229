"""Words on the screen where it shows text, and the kernel told what the screen is."""
import struct

import mb2patch
import pytest
from berth_qemu import TEXT_COLUMNS, TEXT_ROWS, VGA_TEXT_PA

# Multiboot2 specification 2.0, section 3.1.10
MB2_HEADER_FRAMEBUFFER = 5

# Linux Documentation/arch/x86/zero-page.rst: screen_info is the zero page's first 0x40 bytes.
# include/uapi/linux/screen_info.h gives the offsets and the types.
ORIG_VIDEO_COLS, ORIG_VIDEO_IS_VGA, ORIG_VIDEO_LINES = 0x07, 0x0F, 0x0E
LFB_WIDTH, LFB_HEIGHT, LFB_DEPTH, LFB_BASE, LFB_LINE_LENGTH = 0x12, 0x14, 0x16, 0x18, 0x24
# Attributes of VGA text, on black
GREY, YELLOW = 0x07, 0x0E

VIDEO_TYPE_VGAC, VIDEO_TYPE_VLFB = 0x22, 0x23


def word(page, offset, length=2):
    return int.from_bytes(page[offset:offset + length], "little")


def test_early_error_is_on_the_screen(case):
    with case.machine(iso=case.berth_iso(modules=[]), cpu="qemu32", vga="std") as vm:
        vm.wait_halted()
        text = "".join(vm.screen_text())
    assert "(BERTH) error: this CPU has no 64-bit mode" in text and "(BERTH) halted" in text


def test_log_is_on_the_screen(case):
    with case.machine(iso=case.berth_iso(modules=[]), vga="std") as vm:
        log = vm.wait_halted()
        text = "".join(vm.screen_text())
        styles = vm.physical_memory(VGA_TEXT_PA, 2 * len(text))[1::2]
    error = text.index(f"(BERTH) error: {log.errors[0]}"[:TEXT_COLUMNS])
    halted = text.index("(BERTH) halted")
    assert set(styles[error:error + len("(BERTH) error:")]) == {YELLOW}
    assert set(styles[halted:halted + len("(BERTH) halted")]) == {GREY}


def test_kernel_learns_of_a_text_screen(case):
    with case.machine(iso=case.berth_iso(), vga="std") as vm:
        page = vm.wait_userspace().boot_params
    assert (page[ORIG_VIDEO_COLS], page[ORIG_VIDEO_LINES]) == (TEXT_COLUMNS, TEXT_ROWS)
    assert page[ORIG_VIDEO_IS_VGA] in (1, VIDEO_TYPE_VGAC)


def wishing_for_pixels(image, width, height, depth):
    """A copy of the image with a framebuffer tag where its relocatable tag was: both take 24 bytes of the header."""
    image = bytearray(image)
    tag = mb2patch.relocatable_tag(image)
    struct.pack_into("<HHIIII4x", image, tag, MB2_HEADER_FRAMEBUFFER, 0, 20, width, height, depth)
    return bytes(image)


def test_kernel_learns_of_a_linear_framebuffer(case):
    image = case.write("berth.pixels", wishing_for_pixels(case.berth.read_bytes(), 1024, 768, 32))
    with case.machine(iso=case.berth_iso(image=image), vga="std") as vm:
        page = vm.wait_userspace().boot_params
        assert vm.triple_faults == 0 and vm.resets == 0
    assert page[ORIG_VIDEO_IS_VGA] == VIDEO_TYPE_VLFB
    assert (word(page, LFB_WIDTH), word(page, LFB_HEIGHT), word(page, LFB_DEPTH)) == (1024, 768, 32)
    assert word(page, LFB_LINE_LENGTH) == 1024 * 4
    assert word(page, LFB_BASE, 4) % (1 << 20) == 0 and word(page, LFB_BASE, 4) != 0
