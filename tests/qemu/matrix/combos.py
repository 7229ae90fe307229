"""Run one combination of the axes (axes.py): a fresh machine, the named loader, the named guest.

LOADERS says for each loader how QEMU is told to start it and what Berth's log must then say. A loader that is not in
the table is left out of the plan.
"""
import dataclasses
import pathlib
import re
import tempfile
import typing

import berth_qemu
import loaders
import mb2patch
import uefi
from berth_shim import INITRD

from . import BUILD, axes, grub
from .image import SLOT_BYTES
from .record import Case, Outcome, kernel_path
from .slots import DEBIAN_WORDS, KERNEL_WORDS, log_defects, verdict_defects
from .snapshot import OVMF

# What a machine gives reason to warn of.
WARNINGS = {"microvm": ("memory map: 1 entries of length 0 were left out",)}
ZEROPAGE_SECONDS, DEBIAN_SECONDS = 120, 240
CPU = {"qemu64+pdpe1gb": "qemu64,+pdpe1gb", "max-la57": "max,la57=off"}


@dataclasses.dataclass
class Setup:
    """What a loader has to start: the image's bytes, a kernel with its words, an initrd; files go to `folder`."""

    folder: pathlib.Path
    case: dict
    image: bytes

    @property
    def is_debian(self):
        return self.case["guest"] in axes.DEBIAN

    @property
    def kernel(self):
        return kernel_path(self.case["guest"])

    @property
    def words(self):
        # Not every loader and firmware leads to ACPI's tables: microvm's has none in the BIOS area.
        return DEBIAN_WORDS if self.is_debian else KERNEL_WORDS.removesuffix(" rsdp=some")

    @property
    def initrd(self):
        path = self.folder / "initrd"
        path.write_bytes((BUILD / "initrd-report.gz").read_bytes() if self.is_debian else INITRD)
        return path

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path


# --- how each loader is started: QEMU's arguments -------------------------------------------------------------------

def with_grub(target, protocol="multiboot2", firmware=()):
    def arguments(setup):
        files = {"kernel": setup.kernel, "initrd": setup.initrd}
        # Large files go to a disk, but 32-bit UEFI shows none to a program that QEMU starts.
        on_disk = setup.is_debian and target != "i386-efi"
        where = "(hd0)" if on_disk else "(memdisk)"
        commands = grub.load([(f"{where}/kernel", setup.words), (f"{where}/initrd", "")], protocol)
        inside = {} if on_disk else files
        program = grub.program(setup.folder, target, commands, {"berth": setup.image, **inside})
        disk = grub.disk(setup.folder / "disk.img", files) if on_disk else []
        more = uefi.firmware_arguments(setup.folder, "uefi32") if target == "i386-efi" else firmware
        return [*more, "-kernel", program, *disk]
    return arguments


def without_boot_services(arguments):
    """The image without the tag that keeps UEFI's boot services alive."""
    def changed(setup):
        return arguments(dataclasses.replace(setup, image=mb2patch.remove_tags(
            setup.image, mb2patch.TAG_EFI_BOOT_SERVICES)))
    return changed


def as_efi_program(setup):
    files = {uefi.BOOT64: BUILD / "berth.efi", "EFI/BOOT/berth.cfg": uefi.config(setup.words),
             "EFI/BOOT/vmlinuz": setup.kernel, "EFI/BOOT/initrd.gz": setup.initrd}
    return ["-bios", OVMF, *uefi.disk_arguments(uefi.fat_disk(setup.folder / "esp.img", files))]


def with_qemu(setup):
    return ["-kernel", setup.write("berth", setup.image), "-initrd", f"{setup.kernel} {setup.words},{setup.initrd}"]


def with_loader(loader):
    """One of loaders.py; a loader of one module gives the guest no initrd and no words."""
    def arguments(setup):
        modules = [(setup.kernel, "")] if loader.one_module else [(setup.kernel, setup.words), (setup.initrd, "")]
        return loader.arguments(setup.folder / "loader", BUILD, modules=modules)
    return Loader(arguments, loader.protocol, loader.firmware, (loader.moved_by,))


@dataclasses.dataclass(frozen=True)
class Loader:
    """`protocol`, `firmware`: as in Berth's log; `moved_by`: who may have chosen the image's place."""

    arguments: typing.Callable
    protocol: str
    firmware: str
    moved_by: tuple = ("loader",)


EFI_FIRMWARE = ("-bios", OVMF)
LOADERS = {
    "grub-bios-mb2": Loader(with_grub("i386-pc"), "multiboot2", "bios"),
    "grub-bios-mb1": Loader(with_grub("i386-pc", "multiboot"), "multiboot1", "bios", ("self",)),
    "grub-efi": Loader(with_grub("x86_64-efi", firmware=EFI_FIRMWARE), "multiboot2-efi", "uefi64"),
    "grub-efi-noservices": Loader(without_boot_services(with_grub("x86_64-efi", firmware=EFI_FIRMWARE)), "multiboot2",
                                  "uefi64"),
    "grub-efi32": Loader(with_grub("i386-efi"), "multiboot2-efi", "uefi32"),
    "efi-direct": Loader(as_efi_program, "efi", "uefi64", ("loader", "self")),
    "qemu-mb1": Loader(with_qemu, "multiboot1", "bios", ("self",)),
}
# Loaders that start as slowly here as anywhere, under their names in loaders.py.
ELSEWHERE = {"pvh": "qemu-pvh", "ipxe": "ipxe-bios", "syslinux": "pxelinux", "kexec-mb2": "kexec-multiboot2",
             "kexec-mb1": "kexec-multiboot1", "pxe-bios": "grub-bios-pxe", "pxe-efi": "grub-uefi-pxe"}
LOADERS |= {name: with_loader(loaders.LOADERS[theirs]) for name, theirs in ELSEWHERE.items()}


# --- one case -------------------------------------------------------------------------------------------------------

def defects_of(case, vm, status, loader):
    defects = verdict_defects(vm.text, case["guest"], status)
    base = None if case["base"] == "any" else int(case["base"], 16)
    defects += log_defects(vm.log, base, moved_by=None, expected_warnings=WARNINGS.get(case["machine"], ()))
    if vm.triple_faults:
        defects.append("triple fault")
    if len(vm.log.starting("boot: ")) == 1:
        boot = vm.log.boot
        for field, expected in (("protocol", (loader.protocol,)), ("firmware", (loader.firmware,)),
                                ("moved-by", loader.moved_by)):
            if boot[field] not in expected:
                defects.append(f"{field}={boot[field]}, not {' or '.join(expected)}")
        if vm.log.base % SLOT_BYTES:
            defects.append(f"base={vm.log.base:#x} is no slot")
    return defects


def run(image, case):
    loader = LOADERS[case["loader"]]
    base = None if case["base"] == "any" else int(case["base"], 16)
    data = image.bytes if base is None else mb2patch.patch(image.bytes, base, base + 2 * image.memory_bytes, SLOT_BYTES)
    (BUILD / "matrix").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="combo-", dir=BUILD / "matrix") as work:
        setup = Setup(pathlib.Path(work), case, data)
        extra = ["-smp", str(case["processors"]), *loader.arguments(setup)]
        machine = berth_qemu.Machine(setup.folder / "vm", machine=case["machine"], memory=case["memory"],
                                     cpu=CPU.get(case["cpu"], case["cpu"]), extra=extra)
        with machine as vm:
            # Before UEFI's boot services end, an error is no end: the firmware's or the loader's menu comes back.
            end = rf"^GUEST-(OK|FAIL) |^{berth_qemu.USERSPACE}$|\(BERTH\) (halted|error: .+)$"
            vm.wait_for(end, DEBIAN_SECONDS if setup.is_debian else ZEROPAGE_SECONDS)
            is_zeropage = re.search(r"^GUEST-", vm.text, re.MULTILINE)
            status = vm.wait_exit() if is_zeropage else None
        return Outcome(defects_of(case, vm, status, loader), vm.text)


# --- the groups -----------------------------------------------------------------------------------------------------

def make_case(image, group, values):
    return Case(group, axes.name_of(values), values, lambda: run(image, values))


def axes_cases(image):
    return [make_case(image, "axes", values) for values in axes.alone(LOADERS)]


def pair_cases(image, random):
    return [make_case(image, "pairs", values) for values in axes.all_pairs(random, LOADERS)]


def product_cases(image):
    return [make_case(image, "product", values) for values in axes.products(LOADERS)]


def machine_cases(image):
    """Every loader on every machine, but for what axes_cases has: a part of product_cases."""
    alone = axes.alone(LOADERS)
    return [make_case(image, "product", values) for values in axes.on_every_machine(LOADERS) if values not in alone]
