"""What the boot's phases cost: a time line, from the phases of the run or from each case's own two figures."""
import statistics

from report_parts.loaders import LOADERS, in_order
from report_parts.markup import join, number, section, table, tag
from report_parts.results import PASS, by

# The group whose machines have QEMU's instruction clock (-icount), so that the host does not change the figures.
COUNTED = "cost"


def bar(parts, total):
    """[(class, start, length)] on a line of `total`."""
    def placed(start, length):
        return f"left:{100 * start / total:.3f}%;width:{100 * length / total:.3f}%"
    return tag("div", *(tag("i", class_=class_, style=placed(start, length)) for class_, start, length in parts
                        if length), class_="line", aria_hidden="true")


def cells(*values):
    return [tag("td", number(value), class_="n") for value in values]


def phases_table(phases):
    """Each phase on a line of its own, beginning where the one before ended."""
    total = max(1, sum(phase.ticks for phase in phases))
    rows, start = [], 0
    for phase in phases:
        share = 100 * phase.ticks / total
        rows.append([phase.name or "unnamed", *cells(phase.ticks), tag("td", f"{share:.1f} %", class_="n"),
                     tag("td", bar([("later", start, phase.ticks)], total), class_="line-cell")])
        start += phase.ticks
    rows.append(["all", *cells(start), tag("td", "", class_="n"), tag("td", "", class_="line-cell")])
    return table(["Phase", "Ticks", "Share", "Time line"], rows, "One boot, phase by phase", class_="figures phases",
                 id="phases-table")


def medians(cases):
    """[(loader, cases, entry to start, start to handoff)]"""
    timed = [case for case in cases if case.result == PASS and case.ticks is not None]
    loaders = by(timed, lambda case: case.axes.get("loader", ""))
    return [(loader, len(loaders[loader]), round(statistics.median(case.entry_to_start for case in loaders[loader])),
             round(statistics.median(case.start_to_handoff for case in loaders[loader])))
            for loader in in_order(LOADERS, loaders)]


def counted_title(cases):
    """Whether the address makes a difference is seen in the extremes."""
    spent = [case.ticks for case in cases if case.result == PASS and case.ticks is not None]
    return (f"Group {COUNTED}, {number(len(spent))} addresses by QEMU's instruction clock: medians; "
            f"{number(min(spent))} to {number(max(spent))} in all")


def loaders_table(found, title, name):
    longest = max(1, max(first + second for _, _, first, second in found))
    rows = [[loader, *cells(count, first, second),
             tag("td", bar([("early", 0, first), ("later", first, second)], longest), class_="line-cell")]
            for loader, count, first, second in found]
    return table(["Loader", "Cases", "Entry to start", "Start to handoff", "Time line"], rows,
                 title, class_="figures phases", id=name)


def phases(cases, run):
    of_cost = [case for case in cases if case.group == COUNTED]
    counted = medians(of_cost)
    clocked = medians([case for case in cases if case.group != COUNTED])
    if not counted and not clocked and not run.phases:
        return None
    keys = [("early", "entry to start: assembly, page tables, .bss"),
            ("later", "start to handoff: everything in C, up to the jump into the kernel")]
    lead = join(tag("p", "Ticks of the time-stamp counter, from the log's “time:” line.", class_="lead"),
                tag("p", *(tag("span", tag("span", class_=f"key {class_}", aria_hidden="true"), word)
                           for class_, word in keys), class_="legend"))
    return section("phases", "Time line", lead, phases_table(run.phases) if run.phases else None,
                   loaders_table(counted, counted_title(of_cost), "phases-counted") if counted else None,
                   loaders_table(clocked, "All other groups, by the emulated clock, which follows the host's: "
                                 "medians of what passed", "phases-by-loader") if clocked else None)
