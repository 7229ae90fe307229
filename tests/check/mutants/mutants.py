#!/usr/bin/python3
"""Does the matrix catch small faults? Each of faults.py is put into a copy of the source; its case must fail there.

    mutants.py BUILD [NAME...]

BUILD holds the guests and kernels that `make check-matrix` uses. Exit status 1: a fault was not caught, or a case fails
without any. What was printed stays in BUILD/mutants/.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

from faults import FAULTS

ROOT = pathlib.Path(__file__).resolve().parents[3]
# Beside what the build makes, all that a case needs.
SHARED = ("guests", "kernel", "initrd-report.gz")
SECONDS = 600


def copy_source(to):
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)


def build(folder, build_folder):
    """The image of a copy. Returns where its outputs are."""
    out = folder / "build"
    out.mkdir(exist_ok=True)
    for name in SHARED:
        if not (out / name).exists():
            (out / name).symlink_to(build_folder / name)
    subprocess.run(["make", "-s", "DEPS=skip", "BUILD=build", "all"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return out


def put_in(fault, folder):
    path = folder / fault.file
    text = path.read_text()
    if text.count(fault.old) != 1:
        sys.exit(f"mutants: {fault.file} has {text.count(fault.old)} times the text of {fault.name!r}, expected one")
    path.write_text(text.replace(fault.old, fault.new))
    return text


def run_case(case, out, log):
    """True when the case passes. The tests are those of this tree, the image is the copy's."""
    done = subprocess.run([sys.executable, "-B", "-m", "matrix", "case", case], cwd=ROOT / "tests/qemu",
                          env={**os.environ, "BERTH_BUILD": str(out)}, capture_output=True, text=True, timeout=SECONDS)
    log.write_text(done.stdout + done.stderr)
    return done.returncode == 0


def last_line(log):
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def main():
    build_folder = pathlib.Path(sys.argv[1]).resolve()
    wanted = [fault for fault in FAULTS if not sys.argv[2:] or fault.name in sys.argv[2:]]
    folder = build_folder / "mutants"
    shutil.rmtree(folder, ignore_errors=True)
    source = folder / "source"
    copy_source(source)
    subprocess.run(["git", "init", "-q", source], check=True)  # the build asks for a revision
    out = build(source, build_folder)
    failed = 0
    for number, case in enumerate(dict.fromkeys(fault.case for fault in wanted)):
        log = folder / f"sound-{number}.log"
        if not run_case(case, out, log):
            failed += 1
            print(f"FAILED  without a fault: {case}: {last_line(log)}")
    for fault in wanted:
        sound = put_in(fault, source)
        log = folder / (re.sub(r"\W+", "-", fault.name) + ".log")
        build(source, build_folder)
        if run_case(fault.case, out, log):
            failed += 1
            print(f"MISSED  {fault.name}: {fault.case} passes")
        else:
            print(f"caught  {fault.name}: {last_line(log)}")
        (source / fault.file).write_text(sound)
    print(f"{len(wanted)} faults, {failed} not as they should be")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
