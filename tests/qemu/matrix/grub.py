"""The real GRUB as one program for QEMU's -kernel, with its script and small files inside, and large ones on a disk."""
import io
import pathlib
import subprocess
import tarfile

LNXBOOT = pathlib.Path("/usr/lib/grub/i386-pc/lnxboot.img")
MODULES = "memdisk tar multiboot multiboot2 boot serial terminal echo iorw"
MODULES_OF = {"i386-pc": "biosdisk lsmmap", "x86_64-efi": "lsefimmap", "i386-efi": ""}
HEAD = ["serial --unit=0 --speed=115200", "terminal_output serial"]
# SeaBIOS wants a disk of one old "cylinder" at least: 16 heads of 63 sectors.
DISK_ALIGNMENT = 1 << 20


def tar_bytes(files):
    """{name: bytes or path} as a tar archive, the same bytes for the same files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else pathlib.Path(content).read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def program(folder, target, commands, files):
    """A file for QEMU's -kernel: GRUB that finds `files` on (memdisk) and carries out `commands`, one by one."""
    folder.mkdir(parents=True, exist_ok=True)
    script, archive, core = folder / "grub.cfg", folder / "memdisk.tar", folder / f"grub-{target}"
    script.write_text("\n".join([*HEAD, *commands]) + "\n")
    archive.write_bytes(tar_bytes(files))
    subprocess.run(["grub-mkimage", "-O", target, "-o", str(core), "-p", "(memdisk)/", "-m", str(archive), "-c",
                    str(script), *MODULES.split(), *MODULES_OF[target].split()], check=True)
    if target == "i386-pc":
        core.write_bytes(LNXBOOT.read_bytes() + core.read_bytes())
    return core


def disk(path, files):
    """QEMU's arguments for a disk that GRUB sees as (hd0): an archive, which GRUB reads as a file system."""
    data = tar_bytes(files)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data + bytes(-len(data) % DISK_ALIGNMENT))
    return ["-drive", f"if=none,id=files,format=raw,readonly=on,file={path}", "-device", "virtio-blk-pci,drive=files"]


def load(modules, protocol="multiboot2", image="(memdisk)/berth"):
    """The commands that load Berth and `modules`, pairs of a file and its words; with them, GRUB boots."""
    verb = {"multiboot2": "module2", "multiboot": "module"}[protocol]
    return [f"{protocol} {image}", *[f"{verb} {name} {words}".rstrip() for name, words in modules], "boot"]
