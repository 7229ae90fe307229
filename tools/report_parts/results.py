"""Reads what the matrix wrote: results.jsonl, one case a line, and run.json beside it.

Both are foreign. A line that cannot be read is counted and left out, a field of the wrong kind is as good as missing,
and a result that is none of the known ones is a failure: silence never passes. Where an id comes twice, the last line
counts, as a resumed run appends.
"""
import json
import math
import re
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

PASS, FAIL, REFUSED, IMPOSSIBLE = "pass", "fail", "refused", "impossible"
# From the one that matters most in a place that holds several cases to the one that matters least.
WORST_FIRST = (FAIL, REFUSED, PASS, IMPOSSIBLE)
ADDRESS_END = 1 << 64


class InputError(Exception):
    """There is nothing to report on."""


class Span(NamedTuple):
    """Bytes [start, end) and what they are."""
    start: int
    end: int
    what: str


class Phase(NamedTuple):
    name: str
    ticks: int


@dataclass(frozen=True)
class Case:
    id: str
    group: str
    axes: dict
    result: str
    reason: str
    asked: Optional[int]
    base: Optional[int]
    moved_by: str
    entry_to_start: Optional[int]
    start_to_handoff: Optional[int]
    seconds: Optional[float]
    placement: list
    memory: list
    log_tail: str
    command: str

    @property
    def ticks(self):
        """From entry to handoff."""
        if self.entry_to_start is None or self.start_to_handoff is None:
            return None
        return self.entry_to_start + self.start_to_handoff


@dataclass
class Run:
    """What run.json says, as far as it says it. `expected` is how many cases a group has."""
    facts: dict = field(default_factory=dict)
    expected: dict = field(default_factory=dict)
    seconds: dict = field(default_factory=dict)
    phases: list = field(default_factory=list)
    impossible: dict = field(default_factory=dict)
    elapsed: Optional[float] = None


def text(value):
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def mapping(value):
    return value if isinstance(value, dict) else {}


def items(value):
    """The objects of a list; what else is in it is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def whole(value, end=ADDRESS_END):
    """An integer in [0, end), also from a string such as "0x200000"; or None."""
    if isinstance(value, str) and re.fullmatch(r"0x[0-9a-fA-F]{1,16}|[0-9]{1,19}", value):
        value = int(value, 16 if value.startswith("0x") else 10)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < end else None


def positive(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value < ADDRESS_END and math.isfinite(value) else None


def spans(value, key):
    found = [(whole(item.get("start")), whole(item.get("end"), ADDRESS_END + 1), text(item.get(key)))
             for item in items(value)]
    return sorted(Span(*span) for span in found if None not in span and span[0] < span[1])


def asked_address(record, axes):
    """Where the image was to go: the axis says it; or the id, or where it went."""
    named = re.search(r"0x[0-9a-fA-F]{1,16}$", text(record.get("id")))
    for value in (axes.get("base"), named and named[0], record.get("base")):
        if whole(value) is not None:
            return whole(value)
    return None


def judged(record):
    """The result and its reason."""
    result, reason = text(record.get("result")), text(record.get("reason"))
    if result in WORST_FIRST:
        return result, reason
    return FAIL, f"unknown result {result!r}" + (f": {reason}" if reason else "")


def case_of(record, line):
    axes, tsc = mapping(record.get("axes")), mapping(record.get("tsc"))
    result, reason = judged(record)
    return Case(id=text(record.get("id")) or f"line {line}", group=text(record.get("group")) or "no group",
                axes={key: text(value) for key, value in axes.items()}, result=result, reason=reason,
                asked=asked_address(record, axes), base=whole(record.get("base")),
                moved_by=text(record.get("moved_by")), entry_to_start=whole(tsc.get("entry_to_start")),
                start_to_handoff=whole(tsc.get("start_to_handoff")), seconds=positive(record.get("seconds")),
                placement=spans(record.get("placement"), "what"), memory=spans(record.get("memory"), "type"),
                log_tail=text(record.get("log_tail")), command=text(record.get("command")))


def decoded(source):
    """A JSON object, or None."""
    try:
        value = json.loads(source)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def read_cases(path):
    """(cases, numbers of the lines that could not be read)"""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}: run `make check-matrix` first") from error
    cases, unreadable = {}, []
    for line, source in enumerate(content.decode("utf-8", "replace").split("\n"), 1):
        record = decoded(source)
        if record is not None:
            case = case_of(record, line)
            # A repeated case moves to its new place, so that the page follows the run's order.
            cases.pop(case.id, None)
            cases[case.id] = case
        elif source.strip():
            unreadable.append(line)
    return list(cases.values()), unreadable


def read_object(path):
    """The object in a file; an empty one where there is none."""
    try:
        return decoded(path.read_bytes().decode("utf-8", "replace")) or {}
    except OSError:
        return {}


def read_run(path):
    record = read_object(path)
    run = Run(facts={key: text(value) for key, value in record.items() if not isinstance(value, (dict, list))})
    for name, group in mapping(record.get("groups")).items():
        run.expected[name] = whole(mapping(group).get("planned"))
        if run.expected[name] is None:
            run.expected[name] = whole(mapping(group).get("count"))
        run.seconds[name] = positive(mapping(group).get("seconds"))
    run.elapsed = positive(record.get("elapsed"))
    counted = record.get("phases") or read_object(path.with_name("phases.json")).get("phases")
    phases = [Phase(text(item.get("name")), whole(item.get("tsc"))) for item in items(counted)]
    run.phases = [phase for phase in phases if phase.ticks is not None]
    run.impossible = {(text(item.get("loader")), text(item.get("machine"))): text(item.get("reason"))
                      for item in items(record.get("impossible"))}
    return run


def count_results(cases):
    """{result: how many}, with every result in it."""
    counts = dict.fromkeys(WORST_FIRST, 0)
    for case in cases:
        counts[case.result] += 1
    return counts


def kind_of_reason(case):
    """The reason without what differs from address to address."""
    return re.sub(r"0x[0-9a-fA-F]+", "0x…", case.reason) or "no reason given"


def by_reason(cases):
    """[(reason, [cases])], the most frequent first; addresses stay where all cases have the same."""
    found = sorted(by(cases, kind_of_reason).items(), key=lambda item: -len(item[1]))
    return [(same[0].reason if len({case.reason for case in same}) == 1 and same[0].reason else kind, same)
            for kind, same in found]


def by(cases, key):
    """{key(case): [cases]}, in the order of their first coming."""
    groups = {}
    for case in cases:
        groups.setdefault(key(case), []).append(case)
    return groups
