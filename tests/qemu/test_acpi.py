"""ACPI's tables: what the firmware says is what the log says, and a bad table costs a warning, not the boot."""
import struct

import pytest
import uefi
from berth_qemu import fields
from berth_shim import FIRST_PAGE, GUEST_PASS, BerthWorld

# "APIC" is the signature of the MADT, "FACP" that of the FADT.
PC_TABLES = "APIC FACP DSDT HPET"
Q35_TABLES = "APIC FACP DSDT HPET MCFG"


def acpi_line(vm, seconds=60):
    """The fields of the acpi: line."""
    vm.wait_for(r"^\(BERTH\) acpi: .*\n", seconds)
    return fields(vm.log.one("acpi: "))


def warnings(vm):
    return [line for line in vm.log.warnings if "ACPI" in line]


# --- what firmware says -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("processors", [1, 8])
@pytest.mark.parametrize("machine, tables", [("pc", PC_TABLES), ("q35", Q35_TABLES)])
def test_all_processors_that_a_bios_reports_are_seen(case, machine, tables, processors):
    iso = case.berth_iso(modules=[])
    with case.machine(iso=iso, machine=machine, extra=["-smp", f"{processors},maxcpus=16"]) as vm:
        vm.wait_halted()
        found = acpi_line(vm)
        assert int(found["processors"]) == processors
        assert found["used"] == tables
        assert warnings(vm) == []


@pytest.mark.sample(1)
@pytest.mark.parametrize("processors", [1, 8])
@pytest.mark.parametrize("start", ["grub", "direct"])
def test_all_processors_that_uefi_reports_are_seen(case, start, processors):
    files = uefi.grub_berth_files(case) if start == "grub" else uefi.direct_files(case)
    with uefi.machine(case, files, extra=["-smp", str(processors)]) as vm:
        found = acpi_line(vm, uefi.BOOT_SECONDS)
        assert int(found["processors"]) == processors
        assert found["used"] == Q35_TABLES
        vm.wait_for(r"^\(BERTH\) time: ", uefi.BOOT_SECONDS)
        assert warnings(vm) == []


def test_a_machine_without_acpi_boots(case):
    with case.machine(iso=case.berth_iso(modules=[]), machine="pc,acpi=off") as vm:
        vm.wait_halted()
        assert vm.log.one("acpi: ") == "none"
        assert warnings(vm) == []


# --- tables added to the firmware's -----------------------------------------------------------------------------------

def added_table(case, signature, payload):
    return ["-acpitable", f"sig={signature},data={case.write(signature + '.bin', payload)}"]


def test_a_table_that_is_added_is_used(case):
    near = struct.pack("<IQ", 1, 0) + struct.pack("<BBBBIII", 0, 16, 0, 0, 1, 0, 0)
    with case.machine(iso=case.berth_iso(modules=[]), machine="pc", extra=added_table(case, "SRAT", near)) as vm:
        vm.wait_halted()
        assert acpi_line(vm)["used"] == "APIC SRAT FACP DSDT HPET"
        assert warnings(vm) == []


@pytest.mark.parametrize("signature, payload, warning", [
    ("APIC", struct.pack("<II", 0xfee00000, 1), "ACPI table APIC is there twice: the first one is used"),
    ("MCFG", bytes(8 + 15), "ACPI table MCFG is damaged at offset 0x2c: what makes no sense is not used"),
    ("SRAT", bytes(12) + b"\x01\x00", "ACPI table SRAT is damaged at offset 0x30: what makes no sense is not used"),
    ("SPCR", b"", "ACPI table SPCR is damaged at offset 0x24: what makes no sense is not used"),
], ids=lambda value: value if isinstance(value, str) and len(value) == 4 else "")
def test_a_bad_table_costs_a_warning(case, signature, payload, warning):
    iso = case.berth_iso(modules=[(case.guest("zp64.bzimage"), "rsdp=some initrd=none")])
    with case.machine(iso=iso, machine="pc", extra=added_table(case, signature, payload)) as vm:
        assert vm.wait_exit() == GUEST_PASS, vm.error("the guest is not content")
        assert acpi_line(vm)["processors"] == "1"
        assert warnings(vm) == [warning]


# --- tables made here -------------------------------------------------------------------------------------------------

# A BerthWorld's first page says this of the extended BIOS data area, where the root pointer is looked for first.
RSDP_AT = (FIRST_PAGE << 8 | FIRST_PAGE) << 4
ROOT_AT = 0x60000
TABLES_AT = 0x62001  # tables may lie anywhere


def summed(data, at):
    data = bytearray(data)
    data[at] = (data[at] - sum(data)) & 0xFF
    return bytes(data)


def table(signature, payload=b"", revision=1, length=None):
    size = 36 + len(payload) if length is None else length
    return summed(signature + struct.pack("<IBB", size, revision, 0) + b"BERTH TEST".ljust(26) + payload, 9)


def local_apic(number, flags=1):
    return struct.pack("<BBBBI", 0, 8, number, number, flags)


def x2apic(number, flags=1):
    return struct.pack("<BBHIII", 9, 16, 0, number, flags, number)


def madt(*entries):
    return table(b"APIC", struct.pack("<II", 0xFEE00000, 1) + b"".join(entries))


def damaged(data, at=-1):
    """With a wrong checksum."""
    data = bytearray(data)
    data[at] ^= 0x10
    return bytes(data)


GOOD_MADT = madt(local_apic(0), local_apic(1), x2apic(0x100))
MCFG = table(b"MCFG", bytes(8) + struct.pack("<QHBBI", 0xB0000000, 0, 0, 255, 0))


class AcpiWorld(BerthWorld):
    """With an XSDT that lists these tables; `more` are addresses that it lists besides."""

    def __init__(self, case, tables, more=(), root=lambda data: data):
        super().__init__(case)
        at, listed = TABLES_AT, []
        for data in tables:
            listed.append(at)
            at = self.put(at, data)
        assert at < 0x9F000
        entries = [*listed, *more]
        self.put(ROOT_AT, root(table(b"XSDT", struct.pack(f"<{len(entries)}Q", *entries))))
        first = summed(b"RSD PTR \0BERTH \x02" + bytes(4), 8)
        self.put(RSDP_AT, summed(first + struct.pack("<IQI", 36, ROOT_AT, 0), 32))


BAD_TABLES = {
    "checksum": ([damaged(GOOD_MADT), MCFG], {}, "MCFG", 0,
                 ["ACPI table APIC has a bad checksum: it is not used"]),
    "second-is-good": ([damaged(GOOD_MADT), GOOD_MADT], {}, "APIC", 3,
                       ["ACPI table APIC has a bad checksum: it is not used"]),
    "length-0": ([table(b"APIC", bytes(8), length=0), MCFG], {}, "MCFG", 0,
                 ["ACPI table APIC has a bad length: it is not used"]),
    "entry-of-length-0": ([madt(local_apic(0), b"\0\0", local_apic(1)), MCFG], {}, "APIC MCFG", 1,
                          ["ACPI table APIC is damaged at offset 0x34: what makes no sense is not used"]),
    "above-4-gib": ([GOOD_MADT], {"more": [1 << 32]}, "APIC", 3,
                    ["ACPI table ???? at 0x100000000 is out of reach: it is not used"]),
    "itself": ([GOOD_MADT], {"more": [ROOT_AT, ROOT_AT]}, "APIC", 3, []),
    "xsdt": ([GOOD_MADT], {"root": damaged}, "", 0,
             ["ACPI table XSDT has a bad checksum: it is not used",
              "ACPI table RSDT is not at 0x0, where it should be"]),
    "600-processors": ([madt(x2apic(0), *[x2apic(0x1000 + n) for n in range(599)])], {}, "APIC", 512,
                       ["ACPI names 88 processors beyond the first 512: they are not used"]),
    "twenty-nowhere": ([GOOD_MADT], {"more": range(1 << 40, (1 << 40) + 20)}, "APIC", 3,
                       [*[f"ACPI table ???? at {at:#x} is out of reach: it is not used"
                          for at in range(1 << 40, (1 << 40) + 16)], "4 more ACPI tables have defects"]),
}


@pytest.mark.sample(12)
@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_table_costs_that_table_alone(case, name):
    """The two processors that the good table names are there, so that nobody waits for one."""
    tables, options, used, processors, expected = BAD_TABLES[name]
    vm = AcpiWorld(case, tables, **options).run(extra=["-smp", "2"])
    found = acpi_line(vm)
    assert int(found["rsdp"], 16) == RSDP_AT
    assert found["used"] == used
    assert int(found["processors"]) == processors
    assert warnings(vm) == expected
