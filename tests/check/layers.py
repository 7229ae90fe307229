"""The include ranks of docs/design.md, as the checks know them."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Header folder (below include/ or include/core/) -> rank.
HEADER_RANK = {"abi": 0, "x86": 0, "lib": 1, "info": 2, "mm": 3, "cpu": 4, "dev": 4, "image": 5, "policy": 5,
               "native": 6, "hvm": 6, "svm": 7, "vmx": 7, "start": 8}

# Source folder -> (rank, PURE).
FOLDERS = {
    "arch/x86/lib": (1, True),
    "boot/info": (2, True),
    "arch/x86/mm": (3, True),
    "arch/x86/cpu": (4, False),
    "arch/x86/dev": (4, False),
    "arch/x86/guest/image": (5, True),
    "arch/x86/guest/policy": (5, True),
    "arch/x86/guest/native": (6, False),
    "arch/x86/guest/hvm": (6, False),
    "arch/x86/guest/svm": (7, False),
    "arch/x86/guest/vmx": (7, False),
    "boot": (8, False),
    "efi": (8, False),
}

# Headers that hold privileged instructions or reach for the machine: no PURE file may include them.
PRIVILEGED_FOLDERS = {"cpu", "dev", "native", "hvm", "svm", "vmx", "start"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def header_folders():
    """Header name as included -> its folder."""
    names = {}
    for path in (ROOT / "include").rglob("*.h"):
        relative = path.relative_to(ROOT / "include")
        folder = relative.parts[-2]
        names[relative.name if relative.parts[0] == "core" else str(relative)] = folder
    return names


def includes(path):
    return [name for _, name in INCLUDE.findall(path.read_text())]
