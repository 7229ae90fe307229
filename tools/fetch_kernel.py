#!/usr/bin/python3
"""Fetch Debian's current kernel without installing it.

usage: fetch_kernel.py [amd64|cloud|backports] [--into build/kernel]

Prints the path of the kernel, <into>/<flavour>/vmlinuz. Beside it is efivarfs.ko, and in <into>/<flavour>/modules are
the modules that tests of devices load: `order` names them so that each comes after those that it needs. `backports` is
the newer kernel that Debian offers for this release, from the same archive; this system's own lists of packages are not
touched for it. What is there already is not downloaded again.
"""
import argparse
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import sys

META_PACKAGES = {"amd64": "linux-image-amd64", "cloud": "linux-image-cloud-amd64", "backports": "linux-image-amd64"}
EFI_MODULE = "efivarfs"
# What is built in, or not in a flavour at all, is passed over. ext4 asks for a checksum by name.
DEVICE_MODULES = ("crc32c_generic", "ext4", "virtio_pci", "virtio_blk", "ahci", "sd_mod", "virtio_net", "e1000")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# apt-get runs as us: its unprivileged download user could not write into the build folder, and would say so.
APT_GET = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root"]


class FetchError(Exception):
    pass


def run(command, folder=None):
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True)
    if done.returncode != 0:
        raise FetchError(f"`{' '.join(command)}` failed:\n{(done.stderr or done.stdout).strip()}")
    return done.stdout


def backports_options(folder):
    """For apt: lists of their own, of the backports to the release that this system has."""
    targets = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)"]).splitlines()
    release = re.search(r"^VERSION_CODENAME=(\w+)$", pathlib.Path("/etc/os-release").read_text(), re.MULTILINE)
    uris = sorted({uri for uri, codename in map(str.split, targets) if release and codename == release.group(1)})
    if not uris:
        raise FetchError("apt names no archive of this system's release, and so none of its backports")
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {uris[0]} {release.group(1)}-backports main\n")
    settings = {"Dir::Etc::sourcelist": folder / "sources.list", "Dir::Etc::sourceparts": "/dev/null",
                "Dir::State::lists": folder / "lists", "Dir::Cache": folder / "cache"}
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def image_package(meta, options):
    """The versioned kernel package that the meta package depends on now."""
    found = re.search(r"^\s*\|?Depends: (linux-image-\d\S*)$", run(["apt-cache", *options, "depends", meta]),
                      re.MULTILINE)
    if not found:
        raise FetchError(f"{meta} names no kernel package")
    return found.group(1)


def download(package, folder, options):
    run(APT_GET + [*options, "download", package], folder)
    files = sorted(folder.glob(f"{package}_*.deb"))
    if not files:
        raise FetchError(f"apt-get download {package} left no file in {folder}")
    return files[-1]


def unpacked(package_name, work, options=()):
    """The files of a package, in a folder below `work`. The name is asked for when the package lists are fresh."""
    try:
        package = download(package_name(), work, options)
    except FetchError:
        # No package lists, or lists older than the archive: fetch them and try once more.
        run(APT_GET + [*options, "update"])
        package = download(package_name(), work, options)
    run(["dpkg-deb", "-x", str(package), str(work / "files")])
    return work / "files"


def one_file(folder, pattern):
    found = list(folder.rglob(pattern))
    if len(found) != 1:
        raise FetchError(f"the package holds {len(found)} files {pattern}, expected one")
    return found[0]


def module_needs(content):
    """The modules that one names as those it needs: its section .modinfo, as text between NULs."""
    found = re.search(rb"\0depends=([^\0]*)\0", content)
    return [name for name in found.group(1).decode().split(",") if name] if found else []


def store_modules(package, home):
    """DEVICE_MODULES and what they need, uncompressed, and the order to load them in."""
    # Compressed or not, and with either of two characters where a name has more than one word.
    files = {path.name.split(".")[0].replace("-", "_"): path for path in package.rglob("*.ko*")}
    home.mkdir(parents=True)
    order = []

    def store(name):
        if name in order or name not in files:
            return
        content = files[name].read_bytes()
        if files[name].suffix == ".xz":
            content = lzma.decompress(content)
        for needed in module_needs(content):
            store(needed.replace("-", "_"))
        (home / f"{name}.ko").write_bytes(content)
        order.append(name)

    for name in DEVICE_MODULES:
        store(name)
    (home / "order").write_text("\n".join(order) + "\n")


def fetch_kernel(flavour="amd64", into="build/kernel"):
    """Path of the kernel's bzImage. Raises FetchError."""
    if flavour not in META_PACKAGES:
        raise FetchError(f"no kernel flavour {flavour}; there are: {', '.join(META_PACKAGES)}")
    home = pathlib.Path(into).absolute() / flavour
    kernel = home / "vmlinuz"
    if kernel.exists() and (home / "modules" / "order").exists():
        return kernel

    work = home.with_name(f"{flavour}.tmp-{os.getpid()}")
    work.mkdir(parents=True)
    try:
        options = backports_options(work / "apt") if flavour == "backports" else []
        files = unpacked(lambda: image_package(META_PACKAGES[flavour], options), work, options)
        image = one_file(files, "vmlinuz-*")
        home.mkdir(parents=True, exist_ok=True)
        efi_module = one_file(files, f"{EFI_MODULE}.ko*")
        if efi_module.suffix == ".ko":
            os.replace(efi_module, home / efi_module.name)
        store_modules(files, work / "modules")
        shutil.rmtree(home / "modules", ignore_errors=True)
        os.replace(work / "modules", home / "modules")
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
