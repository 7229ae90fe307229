"""Fixtures for the QEMU tests: where things are, and one folder per case."""
import os
import pathlib
import random
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(pathlib.Path(__file__).parent)]

import berth_qemu  # noqa: E402
import mkiso  # noqa: E402

BUILD = pathlib.Path(os.environ.get("BERTH_BUILD", "build"))
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD

# What the tests use, and the make target that makes it.
INPUTS = {
    "berth": BUILD / "berth",
    "debug": BUILD / "berth.debug",
    "debug_build": BUILD / "debug-image/berth",
    "kernel": BUILD / "kernel/cloud/vmlinuz",
    "report_initrd": BUILD / "initrd-report.gz",
}

FAILED = pytest.StashKey()
KEPT_BYTES_MOST = 1 << 20


def pytest_addoption(parser):
    parser.addoption("--sample", action="store_true",
                     help="leave out slow tests, and of tests marked `sample` all but a few rows chosen at random")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: left out by --sample")
    config.addinivalue_line("markers", "sample(rows): so many of a test's rows, chosen by BERTH_SEED, are enough")
    # Workers of pytest-xdist inherit the environment, and so choose the same rows.
    os.environ["BERTH_SEED"] = os.environ.get("BERTH_SEED") or str(random.randrange(1 << 32))


def pytest_terminal_summary(terminalreporter):
    if terminalreporter.config.getoption("--sample"):
        terminalreporter.write_line(f"rows chosen by seed {os.environ['BERTH_SEED']} (SEED=... repeats the choice)")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--sample"):
        return
    rows = {}
    for item in items:
        rows.setdefault((item.fspath, item.originalname), []).append(item)
    chosen = set()
    for (_, name), found in rows.items():
        found = [item for item in found if not item.get_closest_marker("slow")]
        mark = found and found[0].get_closest_marker("sample")
        if mark and len(found) > mark.args[0]:
            found = random.Random(f"{name} {os.environ['BERTH_SEED']}").sample(found, mark.args[0])
        chosen.update(found)
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = [item for item in items if item in chosen]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure names the folder where the case's machines and logs are kept."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        item.stash[FAILED] = True
    if report.failed and "case" in getattr(item, "funcargs", {}):
        scripts = "\n".join(str(script) for script in sorted(item.funcargs["case"].folder.rglob("run.sh")))
        report.sections.append(("repeat with", scripts))


def required(name):
    path = INPUTS[name]
    if not path.exists():
        pytest.fail(f"{path} is missing: run `make check-qemu`, which makes it", pytrace=False)
    return path


class Case:
    """The inputs of a test and the folder where it keeps what it made."""

    def __init__(self, folder):
        self.folder = folder

    @property
    def build(self):
        return BUILD

    @property
    def berth(self):
        return required("berth")

    @property
    def debug_build(self):
        """The image built with DEBUG=1."""
        return required("debug_build")

    @property
    def debug_image(self):
        """The image with its symbols."""
        return required("debug")

    @property
    def kernel(self):
        return required("kernel")

    @property
    def initrd(self):
        return required("report_initrd")

    def guest(self, name):
        """A file of tests/guests: "zp64.bzimage", "shim.elf"."""
        path = BUILD / "guests" / name
        if not path.exists():
            pytest.fail(f"{path} is missing: run `make guests`", pytrace=False)
        return path

    def berth_iso(self, cmdline="", modules=None, image=None, kernel_cmdline=berth_qemu.LINUX_WORDS, **options):
        """An ISO that boots Berth; by default with the cloud kernel and the report initrd."""
        if modules is None:
            modules = [(self.kernel, kernel_cmdline), (self.initrd, "")]
        return mkiso.berth_iso(self.folder / "berth.iso", image or self.berth, cmdline, modules, **options)

    def linux_iso(self, cmdline=berth_qemu.LINUX_WORDS, kernel=None, initrd=None):
        return mkiso.linux_iso(self.folder / "linux.iso", kernel or self.kernel, cmdline, initrd or self.initrd)

    def machine(self, name="vm", **options):
        return berth_qemu.Machine(self.folder / name, **options)

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path


@pytest.fixture
def case(request):
    name = re.sub(r"[^\w.=-]+", "_", request.node.name).strip("_")
    folder = BUILD / "tests" / pathlib.Path(request.node.fspath).stem / name
    folder.mkdir(parents=True, exist_ok=True)
    yield Case(folder)
    # Disk images and the like are quickly made again: they stay only where a failed case may need them.
    if not request.node.stash.get(FAILED, False):
        for path in folder.rglob("*"):
            if path.is_file() and path.stat().st_size > KEPT_BYTES_MOST:
                path.unlink()
