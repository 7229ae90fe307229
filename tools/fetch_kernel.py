#!/usr/bin/python3
"""Fetch Debian's current kernel without installing it.

usage: fetch_kernel.py [amd64|cloud] [--into build/kernel]

Prints the path of the kernel, <into>/<flavour>/vmlinuz. Beside it are the modules of its package that tests load. What
is there already is not downloaded again.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

META_PACKAGES = {"amd64": "linux-image-amd64", "cloud": "linux-image-cloud-amd64"}
MODULES = ("efivarfs.ko",)
# apt-get runs as us: its unprivileged download user could not write into the build folder, and would say so.
APT_GET = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root"]


class FetchError(Exception):
    pass


def run(command, folder=None):
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True)
    if done.returncode != 0:
        raise FetchError(f"`{' '.join(command)}` failed:\n{(done.stderr or done.stdout).strip()}")
    return done.stdout


def image_package(meta):
    """The versioned kernel package that the meta package depends on now."""
    found = re.search(r"^\s*\|?Depends: (linux-image-\d\S*)$", run(["apt-cache", "depends", meta]), re.MULTILINE)
    if not found:
        raise FetchError(f"{meta} names no kernel package")
    return found.group(1)


def download(package, folder):
    run(APT_GET + ["download", package], folder)
    files = sorted(folder.glob(f"{package}_*.deb"))
    if not files:
        raise FetchError(f"apt-get download {package} left no file in {folder}")
    return files[-1]


def unpacked(package_name, work):
    """The files of a package, in a folder below `work`. The name is asked for when the package lists are fresh."""
    try:
        package = download(package_name(), work)
    except FetchError:
        # No package lists, or lists older than the archive: fetch them and try once more.
        run(APT_GET + ["update"])
        package = download(package_name(), work)
    run(["dpkg-deb", "-x", str(package), str(work / "files")])
    return work / "files"


def one_file(folder, pattern):
    found = list(folder.rglob(pattern))
    if len(found) != 1:
        raise FetchError(f"the package holds {len(found)} files {pattern}, expected one")
    return found[0]


def fetch_kernel(flavour="amd64", into="build/kernel"):
    """Path of the kernel's bzImage. Raises FetchError."""
    if flavour not in META_PACKAGES:
        raise FetchError(f"no kernel flavour {flavour}; there are: {', '.join(META_PACKAGES)}")
    home = pathlib.Path(into).absolute() / flavour
    kernel = home / "vmlinuz"
    if kernel.exists() and all((home / module).exists() for module in MODULES):
        return kernel

    work = home.with_name(f"{flavour}.tmp-{os.getpid()}")
    work.mkdir(parents=True)
    try:
        files = unpacked(lambda: image_package(META_PACKAGES[flavour]), work)
        image = one_file(files, "vmlinuz-*")
        home.mkdir(parents=True, exist_ok=True)
        for module in MODULES:
            os.replace(one_file(files, module), home / module)
        os.replace(image, home / image.name)
        link = home / f"vmlinuz.{os.getpid()}"
        link.symlink_to(image.name)
        os.replace(link, kernel)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return kernel


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("flavour", nargs="?", default="amd64", choices=META_PACKAGES)
    parser.add_argument("--into", default="build/kernel")
    arguments = parser.parse_args()
    try:
        print(fetch_kernel(arguments.flavour, arguments.into))
    except (FetchError, OSError) as error:
        sys.exit(f"fetch_kernel: {error}")


if __name__ == "__main__":
    main()
