"""Berth boots on firmware whose memory conflicts and whose services misbehave; no byte that is not Berth's is written.

Each case runs on each path of hostile.PATHS, with a pattern in every page that the program under it has taken: boots()
compares them when the guest has ended, and the guest's map with what was taken. The words are in tests/efi/script.c.
"""
import re

import pytest
from berth_qemu import LinuxReport
from hostile import (ACPI_NVS, ACPI_RECLAIM, BOOT_DATA, CONVENTIONAL, FREE_AFTER_EXIT, GIB, GRUB_LOW_ROOM, LOADER_DATA,
                     MIB, MORE_PATHS, PAGE, PATHS, PERSISTENT, RESERVED, RETURNED, RUNTIME_CODE, RUNTIME_DATA,
                     UNACCEPTED, Hostile, megabytes)
from uefi import built

# Each row boots a firmware: seconds.
pytestmark = pytest.mark.sample(1)

TYPES = {"reserved": RESERVED, "boot-services-data": BOOT_DATA, "runtime-data": RUNTIME_DATA, "acpi-nvs": ACPI_NVS}

# Just large enough: three slots of 2 MiB for the guest's 6 MiB, and one for Berth or what its loader needs.
HOLE = 8 * MIB
ONE_PROCESSOR = ["no page of RAM between 4 KiB and 1 MiB: other processors cannot be started, and Linux may panic for "
                 "want of a trampoline"]
HOLE_PLACES = [24, 32, 48, 64, 80, 96, 112, 128, 160, 200]


@pytest.fixture(params=PATHS)
def hostile(request, case):
    return Hostile(case, request.param)


def span(start, end):
    return f"{start:#x}-{end:#x}"


def hole(start, size):
    return f"hole {span(start, start + size)}"


# --- nothing changed ------------------------------------------------------------------------------------------------
def test_a_firmware_left_alone_but_watched(hostile):
    hostile.lines = ["checksum"]
    outcome = hostile.boots()
    assert outcome.log.boot["firmware"] == "uefi64"
    assert outcome.log.warnings == []
    assert int(re.search(r"\d+", outcome.said("checksum: code of ")[0])[0]) > 20
    assert outcome.calls["ExitBootServices"] >= 1


def test_the_kernel_is_told_where_the_acpi_tables_are(hostile):
    hostile.kernel_cmdline += " rsdp=some"
    hostile.boots()


# --- memory that is taken -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("end", [16 * MIB, 32 * MIB], ids=["2-16M", "2-32M"])
@pytest.mark.parametrize("type_name", TYPES)
def test_low_memory_is_taken(hostile, type_name, end):
    kind = TYPES[type_name]
    stays = kind not in FREE_AFTER_EXIT
    hostile.lines = [f"take {kind} {span(2 * MIB, end)}"] + [f"keep {kind} {span(2 * MIB, end)}"] * stays
    outcome = hostile.boots()
    # OVMF has 13 MiB of its own there.
    assert outcome.taken_pages > (end - 15 * MIB) // PAGE
    assert outcome.is_ram(2 * MIB, end) != stays


def test_linux_lives_when_2_to_32_mib_is_taken(hostile):
    hostile.lines = [f"{verb} {RUNTIME_DATA} {span(2 * MIB, 32 * MIB)}" for verb in ("take", "keep")]
    hostile.boots_linux()


@pytest.mark.slow
def test_linux_that_chooses_its_place_at_random_finds_no_taken_one(hostile):
    """Much of the memory is taken. Linux chooses by the firmware's map, and then uses what the other one says."""
    hostile.memory = "1G"
    taken = [(start * MIB, (start + 128) * MIB) for start in (128, 384, 640)]
    hostile.lines = [f"take {RUNTIME_DATA} {span(*area)}" for area in taken]
    places = set()
    for _ in range(6):
        outcome = hostile.boots_linux()
        assert outcome.taken_pages == 3 * 128 * MIB // PAGE
        report = LinuxReport(outcome.text)
        ram = [(start, start + size) for start, size, kind in report.e820 if kind == 1]
        assert not [area for area in taken for start, end in ram if area[0] < end and start < area[1]]
        places.add(*report["kernel_at"])
    assert len(places) > 2, f"always at {places}"


@pytest.mark.parametrize("start_mib", HOLE_PLACES)
def test_everything_below_4_gib_is_taken_but_one_hole(hostile, start_mib):
    hostile.lines = hostile.take_all(RUNTIME_DATA, hole(start_mib * MIB, HOLE))
    outcome = hostile.boots()
    assert outcome.taken_pages * PAGE > megabytes(hostile.memory) * 6 // 10
    ram = sum(min(end, 4 * GIB) - start for start, end, kind in outcome.e820 if kind == 1 and start < 4 * GIB)
    assert ram < HOLE + 4 * MIB, "more was left than the hole and what the programs before Berth had"


@pytest.mark.parametrize("start", [0x2001000, 0x4FFF000, 0x63FE000])
def test_the_one_hole_is_aligned_to_4_kib_only(hostile, start):
    hostile.lines = hostile.take_all(RESERVED, hole(start, HOLE + 2 * MIB))
    hostile.boots()


def test_memory_below_1_mib_is_reserved(hostile):
    """Behind a GRUB that has exited boot services, GRUB itself needs some of it."""
    low = "" if hostile.exits_by_itself else GRUB_LOW_ROOM
    hostile.lines = [f"take {RESERVED} {span(0, MIB)} {low}"]
    outcome = hostile.boots()
    assert outcome.taken_pages > 0x80
    assert not outcome.is_ram(0x9000, MIB)
    assert outcome.log.warnings == (ONE_PROCESSOR if hostile.exits_by_itself else [])


def test_linux_without_memory_below_1_mib(case):
    """Linux 6.1 does not live without that page, whoever starts it; it does come to say so itself."""
    hostile = Hostile(case, "direct").linux()
    hostile.lines = [f"take {RESERVED} {span(0, MIB)}"]
    outcome = hostile.run(until=r"Kernel panic - not syncing: .*\n")
    assert "Kernel panic - not syncing: Real mode trampoline was not allocated\n" in outcome.text
    assert outcome.log.warnings == ONE_PROCESSOR


def test_memory_below_1_mib_is_free_after_boot_services(hostile):
    hostile.lines = [f"take {BOOT_DATA} {span(0, MIB)}"]
    outcome = hostile.boots()
    assert outcome.taken_pages > 0x90
    assert outcome.is_ram(PAGE, 0x90000)
    assert outcome.log.warnings == []


@pytest.mark.parametrize("page, kind", [(0, None), (0x9F000, None), (0x9F000, BOOT_DATA)])
def test_one_page_below_1_mib_is_enough_unless_it_is_the_first(hostile, page, kind):
    if not hostile.exits_by_itself:
        pytest.skip("GRUB itself needs more, where it ends boot services")
    hostile.lines = [f"take {RESERVED} {span(0, MIB)} hole {span(page, page + PAGE)}"]
    hostile.lines += [f"take {kind} {span(page, page + PAGE)}"] * (kind is not None)
    outcome = hostile.boots()
    assert outcome.is_ram(page, page + PAGE)
    assert outcome.log.warnings == ([] if page else ONE_PROCESSOR)


def test_one_runtime_page_in_every_mib_below_256_mib(hostile):
    hostile.memory = "512M"
    hostile.lines = [f"every {MIB:#x} {RUNTIME_DATA} {span(0, 256 * MIB)}"]
    assert hostile.boots().taken_pages > 230


@pytest.mark.parametrize("pages", [1500, 3500])
def test_alternating_descriptors_of_one_page(hostile, pages):
    hostile.memory = "512M"
    hostile.lines = [f"every {2 * PAGE:#x} {RESERVED} {span(64 * MIB, 64 * MIB + pages * PAGE)}"]
    assert hostile.boots().taken_pages == pages // 2


# --- what the map says ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("lies", [["reversed"], ["zero"], ["far"], ["reversed", "zero", "far"]], ids="-".join)
def test_map_lies(hostile, lies):
    hostile.lines = [f"map {lie}" for lie in lies] + [f"take {RUNTIME_DATA} {span(2 * MIB, 6 * MIB)}"]
    outcome = hostile.boots()
    assert not outcome.is_ram(2 * MIB, 6 * MIB)
    assert not outcome.is_ram(4 << 30, 1 << 64)


@pytest.mark.parametrize("shown", [f"{PERSISTENT}", f"{UNACCEPTED}", f"{0x70000000:#x}", f"{0x80000001:#x}",
                                   f"{CONVENTIONAL} runtime", f"{BOOT_DATA} runtime", f"{LOADER_DATA} runtime"])
def test_types_and_attributes_that_are_not_ram(hostile, shown):
    hostile.lines = [f"take {RESERVED} {span(2 * MIB, 6 * MIB)} as {shown}"]
    outcome = hostile.boots()
    assert outcome.taken_pages == 4 * MIB // PAGE
    assert not outcome.is_ram(2 * MIB, 6 * MIB)


@pytest.mark.parametrize("kind", [RUNTIME_CODE, ACPI_RECLAIM])
def test_other_types_of_the_firmware(hostile, kind):
    hostile.lines = [f"take {kind} {span(2 * MIB, 6 * MIB)}"]
    assert not hostile.boots().is_ram(2 * MIB, 6 * MIB)


# --- what is needed of boot-services memory when they have ended ------------------------------------------------------
# Where the kernel would be if it were free: Linux asks for 16 MiB and 30 MiB from there on.
ESRT_AT, CODE_AT = 24 * MIB, 26 * MIB
SET_VIRTUAL_ADDRESS_MAP_CALLED = 0xB007  # tests/efi/stubs-x64.S


def test_tables_and_code_in_boot_services_memory_survive(hostile):
    """Linux keeps an ESRT that lies there, and lets SetVirtualAddressMap run through such code: who starts Linux must
    leave both alone. The code says that it ran by a number in the table; the others are those of tests/efi/tables.c."""
    hostile.lines = [f"esrt {ESRT_AT:#x}", f"virtual-map {CODE_AT:#x}"]
    outcome = hostile.boots_linux(initrd=built(hostile.case, "initrd-efi.gz"))
    wanted = {"fw_resource_count": 2, "fw_resource_count_max": 2, "fw_resource_version": 1}
    for entry, status in (0, SET_VIRTUAL_ADDRESS_MAP_CALLED), (1, 204):
        first = 100 * (entry + 1)
        wanted |= {f"entries/entry{entry}/{name}": value for name, value in (
            ("fw_class", f"0000000{entry + 1}-1234-5678-0102-030405060708"), ("fw_type", 2), ("fw_version", first),
            ("lowest_supported_fw_version", first + 1), ("capsule_flags", f"{first + 2:#x}"),
            ("last_attempt_version", first + 3), ("last_attempt_status", status))}
    esrt = dict(line.removeprefix("./").split(":") for line in LinuxReport(outcome.text)["esrt"])
    assert esrt == {name: str(value) for name, value in wanted.items()}


# --- services that fail ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("failures, growth", [(1, 1), (1, 200), (2, 8), (3, 200), (4, 1), (5, 8), (5, 200)])
def test_exit_boot_services_fails_while_the_map_grows(hostile, failures, growth):
    """Once it has failed, a program may call nothing but GetMemoryMap and ExitBootServices. GRUB 2.06 calls others,
    and has no room for many new descriptors: where GRUB exits, only what GRUB can do is asked for."""
    strict = " strict"
    if not hostile.exits_by_itself:
        growth, strict = min(growth, 8), ""
    hostile.late = [f"exit {failures} {growth}{strict}"]
    outcome = hostile.boots()
    assert len(outcome.said("exit: call .* fails")) == failures
    for grew in outcome.said("exit: call .* fails, descriptors "):
        before, after = (int(count) for count in grew.split(" -> "))
        assert after >= before + growth


@pytest.mark.parametrize("times", [1, 3, 1000])
def test_allocations_at_an_address_are_refused(hostile, times):
    hostile.lines = [f"refuse {times}"]
    outcome = hostile.boots()
    # GRUB wants its image at an address; berth.efi takes what it gets, and is refused nothing.
    if hostile.path == "grub":
        refused = int(outcome.said("refused=")[0])
        assert 1 <= refused <= times


@pytest.mark.parametrize("address", [0, 0x8000000, 0x140000000], ids=hex)
def test_frame_buffer_at_zero_or_in_ram(hostile, address):
    hostile.memory, hostile.vga = "6G", "std"
    hostile.lines = [f"frame-buffer {address:#x}"]
    outcome = hostile.boots()
    assert outcome.said("frame-buffer: ")
    screen = re.search(r"^SCREEN type (\d+) .* base (0x\w+)$", outcome.text, re.MULTILINE)
    assert int(screen[2], 16) == 0, screen[0]


@pytest.mark.parametrize("console", ["out", "err", "in", "all"])
def test_consoles_are_missing(hostile, console):
    hostile.late = [f"console {console}"]
    hostile.boots()


# --- how services are called, and what protects memory --------------------------------------------------------------
def test_services_are_called_by_the_rules(hostile):
    hostile.late = ["rules", "checksum"]
    calls = hostile.boots().calls
    assert calls["GetMemoryMap"] >= 1 and calls["ExitBootServices"] >= 1
    if hostile.exits_by_itself:
        assert calls["AllocatePages"] >= 1


def test_nothing_is_written_that_is_not_allocated(hostile):
    """While boot services are alive, by the processor's own marks: every page that is nobody's stays untouched. (The
    firmware's file system uses such pages: so the program gets everything as sections.)"""
    hostile.source, hostile.late = "buffer", ["watch"]
    outcome = hostile.boots()
    assert int(outcome.said("watch: ")[0].split()[0]) * PAGE > megabytes(hostile.memory) // 2


@pytest.mark.parametrize("hostile", ["direct"], indirect=True)
def test_nothing_is_written_that_is_not_allocated_where_an_image_above_4_gib_goes_on_below(hostile):
    hostile.memory, hostile.source = "5G", "buffer"
    hostile.move_image(0x1_2000_0000)
    hostile.late = ["watch"]
    assert hostile.boots().log.boot["moved-by"] == "self"


def test_rules_hold_when_exit_boot_services_fails_and_the_map_lies(hostile):
    strict = " strict" if hostile.exits_by_itself else ""
    hostile.lines = ["map reversed", "map zero", "map far", f"every {MIB:#x} {RUNTIME_DATA} {span(0, 64 * MIB)}"]
    hostile.late = ["rules", f"exit 2 20{strict}"]
    hostile.boots()


@pytest.mark.parametrize("hostile", ["direct"], indirect=True)
def test_loader_data_is_not_executable(hostile):
    """GRUB runs its relocator in loader data, also in pages that it takes last: it does not live to start anything."""
    hostile.late = ["no-execute all"]
    hostile.boots()


def test_next_image_comes_from_a_buffer_and_has_no_device(hostile):
    hostile.source = "buffer"
    hostile.boots()


# GRUB reads no load options, and what it loads is no PE image: these concern berth.efi alone.
direct_only = pytest.mark.parametrize("hostile", [path for path in PATHS if path != "grub"], indirect=True)


@direct_only
def test_sections_are_what_their_flags_say(hostile):
    hostile.lines = ["protect", "no-execute all"]
    outcome = hostile.boots()
    assert len(outcome.said("protect: ")) >= 3


@direct_only
@pytest.mark.parametrize("form", ["good", "odd", "unterminated", "binary", "huge", "characters"])
def test_load_options_in_broken_forms_name_the_configuration(hostile, form):
    hostile.config_name = "other.cfg"
    hostile.lines = [f"options {form} -cfg=other.cfg"]
    hostile.boots()


@direct_only
@pytest.mark.parametrize("form", ["null", "dashes", "zero"])
def test_load_options_that_say_nothing(hostile, form):
    hostile.lines = [f"options {form}"]
    hostile.boots()


# --- other ways to Berth: the cases that tell most ------------------------------------------------------------------
def low_memory(hostile):
    hostile.lines = [f"{verb} {RUNTIME_DATA} {span(2 * MIB, 32 * MIB)}" for verb in ("take", "keep")]
    assert hostile.boots().taken_pages > 12 * MIB // PAGE


def failing_exit(hostile):
    hostile.late = ["exit 3 20 strict"]
    assert len(hostile.boots().said("exit: call .* fails")) == 3


def lying_map(hostile):
    hostile.lines = ["map reversed", "map zero", "map far", f"take {RUNTIME_DATA} {span(2 * MIB, 6 * MIB)}"]
    assert not hostile.boots().is_ram(4 << 30, 1 << 64)


# Not all but one hole: GRUB for 32 bits finds no place for any image in 16 MiB.
@pytest.mark.parametrize("conflict", [low_memory, failing_exit, lying_map])
@pytest.mark.parametrize("hostile", MORE_PATHS, indirect=True)
def test_other_ways(hostile, conflict):
    conflict(hostile)


# --- errors ---------------------------------------------------------------------------------------------------------
# Pages that the firmware itself keeps for what it has learned, of disks and handles.
FIRMWARES_OWN = 4


def back_in_firmware(outcome):
    """One error, on COM1 and on the firmware's console, which goes there, too; then the caller goes on, with a status.
    Returns how many pages more are in use than before the program was loaded."""
    assert len(outcome.log.errors) == 2 and len(set(outcome.log.errors)) == 1, outcome.text[-2000:]
    assert outcome.calls["OutputString"] >= 1
    assert outcome.status == RETURNED and "GUEST" not in outcome.text
    status, free = re.match(r"returned status=(0x\w+) .* free-pages-after=(\d+)", outcome.said("next: ")[0]).groups()
    assert int(status, 16) >> 63 == 1
    return int(outcome.said("firmware: ")[0].split()[0]) - outcome.taken_pages - int(free)


def test_no_room_at_all(hostile):
    """An error in words, and the way back to the firmware: nothing that Berth allocated stays so."""
    hostile.kernel = hostile.case.guest("zp64-huge.bzimage")
    hostile.lines = hostile.take_all(RESERVED, hole(64 * MIB, HOLE))
    lost = back_in_firmware(hostile.run())
    # GRUB gives nothing back.
    assert lost <= FIRMWARES_OWN or hostile.path == "grub"


WRONG = {"load options too long": (f"options good {'x' * 4200}", "the load options have 4096 characters or more - "),
         "no such configuration": ("options good -cfg=none.cfg", 'the configuration "none.cfg" is not there - '),
         "another image": ("another-image", "the firmware names another image than the one that runs - ")}


@direct_only
@pytest.mark.parametrize("line, words", WRONG.values(), ids=WRONG)
def test_what_is_said_of_the_image_is_wrong(hostile, line, words):
    hostile.lines = [line]
    outcome = hostile.run()
    back_in_firmware(outcome)
    assert outcome.log.errors[0].startswith(words)


@direct_only
def test_no_room_for_a_file(hostile):
    hostile.linux()
    hostile.lines = hostile.take_all(RESERVED, hole(64 * MIB, HOLE))
    outcome = hostile.run()
    assert back_in_firmware(outcome) <= FIRMWARES_OWN
    assert re.match(r'no memory below 4 GiB for the file "kernel" of \d+ bytes - ', outcome.log.errors[0])


@direct_only
@pytest.mark.slow
def test_no_room_below_4_gib_for_an_image_above(hostile):
    hostile.memory = "12G"
    hostile.move_image(12 * GIB)
    hostile.lines = hostile.take_all(RESERVED)
    outcome = hostile.run()
    assert back_in_firmware(outcome) <= FIRMWARES_OWN
    assert outcome.log.errors[0].startswith("no room for Berth below 4 GiB - ")


def test_boot_services_that_never_end(hostile):
    """There is no way back once a call has failed."""
    hostile.late = ["exit 40 1 strict"]
    outcome = hostile.run()
    assert outcome.log.errors == ["the firmware does not end its boot services (status 0x8000000000000002) - "
                                  "update the firmware"]
    assert outcome.log.is_halted


ERRORS = {"no kernel": ({"EFI/BOOT/kernel": None}, 'the file "kernel" is not there'),
          "no ramdisk": ({"EFI/BOOT/initrd": None}, 'the file "initrd" is not there'),
          "bad kernel": ({"EFI/BOOT/kernel": bytes(3 * MIB)}, "module 0 is not a Linux kernel")}


@pytest.mark.parametrize("image_base", [None, 0x3_0000_0000], ids=["below 4 GiB", "above 4 GiB"])
@pytest.mark.parametrize("error", ERRORS)
@direct_only
def test_what_was_allocated_is_given_back(hostile, error, image_base):
    """Files that were read, and the copy below 4 GiB of an image above."""
    hostile.changes, words = ERRORS[error]
    if image_base is not None:
        hostile.memory = "12G"
        hostile.move_image(image_base)
    outcome = hostile.run()
    place = int(outcome.said("load: NEXT.EFI from a file at ")[0], 16)
    assert (place >= 4 * GIB) == (image_base is not None)
    assert back_in_firmware(outcome) <= FIRMWARES_OWN
    assert outcome.log.errors[0].startswith(words)
