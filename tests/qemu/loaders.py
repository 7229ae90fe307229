"""Every loader that starts Berth: how to start each in QEMU, and what Berth then says of it.

A `Loader` turns an image, its command line and its modules into QEMU's arguments:

    loader = LOADERS["pxelinux"]
    arguments = loader.arguments(folder, build, "loglevel=debug", modules=[(kernel, "quiet"), (initrd, "")])

`folder` takes what has to be written (disks, TFTP folders), `build` is where make puts everything. docs/loaders.md
tells users the same.
"""
import dataclasses
import gzip
import pathlib
import re
import shlex
import shutil
import stat
import typing

import mb2patch
import mkinitrd
import mkiso
import uefi
import unify
from berth_qemu import LINUX_WORDS

MB1_MAGIC = 0x1BADB002
SYSLINUX = pathlib.Path("/usr/lib/syslinux/modules/bios")
PXELINUX = pathlib.Path("/usr/lib/PXELINUX/pxelinux.0")
IPXE_LKRN = pathlib.Path("/boot/ipxe.lkrn")
SYSTEMD_BOOT = pathlib.Path("/usr/lib/systemd/boot/efi/systemd-bootx64.efi")
GRUB_FOLDER = pathlib.Path("/usr/lib/grub")
KEXEC = pathlib.Path("/sbin/kexec")
# The host, as QEMU's user network shows it to the guest.
TFTP_SERVER = "10.0.2.2"
QBOOT = "/usr/share/qemu/qboot.rom"


@dataclasses.dataclass(frozen=True)
class Boot:
    """What a loader is to start."""

    folder: pathlib.Path
    build: pathlib.Path
    image: pathlib.Path
    cmdline: str
    modules: list  # of (path, command line)

    def named_modules(self):
        """(name, path, command line), with a name of its own for each file."""
        return [(f"{number}-{path.name}", path, words) for number, (path, words) in enumerate(self.modules)]

    def served(self, *folders):
        """A folder with the image as `berth` and the modules beside it, for a network or a disk."""
        root = self.folder / "root"
        for folder in (".", *folders):
            (root / folder).mkdir(parents=True, exist_ok=True)
        return root

    def copy_to(self, folder):
        shutil.copyfile(self.image, folder / "berth")
        for name, path, _ in self.named_modules():
            shutil.copyfile(path, folder / name)

    def grub_menu(self, protocol):
        modules = [(name, words) for name, _, words in self.named_modules()]
        return mkiso.GRUB_HEAD + mkiso.menu_entry("", mkiso.berth_commands("berth", self.cmdline, modules, protocol))

    def config(self):
        """A berth.cfg; it names a kernel and a ramdisk, whose files are called so."""
        (_, kernel_words), *ramdisk = self.modules
        return uefi.config(kernel_words, self.cmdline, "kernel", "ramdisk" if ramdisk else None)

    def config_files(self):
        names = ["kernel", "ramdisk"]
        return {"berth.cfg": self.config(), **{name: path for name, (path, _) in zip(names, self.modules)}}

    def unified(self):
        """The image with configuration, kernel and ramdisk as sections."""
        parts = {".config": self.config()}
        for name, (path, _) in zip([".kernel", ".ramdisk"], self.modules):
            parts[name] = path.read_bytes()
        return unify.unify(self.image.read_bytes(), parts)


# --- QEMU's own loader ------------------------------------------------------------------------------------------------

def qemu_modules(boot):
    """-initrd of QEMU's multiboot1 loader: files with their words, a comma between them, a comma in them doubled."""
    return ",".join(f"{path} {words}".strip().replace(",", ",,") for path, words in boot.modules)


def qemu_multiboot1(boot):
    modules = ["-initrd", qemu_modules(boot)] if boot.modules else []
    return ["-kernel", boot.image, "-append", boot.cmdline, *modules]


def without_multiboot1(image):
    """The image's bytes without a multiboot1 header, which QEMU would prefer to the PVH note."""
    image = bytearray(image)
    found = [at for at in range(0, 8192, 4) if image[at:at + 4] == MB1_MAGIC.to_bytes(4, "little")]
    assert len(found) == 1, f"{len(found)} multiboot1 headers"
    image[found[0]:found[0] + 4] = bytes(4)
    return bytes(image)


def qemu_pvh(boot):
    """QEMU hands over one module, without a command line."""
    assert all(words == "" for _, words in boot.modules) and len(boot.modules) <= 1, "PVH in QEMU: one module, no words"
    image = boot.folder / "berth.pvh"
    image.write_bytes(without_multiboot1(boot.image.read_bytes()))
    modules = [word for path, _ in boot.modules for word in ("-initrd", path)]
    return ["-kernel", image, "-append", boot.cmdline, *modules]


def with_qboot(start):
    return lambda boot: ["-bios", QBOOT, *start(boot)]


# --- disks ------------------------------------------------------------------------------------------------------------

def grub_bios(protocol):
    def start(boot):
        return ["-cdrom", mkiso.berth_iso(boot.folder / "berth.iso", boot.image, boot.cmdline, boot.modules, protocol)]
    return start


def efi_disk(boot, files, firmware="uefi64"):
    disk = uefi.fat_disk(boot.folder / "esp.img", files)
    return [*uefi.firmware_arguments(boot.folder, firmware), *uefi.disk_arguments(disk)]


def grub_uefi(protocol="multiboot2", target="x86_64-efi", firmware="uefi64", without=()):
    def start(boot):
        image = mb2patch.remove_tags(boot.image.read_bytes(), *without)
        files = {f"boot/{name}": path for name, path, _ in boot.named_modules()}
        files |= {"boot/berth": image, "boot/grub/grub.cfg": boot.grub_menu(protocol).encode(),
                  uefi.GRUB_BOOT_FILE[target]: uefi.grub_image(boot, target)}
        return efi_disk(boot, files, firmware)
    return start


def uefi_direct(boot):
    files = {f"EFI/BOOT/{name}": content for name, content in boot.config_files().items()}
    return efi_disk(boot, {uefi.BOOT64: boot.image, **files})


def systemd_boot(boot):
    files = {f"EFI/berth/{name}": content for name, content in boot.config_files().items()}
    files |= {"EFI/berth/berth.efi": boot.image, uefi.BOOT64: SYSTEMD_BOOT,
              "loader/loader.conf": b"timeout 0\ndefault berth.conf\n",
              "loader/entries/berth.conf": b"title Berth\nefi /EFI/berth/berth.efi\n"}
    return efi_disk(boot, files)


# --- the network ------------------------------------------------------------------------------------------------------

def network(root, bootfile=None, rom=True):
    """A network card, and QEMU's TFTP server behind it; without a ROM the firmware brings its own driver, or none."""
    options = f",bootfile={bootfile}" if bootfile else ""
    device = "virtio-net-pci,netdev=net" + (",bootindex=0" if bootfile else "") + ("" if rom else ",romfile=")
    return ["-netdev", f"user,id=net,tftp={root}{options}", "-device", device]


def grub_network(boot, target, core):
    """GRUB, its configuration, the image and the modules over TFTP; returns the folder, and GRUB's name in it."""
    root = boot.served("boot/grub")
    boot.copy_to(root / "boot")
    uefi.run("grub-mknetdir", f"--net-directory={root}", "--subdir=/boot/grub", "-d", GRUB_FOLDER / target,
             "--modules=multiboot2 serial terminal echo", "--locales=", "--fonts=", "--themes=")
    (root / "boot/grub/grub.cfg").write_text(boot.grub_menu("multiboot2"))
    return root, f"/boot/grub/{target}/{core}"


def grub_pxe_bios(boot):
    return network(*grub_network(boot, "i386-pc", "core.0"))


def grub_pxe_uefi(boot):
    firmware = uefi.firmware_arguments(boot.folder, "uefi64")
    return [*firmware, *network(*grub_network(boot, "x86_64-efi", "core.efi"), rom=False)]


def pxelinux(boot):
    root = boot.served("pxelinux.cfg")
    boot.copy_to(root)
    for path in (PXELINUX, *[SYSLINUX / f"{name}.c32" for name in ("ldlinux", "mboot", "libcom32", "libutil")]):
        shutil.copyfile(path, root / path.name)
    words = [f"berth {boot.cmdline}", *[f"{name} {words}" for name, _, words in boot.named_modules()]]
    config = ["SERIAL 0 115200", "DEFAULT berth", "LABEL berth", "KERNEL mboot.c32", f"APPEND {' --- '.join(words)}"]
    (root / "pxelinux.cfg/default").write_text("\n".join(config) + "\n")
    return network(root, "/pxelinux.0")


def ipxe_bios(boot):
    """iPXE as QEMU's kernel, with a script that fetches everything."""
    root = boot.served()
    boot.copy_to(root)
    url = f"tftp://{TFTP_SERVER}"
    lines = ["#!ipxe", "dhcp", f"kernel {url}/berth {boot.cmdline}"]
    lines += [f"module {url}/{name} {words}" for name, _, words in boot.named_modules()]
    script = boot.folder / "berth.ipxe"
    script.write_text("\n".join([*lines, "boot"]) + "\n")
    return ["-kernel", IPXE_LKRN, "-initrd", script, *network(root, rom=False)]


def ipxe_uefi(boot):
    """iPXE in the ROM of the network card fetches a script; what the script fetches are files to the program."""
    root = boot.served()
    files = {**boot.config_files(), "berth.efi": boot.image.read_bytes()}
    for name, content in files.items():
        (root / name).write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    others = [f"initrd {name}" for name in files if name != "berth.efi"]
    (root / "berth.ipxe").write_text("\n".join(["#!ipxe", "kernel berth.efi", *others, "boot"]) + "\n")
    return [*uefi.firmware_arguments(boot.folder, "uefi64"), *network(root, "/berth.ipxe")]


def uefi_pxe(boot):
    """The firmware fetches one file: image, configuration, kernel and ramdisk are one."""
    root = boot.served()
    (root / "berth.efi").write_bytes(boot.unified())
    return [*uefi.firmware_arguments(boot.folder, "uefi64"), *network(root, "/berth.efi", rom=False)]


# --- Linux ------------------------------------------------------------------------------------------------------------

def kexec_initrd(boot, kind):
    """An initrd whose /init does nothing but load the image with kexec, and start it."""
    archive = mkinitrd.Cpio()
    for folder in ("bin", "boot", "dev", "lib", "lib/x86_64-linux-gnu", "lib64", "proc", "root", "sbin", "sys"):
        archive.add(folder, stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    libraries = re.findall(r"/lib\S+", uefi.run("ldd", KEXEC))
    for path in (pathlib.Path("/bin/busybox"), KEXEC, *map(pathlib.Path, libraries)):
        archive.add(str(path)[1:], stat.S_IFREG | 0o755, path.read_bytes())
    for name, path in [("berth", boot.image), *[(name, path) for name, path, _ in boot.named_modules()]]:
        archive.add(f"boot/{name}", stat.S_IFREG | 0o644, pathlib.Path(path).read_bytes())
    modules = [f"--module=/boot/{name} {words}" for name, _, words in boot.named_modules()]
    load = shlex.join(["kexec", f"--type={kind}", "-l", "/boot/berth", f"--command-line={boot.cmdline}", *modules])
    init = f"{mkinitrd.PROLOGUE}\n{load} && kexec -e\necho kexec failed\npoweroff -f\n"
    archive.add("init", stat.S_IFREG | 0o755, init.encode())
    return archive.finish()


def kexec(kind):
    def start(boot):
        initrd = boot.folder / "kexec.gz"
        initrd.write_bytes(gzip.compress(kexec_initrd(boot, kind), compresslevel=1, mtime=0))
        return ["-kernel", boot.build / "kernel/cloud/vmlinuz", "-initrd", initrd,
                "-append", LINUX_WORDS]
    return start


# --- all of them ------------------------------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Loader:
    """`protocol`, `firmware`, `says` (a pattern) and `moved_by` are what Berth's boot: line tells."""

    start: typing.Callable  # Boot -> QEMU's arguments
    protocol: str
    says: str = ""
    firmware: str = "bios"
    moved_by: str = "loader"
    container: str = "berth"      # which of make's two files it is given
    machine: str = "q35"
    memory: str = "512M"
    one_module: bool = False      # no second module, and no command line for the first
    slow: bool = False            # six seconds or more, or well tried by other tests

    def arguments(self, folder, build, cmdline="", modules=(), image=None):
        """QEMU's arguments, as strings; the machine and its memory are the caller's choice."""
        folder.mkdir(parents=True, exist_ok=True)
        image = pathlib.Path(image or build / self.container)
        boot = Boot(folder, build, image, cmdline, [(pathlib.Path(path), words) for path, words in modules])
        return [str(argument) for argument in self.start(boot)]


GRUB, QEMU, KEXEC_NAME = r"GRUB 2\.\d+", "qemu", r"kexec \d"
QEMU_MULTIBOOT1 = Loader(qemu_multiboot1, "multiboot1", QEMU, moved_by="self")
QEMU_PVH = Loader(qemu_pvh, "pvh", firmware="none", moved_by="self", one_module=True)
UEFI_DIRECT = Loader(uefi_direct, "efi", firmware="uefi64", moved_by="self", container="berth.efi")
GRUB_UEFI = Loader(grub_uefi(), "multiboot2-efi", GRUB, "uefi64", slow=True)

LOADERS = {
    "grub-bios": Loader(grub_bios("multiboot2"), "multiboot2", GRUB),
    "grub-bios-multiboot1": Loader(grub_bios("multiboot"), "multiboot1", GRUB, moved_by="self"),
    "grub-bios-pxe": Loader(grub_pxe_bios, "multiboot2", GRUB),
    "grub-uefi": GRUB_UEFI,
    "grub-uefi-exited": dataclasses.replace(
        GRUB_UEFI, start=grub_uefi(without=[mb2patch.TAG_EFI_BOOT_SERVICES]), protocol="multiboot2"),
    "grub-uefi-pxe": dataclasses.replace(GRUB_UEFI, start=grub_pxe_uefi),
    "grub-uefi32": dataclasses.replace(
        GRUB_UEFI, start=grub_uefi(target="i386-efi", firmware="uefi32"), firmware="uefi32"),
    "qemu-multiboot1": QEMU_MULTIBOOT1,
    "qemu-multiboot1-pc": dataclasses.replace(QEMU_MULTIBOOT1, machine="pc"),
    "qemu-multiboot1-microvm": dataclasses.replace(QEMU_MULTIBOOT1, machine="microvm"),
    "qemu-multiboot1-qboot": dataclasses.replace(
        QEMU_MULTIBOOT1, machine="microvm", start=with_qboot(qemu_multiboot1)),
    "qemu-pvh": QEMU_PVH,
    "qemu-pvh-pc": dataclasses.replace(QEMU_PVH, machine="pc"),
    "qemu-pvh-microvm": dataclasses.replace(QEMU_PVH, machine="microvm"),
    "qemu-pvh-qboot": dataclasses.replace(QEMU_PVH, machine="microvm", start=with_qboot(qemu_pvh)),
    "ipxe-bios": Loader(ipxe_bios, "multiboot1", "iPXE ", moved_by="self"),
    "ipxe-uefi": dataclasses.replace(UEFI_DIRECT, start=ipxe_uefi, slow=True),
    "pxelinux": Loader(pxelinux, "multiboot1", r"PXELINUX \d", moved_by="self"),
    "kexec-multiboot2": Loader(kexec("multiboot2-x86"), "multiboot2", KEXEC_NAME),
    "kexec-multiboot1": Loader(kexec("multiboot-x86"), "multiboot1", KEXEC_NAME, moved_by="self"),
    "uefi": dataclasses.replace(UEFI_DIRECT, slow=True),
    "uefi-pxe": dataclasses.replace(UEFI_DIRECT, start=uefi_pxe, slow=True),
    "systemd-boot": dataclasses.replace(UEFI_DIRECT, start=systemd_boot),
}
