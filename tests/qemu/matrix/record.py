"""What a case is, and the record of what came of it: one JSON object, the contract with the report and with JUnit."""
import dataclasses
import pathlib
import re
import struct
import typing

import berth_qemu

from . import BUILD

PASS, FAIL, REFUSED = "pass", "fail", "refused"
TAIL_LINES = 25
RANGE = re.compile(r"0x([0-9a-f]+)-0x([0-9a-f]+)")


@dataclasses.dataclass
class Case:
    """One thing to run. `run()` returns an Outcome; `axes` says what it is a case of."""

    group: str
    name: str
    axes: dict
    run: typing.Callable = None

    @property
    def id(self):
        return f"{self.group}.{self.name}"


@dataclasses.dataclass
class Outcome:
    """`defects` empty: passed. `refused`: the loader had no room, as was to be expected, for this reason."""

    defects: list
    text: str
    refused: str = ""
    has_places: bool = True


def inclusive(text):
    """"0x1000-0x1fff" as (start, end) with the end exclusive."""
    first, last = RANGE.fullmatch(text).groups()
    return int(first, 16), int(last, 16) + 1


def ram_of(log):
    return [{"start": first, "end": last + 1, "type": kind} for first, last, kind in log.memory]


def kernel_path(guest):
    """The file of a guest: one of tests/guests, or a Debian kernel."""
    return BUILD / (f"guests/{guest}.bzimage" if guest.startswith("zp") else f"kernel/{guest}/vmlinuz")


def kernel_room(path):
    """What a kernel asks for; protocols before 2.10 do not say. Source: Linux boot.rst, "init_size"."""
    header = pathlib.Path(path).read_bytes()[:0x264]
    version, = struct.unpack_from("<H", header, 0x206)
    return struct.unpack_from("<I", header, 0x260)[0] if version >= 0x20A else pathlib.Path(path).stat().st_size


def placement_of(log, image_bytes, kernel_bytes):
    """Where everything is that the log names."""
    places = [("image", log.base, log.base + image_bytes)]
    places += [(f"module {number}", *inclusive(module["range"])) for number, module in enumerate(log.modules)]
    for line in log.starting("dom0: mode="):
        found = dict(re.findall(r"(entry|zero-page|initrd)=(\S+)", line))
        kernel = int(found["entry"], 16) & -4096
        places.append(("kernel", kernel, kernel + kernel_bytes))
        places.append(("zero-page", int(found["zero-page"], 16), int(found["zero-page"], 16) + 4096))
        if found["initrd"] != "none":
            places.append(("initrd", *inclusive(found["initrd"])))
    return [{"what": what, "start": start, "end": end} for what, start, end in places]


def ticks(log):
    for line in log.starting("time: "):
        found = dict(re.findall(r"([a-z-]+)=(\d+)", line))
        return {name.replace("-", "_"): int(value) for name, value in found.items()}
    return None


def record(case, outcome, image_bytes, seconds):
    """The contract. What a broken log does not tell is null."""
    log = berth_qemu.BerthLog(outcome.text)
    result = FAIL if outcome.defects else REFUSED if outcome.refused else PASS
    boots = log.starting("boot: ")
    out = {"id": case.id, "group": case.group, "axes": case.axes, "result": result,
           "reason": "; ".join(outcome.defects) or outcome.refused,
           "base": log.base if len(boots) == 1 else None,
           "moved_by": log.boot["moved-by"] if len(boots) == 1 else None,
           "tsc": ticks(log), "seconds": round(seconds, 4)}
    if outcome.has_places and len(boots) == 1:
        out["placement"] = placement_of(log, image_bytes, kernel_room(kernel_path(case.axes["guest"])))
        out["memory"] = ram_of(log)
    if result == FAIL:
        out["log_tail"] = "\n".join(outcome.text.splitlines()[-TAIL_LINES:])
    out["command"] = f"make case C={case.id}"
    return out
