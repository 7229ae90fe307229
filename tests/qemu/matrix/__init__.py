"""The regression matrix: Berth at every load address and under every combination of what a machine can be.

`python3 -m matrix` (from tests/qemu) runs it; docs/matrix.md says what is run and how a case is repeated.
"""
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = (ROOT / os.environ.get("BERTH_BUILD", "build")).absolute()
for folder in (ROOT / "tests/qemu", ROOT / "tools"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
