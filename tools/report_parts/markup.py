"""HTML that is escaped by construction, and how the page writes numbers, sizes and addresses."""
import html
import re

VOID = ("meta", "link", "wbr")
# Control characters have no place in HTML, and a log may hold any of them: they are shown by their pictures.
PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"} | {0x7f: 0x2421}
UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


class Markup(str):
    """Text that is HTML already. Every other string is escaped where it enters an element."""


def escaped(value):
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(str(value).translate(PICTURES), quote=True))


def join(*parts):
    return Markup("".join(escaped(part) for part in parts if part is not None))


def tag(name, /, *children, **attributes):
    """An element. `class_` is `class`, `data_x` is `data-x`; an attribute that is None is left out."""
    written = [f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"'
               for key, value in attributes.items() if value is not None]
    opening = f"<{name}{''.join(written)}>"
    return Markup(opening if name in VOID else f"{opening}{join(*children)}</{name}>")


def table(head, rows, caption=None, **attributes):
    """A table whose first column names its rows. A cell is text, markup, or an element that is a cell already."""
    def cell(value, row_name):
        if isinstance(value, Markup) and re.match(r"<t[dh][ >]", value):
            return value
        return tag("th", value, scope="row") if row_name else tag("td", value)
    head_row = tag("tr", *(tag("th", value, scope="col") for value in head))
    body = [tag("tr", *(cell(value, index == 0) for index, value in enumerate(row))) for row in rows]
    return tag("table", caption and tag("caption", caption), tag("thead", head_row), tag("tbody", *body), **attributes)


def section(name, title, *children):
    return tag("section", tag("h2", title), *children, id=name)


def number(value):
    return f"{value:,}"


def counted(count, one, many=None):
    """"1 case", "2,047 cases"."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def address(value):
    return f"0x{value:08x}"


def size(count):
    for unit, name in UNITS:
        if count >= unit:
            return f"{count / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{count} B"


def duration(seconds):
    """In words; a number and its unit stay on one line."""
    if seconds < 10:
        return f"{seconds:.2f}\xa0s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}\xa0h {minutes}\xa0min"
    return f"{minutes}\xa0min {rest}\xa0s" if minutes else f"{rest}\xa0s"
