"""Loaders by machine, and how each value of the other axes did."""
import re

from report_parts.markup import join, number, section, table, tag
from report_parts.results import FAIL, IMPOSSIBLE, PASS, REFUSED, by, count_results

LOADERS = ("grub-bios-mb2", "grub-bios-mb1", "grub-efi", "grub-efi-noservices", "grub-efi32", "efi-direct", "qemu-mb1",
           "pvh", "ipxe", "syslinux", "kexec-mb2", "kexec-mb1", "pxe-bios", "pxe-efi")
MACHINES = ("pc", "q35", "microvm")
TITLES = {"cpu": "CPU model", "memory": "RAM"}
OWN_TABLE = ("loader", "machine")
# An axis with more values than this, such as the address, is no table.
VALUES_MOST = 24


class Footnotes:
    """Reasons, each numbered once."""

    def __init__(self):
        self.reasons = []

    def mark(self, reason):
        if reason not in self.reasons:
            self.reasons.append(reason)
        return tag("sup", self.reasons.index(reason) + 1)

    def list(self):
        return tag("ol", *(tag("li", reason) for reason in self.reasons), class_="footnotes") if self.reasons else None


def in_order(known, found):
    return [name for name in known if name in found] + sorted(set(found) - set(known) - {""})


def pair(case):
    return case.axes.get("loader", ""), case.axes.get("machine", "")


def state_of(counts):
    return next((result for result in (FAIL, PASS, REFUSED) if counts[result]), None)


def impossible_cell(reason, notes):
    reason = reason or "no reason given"
    return tag("td", "not possible", notes.mark(reason), class_="pair impossible", title=reason)


def pair_cell(cases, reason, notes):
    """`reason` is why the pair is not possible, or None."""
    counts = count_results(cases)
    state = state_of(counts)
    if state is None:
        told = next((case.reason for case in cases if case.reason), reason)
        if cases or reason is not None:
            return impossible_cell(told, notes)
        return tag("td", "not tried", class_="pair missing")
    total = counts[PASS] + counts[FAIL]
    lines = [join(tag("b", number(counts[PASS]), "/", tag("wbr"), number(total)), " passed") if total else None,
             f"{number(counts[FAIL])} failed" if counts[FAIL] else None,
             f"{number(counts[REFUSED])} refused" if counts[REFUSED] else None]
    return tag("td", *(tag("span", line) for line in lines if line), class_=f"pair {state}")


def pairs_table(cases, run):
    pairs = by(cases, pair)
    known = [*pairs, *run.impossible]
    loaders = in_order(LOADERS, {loader for loader, _ in known})
    machines = in_order(MACHINES, {machine for _, machine in known})
    if not loaders or not machines:
        return None
    notes = Footnotes()
    rows = [[loader, *(pair_cell(pairs.get((loader, machine), []), run.impossible.get((loader, machine)), notes)
                       for machine in machines)] for loader in loaders]
    return join(table(["Loader", *machines], rows, class_="pairs", id="loader-by-machine"), notes.list())


def amount(value):
    """A value that is a number, or a size of memory; else None."""
    found = re.fullmatch(r"(\d{1,18})([MG]?)", value)
    return found and int(found[1]) * {"": 1, "M": 1 << 20, "G": 1 << 30}[found[2]]


def ordered(values):
    """Amounts by size, anything else as it came."""
    return values if any(amount(value) is None for value in values) else sorted(values, key=amount)


def values_rows(cases, axis):
    rows = []
    found = by(cases, lambda case: case.axes[axis])
    for value in ordered(list(found)):
        same = found[value]
        counts = count_results(same)
        rows.append([join(tag("span", axis, class_="axis"), " ", value),
                     *(tag("td", number(counts[result]) if counts[result] else "–",
                           class_="n" + (" is-fail" if result == FAIL and counts[result] else ""))
                       for result in (PASS, REFUSED, FAIL))])
    return rows


def axes_tables(cases):
    axes = dict.fromkeys(axis for case in cases for axis in case.axes if axis not in OWN_TABLE)
    tables = []
    for axis in axes:
        having = [case for case in cases if axis in case.axes and case.result != IMPOSSIBLE]
        rows = values_rows(having, axis)
        if 1 < len(rows) <= VALUES_MOST:
            tables.append(table([TITLES.get(axis, axis.capitalize()), "Passed", "Refused", "Failed"], rows,
                                class_="figures axis-table"))
    return tag("div", *tables, class_="axes") if tables else None


def loaders(cases, run):
    pairs, axes = pairs_table(cases, run), axes_tables(cases)
    if not pairs and not axes:
        return None
    return section("loaders", "Loaders and machines", pairs, axes and tag("h3", "Other axes, value by value"), axes)
