"""Under UEFI, Linux sees the same machine whether GRUB's `linux` command starts it or Berth does.

What may differ is in DIFFERENCES, each with its reason; everything else must be equal, line by line.
"""
import mb2patch
import pytest
from uefi import KERNEL_CMDLINE, direct_files, efi_initrd, grub_berth_files, grub_linux_files, machine, wait_userspace

KERNEL = KERNEL_CMDLINE + " same=1"
# The sections of the report; /sys/firmware/memmap is the map before the kernel takes anything out of it.
SAME = ("uname", "iomem", "memmap", "acpi", "payload", "dmi", "runtime_map", "esrt", "efivars", "boot_order", "written",
        "fb", "efi", "kernel_efi")

# Linux Documentation/arch/x86/zero-page.rst
ACPI_RSDP_ADDR, SECURE_BOOT = slice(0x70, 0x78), 0x1EC
SECURE_BOOT_UNKNOWN = 0
# UEFI specification 2.10, section 7.2.1, table 7.6
EFI_LOADER_CODE, EFI_LOADER_DATA, EFI_CONVENTIONAL = 1, 2, 7


def runtime_code_is_reserved(lines):
    """Entries of GRUB's own type as reserved ones, and neighbours of one type as one entry."""
    merged = []
    for line in lines:
        first, last, kind = line.split(" ", 2)
        first, last = int(first, 16), int(last, 16)
        kind = {"Unknown E820 type": "Reserved"}.get(kind, kind)
        if merged and merged[-1][2] == kind and merged[-1][1] + 1 == first:
            first = merged.pop()[0]
        merged.append((first, last, kind))
    return [f"{first:#x} {last:#x} {kind}" for first, last, kind in merged]


def for_runtime_only(lines):
    """Without the entries of free memory and of the loader's own: lines are address, pages, type, attributes."""
    others = (EFI_LOADER_CODE, EFI_LOADER_DATA, EFI_CONVENTIONAL)
    return [line for line in lines if int(line.split()[2], 16) not in others]


def secure_boot_not_told(lines):
    return [line for line in lines if "ecure boot" not in line]


# Section, what makes both sides comparable, why.
DIFFERENCES = (
    ("memmap", runtime_code_is_reserved,
     "GRUB 2.06 tells Linux of EFI runtime services code under a type of its own, 20; Berth calls it reserved, as ACPI "
     "does, which Linux uses in the same way: not at all"),
    ("runtime_map", for_runtime_only,
     "on 32-bit firmware Linux keeps all of EFI's map, and GRUB allocates other pages for its linux command than for "
     "modules; what the firmware needs at run time must be the same"),
)
# Further ones when Berth cannot ask the firmware.
DIFFERENCES_NOT_TOLD = (
    ("kernel_efi", secure_boot_not_told,
     "GRUB reads the variable SecureBoot for its linux command, but multiboot2 has no tag for it; Linux is told that "
     "it is not known, and acts as if it were off"),
)


def report_of(case, name, files, **options):
    with machine(case, files, name=name, **options) as vm:
        report = wait_userspace(vm)
        assert vm.wait_exit() == 0 and vm.triple_faults == 0
        return report


def comparable(report, section, differences):
    lines = report[section]
    for where, normalised, _ in differences:
        if where == section:
            lines = normalised(lines)
    return lines


def without_boot_services(case):
    return case.write("berth.tags", mb2patch.remove_tags(case.berth.read_bytes(), mb2patch.TAG_EFI_BOOT_SERVICES))


def direct(case, target):
    return direct_files(case, kernel_cmdline=KERNEL, initrd=efi_initrd(case))


def grub(case, target):
    return grub_berth_files(case, kernel_cmdline=KERNEL, initrd=efi_initrd(case), target=target)


def grub_ended(case, target):
    image = without_boot_services(case)
    return grub_berth_files(case, image, kernel_cmdline=KERNEL, initrd=efi_initrd(case), target=target)


WAYS = {"direct": direct, "grub": grub, "grub-ended": grub_ended}
# The width of the firmware; GRUB's name for it; the ways of starting Berth on it.
FIRMWARE = {"uefi64": (64, "x86_64-efi", WAYS),
            "uefi32": (32, "i386-efi", {"grub": grub, "grub-ended": grub_ended})}


def firmware_tables(report):
    """Where the firmware's tables are, as /sys/firmware/efi/systab says: {name: address}."""
    lines = [line.removeprefix("systab: ") for line in report["efi"] if line.startswith("systab: ")]
    return dict(line.split("=") for line in lines)


ROWS = [(firmware, memory, way) for firmware, memory in (("uefi64", "256M"), ("uefi64", "5G"), ("uefi32", "2G"))
        for way in FIRMWARE[firmware][2]]


@pytest.mark.sample(1)
@pytest.mark.parametrize("firmware, memory, way", ROWS)
def test_linux_sees_what_it_sees_from_grub(case, firmware, memory, way):
    width, target, ways = FIRMWARE[firmware]
    machine_options = {"firmware": firmware, "memory": memory}
    linux = report_of(case, "linux", grub_linux_files(case, KERNEL, efi_initrd(case), target=target), **machine_options)
    assert {"ACPI20", "SMBIOS"} <= firmware_tables(linux).keys()
    assert f"fw_platform_size: {width}" in linux["efi"]
    assert len(linux["runtime_map"]) > 3 and len(linux["efivars"]) > 20 and linux["written"] == ["written by Linux"]

    berth = report_of(case, "berth", ways[way](case, target), **machine_options)
    assert berth.cmdline == KERNEL and linux.cmdline.endswith(KERNEL)
    assert berth.boot_params[ACPI_RSDP_ADDR] == linux.boot_params[ACPI_RSDP_ADDR]
    # In the 32-bit entry nothing but the memory map is asked of the firmware before its services end.
    told = width == 64 and way != "grub-ended"
    assert berth.boot_params[SECURE_BOOT] == (linux.boot_params[SECURE_BOOT] if told else SECURE_BOOT_UNKNOWN)
    differences = DIFFERENCES if told else DIFFERENCES + DIFFERENCES_NOT_TOLD
    found = {}
    for section in SAME:
        wanted, got = (comparable(report, section, differences) for report in (linux, berth))
        if got != wanted:
            found[section] = {"only with GRUB's linux": [line for line in wanted if line not in got],
                              "only with Berth": [line for line in got if line not in wanted]}
    assert found == {}
