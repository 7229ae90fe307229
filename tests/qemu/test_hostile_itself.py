"""The hostile firmware program finds what it is there to find: the offender breaks one rule each time and is caught.

Without this, a hook that is never reached would look like a boot that keeps every rule.
"""
import re

import berth_qemu
import pytest
from hostile import (BOOT_DATA, CONVENTIONAL, GUEST_PASS, MIB, PAGE, RESERVED, RETURNED, RUNTIME_DATA, DirectPath,
                     Hostile)

# Each row boots a firmware: seconds.
pytestmark = pytest.mark.sample(1)

CANARY_AT = 64 * MIB


class OffenderPath(DirectPath):
    """offender.efi in Berth's place; its load options name the offence."""

    def __init__(self, offence):
        self.offence = offence

    def files(self, hostile):
        return {"EFI/BOOT/NEXT.EFI": hostile.image}

    def script(self, hostile):
        options = [f"options good {self.offence}"] if self.offence else []
        return [*hostile.early, f"load {hostile.source}", *options, *hostile.lines, *hostile.late]

    def image(self, case):
        path = case.build / "efi" / "offender-x64.efi"
        assert path.exists(), f"{path} is missing: run `make hostile`"
        return path

    def exits_by_itself(self, _):
        return True


def offender(case, offence, *lines):
    hostile = Hostile(case, OffenderPath(offence))
    hostile.lines = list(lines)
    return hostile


def span(start, end):
    return f"{start:#x}-{end:#x}"


TAKE_CANARY = f"take {BOOT_DATA} {span(CANARY_AT, CANARY_AT + MIB)}"
CAUGHT = {
    "misaligned": ("rules", "VIOLATION FreePool called from .* misaligned stack"),
    "backwards": ("rules", "VIOLATION FreePool called from .* direction flag"),
    "pool": ("exit 1 1 strict", "VIOLATION AllocatePool called from .* after a failed ExitBootServices"),
    "text": ("exit 1 1 strict", "VIOLATION OutputString called from .* after a failed ExitBootServices"),
    "time": ("exit 1 1 strict", "VIOLATION GetTime called from .* after a failed ExitBootServices"),
    "early-canary": (TAKE_CANARY, "VIOLATION canary in the page at 0x4000000, type 0x4, is changed at Exit"),
    "odd-type": ("rules", "VIOLATION AllocatePages asks for memory of type 0x80000001"),
    "free-page": ("watch", "VIOLATION a free page, at .*, has been written before GetMemoryMap is called"),
    "firmware-code": ("checksum", "VIOLATION the firmware's code in .* is changed"),
    "write-text": ("protect", "!!!! X64 Exception Type - 0E"),
    "execute-data": ("no-execute all", "!!!! X64 Exception Type - 0E"),
    "execute-pool": ("no-execute later", "!!!! X64 Exception Type - 0E"),
    "behind-options": ("rules", "!!!! X64 Exception Type - 0E"),
}


@pytest.mark.parametrize("offence", CAUGHT)
def test_an_offence_is_caught(case, offence):
    line, message = CAUGHT[offence]
    with pytest.raises(berth_qemu.MachineError, match=message):
        offender(case, offence, line).run()


# The page behind the options is always missing; and with DF set this firmware dies.
CAUGHT_BY_LOOKING = [offence for offence in CAUGHT if offence not in ("behind-options", "backwards")]


@pytest.mark.parametrize("offence", CAUGHT_BY_LOOKING)
def test_an_offence_passes_where_nobody_looks(case, offence):
    """So it is the program that catches it, not the firmware."""
    outcome = offender(case, offence).run()
    assert outcome.status == GUEST_PASS


@pytest.mark.parametrize("offence, line, page", [
    ("late-canary", f"take {RUNTIME_DATA} {span(CANARY_AT, CANARY_AT + MIB)}", CANARY_AT),
    ("kept", f"keep {RUNTIME_DATA} {span(16 * MIB, 18 * MIB)}", 16 * MIB)])
def test_a_write_after_boot_services_is_found(case, offence, line, page):
    with pytest.raises(AssertionError, match=f"1 taken pages are changed, from {page:#x} on"):
        offender(case, offence, line).run()


def test_what_boot_services_data_holds_does_not_matter_after_them(case):
    assert offender(case, "late-canary", TAKE_CANARY).run().status == GUEST_PASS


def test_a_good_program_meets_everything_and_passes(case):
    lines = ["rules", "watch", "checksum", "exit 5 200 strict", "map reversed", "map zero", "map far", "protect",
             "no-execute all", f"take {RUNTIME_DATA} {span(2 * MIB, 6 * MIB)}"]
    outcome = offender(case, "nothing", *lines).run()
    assert outcome.status == GUEST_PASS
    assert outcome.taken_pages == 4 * MIB // PAGE
    assert outcome.calls["GetMemoryMap"] == 6 and outcome.calls["ExitBootServices"] == 6
    assert len(outcome.said("protect: ")) >= 3


def test_registers_are_poisoned(case):
    outcome = offender(case, "registers", "rules").run()
    assert "OFFENDER rcx=0xdeadbeefdeadbeef" in outcome.text


def test_a_status_that_comes_back_is_seen(case):
    outcome = offender(case, "return").run()
    assert outcome.status == RETURNED
    assert outcome.said("next: ")[0].startswith("returned status=0x8000000000000009")


def described(outcome):
    return dict(word.split("=") for word in re.findall(r"[\w-]+=\w+", " ".join(
        line for line in outcome.text.splitlines() if line.startswith("OFFENDER"))))


def test_a_firmware_left_alone(case):
    found = described(offender(case, "describe").run())
    assert found["empty"] == found["backwards"] == found["far"] == found["allocate"].removeprefix("0x") == "0"
    assert "0x0" not in (found["con-in"], found["con-out"], found["std-err"])


def test_the_map_that_is_told(case):
    lines = ["map reversed", "map zero", "map far",
             f"take {RESERVED} {span(2 * MIB, 3 * MIB)} as {CONVENTIONAL} runtime"]
    outcome = offender(case, "describe", *lines).run()
    found = described(outcome)
    entries = int(found["entries"])
    assert int(found["empty"]) == entries // 2
    assert int(found["backwards"]) >= entries // 2 - 2
    # The descriptor of no page behind the last page of all begins at zero.
    assert int(found["far"]) == 3
    shown = re.findall(r"^OFFENDER at 2 MiB type=0x7 attribute=0x8\w+ pages=256$", outcome.text, re.MULTILINE)
    assert len(shown) == 1, outcome.text


@pytest.mark.parametrize("times, refused", [(1, 1), (0, 0)])
def test_an_allocation_is_refused(case, times, refused):
    outcome = offender(case, "describe", f"refuse {times}").run()
    assert (described(outcome)["allocate"] == "0x800000000000000e") == bool(refused)
    assert outcome.said("refused=") == [str(refused)]


def test_consoles_are_null(case):
    found = described(offender(case, "describe", "console all").run())
    assert (found["con-in"], found["con-out"], found["std-err"]) == ("0x0", "0x0", "0x0")


def test_an_image_from_a_buffer_has_no_device(case):
    hostile = offender(case, "describe")
    hostile.source = "buffer"
    assert described(hostile.run())["device"] == "0x0"


@pytest.mark.parametrize("form, pointer, size", [("null", False, 64), ("zero", True, 0)])
def test_load_options_without_text(case, form, pointer, size):
    found = described(offender(case, "", f"options {form}").run())
    assert (found["options"] != "0x0") == pointer
    assert int(found["bytes"], 16) == size


@pytest.mark.parametrize("form, size", [("odd", 17), ("unterminated", 16), ("binary", 40), ("huge", 0x7FFFFFFE),
                                        ("characters", 30)])
def test_load_options_with_text(case, form, size):
    """The text is \"describe\", and readable to its end; a binary form begins with other bytes."""
    outcome = offender(case, "", f"options {form} describe").run()
    assert outcome.said("options: ")[0].startswith(f"{form}, {size:#x} bytes")
    assert (described(outcome) == {}) == (form == "binary")
