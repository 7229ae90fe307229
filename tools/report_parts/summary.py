"""The head of the page: what ran, how it ended, and the groups."""
from report_parts.markup import counted, duration, join, number, section, table, tag
from report_parts.results import FAIL, IMPOSSIBLE, PASS, REFUSED, by, count_results

# What the page calls a result, and the class of its colour.
WORDS = {PASS: "passed", REFUSED: "refused by the loader", FAIL: "failed", "missing": "not run"}
FACTS = (("revision", "Revision"), ("started", "Started"), ("seed", "Seed"), ("qemu", "QEMU"), ("grub", "GRUB"))
IMAGE = ("image_sha256", "Image, SHA-256")


def missing(group, cases, run):
    return max(0, (run.expected.get(group) or 0) - len(cases))


def group_names(groups, run):
    """Those of run.json in its order, then those that only the results have."""
    return list(dict.fromkeys([*run.expected, *groups]))


def totals(cases, run):
    groups = by(cases, lambda case: case.group)
    counts = count_results(cases)
    counts["missing"] = sum(missing(name, groups.get(name, []), run) for name in group_names(groups, run))
    return counts


def in_words(counts):
    """"2,027 passed, 20 refused by the loader, none failed"; what did not run is named only where there is any."""
    said = [result for result in WORDS if result in counts and (result != "missing" or counts[result])]
    words = [f"{number(counts[result]) if counts[result] else 'none'} {WORDS[result]}" for result in said]
    if counts.get(IMPOSSIBLE):
        words.append(f"{number(counts[IMPOSSIBLE])} not possible")
    return ", ".join(words)


def verdict(cases, counts):
    if not cases:
        return "No case has run."
    if counts[FAIL]:
        return join(tag("a", f"{counted(counts[FAIL], 'case')} of {number(len(cases))} failed", href="#failures"), ".")
    if counts["missing"]:
        return f"Nothing failed, but {counted(counts['missing'], 'case')} did not run."
    return f"Nothing failed in {counted(len(cases), 'case')}."


def tiles(counts):
    return tag("ul", *(tag("li", tag("b", number(counts[result])), " ", tag("span", WORDS[result]),
                           class_=f"tile {result}") for result in WORDS), class_="tiles")


def bar(counts):
    """The totals as one line; its words are in the tiles."""
    total = sum(counts[result] for result in WORDS)
    parts = [tag("i", class_=result, style=f"flex-grow:{counts[result]}") for result in WORDS if counts[result]]
    return tag("div", *parts, class_="bar", aria_hidden="true") if total else None


def group_seconds(name, cases, run):
    known = run.seconds.get(name)
    return sum(case.seconds or 0 for case in cases) if known is None else known


def time_spent(cases, run):
    """(title, words): on the clock where the run says it, else what the cases took, side by side or not."""
    if run.elapsed is not None:
        return "Elapsed", duration(run.elapsed)
    groups = by(cases, lambda case: case.group)
    seconds = sum(group_seconds(name, groups.get(name, []), run) for name in group_names(groups, run))
    return "Time in cases", f"{duration(seconds)}, all groups together" if seconds else None


def facts(cases, run):
    known = [(key, title, run.facts.get(key)) for key, title in FACTS]
    known += [("elapsed", *time_spent(cases, run)), (*IMAGE, run.facts.get(IMAGE[0]))]
    return tag("dl", *(tag("div", tag("dt", title), tag("dd", value), class_=key) for key, title, value in known
                       if value), class_="facts")


def groups_table(cases, run):
    groups = by(cases, lambda case: case.group)
    rows = []
    for name in group_names(groups, run):
        ran = groups.get(name, [])
        counts = count_results(ran)
        lost = missing(name, ran, run)
        rows.append([name, *(figure(value, kind) for value, kind in (
            (len(ran) + lost, None), (counts[PASS], None), (counts[REFUSED], None), (counts[FAIL], "fail"),
            (lost, "missing"))), tag("td", duration(group_seconds(name, ran, run)), class_="n")])
    if not rows:
        return None
    head = ["Group", "Cases", "Passed", "Refused", "Failed", "Not run", "Time"]
    return tag("div", table(head, rows, class_="figures", id="groups"), class_="wide")


def figure(value, kind):
    return tag("td", number(value) if value else "–", class_="n" + (f" is-{kind}" if kind and value else ""))


def unreadable_note(lines):
    if not lines:
        return None
    shown = ", ".join(str(line) for line in lines[:5]) + (", …" if len(lines) > 5 else "")
    return tag("p", f"{counted(len(lines), 'line')} of the results could not be read and "
               f"{'is' if len(lines) == 1 else 'are'} not counted: {shown}.", class_="note")


def head(cases, run, unreadable, links):
    counts = totals(cases, run)
    state = "fail" if counts[FAIL] else "missing" if counts["missing"] or not cases else "pass"
    return join(
        tag("header", tag("p", "Berth", class_="brand"), tag("h1", "The regression matrix"),
            tag("p", verdict(cases, counts), class_=f"verdict {state}", id="verdict"),
            tiles(counts), bar(counts), unreadable_note(unreadable), facts(cases, run), links),
        section("by-group", "Groups", groups_table(cases, run)) if cases or run.expected else None)
