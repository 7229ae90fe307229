#!/usr/bin/python3
"""Each header compiles alone, and twice in a row: it includes what it needs and has a guard."""
import subprocess
import sys

from layers import ROOT

# Included before every file, and nothing else by itself.
NOT_ALONE = {"include/x86/visibility.h"}


def main():
    compiler = sys.argv[1]
    folders = [f"-I{path}" for path in sorted((ROOT / "include/core").iterdir()) if path.is_dir()]
    headers = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "include").rglob("*.h"))]
    failed = 0
    for header in headers:
        if header in NOT_ALONE:
            continue
        result = subprocess.run(
            [compiler, "-std=gnu11", "-ffreestanding", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-Iinclude",
             *folders, "-x", "c", "-"],
            input=f'#include "{ROOT / header}"\n' * 2, text=True, cwd=ROOT, capture_output=True, check=False)
        if result.returncode != 0:
            failed += 1
            print(f"{header} does not compile alone:\n{result.stderr}")
    if failed:
        sys.exit(1)
    print(f"headers: {len(headers)} compile alone")


if __name__ == "__main__":
    main()
