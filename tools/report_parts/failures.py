"""Every failure: its reason, its last log lines, and the command that repeats it."""
import re

from report_parts.markup import counted, number, section, tag
from report_parts.results import FAIL, by_reason

OPEN_MOST = 10
REASONS_MOST = 12
LINES_MOST = 25
# What moves a terminal's cursor or clears its screen, as GRUB and firmware do: ECMA-48, 5.4.
CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def last_lines(log):
    return "\n".join(CONTROL_SEQUENCE.sub("", log).rstrip().splitlines()[-LINES_MOST:])


def axes_line(case):
    return tag("p", *(tag("span", tag("span", axis, class_="axis"), " ", value) for axis, value in case.axes.items()
                      if value), class_="chips")


def failure(case, opened):
    log = last_lines(case.log_tail)
    return tag("details",
               tag("summary", tag("code", case.id), " ", tag("span", case.reason or "no reason given")),
               axes_line(case),
               tag("pre", log, tabindex="0") if log else tag("p", "It said nothing.", class_="note"),
               tag("p", "Repeat with ", tag("code", case.command), class_="repeat") if case.command else
               tag("p", "No command was recorded.", class_="note"),
               class_="failure", open="" if opened else None)


def reasons(failed):
    """What the failures have in common, where they are many."""
    found = by_reason(failed)
    if len(failed) <= OPEN_MOST or len(found) == len(failed):
        return None
    shown = [tag("li", tag("b", number(len(same))), " ", reason) for reason, same in found[:REASONS_MOST]]
    if len(found) > REASONS_MOST:
        shown.append(tag("li", f"and {counted(len(found) - REASONS_MOST, 'reason')} more"))
    return tag("ul", *shown, class_="reasons")


def failures(cases):
    failed = [case for case in cases if case.result == FAIL]
    title = f"Failures: {number(len(failed))}" if failed else "Failures"
    if not failed:
        return section("failures", title, tag("p", "None.", class_="lead"))
    return section("failures", title, reasons(failed),
                   *(failure(case, number_ < OPEN_MOST) for number_, case in enumerate(failed)))
