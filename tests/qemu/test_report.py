"""The matrix' report: what the page says is what the results say, and results that are odd do not break it."""
import html.parser
import json
import random
import re
import subprocess

import conftest
import pytest
import report
from report_parts.markup import VOID
from report_parts.results import ADDRESS_END
from sample_results import DEFAULT, GIB, MIB, SLOT, Sample, whole_sample

HOSTILE = "</script></td><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;\x00\x1b[31m\ud800"
ODD_VALUES = [None, True, -1, 0, 3.5, 1e308, float("nan"), float("inf"), 1 << 70, "", "0x",
              "0xfffffffffffffffff", "١٢", HOSTILE, "x" * 3000,
              [], [None, 7, {}], {}, {"a": {}}, [{"start": 5, "end": 1}, {"start": "0x1"}]]


class Element:
    def __init__(self, name, attributes):
        self.name, self.attributes = name, dict(attributes)
        self.children = []

    def all(self, name=None, class_=None):
        for child in self.children:
            if isinstance(child, Element):
                classes = (child.attributes.get("class") or "").split()
                if name in (None, child.name) and (class_ is None or class_ in classes):
                    yield child
                yield from child.all(name, class_)

    def by_id(self, id_):
        return next((element for element in self.all() if element.attributes.get("id") == id_), None)

    @property
    def text(self):
        return "".join(child if isinstance(child, str) else child.text for child in self.children)


class Page(html.parser.HTMLParser):
    """The page as a tree; an element that is closed by another's end is an error."""

    def __init__(self, content):
        super().__init__()
        self.root = Element("", ())
        self.open = [self.root]
        self.feed(content)
        self.close()
        assert self.open == [self.root]

    def handle_starttag(self, tag, attrs):
        element = Element(tag, attrs)
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop().name == tag

    def handle_data(self, data):
        self.open[-1].children.append(data)


@pytest.fixture
def made(case):
    """Make the page of a sample; of other lines than its own, with another run.json."""
    def make(sample, lines=None, run=None):
        results = case.folder / "matrix"
        sample.write(results, run)
        if lines is not None:
            (results / "results.jsonl").write_text(lines)
        return Page(report.page(results, case.folder / "report.html")).root
    return make


@pytest.fixture(scope="module")
def sample():
    return whole_sample()


@pytest.fixture(scope="module")
def page(sample, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    sample.write(folder)
    return Page(report.page(folder, folder / "report.html")).root


def run_report(results, out):
    return subprocess.run([conftest.ROOT / "tools/report.py", "--results", results, "--out", out], text=True,
                          capture_output=True)


def written(results, out):
    """Make the page as the user does."""
    done = run_report(results, out)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"report: {out}\n", "")
    return out


def cells(page, table):
    return list(page.by_id(table).all("td", "c"))


def rows_of(table):
    return {row.children[0].text: [cell.text for cell in row.children[1:]]
            for body in table.all("tbody") for row in body.all("tr")}


def result_counts(records):
    return {result: sum(record["result"] == result for record in records) for result in ("pass", "refused", "fail")}


# --- figures ---------------------------------------------------------------------------------------------------------

def test_totals_equal_the_results(page, sample):
    shown = {tile.attributes["class"].split()[1]: int(next(tile.all("b")).text.replace(",", ""))
             for tile in page.all("li", "tile")}
    assert shown == {**result_counts(sample.records), "missing": 0}
    assert page.by_id("verdict").text == f"{shown['fail']} cases of {len(sample.records):,} failed."
    groups = rows_of(page.by_id("groups"))
    assert groups["slots-bios"][:5] == ["2,047", "2,024", "20", "3", "–"]
    assert sum(int(row[0].replace(",", "")) for row in groups.values()) == len(sample.records)


def test_head_names_what_was_tested(page, sample):
    facts = {row.children[0].text: row.children[1].text for row in next(page.all("dl")).all("div")}
    run = sample.run()
    assert (facts["Revision"], facts["Seed"]) == (run["revision"], str(run["seed"]))
    assert (facts["QEMU"], facts["GRUB"], facts["Started"]) == (run["qemu"], run["grub"], run["started"])
    assert facts["Image, SHA-256"] == run["image_sha256"]
    assert facts["Elapsed"] == "6\xa0min 53\xa0s"


def test_without_a_failure_the_page_says_so(made):
    page = made(whole_sample(failures=False))
    assert page.by_id("verdict").text == "Nothing failed in 5,803 cases."
    assert page.by_id("failures").text == "FailuresNone."


def test_no_case_at_all(made):
    page = made(Sample())
    assert page.by_id("verdict").text == "No case has run."
    assert page.by_id("addresses") is None


def test_the_last_line_of_a_repeated_case_counts(made):
    sample = Sample()
    sample.add("axes", "one", DEFAULT, "fail", "too slow")
    sample.add("axes", "one", DEFAULT)
    page = made(sample, run={})
    assert page.by_id("verdict").text == "Nothing failed in 1 case."
    assert rows_of(page.by_id("groups"))["axes"][:5] == ["1", "1", "–", "–", "–"]


# --- heat maps -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, count", [("slots-bios", 2047), ("slots-efi", 1023), ("offsets", 512)])
def test_each_slot_has_one_cell_of_its_result(page, sample, name, count):
    shown = cells(page, name)
    assert len(shown) == count
    for record, cell in zip((record for record in sample.records if record["group"] == name), shown, strict=True):
        assert cell.attributes["class"] == f"c {record['result']}"
        title = cell.attributes["title"]
        assert title.startswith(f"0x{int(record['axes']['base'], 16):08x}: ")
        assert record["reason"] in title
        if record["tsc"]:
            assert f"{sum(record['tsc'].values()):,} ticks" in title


def test_rows_begin_with_their_address(page):
    labels = list(rows_of(page.by_id("slots-efi")))
    assert labels == [f"0x{start:08x}" for start in range(0, 2 * GIB, 64 * MIB)]


def test_refusals_are_told_with_reason_and_range(page):
    text = page.by_id("addresses").text
    assert "2,047 slots of 2 MiB: 2,024 passed, 20 refused by the loader, 3 failed." in text
    assert "20 refused by the loader: no RAM at 0x… 0xfd800000-0xffffffff" in text
    assert "3 failed: page table entry without the load base 0x57800000-0x57bfffff, 0xaf000000-0xaf1fffff" in text


def test_slots_that_did_not_run_have_cells(made):
    sample = Sample()
    sample.slots("slots-bios", 100, lambda index: False, "", (), memory="256M")
    run = sample.run()
    sample.records = [record for record in sample.records if int(record["axes"]["base"], 16) // SLOT not in (3, 4, 100)]
    page = made(sample, run=run)
    missing = [cell.attributes["title"] for cell in cells(page, "slots-bios") if "missing" in cell.attributes["class"]]
    assert missing == ["0x00600000: not run", "0x00800000: not run", "0x0c800000: not run"]
    assert page.by_id("verdict").text == "Nothing failed, but 3 cases did not run."
    assert "100 slots of 2 MiB: 97 passed, none refused by the loader, none failed, 3 not run." in page.text


def test_a_case_below_the_first_slot_is_not_lost(made):
    sample = Sample()
    sample.add("slots-bios", "0x100000", {**DEFAULT, "base": "0x100000"}, "fail", "too low", 0x100000)
    cell, = cells(made(sample, run={}), "slots-bios")
    assert cell.attributes["title"].startswith("0x00100000: failed\ntoo low")


def test_a_cell_of_several_random_addresses_shows_the_worst(made):
    sample = Sample()
    for base, result in ((0x2001000, "pass"), (0x2fff000, "fail"), (0x3000000, "pass")):
        reason = "lost" if result == "fail" else ""
        sample.add("random-4k", f"{base:#x}", {**DEFAULT, "base": f"{base:#x}"}, result, reason, base)
    cell, = cells(made(sample), "random-4k")
    assert cell.attributes["class"] == "c fail"
    assert cell.attributes["title"] == "0x02000000 to 0x03ffffff: 2 passed, 1 failed\n0x02fff000: lost"


# --- loaders, memory, phases -----------------------------------------------------------------------------------------

def test_loader_by_machine(page, sample):
    records = [record for record in sample.records
               if (record["axes"]["loader"], record["axes"]["machine"]) == ("grub-bios-mb2", "pc")]
    counts = result_counts(records)
    page = page
    rows = rows_of(page.by_id("loader-by-machine"))
    assert rows["grub-bios-mb2"][0] == (f"{counts['pass']:,}/{counts['pass'] + counts['fail']:,} passed"
                                        f"{counts['fail']} failed{counts['refused']} refused")
    assert rows["grub-efi32"] == ["not tried", rows["grub-efi32"][1], "not tried"]
    assert rows["grub-efi"][2] == "not possible3"
    assert [note.text for note in next(page.all("ol", "footnotes")).all("li")][2] == "no OVMF for this machine"


def test_impossible_case_is_no_failure(made):
    sample = Sample()
    sample.add("axes", "one", {**DEFAULT, "loader": "pxe-efi", "machine": "pc"}, reason="no OVMF")
    sample.records[0]["result"] = "impossible"
    page = made(sample, run={})
    assert rows_of(page.by_id("loader-by-machine")) == {"pxe-efi": ["not possible1"]}
    assert page.by_id("failures").text == "FailuresNone."


def test_memory_map_shows_where_everything_is(made):
    sample = Sample()
    sample.placed(sample.add("axes", "one", DEFAULT))
    drawing, = made(sample).by_id("memory").all("svg")
    words = [text.text for text in drawing.all("text")]
    assert words == ["ram 652 KiB, reserved 68 KiB", "module 0 14 MiB", "0x00104000-0x00f03fff", "ram 1008 KiB",
                     "kernel 46 MiB", "0x01000000-0x03dfffff", "ram 2 MiB", "initrd, module 1 544 KiB",
                     "0x04000000-0x04087fff", "ram 159.5 MiB",
                     "zero-page 8 KiB", "0x0dffd000-0x0dffefff", "ram 4 KiB", "image 1.6 MiB",
                     "0x0e000000-0x0e193fff", "ram 30.3 MiB", "0x0ffe0000, 255.9 MiB"]


def test_an_overlap_is_told(made):
    sample = Sample()
    record = sample.add("axes", "one", DEFAULT)
    sample.placed(record)
    record["placement"].append({"what": "page tables", "start": 0x1200000, "end": 0x1201000})
    record["placement"].append({"what": "module 2", "start": 0x1100000, "end": 0x1102000})
    page = made(sample)
    assert "page tables 4 KiB overlaps kernel" in [text.text for text in page.all("text")]
    # What was loaded may lie where something else goes later.
    assert "module 2 8 KiB is at kernel" in [text.text for text in page.all("text")]
    assert len(list(page.all("tspan", "overlap"))) == 1


def test_six_memory_maps_at_most_and_failures_among_them(page):
    figures = list(page.all("figure"))
    assert len(figures) == 6
    assert "pairs.77" in figures[0].text
    assert len({next(figure.all("b")).text for figure in figures}) == 6


def test_phases_follow_one_another_on_the_time_line(page, sample):
    bars = [next(row.all("i")).attributes["style"] for row in page.by_id("phases-table").all("tr")
            if list(row.all("i"))]
    found = [tuple(map(float, re.fullmatch(r"left:([\d.]+)%;width:([\d.]+)%", style).groups())) for style in bars]
    assert len(found) == len(sample.run()["phases"])
    for (start, length), (following, _) in zip(found, found[1:]):
        assert following == pytest.approx(start + length, abs=0.002)
    assert sum(found[-1]) == pytest.approx(100, abs=0.002)


def test_instructions_and_clock_ticks_are_kept_apart(page):
    counted, clocked = rows_of(page.by_id("phases-counted")), rows_of(page.by_id("phases-by-loader"))
    assert list(counted) == ["grub-bios-mb2"]
    assert counted["grub-bios-mb2"][:2] == ["64", "690"]
    assert 690 * 400 <= int(clocked["grub-bios-mb2"][1].replace(",", "")) <= 690 * 700


def test_sections_without_anything_to_show_are_left_out(made):
    sample = Sample()
    sample.add("debian", "one", {"loader": "pvh"})["tsc"] = None
    page = made(sample, run={})
    assert [page.by_id(name) for name in ("addresses", "loaders", "memory", "phases")] == [None] * 4


# --- failures --------------------------------------------------------------------------------------------------------

def test_each_failure_shows_reason_log_and_command(page, sample):
    failed = [record for record in sample.records if record["result"] == "fail"]
    shown = list(page.all("details", "failure"))
    assert len(shown) == len(failed) == 4
    for record, details in zip(failed, shown):
        assert record["id"] in details.text and record["reason"] in details.text
        assert next(details.all("pre")).text == record["log_tail"]
        assert next(details.all("p", "repeat")).text == f"Repeat with {record['command']}"


def test_a_log_is_shown_without_what_moves_a_terminals_cursor(made):
    sample = Sample()
    sample.add("axes", "one", {"loader": "pvh"}).update(result="fail", log_tail="\x1b[H\x1b[2J\x1b[=3hBooting\n[1] it")
    assert next(made(sample).all("pre")).text == "Booting\n[1] it"


def test_sizes_are_in_order(made):
    sample = Sample()
    for name, size in enumerate(("4056M", "2G", "64G", "24M", "3072M")):
        sample.add("axes", str(name), {"loader": "pvh", "memory": size})
    (table,) = made(sample).all("table", "axis-table")
    assert [name.split()[-1] for name in rows_of(table)] == ["24M", "2G", "3072M", "4056M", "64G"]


def test_an_unknown_result_is_a_failure(made):
    sample = Sample()
    sample.add("axes", "one", DEFAULT)
    sample.records[0]["result"] = "passed, nearly"
    page = made(sample, run={})
    assert page.by_id("verdict").text == "1 case of 1 failed."
    assert "unknown result 'passed, nearly'" in page.by_id("failures").text


# --- foreign input ---------------------------------------------------------------------------------------------------

def test_hostile_text_stays_text(case):
    sample = Sample()
    for result in ("pass", "refused", "fail", HOSTILE):
        record = sample.add(HOSTILE, result, {axis: HOSTILE for axis in DEFAULT})
        record.update(result=result, reason=HOSTILE, log_tail=HOSTILE, command=HOSTILE, moved_by=HOSTILE)
        record.update(memory=[{"start": 0, "end": GIB, "type": HOSTILE}],
                      placement=[{"start": MIB, "end": 2 * MIB, "what": HOSTILE}])
    run = {key: HOSTILE for key in ("revision", "image_sha256", "seed", "started", "qemu", "grub")}
    run.update(groups={HOSTILE: {"count": 5}}, phases=[{"name": HOSTILE, "tsc": 5}],
               impossible=[{"loader": HOSTILE, "machine": "pc", "reason": HOSTILE}])
    sample.write(case.folder, run)
    page = Page(written(case.folder, case.folder / "report.html").read_text()).root
    assert len(list(page.all("script"))) == 1 and "alert" not in next(page.all("script")).text
    assert not list(page.all("img"))
    assert not [name for element in page.all() for name in element.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;␀␛[31m" in page.by_id("failures").text


def test_a_cut_last_line_is_noted_and_the_rest_counts(made):
    sample = Sample()
    for name in ("one", "two"):
        sample.add("axes", name, DEFAULT)
    lines = "\n".join(json.dumps(record) for record in sample.records)
    page = made(sample, lines[:-20])
    assert rows_of(page.by_id("groups"))["axes"][:5] == ["2", "1", "–", "–", "1"]
    assert next(page.all("p", "note")).text == "1 line of the results could not be read and is not counted: 2."


def test_odd_records_do_not_break_the_page(made):
    source = random.Random(7)
    sample = Sample()
    sample.axes()
    for record in sample.records:
        for _ in range(source.randint(1, 4)):
            place = source.choice([record, record["axes"], record["tsc"] if isinstance(record.get("tsc"), dict) else
                                   record] if isinstance(record.get("axes"), dict) else [record])
            place[source.choice(list(place))] = source.choice(ODD_VALUES)
    sample.records += [{}, {"id": "offsets.0x0", "group": "offsets", "base": ADDRESS_END - 1, "result": "pass"},
                       {"group": "slots-efi", "result": "pass", "base": ADDRESS_END - 1}]
    odd = [json.dumps(value) for value in ODD_VALUES] + ["[" * 100_000, "9" * 5000, '{"id": 1' + "0" * 5000 + "}"]
    for run in ({}, {"groups": [], "phases": {}}, {"groups": {"x": None, "slots-bios": {"count": -1}}, "phases": [4]}):
        made(sample, "\n".join([json.dumps(record) for record in sample.records] + odd), run)


def test_no_run_json(case):
    results = case.folder / "matrix"
    whole_sample().write(results)
    (results / "run.json").unlink()
    assert "4 cases of 5,803 failed" in report.page(results, case.folder / "report.html")


# --- the page as a file ----------------------------------------------------------------------------------------------

def test_the_page_stands_alone_and_links_to_the_results(case):
    results, out = case.folder / "matrix", case.folder / "pages/report.html"
    whole_sample().write(results)
    page = Page(written(results, out).read_text()).root
    assert not [element for element in page.all() if {"src", "srcset", "data"} & set(element.attributes)]
    assert not re.search(r"url\(|@import", next(page.all("style")).text)
    linked = [link.attributes["href"] for link in page.all("a")]
    assert linked == ["#failures", "../matrix/results.jsonl", "../matrix/run.json", "../matrix/junit.xml"]
    assert all((out.parent / link).is_file() for link in linked[1:])


def test_every_table_has_headers(page):
    tables = list(page.all("table"))
    assert len(tables) >= 8
    for table in tables:
        assert all(cell.name == "th" for row in next(table.all("thead")).all("tr") for cell in row.children)
        for row in next(table.all("tbody")).all("tr"):
            assert row.children[0].name == "th" and row.children[0].attributes["scope"] == "row"


def test_no_results_no_page(case):
    out = case.folder / "none.html"
    done = run_report(case.folder / "no", out)
    assert done.returncode == 1 and not out.exists()
    assert done.stderr == f"report: {case.folder}/no/results.jsonl: No such file or directory: run `make " \
                          "check-matrix` first\n"
