"""The tools of the matrix, without a machine: page tables made by hand, maps as GRUB prints them, the axes."""
import itertools
import json
import random
import struct
import types

import pytest
from matrix import axes, gdb, pagewalk, record, results, runner, slots, unaligned
from matrix.pagewalk import LARGE, NO_EXECUTE, PRESENT, WRITABLE, Run

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
RW = PRESENT | WRITABLE
ROOT = 0x1000
LINK = 0xFFFF82D040200000


class Tables:
    """Four levels of page tables, made by mapping one page after another; memory is what `read` gives."""

    def __init__(self):
        self.memory = {ROOT: [0] * 512}

    def map(self, va, pa, flags, level=1, on_the_way=RW):
        table = ROOT
        for upper in range(4, level, -1):
            index = va >> pagewalk.LEVEL_SHIFT[upper] & 511
            if not self.memory[table][index]:
                self.memory[table][index] = (ROOT + 0x1000 * len(self.memory)) | on_the_way
                self.memory[self.memory[table][index] & pagewalk.ADDRESS] = [0] * 512
            table = self.memory[table][index] & pagewalk.ADDRESS
        self.memory[table][va >> pagewalk.LEVEL_SHIFT[level] & 511] = pa | flags

    def read(self, pa, count):
        return struct.pack("<512Q", *self.memory[pa])[:count]

    def walk(self):
        return pagewalk.walk(self.read, ROOT)


# --- page tables ----------------------------------------------------------------------------------------------------

def test_pages_of_all_sizes_become_one_run():
    tables = Tables()
    tables.map(0, 0, RW | LARGE, level=3)
    tables.map(GIB, GIB, RW | LARGE, level=2)
    tables.map(GIB + 2 * MIB, GIB + 2 * MIB, RW)
    assert tables.walk() == [Run(0, 0, GIB + 2 * MIB + 4 * KIB, True, True)]


def test_a_gap_and_other_rights_and_another_place_end_a_run():
    tables = Tables()
    for page, pa, flags in ((0, 0, RW), (1, 1, PRESENT), (2, 2, PRESENT | NO_EXECUTE), (3, 9, PRESENT | NO_EXECUTE),
                            (5, 11, PRESENT | NO_EXECUTE)):
        tables.map(LINK + 4 * KIB * page, 4 * KIB * pa, flags)
    assert [(run.va - LINK, run.pa, run.writable, run.executable) for run in tables.walk()] == [
        (0, 0, True, True), (0x1000, 0x1000, False, True), (0x2000, 0x2000, False, False),
        (0x3000, 0x9000, False, False), (0x5000, 0xB000, False, False)]


def test_rights_are_those_of_every_level():
    tables = Tables()
    tables.map(0, 0, RW, on_the_way=PRESENT | NO_EXECUTE)
    assert tables.walk() == [Run(0, 0, 4 * KIB, False, False)]


def test_the_pat_bit_of_a_large_page_is_no_address():
    tables = Tables()
    tables.map(0, 4 * MIB | 1 << 12, RW | LARGE, level=2)
    assert tables.walk()[0].pa == 4 * MIB


def test_high_addresses_are_canonical():
    tables = Tables()
    tables.map(LINK, 0, RW)
    assert tables.walk()[0].va == LINK


def image_tables(base, pages=4):
    tables = Tables()
    for page in range(pages):
        tables.map(LINK + page * 4 * KIB, base + page * 4 * KIB, PRESENT)
    return tables


def test_an_image_mapped_right_gives_no_finding():
    assert pagewalk.image_findings(image_tables(6 * MIB).walk(), LINK, 6 * MIB, 16 * KIB) == []


@pytest.mark.parametrize("page", range(4))
def test_one_page_of_the_image_at_another_place_is_found(page):
    tables = image_tables(6 * MIB)
    tables.map(LINK + page * 4 * KIB, 0x200000 + page * 4 * KIB, PRESENT)
    found, = pagewalk.image_findings(tables.walk(), LINK, 6 * MIB, 16 * KIB)
    assert "mapped wrongly" in found and f"{0x200000 + page * 4 * KIB:#x}" in found


@pytest.mark.parametrize("page", range(4))
def test_one_page_of_the_image_not_mapped_is_found(page):
    tables = image_tables(6 * MIB)
    tables.map(LINK + page * 4 * KIB, 0, 0)
    found, = pagewalk.image_findings(tables.walk(), LINK, 6 * MIB, 16 * KIB)
    assert found == f"the image is not mapped at {LINK + page * 4 * KIB:#x}-{LINK + page * 4 * KIB + 0xFFF:#x}"


def test_what_is_given_back_has_to_be_away_and_the_rest_to_be_there():
    tables = image_tables(6 * MIB)
    tables.map(LINK + 4 * KIB, 0, 0)
    given_back = [(LINK + 4 * KIB, LINK + 8 * KIB)]
    assert pagewalk.image_findings(tables.walk(), LINK, 6 * MIB, 16 * KIB, given_back) == []
    found, = pagewalk.image_findings(image_tables(6 * MIB).walk(), LINK, 6 * MIB, 16 * KIB, given_back)
    assert "given back" in found
    tables.map(LINK + 8 * KIB, 0, 0)
    found, = pagewalk.image_findings(tables.walk(), LINK, 6 * MIB, 16 * KIB, given_back)
    assert found == f"the image is not mapped at {LINK + 8 * KIB:#x}-{LINK + 12 * KIB - 1:#x}"


@pytest.mark.parametrize("moved, expected", [([1, 1], 0), ([1, 0], 1), ([0, 0], 2)])
def test_a_listed_entry_without_the_load_base_is_found(moved, expected):
    before = [0x3000 | RW, 0x5000 | PRESENT]
    after = [entry + 6 * MIB * added for entry, added in zip(before, moved)]
    tables = [struct.pack("<2Q", *entries) for entries in (before, after)]
    in_file, in_memory = (lambda offset, count, table=table: table[offset:offset + count] for table in tables)
    findings = pagewalk.listed_findings([0, 8], in_file, in_memory, 6 * MIB)
    assert len(findings) == expected and all("does not lead to" in finding for finding in findings)


def test_what_is_mapped_beside_ram_is_found():
    ram = [(0, 0x9F000), (MIB, 4 * MIB)]
    assert pagewalk.memory_findings([Run(0, 0, 0x9F000, True, False), Run(0, 2 * MIB, 2 * MIB, True, False)], ram) == []
    for start, size, place in ((0, 0xA0000, 0x9F000), (2 * MIB, 4 * MIB, 4 * MIB), (GIB, 4 * KIB, GIB)):
        found, = pagewalk.memory_findings([Run(0, start, size, True, False)], ram)
        assert found.startswith(f"{place:#x} is mapped")


def test_neighbours_in_the_list_of_ram_are_one_for_a_page_across_them():
    assert pagewalk.outside(0, 4 * MIB, [(2 * MIB, 4 * MIB), (0, 2 * MIB)]) is None


def test_only_a_page_with_both_rights_is_found():
    runs = [Run(0, 0, 4096, writable, executable) for writable in (False, True) for executable in (False, True)]
    assert pagewalk.rights_findings(runs) == [f"writable and executable: {runs[3]}"]


# --- the debug stub -------------------------------------------------------------------------------------------------

def test_a_packet_is_taken_whole_whatever_pieces_it_comes_in():
    stub = gdb.Gdb.__new__(gdb.Gdb)
    pieces = [b"+$O", b"K#", b"9a$T05thread:01;#"]
    stub.buffer, stub.seconds = b"", 1
    stub.connection = types.SimpleNamespace(recv=lambda _: pieces.pop(0))
    assert stub._receive() == b"OK"
    assert stub.buffer == b"$T05thread:01;#"


# --- which slots a loader must refuse -------------------------------------------------------------------------------

BIOS_MAP = """base_addr = 0x0, length = 0x9fc00, available RAM
base_addr = 0xf0000, length = 0x10000, reserved RAM
base_addr = 0x100000, length = 0xfd6e0000, available RAM
READY
"""
EFI_MAP = """\x1b[1;1HType      Physical start  - end             #Pages        Size Attributes
conv-mem  0000000000100000-00000000007fffff 00000700      7MiB UC WC WT WB
ACPI-nvs  0000000000800000-0000000000807fff 00000008     32KiB UC WC WT WB
conv-mem  0000000000900000-00000000009fffff 00000100      1MiB UC WC WT WB
ldr-code  0000000000a00000-0000000000bfffff 00000200      2MiB UC WC WT WB
"""


def test_grubs_lists_of_memory_are_read():
    assert slots.grub_map("bios", BIOS_MAP)[2] == (0x100000, 0xFD7E0000, "available RAM")
    assert slots.grub_map("efi", EFI_MAP)[1] == (0x800000, 0x808000, "ACPI-nvs")
    assert len(slots.grub_map("efi", EFI_MAP)) == 4


@pytest.mark.parametrize("start, end, expected", [
    (0x200000, 0x300000, ""), (0x700000, 0x800000, ""), (0x700000, 0x800001, "the firmware's ACPI-nvs"),
    (0x808000, 0x809000, "no RAM"), (0x980000, 0xB00000, ""), (0xB00000, 0xC00001, "no RAM"),
    (0xF00000, 0xF10000, "no RAM")])
def test_what_stands_in_the_way_is_named(start, end, expected):
    assert slots.obstacle(slots.grub_map("efi", EFI_MAP), start, end, (*slots.EFI_FREE, *slots.EFI_GRUB)) == expected


# --- addresses that are no slot -------------------------------------------------------------------------------------

def world(base, modules=(), entries=((MIB, 63 * MIB, 1), (64 * MIB, 64 * KIB, 2))):
    return types.SimpleNamespace(base=base, entries=entries, modules=lambda: [(at, bytes(n), "") for at, n in modules])


def test_the_place_to_go_is_the_highest_free_slot():
    assert unaligned.highest_slot(world(5 * MIB + 4 * KIB), MIB) == 62 * MIB
    assert unaligned.highest_slot(world(61 * MIB + 4 * KIB), MIB) == 62 * MIB
    assert unaligned.highest_slot(world(5 * MIB + 4 * KIB, [(62 * MIB + MIB - 1, 1)]), MIB) == 60 * MIB
    assert unaligned.highest_slot(world(5 * MIB + 4 * KIB, [(63 * MIB, 1)]), MIB) == 62 * MIB


def test_memory_is_cut_where_neighbours_lie():
    assert unaligned.reserve([(0, MIB, 2), (MIB, 9 * MIB, 1)], 4 * MIB, 5 * MIB) == [
        (0, MIB, 2), (MIB, 3 * MIB, 1), (4 * MIB, MIB, 2), (5 * MIB, 5 * MIB, 1)]


# --- axes -----------------------------------------------------------------------------------------------------------

LOADERS = axes.AXES["loader"]


def test_every_value_that_the_rules_allow_at_all_is_tried_alone():
    tried = {item for case in axes.alone(LOADERS) for item in case.items()}
    assert tried == {(axis, value) for axis, values in axes.AXES.items() for value in values}


def test_every_possible_pair_is_in_a_case_and_every_case_is_allowed():
    cases = axes.all_pairs(random.Random(1), LOADERS)
    covered = {pair for case in cases for pair in axes.pairs_of(case)}
    assert {pair for pair, _ in axes.possible_pairs(LOADERS)} <= covered
    assert [axes.objection(case) for case in cases if axes.objection(case)] == []
    assert len(cases) < 250


def test_the_same_seed_gives_the_same_cases():
    names = [[axes.name_of(case) for case in axes.all_pairs(random.Random(seed), LOADERS[:3])] for seed in (1, 1, 2)]
    assert names[0] == names[1] != names[2]


def test_a_loader_that_is_not_there_is_in_no_case():
    some = ("grub-bios-mb2", "qemu-mb1")
    for cases in (axes.alone(some), axes.all_pairs(random.Random(1), some), axes.products(some)):
        assert {case["loader"] for case in cases} == set(some)


def test_every_loader_runs_on_every_machine_that_it_can():
    cases = axes.on_every_machine(LOADERS)
    pairs = {(case["loader"], case["machine"]) for case in cases}
    impossible = {(pair["loader"], pair["machine"]) for pair in results.impossible_pairs()}
    assert pairs | impossible == set(itertools.product(LOADERS, axes.AXES["machine"])) and not pairs & impossible
    assert {axes.name_of(case) for case in cases} <= {axes.name_of(case) for case in axes.products(LOADERS)}


def test_a_name_gives_its_case_back():
    for case in axes.products(LOADERS):
        assert axes.case_of(axes.name_of(case)) == case
    with pytest.raises(ValueError, match="cpu=Pentium"):
        axes.case_of("cpu=Pentium")


@pytest.mark.parametrize("group, name", [("slots-bios", "0x201000"), ("slots-efi", "0x80000000"), ("cost", "0x0"),
                                         ("debian", "bios-0x1"), ("debian", "other-0x200000"), ("debian", "0x200000")])
def test_an_address_that_is_no_slot_is_no_case(group, name):
    with pytest.raises(ValueError):
        slots.case_by_name(None, group, name)
    assert slots.case_by_name(None, "debian", "bios-0x200000").name == "bios-0x200000"


def test_every_rule_forbids_something_and_says_why():
    draw = random.Random(1)
    cases = [{axis: draw.choice(values) for axis, values in axes.AXES.items()} for _ in range(20000)]
    for is_wrong, reason in axes.RULES:
        assert reason and any(is_wrong(case) for case in cases), reason


# --- running and results --------------------------------------------------------------------------------------------

LOG = """(BERTH) boot: protocol=multiboot2 firmware=bios loader="GRUB" base=0x600000 link=0x200000 moved-by=loader
(BERTH) mem: 0x0000000000000000-0x000000000009fbff ram
(BERTH) module 0: 0x100000-0x121fff "" cmdline=""
(BERTH) time: entry-to-start=12 start-to-handoff=34 unit=tsc
"""
IMAGE = types.SimpleNamespace(sha256="abc", memory_bytes=MIB)


def make_case(name, defects=(), refused="", group="axes"):
    outcome = record.Outcome(list(defects), LOG, refused)
    return record.Case(group, name, {"guest": "zp64"}, lambda: outcome)


def test_a_record_holds_what_the_log_says():
    got = runner.run_case(make_case("default"), IMAGE)
    assert (got["id"], got["result"], got["base"], got["moved_by"]) == ("axes.default", "pass", 0x600000, "loader")
    assert got["tsc"] == {"entry_to_start": 12, "start_to_handoff": 34}
    assert got["placement"][:2] == [{"what": "image", "start": 0x600000, "end": 0x700000},
                                    {"what": "module 0", "start": 0x100000, "end": 0x122000}]
    assert got["memory"] == [{"start": 0, "end": 0x9FC00, "type": "ram"}]
    assert "log_tail" not in got


def test_an_exception_is_a_failure_of_its_case():
    case = make_case("default")
    case.run = lambda: 1 // 0
    assert runner.run_case(case, IMAGE)["reason"].startswith("ZeroDivisionError")


def test_what_passed_is_not_run_again_and_what_failed_is(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "version", lambda *_: "1")
    plan = [make_case("good"), make_case("none", refused="no RAM"), make_case("bad", ["wrong"])]
    first = results.Results(tmp_path, IMAGE, 1, fresh=False)
    assert [failed["id"] for failed in runner.run_all(plan, IMAGE, first, jobs=2)] == ["axes.bad"]
    group = json.loads((tmp_path / "run.json").read_text())["groups"]["axes"]
    assert (group["count"], group["pass"], group["fail"], group["refused"]) == (3, 1, 1, 1)
    # An interrupted run leaves half a line.
    with open(tmp_path / "results.jsonl", "a") as lines:
        lines.write('{"id": "axes.ha')
    again = results.Results(tmp_path, IMAGE, 1, fresh=False)
    assert [again.is_done(case) for case in plan] == [True, True, False]
    other = types.SimpleNamespace(sha256="def", memory_bytes=MIB)
    assert not any(results.Results(tmp_path, other, 1, fresh=False).is_done(case) for case in plan)


def test_a_run_that_goes_on_counts_the_time_before(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "version", lambda *_: "1")
    first = results.Results(tmp_path, IMAGE, 1, fresh=False)
    first.started -= 1000
    first.write_run()
    for fresh, least, most in ((False, 1000, 1900), (True, 0, 900)):
        results.Results(tmp_path, IMAGE, 1, fresh=fresh)
        assert least <= json.loads((tmp_path / "run.json").read_text())["elapsed"] <= most


def test_a_run_that_mostly_fails_stops(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "version", lambda *_: "1")
    monkeypatch.setattr(runner, "MOST_FAILURES", 3)
    plan = [make_case(f"bad{number}", ["wrong"]) for number in range(1000)]
    kept = results.Results(tmp_path, IMAGE, 1, fresh=False)
    assert len(runner.run_all(plan, IMAGE, kept, jobs=1)) == 3
    assert kept.groups()["axes"]["count"] == 3 and kept.groups()["axes"]["planned"] == 1000


def test_junit_names_failures_and_refusals(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "version", lambda *_: "1")
    plan = [make_case("none", refused="no RAM"), make_case("bad", ["wrong \x1b[1m"])]
    runner.run_all(plan, IMAGE, results.Results(tmp_path, IMAGE, 1, fresh=True), jobs=1)
    text = (tmp_path / "junit.xml").read_text()
    assert 'failures="1"' in text and 'skipped="1"' in text and "make case C=axes.bad" in text
