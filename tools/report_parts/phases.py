"""What the boot's phases cost: a time line, from the phases of the run or from each case's own two figures."""
import statistics

from report_parts.loaders import LOADERS, in_order
from report_parts.markup import number, section, table, tag
from report_parts.results import PASS, by


def bar(parts, total):
    """[(class, start, length)] on a line of `total`."""
    return tag("div", *(tag("i", class_=class_, style=f"left:{100 * start / total:.3f}%;width:{100 * length / total:.3f}%")
                        for class_, start, length in parts if length), class_="line", aria_hidden="true")


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


def loaders_table(found):
    longest = max(1, max(first + second for _, _, first, second in found))
    rows = [[loader, *cells(count, first, second),
             tag("td", bar([("early", 0, first), ("later", first, second)], longest), class_="line-cell")]
            for loader, count, first, second in found]
    return table(["Loader", "Cases", "Entry to start", "Start to handoff", "Time line"], rows,
                 "Medians of the cases that passed", class_="figures phases", id="phases-by-loader")


def phases(cases, run):
    found = medians(cases)
    if not found and not run.phases:
        return None
    lead = tag("p", "In ticks of the time-stamp counter, as Berth's own “time:” line counts them. ",
               tag("span", tag("span", class_="key early", aria_hidden="true"), "entry to start: assembly, page tables, "
                   ".bss"), " ", tag("span", tag("span", class_="key later", aria_hidden="true"),
                                     "start to handoff: everything in C, up to the jump into the kernel"),
               class_="lead legend")
    return section("phases", "Time line", lead, phases_table(run.phases) if run.phases else None,
                   loaders_table(found) if found else None)
