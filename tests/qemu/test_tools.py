"""The host tools that the other tests and the user rely on."""
import os
import struct
import subprocess

import conftest
import mb2patch
import mkinitrd
import pytest

TOOLS = conftest.ROOT / "tools"


def fake_command(folder, name, script):
    path = folder / name
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)


def with_fakes(folder, *command):
    """Run a tool with the fakes of `folder` in front of the real commands."""
    path = f"{folder}:{os.environ['PATH']}"
    return subprocess.run([str(word) for word in command], env={**os.environ, "PATH": path}, text=True,
                          capture_output=True, timeout=60)


# --- packages --------------------------------------------------------------------------------------------------------

def test_nothing_is_said_or_done_when_all_packages_are_there(case):
    fake_command(case.folder, "apt-get", "echo apt-get was called; exit 1\n")
    done = with_fakes(case.folder, TOOLS / "install-packages.sh")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_missing_packages_are_installed_after_an_update_where_needed(case):
    log = case.folder / "apt.log"
    log.unlink(missing_ok=True)
    fake_command(case.folder, "id", "echo 0\n")
    fake_command(case.folder, "dpkg-query", "/usr/bin/dpkg-query \"$@\" | grep -v ' gdb$'\n")
    # Package lists are stale until apt-get update.
    fake_command(case.folder, "apt-get", f'echo "$1" >> {log}\n[ "$1" = update ] || grep -q update {log}\n')
    done = with_fakes(case.folder, TOOLS / "install-packages.sh")
    assert done.returncode == 0
    assert log.read_text().split() == ["install", "update", "install"]
    assert "gdb" in done.stdout


def test_without_root_the_command_to_run_is_named(case):
    fake_command(case.folder, "id", "echo 1000\n")
    fake_command(case.folder, "dpkg-query", "/usr/bin/dpkg-query \"$@\" | grep -v ' gdb$'\n")
    fake_command(case.folder, "apt-get", "echo apt-get was called; exit 1\n")
    done = with_fakes(case.folder, TOOLS / "install-packages.sh")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "sudo apt-get install --no-install-recommends gdb" in done.stderr


# --- kernel and initrd -----------------------------------------------------------------------------------------------

def test_a_kernel_that_is_there_is_not_fetched_again(case):
    for name in ("apt-get", "apt-cache"):
        fake_command(case.folder, name, "echo called >&2; exit 1\n")
    done = with_fakes(case.folder, TOOLS / "fetch_kernel.py", "cloud", "--into", conftest.BUILD / "kernel")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(conftest.BUILD / "kernel/cloud/vmlinuz")


def test_a_failed_download_is_told_and_leaves_nothing(case):
    fake_command(case.folder, "apt-get", "echo 'E: no network' >&2; exit 100\n")
    into = case.folder / "kernel"
    done = with_fakes(case.folder, TOOLS / "fetch_kernel.py", "cloud", "--into", into)
    assert done.returncode == 1
    assert "fetch_kernel: " in done.stderr and "E: no network" in done.stderr
    assert list(into.iterdir()) == []


def test_initrd_is_the_same_every_time(case):
    first = mkinitrd.make_initrd(case.folder / "a.gz", "report").read_bytes()
    assert first == mkinitrd.make_initrd(case.folder / "b.gz", "report").read_bytes()


# --- multiboot2 header -----------------------------------------------------------------------------------------------

def relocatable(image):
    return mb2patch.RELOCATABLE.unpack_from(image, mb2patch.relocatable_tag(image))[3:]


def test_patch_changes_the_wanted_fields_only(case):
    image = case.berth.read_bytes()
    old = relocatable(image)
    patched = mb2patch.patch(image, min_addr=0x1000000, align=0x1000)
    assert relocatable(patched) == (0x1000000, old[1], 0x1000, old[3])
    assert sum(a != b for a, b in zip(image, patched)) <= 8


def test_removed_tag_is_an_optional_unknown_one(case):
    image = mb2patch.remove(case.berth.read_bytes())
    with pytest.raises(mb2patch.PatchError, match="no relocatable tag"):
        mb2patch.relocatable_tag(image)
    unknown = [tag for tag in mb2patch.tags(image) if tag[1] == mb2patch.TAG_UNKNOWN]
    assert len(unknown) == 1 and unknown[0][2] == mb2patch.TAG_FLAG_OPTIONAL


def test_header_with_a_bad_checksum_is_no_header():
    header = mb2patch.HEADER.pack(mb2patch.HEADER_MAGIC, 0, 24, 1) + struct.pack("<HHI", 0, 0, 8)
    with pytest.raises(mb2patch.PatchError, match="no multiboot2 header"):
        mb2patch.find_header(header.ljust(64, b"\0"))
