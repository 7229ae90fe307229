"""Memory maps: where everything was placed, to scale at the left, with the small things enlarged at the right."""
import math
from typing import NamedTuple, Optional

from report_parts.markup import address, join, section, size, tag
from report_parts.results import FAIL, Span, by
from report_parts.summary import WORDS

MAPS_MOST = 6
FAILED_MOST = 2
DIVERSE_AXES = ("loader", "machine", "memory", "guest", "base")
WIDTH, SCALE_WIDTH, ZOOM_LEFT, ZOOM_RIGHT, TEXT_LEFT = 340, 16, 44, 112, 120
TOP, PLACED_HEIGHT, GAP_HEIGHT, DOUBLING_HEIGHT = 4, 30, 17, 1.6
LINE = 12
KINDS = (("image", "image"), ("kernel", "kernel"), ("initrd", "initrd"), ("zero", "zero"), ("module", "module"))
MEMORY_KINDS = (("ram", "ram"), ("acpi", "acpi"), ("boot", "boot"))


class Stretch(NamedTuple):
    """Bytes [start, end), drawn at [top, bottom): a thing placed, and what else is there; or what is between."""
    start: int
    end: int
    what: Optional[str]
    over: Optional[tuple]
    top: float
    bottom: float


def kind(name, kinds, other):
    return next((class_ for prefix, class_ in kinds if name.lower().startswith(prefix)), other)


def memory_class(name):
    return "m-" + kind(name, MEMORY_KINDS, "reserved")


def place_class(name):
    return "p-" + kind(name, KINDS, "other")


def height(start, end, least):
    """Grows with the logarithm of the size: a broken scale on which 4 KiB and 4 GiB both can be read."""
    return least + DOUBLING_HEIGHT * math.log2(max(1, (end - start) / 4096))


def places(case):
    """The placement, with the names of what lies in the very same place joined: a module that is the initrd."""
    same = by(case.placement, lambda span: (span.start, span.end))
    return [Span(start, end, ", ".join(sorted((span.what for span in spans), key=is_module)))
            for (start, end), spans in same.items()]


def is_module(name):
    """A module is what was loaded: its place is free once the kernel runs, so that others may lie over it."""
    return name.lower().startswith("module")


def overlap(name, start, before):
    """What to say of a thing that begins before all of `before` has ended."""
    for other in before:
        if start < other.end:
            return ("is at", other.what) if is_module(name) or is_module(other.what) else ("overlaps", other.what)
    return None


def stretches(case, end):
    found, y, reached, before = [], TOP, 0, []
    for span in places(case):
        if span.start > reached:
            bottom = y + height(reached, span.start, GAP_HEIGHT)
            found.append(Stretch(reached, span.start, None, None, y, bottom))
            y = bottom
        bottom = y + height(span.start, span.end, PLACED_HEIGHT)
        found.append(Stretch(span.start, span.end, span.what, overlap(span.what, span.start, before), y, bottom))
        before.append(span)
        y, reached = bottom, max(reached, span.end)
    if end > reached:
        found.append(Stretch(reached, end, None, None, y, y + height(reached, end, GAP_HEIGHT)))
    return found


def within(memory, start, end):
    clipped = [Span(max(span.start, start), min(span.end, end), span.what) for span in memory]
    return [span for span in clipped if span.start < span.end]


def summed(spans):
    """"ram 1.9 GiB, acpi 64 KiB", the largest first."""
    sums = {}
    for span in spans:
        sums[span.what] = sums.get(span.what, 0) + span.end - span.start
    return [f"{name or 'unnamed'} {size(total)}" for name, total in sorted(sums.items(), key=lambda item: -item[1])]


def rect(x, top, width, bottom, class_, least=0.75, *children):
    return tag("rect", *children, x=x, y=f"{top:.1f}", width=width, height=f"{max(least, bottom - top):.1f}",
               class_=class_)


def label(y, words, class_):
    return tag("text", words, x=TEXT_LEFT, y=f"{y:.1f}", class_=class_)


def gap_drawn(gap, memory):
    """What lies between two placed things, its parts to scale within it."""
    spans = within(memory, gap.start, gap.end)
    factor = (gap.bottom - gap.top) / (gap.end - gap.start)
    parts = [rect(ZOOM_LEFT, gap.top + (span.start - gap.start) * factor, ZOOM_RIGHT - ZOOM_LEFT,
                  gap.top + (span.end - gap.start) * factor, memory_class(span.what)) for span in spans]
    sums = summed(spans)
    words = ", ".join(sums[:2]) + (", …" if len(sums) > 2 else "") or f"nothing, {size(gap.end - gap.start)}"
    title = tag("title", f"{address(gap.start)} to {address(gap.end - 1)}: " + (", ".join(sums) or "nothing"))
    return tag("g", title, rect(ZOOM_LEFT, gap.top, ZOOM_RIGHT - ZOOM_LEFT, gap.bottom, "m-hole"), *parts,
               label((gap.top + gap.bottom) / 2 + 4, words, "gap"))


def placed_drawn(placed, to_scale):
    """The thing itself at the right, the same to scale at the left, and what joins the two."""
    top, bottom = to_scale(placed.start), max(to_scale(placed.end), to_scale(placed.start) + 1)
    points = [(SCALE_WIDTH, top), (ZOOM_LEFT, placed.top), (ZOOM_LEFT, placed.bottom), (SCALE_WIDTH, bottom)]
    class_ = place_class(placed.what)
    middle = (placed.top + placed.bottom) / 2
    where = f"{address(placed.start)}-{address(placed.end - 1)}"
    name = [placed.what or "unnamed", tag("tspan", f" {size(placed.end - placed.start)}", class_="size")]
    if placed.over:
        how, other = placed.over
        name.append(tag("tspan", f" {how} {other}", class_="overlap" if how == "overlaps" else "size"))
    return tag("g", tag("title", f"{placed.what}: {where}"),
               tag("polygon", points=" ".join(f"{x},{y:.1f}" for x, y in points), class_=f"{class_} joint"),
               rect(0, top, SCALE_WIDTH, bottom, class_),
               rect(ZOOM_LEFT, placed.top, ZOOM_RIGHT - ZOOM_LEFT, placed.bottom, f"{class_} framed"),
               label(middle - 1, join(*name), "name"), label(middle - 1 + LINE, where, "where"))


def top_of(case):
    ends = [span.end for span in case.placement]
    return max(ends + [span.end for span in case.memory if memory_class(span.what) == "m-ram"])


def drawing(case):
    end = top_of(case)
    found = stretches(case, end)
    bottom = found[-1].bottom

    def to_scale(position):
        return TOP + (bottom - TOP) * position / end
    whole = [rect(0, to_scale(span.start), SCALE_WIDTH, to_scale(span.end), memory_class(span.what))
             for span in within(case.memory, 0, end)]
    return tag("svg", rect(0, TOP, SCALE_WIDTH, bottom, "m-hole"), *whole,
               *(gap_drawn(stretch, case.memory) if stretch.what is None else placed_drawn(stretch, to_scale)
                 for stretch in found),
               label(bottom + LINE + 2, f"{address(end)}, {size(end)}", "where"),
               viewBox=f"0 0 {WIDTH} {bottom + LINE + 8:.0f}", role="img", aria_label=f"Memory map of {case.id}")


def representative(cases):
    """A handful: failures first, then what differs most from those that are chosen."""
    drawable = [case for case in cases if case.placement]
    chosen = [case for case in drawable if case.result == FAIL][:FAILED_MOST]
    seen = {(axis, case.axes.get(axis)) for case in chosen for axis in DIVERSE_AXES}
    # One of each kind is enough to choose from.
    kinds = list({tuple(case.axes.get(axis) for axis in DIVERSE_AXES[:-1]): case for case in reversed(drawable)
                  if case not in chosen}.values())[::-1]
    while kinds and len(chosen) < MAPS_MOST:
        best = max(kinds, key=lambda case: len({(axis, case.axes.get(axis)) for axis in DIVERSE_AXES} - seen))
        kinds.remove(best)
        chosen.append(best)
        seen |= {(axis, best.axes.get(axis)) for axis in DIVERSE_AXES}
    return chosen


def caption(case):
    axes = [case.axes[axis] for axis in ("loader", "machine", "memory") if case.axes.get(axis)]
    moved = {"loader": "the loader moved the image", "self": "the image moved itself",
             "none": "nobody moved the image"}.get(case.moved_by)
    words = [WORDS.get(case.result, "not possible")] + ([moved] if moved else [])
    return tag("figcaption", tag("b", " · ".join(axes) or case.id), tag("code", case.id),
               tag("span", ", ".join(words), class_="is-fail" if case.result == FAIL else None))


def memory(cases):
    chosen = representative(cases)
    if not chosen:
        return None
    lead = tag("p", "At the left all memory, to scale; at the right the same piece by piece, each as high as the "
               "logarithm of its size. Low addresses at the top; an address after a dash is a last byte.",
               class_="lead")
    keys = [tag("span", tag("span", class_=f"key {class_}", aria_hidden="true"), word) for class_, word in (
        ("m-ram", "RAM"), ("m-boot", "the firmware's boot services"),
        ("m-acpi", "ACPI"), ("m-reserved", "reserved"), ("m-hole", "nothing"))]
    figures = [tag("figure", caption(case), drawing(case)) for case in chosen]
    return section("memory", "Memory maps", lead, tag("p", *keys, class_="legend"),
                   tag("div", *figures, class_="memory-maps"))
