"""What a kernel finds when Berth starts it: the zeropage guest (tests/guests/zeropage) checks the boot protocol from
inside, through GRUB and through worlds made by the shim, with canaries around everything that is nobody's business.
"""
import random
import struct
import zlib

import mb2_block as mb2
import pytest
from berth_shim import BASE, GIB, GUEST_PASS, INITRD, INITRD_AT, KERNEL_AT, KIB, MIB, BerthWorld, firmware_map
from guest_report import GuestReport, dashed

PREFERRED = 16 * MIB
ALIGNMENT = 2 * MIB
INIT_BYTES = 6 * MIB
ALL_KERNELS = ["zp64", "zp32", "zp64-fixed", "zp32-fixed", "zp32-206", "zp32-209", "zp32-210", "zp32-211",
               "zp64-low4g", "zp32-lowinitrd"]
BOTH_ENTRIES = ["zp64", "zp32"]


# --- through GRUB -------------------------------------------------------------------------------------------------
def run_grub(case, kernel, initrd=INITRD, words="", **machine):
    expected = f"initrd={len(initrd)}:{zlib.crc32(initrd):08x}" if initrd else "initrd=none"
    modules = [(case.guest(kernel + ".bzimage"), f"{expected} rsdp=some {words}".strip())]
    if initrd:
        modules.append((case.write("initrd", initrd), ""))
    with case.machine(iso=case.berth_iso(modules=modules), **machine) as vm:
        status = vm.wait_exit()
        assert status == GUEST_PASS and "GUEST-OK" in vm.text, f"exit status {status}:\n{vm.text}"
        assert vm.triple_faults == 0 and vm.resets == 0
        assert vm.log.errors == []
        return vm


@pytest.mark.parametrize("kernel", ALL_KERNELS)
def test_grub_every_kind_of_kernel(case, kernel):
    vm = run_grub(case, kernel)
    found = GuestReport(vm.text)
    assert int(vm.log.dom0["entry"], 16) == found.kernel + (0x200 if kernel.startswith("zp64") else 0)
    assert vm.log.dom0["kernel"].startswith(f"1.0-{kernel} ")
    assert int(vm.log.dom0["zero-page"], 16) == found.zero_page


@pytest.mark.parametrize("kernel", BOTH_ENTRIES)
@pytest.mark.parametrize("machine", ["pc", "q35"])
@pytest.mark.parametrize("memory", ["64M", "1G", "5G"])
def test_grub_memory_sizes(case, kernel, machine, memory):
    vm = run_grub(case, kernel, machine=machine, memory=memory)
    assert GuestReport(vm.text).kernel == PREFERRED
    # The kernel's map is the one that Berth printed, and nothing of Berth is taken out of it.
    kinds = ["ram", "reserved", "acpi-reclaim", "acpi-nvs", "unusable"]
    printed = [(first, last + 1, kinds.index(kind) + 1) for first, last, kind in vm.log.memory]
    # An end of 2^64 is 0 in the guest's arithmetic.
    assert GuestReport(vm.text).e820 == [(start, end % (1 << 64), kind) for start, end, kind in printed]


@pytest.mark.parametrize("kernel", BOTH_ENTRIES)
def test_grub_without_an_initrd(case, kernel):
    vm = run_grub(case, kernel, initrd=None)
    assert vm.log.dom0["initrd"] == "none"


def test_grub_large_initrd_that_covers_the_preferred_address(case):
    """GRUB packs modules upwards from 1 MiB: 40 MiB of them lie over 16 MiB."""
    initrd = random.Random(1).randbytes(40 * MIB)
    vm = run_grub(case, "zp64", initrd=initrd, memory="128M")
    start, end = GuestReport(vm.text).initrd
    assert end - start == 40 * MIB


# --- where the kernel goes ----------------------------------------------------------------------------------------
GUARDED = [(0, 4 * KIB), (0x9FC00, 0x400), (0xC0000, 64 * KIB), (0xF0000, 64 * KIB)]


def guarded(case, *arguments, **options):
    """A world whose guest checks the first page, the extended BIOS data area and the ROMs."""
    world = BerthWorld(case, *arguments, **options)
    world.words = [world.canary(*area) for area in GUARDED]
    return world


@pytest.mark.parametrize("kernel", ALL_KERNELS)
def test_every_kind_of_kernel_in_a_hostile_world(case, kernel):
    guarded(case, kernel).run()


@pytest.mark.parametrize("base_mib", [2, 4, 16, 22, 30, 46, 64, 98, 128, 250])
@pytest.mark.parametrize("kernel", BOTH_ENTRIES)
def test_every_base_of_berth(case, kernel, base_mib):
    world = guarded(case, kernel, base=base_mib * MIB)
    vm = world.run()
    assert vm.log.base == base_mib * MIB
    displaced = base_mib in (16, 22) and base_mib * MIB < PREFERRED + INIT_BYTES
    assert GuestReport(vm.text).kernel == (PREFERRED + ALIGNMENT if displaced else PREFERRED)


@pytest.mark.parametrize("base", [BASE + 4 * KIB, 30 * MIB - 4 * KIB, 16 * MIB + 1 * MIB])
def test_berth_at_a_4k_boundary_moves_itself_and_hurts_nobody(case, base):
    world = guarded(case, base=base)
    # What lies right before and behind the image belongs to somebody else.
    world.words.append(world.canary(base - 16 * KIB, 16 * KIB))
    behind = base + 2 * MIB
    world.words.append(world.canary(behind, 64 * KIB))
    world.entries += [(base - 16 * KIB, 16 * KIB, mb2.RESERVED), (behind, 64 * KIB, mb2.RESERVED)]
    vm = world.run()
    assert vm.log.boot["moved-by"] == "self"
    assert vm.log.base % ALIGNMENT == 0


def test_berth_that_moves_itself_goes_around_the_modules(case):
    """Not moved by the loader, it goes to the highest slot, of which the two best are taken here."""
    world = guarded(case, base=2 * MIB)
    world.base_tag = None
    world.kernel_at, world.initrd_at = 254 * MIB + 64 * KIB, 252 * MIB + 64 * KIB
    vm = world.run()
    assert vm.log.boot["moved-by"] == "self"
    assert vm.log.base == 250 * MIB


def test_initrd_at_the_preferred_address_displaces_the_kernel(case):
    world = guarded(case)
    world.initrd_at = PREFERRED
    vm = world.run()
    assert GuestReport(vm.text).initrd[0] == PREFERRED
    assert GuestReport(vm.text).kernel == PREFERRED + ALIGNMENT


def test_initrd_makes_room_for_a_kernel_that_cannot_move(case):
    world = guarded(case, "zp64-fixed")
    world.initrd_at = PREFERRED + MIB
    found = GuestReport(world.run().text)
    assert found.kernel == PREFERRED and found.initrd[0] != PREFERRED + MIB


@pytest.mark.parametrize("distance", [0, -4 * KIB, 4 * KIB, 1 - 132 * KIB])
@pytest.mark.parametrize("kernel", ["zp64", "zp32", "zp64-fixed"])
def test_kernel_file_over_its_own_place(case, kernel, distance):
    """The copy overlaps its source, in both directions."""
    world = guarded(case, kernel)
    world.kernel_at = PREFERRED + distance
    assert GuestReport(world.run().text).kernel == PREFERRED


def test_hole_at_the_preferred_address_displaces_the_kernel(case):
    world = guarded(case)
    world.entries.append((PREFERRED + 3 * MIB, 4 * KIB, mb2.RESERVED))
    world.words.append(world.canary(PREFERRED + 3 * MIB, 4 * KIB))
    assert GuestReport(world.run().text).kernel == PREFERRED + 4 * MIB


def expect_error(world, words):
    with world.machine() as vm:
        log = vm.wait_halted()
        assert log.errors == [words]
        assert log.is_halted and vm.triple_faults == 0 and vm.resets == 0


NO_ROOM_KERNEL = "no room for the kernel, 0x{:x} bytes are missing - add memory or use a smaller kernel"
NO_ROOM_INITRD = "no room for the initrd beside the kernel, 0x{:x} bytes are missing - add memory or use a smaller one"


def test_fixed_kernel_under_berth_has_no_room(case):
    expect_error(BerthWorld(case, "zp64-fixed", base=PREFERRED + 4 * MIB), NO_ROOM_KERNEL.format(2 * MIB))


def test_fixed_kernel_on_a_reservation_has_no_room(case):
    world = BerthWorld(case, "zp32-fixed")
    world.entries.append((PREFERRED + 5 * MIB, 4 * KIB, mb2.RESERVED))
    expect_error(world, NO_ROOM_KERNEL.format(MIB))


def test_kernel_larger_than_memory_has_no_room(case):
    world = BerthWorld(case, "zp64-huge", memory=128 * MIB)
    world.initrd_at = 90 * MIB
    world.kernel_at = 80 * MIB
    world.poison = []
    # 128 MiB are wanted; from 16 MiB up to the firmware's end of RAM there are less.
    missing = 128 * MIB - (128 * MIB - 256 * KIB - PREFERRED)
    expect_error(world, NO_ROOM_KERNEL.format(missing))


def test_kernel_of_128_mib_fits_into_1g(case):
    world = guarded(case, "zp64-huge", memory=GIB)
    found = GuestReport(world.run().text)
    assert found.initrd[0] >= found.kernel + 128 * MIB or found.initrd[1] <= found.kernel


# --- where the initrd goes ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("kernel", BOTH_ENTRIES)
def test_initrd_stays_where_it_may(case, kernel):
    vm = guarded(case, kernel).run()
    assert GuestReport(vm.text).initrd == (INITRD_AT, INITRD_AT + len(INITRD))


@pytest.mark.parametrize("initrd_at", [INITRD_AT + 1, INITRD_AT + 4095])
def test_unaligned_initrd_is_moved_to_a_page(case, initrd_at):
    world = guarded(case)
    world.initrd_at = initrd_at
    assert GuestReport(world.run().text).initrd[0] % 4096 == 0


def test_initrd_above_its_limit_is_moved_below(case):
    """initrd_addr_max of this kernel is 48 MiB - 1."""
    assert GuestReport(guarded(case, "zp32-lowinitrd").run().text).initrd[1] <= 48 * MIB


def world_with_little_low_memory(case, kernel):
    """
    Below 4 GiB the initrd fits only where it is, and there it cannot stay, because it does not begin at a page.
    """
    initrd = random.Random(2).randbytes(9 * MIB)
    world = BerthWorld(case, kernel, memory=5 * GIB, initrd=initrd)
    world.initrd_at = 64 * MIB + 0x400
    world.entries = [(0, 0x9FC00, mb2.RAM), (BASE, 2 * MIB, mb2.RAM), (PREFERRED, 7 * MIB, mb2.RAM),
                     (world.initrd_at, len(initrd), mb2.RAM), (KERNEL_AT, MIB, mb2.RAM), (4 * GIB, 2 * GIB, mb2.RAM)]
    world.poison = [(BASE, 2 * MIB), (PREFERRED, 7 * MIB)]
    return world


def test_initrd_goes_above_4g_when_there_is_no_room_below(case):
    found = GuestReport(world_with_little_low_memory(case, "zp64").run().text)
    assert found.initrd[0] >= 4 * GIB


@pytest.mark.parametrize("kernel", ["zp64-low4g", "zp32"])
def test_initrd_does_not_go_above_4g_where_the_kernel_forbids(case, kernel):
    """The largest suitable hole is the one it lies in, less the bytes before its first page boundary."""
    expect_error(world_with_little_low_memory(case, kernel), NO_ROOM_INITRD.format(4 * KIB - 0x400))


@pytest.mark.parametrize("seed", range(6))
def test_fragmented_memory(case, seed):
    """Random reservations all over low memory, each with a canary: all is placed, and none of them changes."""
    rng = random.Random(seed)
    world = guarded(case, rng.choice(BOTH_ENTRIES))
    taken = [(BASE, 2 * MIB), (46 * MIB, 8 * MIB), (KERNEL_AT, MIB), (INITRD_AT, MIB)]
    for _ in range(20):
        start, length = rng.randrange(2 * MIB, 240 * MIB) & ~0xFFF, rng.choice([1, 3, 64]) * 4 * KIB
        if all(start + length <= at or start >= at + size for at, size in taken):
            taken.append((start, length))
            world.entries.append((start, length, rng.choice([mb2.RESERVED, mb2.ACPI_NVS, mb2.ACPI_RECLAIM])))
            world.words.append(world.canary(start, length))
    rng.shuffle(world.entries)
    world.run()


# --- memory map ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("islands", [60, 61, 62, 100, 500, 1000])
@pytest.mark.parametrize("kernel", BOTH_ENTRIES)
def test_long_maps_arrive_whole(case, kernel, islands):
    world = guarded(case, kernel)
    reserved = [(130 * MIB + i * 16 * KIB, 4 * KIB, mb2.RESERVED) for i in range(islands)]
    world.entries += reserved
    count = len(firmware_map(256 * MIB)) + 2 * islands
    world.words.append(f"e820={count}")
    found = GuestReport(world.run().text).e820
    assert len(found) == count
    assert [entry for entry in found if 130 * MIB <= entry[0] < 150 * MIB and entry[2] == mb2.RESERVED] == \
        [(start, start + length, kind) for start, length, kind in reserved]


def test_more_pieces_of_ram_than_can_be_held_lose_the_smallest(case):
    world = guarded(case)
    low, rest = [entry for entry in world.entries if entry[0] < MIB], (MIB, 199 * MIB, mb2.RAM)
    world.entries = [(201 * MIB + i * 8 * KIB, 4 * KIB, mb2.RAM) for i in range(6500)] + low + [rest]
    vm = world.run()
    found = GuestReport(vm.text).e820
    assert 3000 < len(found) < 6500 and (MIB, 200 * MIB, mb2.RAM) in found and found[0] == (0, 0x9FC00, mb2.RAM)
    assert len(vm.log.warnings) == 1 and "were left out" in vm.log.warnings[0]


def test_kernel_too_old_for_an_extension_gets_the_first_128_entries(case):
    """Before protocol 2.09 there is no set-up data: what does not fit is left out, with a warning."""
    world = guarded(case, "zp32-206")
    world.words.append("map=cut")
    world.entries += [(130 * MIB + i * 16 * KIB, 4 * KIB, mb2.RESERVED) for i in range(100)]
    vm = world.run()
    assert len(GuestReport(vm.text).e820) == 128
    assert any("128" in warning for warning in vm.log.warnings), vm.log.warnings


# --- command line -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("length", [0, 1, 2046, 2047])
def test_command_line_of_any_length_arrives(case, length):
    world = BerthWorld(case)
    text = ("w" * 63 + " ") * 40
    world.kernel_words = lambda: text[:length]
    vm = world.run()
    assert GuestReport(vm.text).cmdline == text[:length] and vm.log.warnings == []


def test_command_line_too_long_is_cut_with_a_warning(case):
    world = BerthWorld(case)
    text = ("w" * 63 + " ") * 40
    world.kernel_words = lambda: text
    vm = world.run()
    assert GuestReport(vm.text).cmdline == text[:2047]
    assert vm.log.warnings == ["the kernel takes only the first 2047 characters of its command line"]


@pytest.mark.parametrize("text", ["  leading", "trailing  ", "two  blanks", '"quoted blanks" \'x\'', "tab\there",
                                  "back\\slash", "\x80\xff high"])
def test_command_line_arrives_byte_for_byte(case, text):
    world = BerthWorld(case)
    world.kernel_words = lambda: text
    assert GuestReport(world.run().text).cmdline == text


# --- screen and ACPI ----------------------------------------------------------------------------------------------
LINEAR = "type 35 mode 0 cols 0 lines 0 points 0"
FRAMEBUFFERS = {
    "1024x768x32": (mb2.framebuffer(0xFD000000, 1024, 768, 4096, 32),
                    f"{LINEAR} width 1024 height 768 depth 32 pitch 4096 size 48 red 16/8 green 8/8 blue 0/8 "
                    "reserved 24/8 base 0xfd000000"),
    "800x600x16, 5-6-5": (mb2.framebuffer(0xFD000000, 800, 600, 1600, 16, colours=((11, 5), (5, 6), (0, 5))),
                          f"{LINEAR} width 800 height 600 depth 16 pitch 1600 size 15 red 11/5 green 5/6 blue 0/5 "
                          "reserved 0/0 base 0xfd000000"),
    "640x480x24, padded lines": (mb2.framebuffer(0xE0000000, 640, 480, 2048, 24),
                                 f"{LINEAR} width 640 height 480 depth 24 pitch 2048 size 15 red 16/8 green 8/8 "
                                 "blue 0/8 reserved 0/0 base 0xe0000000"),
    "above 4 GiB": (mb2.framebuffer(0x8000000000, 1920, 1080, 7680, 32),
                    f"{LINEAR} width 1920 height 1080 depth 32 pitch 7680 size 127 red 16/8 green 8/8 blue 0/8 "
                    "reserved 24/8 base 0x8000000000"),
}


@pytest.mark.parametrize("name", FRAMEBUFFERS, ids=dashed)
@pytest.mark.parametrize("kernel", BOTH_ENTRIES)
def test_frame_buffers_arrive(case, kernel, name):
    world = guarded(case, kernel)
    tag, expected = FRAMEBUFFERS[name]
    world.extra_tags = [tag]
    assert GuestReport(world.run().text).screen == expected


def test_text_screen_of_another_size_arrives(case):
    world = guarded(case)
    world.extra_tags = [mb2.framebuffer(0xB8000, 132, 43, 264, 16, mb2.FRAMEBUFFER_TEXT)]
    assert GuestReport(world.run().text).screen.startswith("type 1 mode 3 cols 132 lines 43 ")


def test_without_a_word_on_the_screen_a_bios_shows_text(case):
    assert GuestReport(guarded(case).run().text).screen.startswith("type 1 mode 3 cols 80 lines 25 points 16 ")


ABSURD_SCREENS = {
    "no address": mb2.framebuffer(0, 1024, 768, 4096, 32),
    "no size": mb2.framebuffer(0xFD000000, 0, 0, 0, 32),
    "pitch too small": mb2.framebuffer(0xFD000000, 1024, 768, 100, 32),
    "too wide": mb2.framebuffer(0xFD000000, 100000, 768, 400000, 32),
    "in RAM": mb2.framebuffer(64 * MIB, 1024, 768, 4096, 32),
    "colours too large": mb2.framebuffer(0xFD000000, 1024, 768, 4096, 32, colours=((0, 200), (200, 8), (3, 255))),
    "depth 0": mb2.framebuffer(0xFD000000, 1024, 768, 4096, 0),
    "unknown type": mb2.framebuffer(0xFD000000, 1024, 768, 4096, 32, kind=77),
    "palette": mb2.framebuffer(0xFD000000, 1024, 768, 1024, 8, mb2.FRAMEBUFFER_INDEXED),
    "text of no size": mb2.framebuffer(0xB8000, 0, 0, 0, 16, mb2.FRAMEBUFFER_TEXT),
    "text too large": mb2.framebuffer(0xB8000, 1000, 1000, 2000, 16, mb2.FRAMEBUFFER_TEXT),
}


@pytest.mark.parametrize("name", ABSURD_SCREENS, ids=dashed)
def test_absurd_screens_are_not_handed_on(case, name):
    """The guest refuses a screen that cannot be; Berth has to give none, or one that can be."""
    world = guarded(case)
    world.extra_tags = [ABSURD_SCREENS[name]]
    world.run()


def test_rsdp_is_found_in_the_bios_area(case):
    world = guarded(case)
    world.words.append("rsdp=some")
    world.run()


def test_machine_without_acpi_gets_no_rsdp(case):
    world = guarded(case)
    world.words.append("rsdp=none")
    world.run(machine="isapc", cpu="qemu64")


def test_rsdp_copy_that_matches_nothing_is_not_made_up(case):
    world = guarded(case)
    copy = bytearray(b"RSD PTR \0OEMID \2" + struct.pack("<IIQB3x", 0x1000, 36, 0x2000, 0))
    world.extra_tags = [mb2.tag(mb2.TAG_RSDP_NEW, bytes(copy))]
    vm = world.run()
    assert GuestReport(vm.text).rsdp == 0
