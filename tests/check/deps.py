#!/usr/bin/python3
"""Every include keeps to the ranks: a file may include its own rank or lower, and a PURE one nothing privileged."""
import sys

from layers import FOLDERS, HEADER_RANK, PRIVILEGED_FOLDERS, ROOT, header_folders, includes


def defects(path, rank, pure, known):
    for name in includes(path):
        folder = known.get(name)
        if folder is None:
            continue
        if HEADER_RANK[folder] > rank:
            yield f"{path.relative_to(ROOT)}: rank {rank} includes \"{name}\" of rank {HEADER_RANK[folder]}"
        if pure and folder in PRIVILEGED_FOLDERS:
            yield f"{path.relative_to(ROOT)}: PURE, but includes \"{name}\" of {folder}"
        if name.startswith("core/"):
            yield f"{path.relative_to(ROOT)}: \"{name}\" goes around the include paths"


def main():
    known, found, files = header_folders(), [], 0
    for folder, (rank, pure) in FOLDERS.items():
        for path in sorted((ROOT / folder).glob("*.[chS]")):
            files += 1
            found += defects(path, rank, pure, known)
    for folder, rank in HEADER_RANK.items():
        for base in ("include", "include/core"):
            for path in sorted((ROOT / base / folder).glob("*.h")):
                files += 1
                found += defects(path, rank, False, known)
    if found:
        sys.exit("\n".join(found))
    print(f"deps: {files} files keep to the ranks")


if __name__ == "__main__":
    main()
