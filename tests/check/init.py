#!/usr/bin/python3
"""What stays after the boot uses nothing of what is given back: no relocation leads from one into the other.

    init.py OBJECT...
"""
import pathlib
import re
import subprocess
import sys

# Read by loaders alone, or by the boot: headers, and lists of places.
NOT_USED_LATER = re.compile(r"\.(head|note|pte_rel|trampoline_rel|debug|comment|symbols|sbat|reloc)")
SECTION = re.compile(r"^ +\[ *(\d+)\] (\S+)", re.MULTILINE)
SYMBOL = re.compile(r"^ +\d+: [0-9a-f]+ +\S+ (\S+) +(\S+) +(\S+) +(\S+) (\S+)$", re.MULTILINE)
RELOCATED = re.compile(r"^Relocation section '\.rela(\S+)'")
RELOCATION = re.compile(r"^[0-9a-f]{16}  [0-9a-f]{16} R_X86_64_\w+ +[0-9a-f]+ (\S+)")


def readelf(flags, path):
    return subprocess.run(["readelf", flags, path], check=True, capture_output=True, text=True).stdout


def is_init(section):
    return section.startswith(".init.")


def symbols_of(path):
    """({global name: section}, {local name: section}) of what the object defines."""
    names = dict(SECTION.findall(readelf("-SW", path)))
    found = ({}, {})
    for kind, binding, _, index, name in SYMBOL.findall(readelf("-sW", path)):
        if index in names:
            found[binding == "LOCAL"][names[index] if kind == "SECTION" else name] = names[index]
    return found


def uses(path):
    """(section, name of what it refers to) for each relocation."""
    section = ""
    for line in readelf("-rW", path).splitlines():
        if header := RELOCATED.match(line):
            section = header[1]
        elif entry := RELOCATION.match(line):
            yield section, entry[1]


def main():
    objects = sys.argv[1:]
    tables = {path: symbols_of(path) for path in objects}
    everywhere = {name: section for defined, _ in tables.values() for name, section in defined.items()}
    found, checked = [], 0
    for path in objects:
        known = {**everywhere, **tables[path][1]}
        for section, name in uses(path):
            if is_init(section) or NOT_USED_LATER.match(section):
                continue
            checked += 1
            if is_init(known.get(name, "")):
                found.append(f"init: {pathlib.Path(path).name}, {section}, stays, but uses {name}, which is given back")
    if found:
        sys.exit("\n".join(sorted(set(found))))
    count = sum(is_init(section) for section in everywhere.values())
    if count == 0:
        sys.exit("init: there are no init sections")
    print(f"init: {checked} references of what stays, none to the {count} names that are given back")


if __name__ == "__main__":
    main()
