#!/usr/bin/python3
"""Make a bootable ISO: GRUB 2 (BIOS), and one menu entry that starts at once.

usage: mkiso.py --berth build/berth [--cmdline "..."] [--module FILE ["ARGS"]]... OUT
       mkiso.py --linux vmlinuz [--cmdline "..."] [--initrd FILE] OUT

  --berth FILE          an image for GRUB's `multiboot2` command
  --linux FILE          a kernel for GRUB's own `linux` command, for comparison
  --module FILE [ARGS]  a module with its command line; may be given several times, the order is kept
  --initrd FILE         the initrd for --linux
  --protocol NAME       multiboot2 (default) or multiboot, for --berth
  --grub TEXT           GRUB commands put before the loading ones
"""
import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

GRUB_BIOS = "/usr/lib/grub/i386-pc"
# The fewest GRUB modules that boot both ways: a small image, and so a quick one.
GRUB_MODULES = "multiboot multiboot2 linux serial terminal echo normal iso9660 biosdisk boot wrmsr memrw"

GRUB_HEAD = """serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=0
set pager=0
"""


class IsoError(Exception):
    pass


def quoted(words):
    """A GRUB word list taken literally: single quotes protect everything but the single quote itself."""
    return "'" + words.replace("'", "'\\''") + "'"


def menu_entry(grub_text, commands):
    body = "".join(f"    {command}\n" for command in [*grub_text.splitlines(), *commands, "boot"])
    return "menuentry 'boot' {\n" + body + "}\n"


def split_arguments(arguments):
    """Arguments as GRUB words: one per blank-separated word, so that GRUB hands them on unchanged."""
    return " ".join(quoted(word) for word in arguments.split(" ") if word)


def berth_commands(image_name, cmdline, modules, protocol):
    verb = {"multiboot2": "module2", "multiboot": "module"}[protocol]
    commands = [f"{protocol} /boot/{image_name} {split_arguments(cmdline)}".rstrip()]
    for name, arguments in modules:
        commands.append(f"{verb} /boot/{name} {split_arguments(arguments)}".rstrip())
    return commands


def linux_commands(kernel_name, cmdline, initrd_name):
    commands = [f"linux /boot/{kernel_name} {split_arguments(cmdline)}".rstrip()]
    if initrd_name:
        commands.append(f"initrd /boot/{initrd_name}")
    return commands


def write_iso(out, files, commands, grub_text=""):
    """An ISO with `files` ({name: path}) in /boot and a menu of one entry with `commands`."""
    out = pathlib.Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mkiso-") as staging:
        boot = pathlib.Path(staging) / "root" / "boot"
        (boot / "grub").mkdir(parents=True)
        for name, path in files.items():
            shutil.copyfile(path, boot / name)
        (boot / "grub" / "grub.cfg").write_text(GRUB_HEAD + menu_entry(grub_text, commands))
        command = [
            "grub-mkrescue", "-d", GRUB_BIOS, f"--install-modules={GRUB_MODULES}", "--fonts=", "--locales=",
            "--themes=", "-o", str(out), str(boot.parent),
        ]
        try:
            done = subprocess.run(command, text=True, capture_output=True)
        except FileNotFoundError:
            raise IsoError("grub-mkrescue is missing: run tools/install-packages.sh") from None
        # grub-mkrescue returns 0 even when xorriso failed: look for the file as well.
        if done.returncode != 0 or not out.exists():
            raise IsoError(f"`{' '.join(command)}` failed:\n{done.stderr.strip()}")
    return out


def berth_iso(out, image, cmdline="", modules=(), protocol="multiboot2", grub_text=""):
    """`modules`: pairs of path and command line, in the order the loader shall hand them over."""
    files = {"berth": image}
    named = []
    for number, (path, arguments) in enumerate(modules):
        name = f"{number}-{pathlib.Path(path).name}"
        files[name] = path
        named.append((name, arguments))
    return write_iso(out, files, berth_commands("berth", cmdline, named, protocol), grub_text)


def linux_iso(out, kernel, cmdline="", initrd=None, grub_text=""):
    files = {"vmlinuz": kernel}
    if initrd:
        files["initrd"] = initrd
    return write_iso(out, files, linux_commands("vmlinuz", cmdline, "initrd" if initrd else None), grub_text)


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--berth")
    what.add_argument("--linux")
    parser.add_argument("--cmdline", default="")
    parser.add_argument("--module", nargs="+", action="append", default=[], metavar=("FILE", "ARGS"))
    parser.add_argument("--initrd")
    parser.add_argument("--protocol", choices=("multiboot2", "multiboot"), default="multiboot2")
    parser.add_argument("--grub", default="")
    return parser.parse_args(words)


def main():
    arguments = parse(sys.argv[1:])
    try:
        if arguments.berth:
            modules = [(module[0], " ".join(module[1:])) for module in arguments.module]
            berth_iso(arguments.out, arguments.berth, arguments.cmdline, modules, arguments.protocol, arguments.grub)
        else:
            linux_iso(arguments.out, arguments.linux, arguments.cmdline, arguments.initrd, arguments.grub)
    except (IsoError, OSError) as error:
        sys.exit(f"mkiso: {error}")


if __name__ == "__main__":
    main()
