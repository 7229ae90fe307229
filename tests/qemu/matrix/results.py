"""The results' files: results.jsonl, which grows as cases end, and run.json and junit.xml beside it.

Results are kept for an image's bytes: a run of the same image goes on where another stopped, and leaves out what has
passed (or was refused as expected); one of another image begins anew.
"""
import collections
import json
import subprocess
import threading
import time
import xml.etree.ElementTree as xml

from . import axes
from .image import revision_of_tree
from .record import FAIL, PASS, REFUSED


def version(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else "unknown"


def read_lines(path):
    """The records of a file, but for a last line that an interrupted run left unfinished."""
    records = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        records[record["id"]] = record
    return records


def impossible_pairs():
    """Loaders that do not go with a machine, whatever the rest."""
    pairs = [{"loader": loader, "machine": machine}
             for loader in axes.AXES["loader"] for machine in axes.AXES["machine"]]
    return [{**pair, "reason": axes.objection(axes.complete(pair))} for pair in pairs if axes.repaired(pair) is None]


class Results:
    def __init__(self, folder, image, seed, fresh):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.lines_path, self.run_path = folder / "results.jsonl", folder / "run.json"
        self.lock = threading.Lock()
        self.planned = {}
        self.started = time.monotonic()
        self.run = {"revision": revision_of_tree(), "image_sha256": image.sha256, "seed": seed,
                    "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                    "qemu": version("qemu-system-x86_64", "--version"), "grub": version("grub-mkimage", "--version"),
                    "impossible": impossible_pairs(), "groups": {}}
        earlier = json.loads(self.run_path.read_text()) if self.run_path.exists() else {}
        is_same = not fresh and earlier.get("image_sha256") == image.sha256
        self.records = {name: record for name, record in read_lines(self.lines_path).items()
                        if is_same and record["result"] != FAIL}
        # What earlier, interrupted runs have taken: of time, and of processor time for each group.
        self.elapsed = earlier.get("elapsed", 0) if is_same else 0
        self.cpu = {name: group.get("cpu_seconds", 0) for name, group in earlier.get("groups", {}).items() if is_same}
        self.lines_path.write_text("".join(json.dumps(record) + "\n" for record in self.records.values()))
        self.write_run()

    def plan(self, cases, jobs):
        """What is to be run: the report shows what is missing of it."""
        self.run["jobs"] = jobs
        self.planned = collections.Counter(case.group for case in cases)

    def is_done(self, case):
        return case.id in self.records

    def add(self, record):
        with self.lock:
            self.records[record["id"]] = record
            with open(self.lines_path, "a") as lines:
                lines.write(json.dumps(record) + "\n")

    def add_cpu(self, group, seconds):
        self.cpu[group] = self.cpu.get(group, 0) + seconds

    def groups(self):
        """{group: how many of each result, and what they cost}"""
        out = {}
        for record in self.records.values():
            group = out.setdefault(record["group"], {"count": 0, PASS: 0, FAIL: 0, REFUSED: 0, "seconds": 0.0})
            group["count"] += 1
            group[record["result"]] += 1
            group["seconds"] = round(group["seconds"] + record["seconds"], 3)
        for name, group in out.items():
            group["cpu_seconds"] = round(self.cpu.get(name, 0), 1)
            if name in self.planned:
                group["planned"] = self.planned[name]
        return out

    def write_run(self):
        self.run["groups"] = self.groups()
        self.run["elapsed"] = round(self.elapsed + time.monotonic() - self.started, 1)
        self.run_path.write_text(json.dumps(self.run, indent=2) + "\n")

    def write_junit(self):
        root = xml.Element("testsuites")
        for name, group in self.groups().items():
            suite = xml.SubElement(root, "testsuite", name=name, tests=str(group["count"]), failures=str(group[FAIL]),
                                   skipped=str(group[REFUSED]), time=str(group["seconds"]))
            for record in self.records.values():
                if record["group"] != name:
                    continue
                case = xml.SubElement(suite, "testcase", classname=name, name=record["id"].removeprefix(name + "."),
                                      time=str(record["seconds"]))
                if record["result"] == FAIL:
                    failure = xml.SubElement(case, "failure", message=printable(record["reason"]))
                    failure.text = printable(record["log_tail"] + "\n" + record["command"])
                elif record["result"] == REFUSED:
                    xml.SubElement(case, "skipped", message=record["reason"])
        xml.ElementTree(root).write(self.folder / "junit.xml", encoding="utf-8", xml_declaration=True)


def printable(text):
    """Without the control characters that XML 1.0 forbids."""
    return "".join(c for c in text if c >= " " or c in "\n\t")
