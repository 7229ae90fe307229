"""Machines with UEFI firmware: OVMF for 64 and 32 bits and with Secure Boot, EFI system partitions, GRUB for UEFI.

What a test puts on the EFI system partition is a dictionary {path: bytes, or the path of a file}.
"""
import os
import pathlib
import shutil
import subprocess

import mkiso
import pytest
from berth_qemu import LINUX_WORDS

OVMF = pathlib.Path("/usr/share/OVMF")
# For every kind of firmware: its code, its variables, further options of QEMU.
FIRMWARE = {
    "uefi64": ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd", ()),
    "uefi32": ("OVMF32_CODE_4M.secboot.fd", "OVMF32_VARS_4M.fd", ()),
    # Flash that only system management mode can write, or Secure Boot would be worth nothing.
    "secure": ("OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.snakeoil.fd",
               ("-machine", "smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on")),
}
SNAKEOIL_KEY = pathlib.Path("/usr/share/ovmf/PkKek-1-snakeoil.key")
SNAKEOIL_CERTIFICATE = pathlib.Path("/usr/share/ovmf/PkKek-1-snakeoil.pem")
SNAKEOIL_PASSPHRASE = "snakeoil"

BOOT64, BOOT32 = "EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/BOOTIA32.EFI"
GRUB_MODULES = ("normal multiboot multiboot2 linux chain fat serial terminal echo boot part_gpt part_msdos search "
                "efi_gop all_video")
GRUB_BOOT_FILE = {"x86_64-efi": BOOT64, "i386-efi": BOOT32}

KERNEL_CMDLINE = LINUX_WORDS
# One boot in QEMU's firmware takes three seconds on an idle machine.
BOOT_SECONDS = 120


def built(case, name):
    path = case.build / name
    if not path.exists():
        pytest.fail(f"{path} is missing: run `make check-qemu`, which makes it", pytrace=False)
    return path


def berth_efi(case):
    return built(case, "berth.efi")


def efi_initrd(case):
    return built(case, "initrd-efi.gz")


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True, **options)
    assert done.returncode == 0, f"`{' '.join(map(str, command))}` failed:\n{done.stdout}{done.stderr}"
    return done.stdout


# --- disks ----------------------------------------------------------------------------------------------------------

MIB = 1 << 20


def fat_disk(path, files):
    """A disk that is one FAT file system."""
    staged = {}
    for name, content in files.items():
        if isinstance(content, bytes):
            source = path.with_name(path.name + ".content") / name
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_bytes(content)
            content = source
        staged[name] = content
    mebibytes = sum(pathlib.Path(source).stat().st_size // MIB + 1 for source in staged.values()) + 8
    path.unlink(missing_ok=True)
    # One "cylinder" of 64 heads and 32 sectors is one MiB.
    run("mformat", "-C", "-i", path, "-t", mebibytes, "-h", 64, "-s", 32, "::")
    folders = {str(parent) for name in staged for parent in pathlib.PurePosixPath(name).parents} - {"."}
    if folders:
        run("mmd", "-i", path, *[f"::/{folder}" for folder in sorted(folders)])
    for name, source in staged.items():
        run("mcopy", "-i", path, source, f"::/{name}")
    return path


def disk_arguments(path):
    return ["-drive", f"file={path},format=raw,if=none,id=esp,readonly=on",
            "-device", "virtio-blk-pci,drive=esp,bootindex=0"]


# --- firmware -------------------------------------------------------------------------------------------------------

def firmware_arguments(folder, kind):
    code, variables, more = FIRMWARE[kind]
    for name in (code, variables):
        if not (OVMF / name).exists():
            pytest.fail(f"{OVMF / name} is missing: run `make packages`", pytrace=False)
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / "vars.fd"
    shutil.copyfile(OVMF / variables, own)
    return ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF / code}",
            "-drive", f"if=pflash,format=raw,unit=1,file={own}", *more]


def machine(case, files, *, firmware="uefi64", name="vm", extra=(), **options):
    """A machine whose firmware starts \\EFI\\BOOT\\BOOT*.EFI of a disk with these files."""
    folder = case.folder / name
    arguments = firmware_arguments(folder, firmware)
    disk = fat_disk(folder / "esp.img", files)
    return case.machine(name, extra=[*arguments, *disk_arguments(disk), *extra], **options)


def wait_userspace(vm):
    """Wait for Linux's report, not longer than for an error of Berth's."""
    vm.wait_for(r"^USERSPACE-OK$|^\(BERTH\) (error: .+|halted)$", BOOT_SECONDS)
    if vm.log.errors:
        raise vm.error("Berth printed an error")
    return vm.wait_userspace(BOOT_SECONDS)


# --- what to start --------------------------------------------------------------------------------------------------

def config(kernel_cmdline=KERNEL_CMDLINE, options="com1=115200", kernel="vmlinuz", ramdisk="initrd.gz"):
    """A berth.cfg with one entry."""
    lines = ["[global]", "default=linux", "", "[linux]", f"options={options}"]
    if kernel:
        lines.append(f"kernel={kernel} {kernel_cmdline}")
    if ramdisk:
        lines.append(f"ramdisk={ramdisk}")
    return "\n".join(lines).encode() + b"\n"


def direct_files(case, image=None, folder="EFI/BOOT", start=BOOT64, initrd=None, **settings):
    """berth.efi as the program that the firmware starts, with everything beside it."""
    return {start: image or berth_efi(case), f"{folder}/berth.cfg": config(**settings),
            f"{folder}/vmlinuz": case.kernel, f"{folder}/initrd.gz": initrd or case.initrd}


def grub_image(case, target="x86_64-efi"):
    """GRUB as an EFI program that reads /boot/grub/grub.cfg of the disk it was started from."""
    out = case.build / "uefi" / f"grub-{target}.efi"
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        new = out.with_name(f"{out.name}.{os.getpid()}")
        run("grub-mkimage", "-O", target, "-o", new, "-p", "/boot/grub", *GRUB_MODULES.split())
        os.replace(new, out)
    return out


def grub_files(case, commands, files, target="x86_64-efi", grub_text=""):
    """GRUB as the program that the firmware starts, with one menu entry of these commands."""
    menu = mkiso.GRUB_HEAD + mkiso.menu_entry(grub_text, commands)
    return {GRUB_BOOT_FILE[target]: grub_image(case, target), "boot/grub/grub.cfg": menu.encode(), **files}


def grub_berth_files(case, image=None, cmdline="", kernel_cmdline=KERNEL_CMDLINE, protocol="multiboot2", initrd=None,
                     **options):
    files = {"boot/berth": image or case.berth, "boot/vmlinuz": case.kernel, "boot/initrd.gz": initrd or case.initrd}
    modules = [("vmlinuz", kernel_cmdline), ("initrd.gz", "")]
    return grub_files(case, mkiso.berth_commands("berth", cmdline, modules, protocol), files, **options)


def grub_linux_files(case, kernel_cmdline=KERNEL_CMDLINE, initrd=None, **options):
    files = {"boot/vmlinuz": case.kernel, "boot/initrd": initrd or case.initrd}
    return grub_files(case, mkiso.linux_commands("vmlinuz", kernel_cmdline, "initrd"), files, **options)
