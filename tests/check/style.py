#!/usr/bin/python3
"""The rules of the house that a program can see: lengths, READMEs of folders, first words of files, tests by name."""
import re
import subprocess
import sys

from layers import ROOT

FILE_LINES = 600
README_LINES = 10
LINE_COLUMNS = 120
CODE = (".c", ".h", ".S", ".py", ".sh", ".mk")
MEASURED = (".c", ".h", ".S", ".py", ".sh")
BEGINS = ("/*", "//", "#", '"""')


def tracked():
    names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout.split("\n")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def defects(path):
    name = path.relative_to(ROOT)
    if path.name == "README" and len(path.read_text().splitlines()) > README_LINES:
        yield f"{name}: longer than {README_LINES} lines"
    if path.suffix not in CODE and path.name != "Makefile":
        return
    lines = path.read_text().splitlines()
    if len(lines) > FILE_LINES:
        yield f"{name}: {len(lines)} lines, more than {FILE_LINES}"
    if lines and not lines[0].startswith(BEGINS):
        yield f"{name}: does not begin with a word about what it is for"
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_COLUMNS and path.suffix in MEASURED:
            yield f"{name}:{number}: {len(line)} columns, more than {LINE_COLUMNS}"
        if line != line.rstrip():
            yield f"{name}:{number}: blanks at the end"


def folders_without_readme(paths):
    folders = {path.parent for path in paths if path.suffix in (".c", ".S", ".py")}
    return [f"{folder.relative_to(ROOT)}/: no README" for folder in sorted(folders)
            if folder != ROOT and not (folder / "README").is_file()]


# In the documents: a file of tests, and behind a colon one of its tests.
NAMED_TEST = re.compile(r"\b(test_\w+\.(?:py|c))(?:: (\w+))?")


def names_of_tests(paths):
    """What documents name is there, and docs/testing.md names every file of tests/qemu."""
    files = {path.name: path.read_text() for path in paths if path.name.startswith("test_")}
    for path in paths:
        for file, name in NAMED_TEST.findall(path.read_text()) if path.suffix == ".md" else []:
            if file not in files or name and f"test_{name}(" not in files[file]:
                yield f"{path.relative_to(ROOT)}: there is no {file}{name and ': ' + name}"
    named = (ROOT / "docs/testing.md").read_text()
    for path in paths:
        if path.name in files and path.parent.name == "qemu" and path.name not in named:
            yield f"docs/testing.md: says nothing of {path.name}"


def main():
    paths = tracked()
    found = [defect for path in paths for defect in defects(path)] + folders_without_readme(paths)
    found += names_of_tests(paths)
    if found:
        sys.exit("\n".join(found))
    print(f"style: {len(paths)} files")


if __name__ == "__main__":
    main()
