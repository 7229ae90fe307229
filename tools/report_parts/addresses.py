"""The load addresses as heat maps: one cell a slot, coloured by result, the cost on hover."""
import statistics
from dataclasses import dataclass

from report_parts.markup import address, counted, duration, join, number, section, size, tag
from report_parts.results import FAIL, REFUSED, WORST_FIRST, by, by_reason, count_results
from report_parts.summary import WORDS, in_words

COLUMNS = 32
LABELLED_ROWS = 4
TICK_COLUMNS = 8
SLOT = 2 << 20
PAGE = 4 << 10
ADDRESSES_END = 4 << 30
# A cell of the random addresses holds several: the address space then has as many rows as labels have room.
RANDOM_CELL = 32 << 20
REASONS_SHOWN = 6
RANGES_SHOWN = 4
TITLES = {"slots-bios": "BIOS, every 2 MiB slot", "slots-efi": "UEFI, every 2 MiB slot"}
SLOT_UNITS = ("slot of 2 MiB", "slots of 2 MiB")
OFFSET_UNITS = ("offset of 4 KiB", "offsets of 4 KiB")
RANDOM_UNITS = ("address", "addresses")


@dataclass
class Grid:
    """Cells of `step` bytes from `origin` on; `places` are the indexes of those that are to be tried."""
    name: str
    title: str
    units: tuple
    origin: int
    step: int
    places: range
    cells: dict
    outside: int

    def start(self, index):
        return self.origin + index * self.step


def grid_of(name, title, units, cases, step, origin=0, places=None, limit=ADDRESSES_END):
    """Sort the cases into cells; `places` None: those that hold a case."""
    inside = [case for case in cases if case.asked is not None and origin <= case.asked < limit]
    cells = by(inside, lambda case: (case.asked - origin) // step)
    if places is None:
        places = sorted(cells)
    return Grid(name, title, units, origin, step, places, cells, len(cases) - len(inside))


def slots_grid(name, cases, expected):
    """Slot 0 is no slot: the image never loads below 1 MiB."""
    asked = [case.asked // SLOT for case in cases if case.asked is not None and case.asked < ADDRESSES_END]
    last = max([*asked, min(expected or 0, ADDRESSES_END // SLOT - 1)], default=0)
    return grid_of(name, TITLES.get(name, f"{name}, every 2 MiB slot"), SLOT_UNITS, cases, SLOT,
                   places=range(1, last + 1))


def offsets_grid(cases):
    asked = [case.asked for case in cases if case.asked is not None]
    origin = min(asked, default=0) // SLOT * SLOT
    return grid_of("offsets", f"Every 4 KiB offset in the slot at {address(origin)}", OFFSET_UNITS, cases, PAGE,
                   origin, range(SLOT // PAGE), origin + SLOT)


def cost(case):
    words = []
    if case.ticks is not None:
        words.append(f"{number(case.ticks)} ticks from entry to handoff")
    if case.seconds is not None:
        words.append(duration(case.seconds))
    return ", ".join(words)


def describe(grid, index, cases):
    """What hovering over a cell says."""
    start = address(grid.start(index))
    if not cases:
        return f"{start}: not run"
    if len(cases) == 1:
        case = cases[0]
        parts = [f"{address(case.asked)}: {WORDS.get(case.result, 'not possible')}", case.reason, cost(case)]
        return "\n".join(part for part in parts if part)
    failed = [f"{address(case.asked)}: {case.reason}" for case in cases if case.result == FAIL]
    here = {result: count for result, count in count_results(cases).items() if count}
    return "\n".join([f"{start} to {address(grid.start(index + 1) - 1)}: {in_words(here)}", *failed[:3]])


def worst(cases):
    return next((result for result in WORST_FIRST if any(case.result == result for case in cases)), "missing")


def cell(grid, index):
    if index not in grid.places and index not in grid.cells:
        return tag("td", class_="no", aria_hidden="true")
    cases = grid.cells.get(index, [])
    return tag("td", class_=f"c {worst(cases)}", title=describe(grid, index, cases))


def row(grid, first):
    start = address(grid.start(first))
    minor = "minor" if first // COLUMNS % LABELLED_ROWS else None
    return tag("tr", tag("th", tag("span", start), scope="row", class_=minor),
               *(cell(grid, index) for index in range(first, first + COLUMNS)))


def ticks_row(grid):
    ticks = [tag("th", f"+{size(column * grid.step) if column else '0'}", scope="colgroup", colspan=TICK_COLUMNS)
             for column in range(0, COLUMNS, TICK_COLUMNS)]
    return tag("thead", tag("tr", tag("th", "Address", scope="col"), *ticks))


def heat_table(grid):
    last = max([*grid.places, *grid.cells], default=0)
    rows = [row(grid, first) for first in range(0, last + 1, COLUMNS)]
    return tag("table", tag("caption", grid.title), ticks_row(grid), tag("tbody", *rows), class_="heat", id=grid.name)


def ranges(grid, indexes):
    """Neighbouring cells as ranges: "0xfd800000-0xffffffff"."""
    runs = []
    for index in sorted(indexes):
        if runs and runs[-1][1] == index:
            runs[-1][1] = index + 1
        else:
            runs.append([index, index + 1])
    words = [f"{address(grid.start(first))}-{address(grid.start(end) - 1)}" for first, end in runs[:RANGES_SHOWN]]
    return ", ".join(words) + (f" and {number(len(runs) - RANGES_SHOWN)} more" if len(runs) > RANGES_SHOWN else "")


def reasons(grid, result):
    """The reasons of one result, the most frequent first, with where."""
    cases = [case for cell_cases in grid.cells.values() for case in cell_cases if case.result == result]
    found = by_reason(cases)
    lines = [tag("li", tag("span", class_=f"key {result}", aria_hidden="true"),
                 f"{number(len(same))} {WORDS[result]}: {reason} ",
                 tag("small", ranges(grid, {(case.asked - grid.origin) // grid.step for case in same})))
             for reason, same in found[:REASONS_SHOWN]]
    if len(found) > REASONS_SHOWN:
        lines.append(tag("li", f"and {counted(len(found) - REASONS_SHOWN, 'reason')} more"))
    return lines


def words(grid):
    cases = [case for cell_cases in grid.cells.values() for case in cell_cases]
    counts = count_results(cases)
    counts["missing"] = sum(index not in grid.cells for index in grid.places)
    total = len(cases) + counts["missing"]
    sentences = [f"{counted(total, *grid.units)}: {in_words(counts)}."]
    if grid.outside:
        sentences.append(f"{counted(grid.outside, 'case')} with an address outside this map, or with none.")
    spent = [case.seconds for case in cases if case.seconds is not None]
    if spent:
        sentences.append(f"Half took {duration(statistics.median(spent))} or less, the longest {duration(max(spent))}.")
    return " ".join(sentences)


def figure(grid):
    listed = reasons(grid, FAIL) + reasons(grid, REFUSED)
    return tag("div", heat_table(grid), tag("p", words(grid), class_="words"),
               tag("ul", *listed, class_="reasons") if listed else None, class_="map")


def legend():
    keys = [tag("span", tag("span", class_=f"key {result}", aria_hidden="true"), word)
            for result, word in WORDS.items()]
    return tag("p", *keys, class_="legend")


def grids(cases, run):
    groups = by(cases, lambda case: case.group)
    names = [name for name in dict.fromkeys([*TITLES, *groups]) if name.startswith("slots-") and name in groups]
    found = [slots_grid(name, groups[name], run.expected.get(name)) for name in names]
    if "offsets" in groups:
        found.append(offsets_grid(groups["offsets"]))
    if "random-4k" in groups:
        found.append(grid_of("random-4k", "Random 4 KiB addresses, those of 32 MiB in one cell", RANDOM_UNITS,
                             groups["random-4k"], RANDOM_CELL))
    return found


def addresses(cases, run):
    found = [figure(grid) for grid in grids(cases, run)]
    if not found:
        return None
    lead = tag("p", "Each cell is a place where the image was loaded, low addresses at the top. "
               "Point at a cell, or tap it, for its address, result and cost.", class_="lead")
    # The tallest map has one column for itself, so that all are seen together.
    return section("addresses", "Load addresses", lead, legend(),
                   tag("div", tag("div", found[0]), tag("div", join(*found[1:])), class_="maps"))
