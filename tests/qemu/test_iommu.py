"""What the guest's devices reach under dom0=hvm: with AMD's IOMMU everything but Berth's memory, without it all. The
device is QEMU's edu, which moves 8 bytes wherever the guest tells it to.
"""
import hashlib
import random
import re
import struct

import pytest
import uefi
from berth_qemu import LINUX_WORDS, symbols
from hvm import CPU, PAGE, PATTERN, Guest, Outside, kept_ranges, multiboot1, numbers_of, probe

MACHINE = "q35,kernel-irqchip=split"
OUR_TABLES = MACHINE + ",acpi=off"  # without QEMU's own
IOMMU = ["-device", "amd-iommu"]
EDU = ["-device", "edu,dma_mask=0xffffffff"]
RESTRICTED = "iommu: AMD-Vi: the guest's devices cannot reach Berth's memory"
OPEN = "the guest's devices can reach Berth's memory by DMA"
REGISTERS = 0xFED80000  # of QEMU's IOMMU
ONES = (1 << 64) - 1


def kept_of(guest):
    e820 = [(entry["start"], entry["bytes"], entry["type"]) for entry in guest.numbers("map")]
    return kept_ranges(guest.vm.log, e820)


def quad(vm, address):
    return struct.unpack("<Q", vm.physical_memory(address, 8))[0]


def dma_read(guest, address, before):
    answer = guest.ask_one(f"dma-read {address:#x} {before:#x}")
    assert answer.startswith("dma-read done value ")
    return numbers_of(answer)["value"]


def dma_write(guest, address, value):
    assert guest.ask_one(f"dma-write {address:#x} {value:#x}") == "dma-write done"


def buffer_of(guest):
    return numbers_of(guest.ask_one("places"))["buffer"]


def ram_works(guest):
    """The device reads and writes ordinary memory: the second page of the guest's buffer."""
    place = buffer_of(guest) + PAGE
    dma_write(guest, place, PATTERN)
    assert quad(guest.vm, place) == PATTERN
    assert dma_read(guest, place, 0) == PATTERN


@pytest.mark.sample(1)
@pytest.mark.parametrize("memory", ["256M", "5G"])
def test_devices_do_not_reach_berths_memory(case, memory):
    with probe(case, "hvm", machine=MACHINE, memory=memory, extra=IOMMU + EDU) as guest:
        assert RESTRICTED in guest.vm.log.lines
        kept = kept_of(guest)
        outside = Outside(case, guest.vm, kept)
        ram_works(guest)
        image = guest.vm.log.base
        places = {image} | {start for start, _ in kept} | {end - 8 for _, end in kept}
        seen = []
        for place in sorted(places):
            before = quad(guest.vm, place)
            dma_write(guest, place, PATTERN)
            assert quad(guest.vm, place) == before != PATTERN
            assert dma_read(guest, place, PATTERN + 1) in (0, PATTERN + 1), "the device got what is there"
            seen.append(before)
        assert len(set(seen) - {0}) > 1, "what the device read could have been there"
        outside.unchanged(places)
        # What lies beside it is the guest's, to the page.
        for start, end in kept:
            for place in (start - 8, end):
                if any(first <= place <= last - 8 for first, last, kind in guest.vm.log.memory if kind == "ram"):
                    assert dma_read(guest, place, PATTERN) == quad(guest.vm, place)
        ram_works(guest)
        assert touched(guest) == set() and guest.vm.log.errors == [] and guest.vm.triple_faults == 0


def test_without_an_iommu_they_do_and_the_log_says_so(case):
    """The detectors of the test above: the same write, to bytes of the image that nobody uses, arrives."""
    with probe(case, "hvm", machine=MACHINE, extra=EDU) as guest:
        vm = guest.vm
        assert vm.log.warnings.count(f"iommu: none: {OPEN}") == 1
        names = symbols(case.debug_image)
        place = vm.log.base + names["__sbat_start"] - names["_start"]
        dma_write(guest, place, PATTERN)
        assert quad(vm, place) == PATTERN
        dma_write(guest, REGISTERS, PATTERN)
        ram_works(guest)


def test_a_native_guest_has_the_iommu_itself(case):
    with probe(case, "native", machine=MACHINE, extra=IOMMU + EDU) as guest:
        assert not [line for line in guest.vm.log.lines if line.startswith(("iommu:", "warning: iommu"))]
        assert "IVRS" in guest.vm.log.one("acpi: ")
        assert guest.ask_one(f"read {REGISTERS:#x}") == "read reads 0x0"
        ram_works(guest)


def test_the_guest_does_not_reach_the_iommu(case):
    """Neither by its registers, nor by a device, nor by its place in PCI configuration space."""
    with probe(case, "hvm", machine=MACHINE, extra=IOMMU + EDU) as guest:
        control = REGISTERS + 0x18
        for register in REGISTERS, control, REGISTERS + 0x2008:
            assert guest.ask_one(f"read {register:#x}") == f"read reads {ONES:#x}"
        for register in control, REGISTERS:
            assert guest.ask(f"write {register:#x} 0") == []
        dma_write(guest, control, 0)
        slots = [slot for slot in range(256) if pci_read(guest, slot, 0x8) >> 16 == 0x0806]
        assert len(slots) == 1, "one IOMMU is among the PCI functions"
        capability = pci_read(guest, slots[0], 0x34)
        while pci_read(guest, slots[0], capability) & 0xFF != 0x0F:
            capability = pci_read(guest, slots[0], capability) >> 8 & 0xFF
        for offset in 4, 8:
            guest.ask(f"pci-write {slots[0]} {capability + offset} 0")
        assert touched(guest) == {REGISTERS, REGISTERS + 2 * PAGE}
        place = kept_of(guest)[0][0]
        before = quad(guest.vm, place)
        dma_write(guest, place, PATTERN)
        assert quad(guest.vm, place) == before
        ram_works(guest)


def touched(guest):
    """The pages that the log names."""
    return {int(where, 16) & ~(PAGE - 1) for where in re.findall(r"Berth's memory at (0x[0-9a-f]+)", guest.vm.text)}


def pci_read(guest, slot, offset):
    return numbers_of(guest.ask_one(f"pci-read {slot} {offset}"))["value"]


# --- what the firmware says, and leaves behind ------------------------------------------------------------------------

IVHD, IVMD = 0x10, 0x20


def ivhd(registers, length=24, function=2):
    return struct.pack("<BBHHHQHHI", IVHD, 0, length, function, 0, registers, 0, 0, 0)


def ivmd(start, size):
    return struct.pack("<BBHHHQQQ", IVMD, 0, 32, 0, 0, 0, start, size)


def acpi_table(case, signature, body):
    """QEMU's arguments for one more table, with a good checksum."""
    header = struct.pack("<4sIBB6s8sI4sI", signature, 36 + len(body), 2, 0, b"BERTHT", b"BERTHTST", 1, b"TEST", 1)
    table = header + body
    table = table[:9] + bytes([-sum(table) % 256]) + table[10:]
    return ["-acpitable", f"file={case.write(signature.decode() + '.bin', table)}"]


def ivrs(case, *blocks):
    return acpi_table(case, b"IVRS", bytes(12) + b"".join(blocks))


PARTLY = f"iommu: AMD-Vi cannot be used, or not all of it: {OPEN}"


@pytest.mark.sample(3)
@pytest.mark.parametrize("blocks, warnings", [
    ([ivhd(0xFEB00000)], ["iommu: the one at 0xfeb00000 does not answer: it is not used", PARTLY]),
    ([ivhd(0x1000000)], ["iommu: the one at 0x1000000 is not used: there is RAM", PARTLY]),
    ([ivhd(0)], ["iommu: the one at 0x0 is not used: no registers can be there", PARTLY]),
    ([ivhd(0xFEB01000)], ["iommu: the one at 0xfeb01000 is not used: no registers can be there", PARTLY]),
    ([ivhd(0x100000000)], ["iommu: the one at 0x100000000 is not used: it is above 4 GiB", PARTLY]),
    ([ivhd(REGISTERS, length=20)], ["ACPI table IVRS is damaged at offset 0x44: what makes no sense is not used",
                                    f"iommu: none: {OPEN}"]),
    ([ivmd(0, 4096)], [f"iommu: none: {OPEN}"]),
], ids=["dead", "ram", "zero", "odd", "high", "damaged", "no-iommu"])
def test_an_iommu_that_is_not_there(case, blocks, warnings):
    with probe(case, "hvm", extra=EDU + ivrs(case, *blocks)) as guest:
        assert guest.vm.log.warnings == warnings
        ram_works(guest)


def test_one_of_two_iommus_does_not_answer(case):
    table = ivrs(case, ivhd(REGISTERS), ivhd(0xFEB00000, function=3))
    with probe(case, "hvm", machine=OUR_TABLES, extra=IOMMU + EDU + table) as guest:
        assert guest.vm.log.warnings == ["iommu: the one at 0xfeb00000 does not answer: it is not used", PARTLY]
        ram_works(guest)


@pytest.mark.slow
def test_many_iommus_that_lie_far_apart(case):
    """
    Each is a hole in the nested tables, with tables of its own; so is what many processors take. (Dead ones: QEMU has
    one alone.)
    """
    places = [0x80000000 + number % 2 * 0x40000000 + number * 0x02200000 for number in range(16)]
    table = ivrs(case, *(ivhd(place, function=number) for number, place in enumerate(places)))
    with probe(case, "hvm", cpu="max", machine="q35,acpi=off", memory="5G", processors=240, extra=EDU + table) as guest:
        assert len(guest.vm.log.warnings) == 17 and guest.vm.log.errors == []
        for place in places:
            assert guest.ask_one(f"read {place:#x}") == f"read reads {ONES:#x}"
        assert touched(guest) == set(places)


def test_a_second_table_may_name_more(case):
    table = ivrs(case, ivhd(REGISTERS))
    with probe(case, "hvm", machine=MACHINE, extra=IOMMU + EDU + table) as guest:
        assert guest.vm.log.warnings == ["ACPI table IVRS is there twice: the first one is used", PARTLY]
        ram_works(guest)


def test_intels_iommu_is_not_used(case):
    with probe(case, "hvm", machine=MACHINE, extra=["-device", "intel-iommu"] + EDU) as guest:
        assert guest.vm.log.warnings == [f"iommu: Intel's VT-d is not used: {OPEN}"]


def test_memory_that_the_firmware_wants_for_devices(case):
    """It is mapped, unless Berth is there: that is told."""
    with probe(case, "hvm", machine=OUR_TABLES, extra=IOMMU + EDU + ivrs(case, ivhd(REGISTERS))) as guest:
        assert guest.vm.log.warnings == []
        base = guest.vm.log.base
    table = ivrs(case, ivhd(REGISTERS), ivmd(0xE0000000, PAGE), ivmd(base - PAGE, 2 * PAGE))
    with probe(case, "hvm", machine=OUR_TABLES, name="conflict", extra=IOMMU + EDU + table) as guest:
        assert guest.vm.log.base == base
        assert guest.vm.log.warnings == [
            f"iommu: the firmware wants devices to reach {base - PAGE:#x}-{base + PAGE - 1:#x}, a part of which "
            "Berth keeps"]
        assert RESTRICTED in guest.vm.log.lines


def test_an_iommu_that_is_on_already(case):
    """As firmware or a kernel before may leave it: with a table of its own, here one that holds nothing back."""
    control = REGISTERS + 0x18
    on = f"write_dword {REGISTERS:#x} 0x4000000\nwrite_dword {control:#x} 0x1005\nread_dword {control:#x}\n"
    iso = case.berth_iso(cmdline="dom0=hvm", modules=[(case.guest("probe.bzimage"), "")], grub_text=on)
    with case.machine(machine=MACHINE, cpu=CPU, iso=iso, extra=IOMMU + EDU) as vm:
        guest = Guest(vm).ready()
        assert re.search(r"^0x1005$", vm.text, re.MULTILINE), "GRUB has not turned it on"
        assert RESTRICTED in vm.log.lines and vm.log.warnings == []
        place = kept_of(guest)[0][0]
        before = quad(vm, place)
        dma_write(guest, place, PATTERN)
        assert quad(vm, place) == before
        ram_works(guest)


# --- Debian's kernel --------------------------------------------------------------------------------------------------

DISK_BYTES = 4 << 20
KERNEL_SECONDS = 180
# Virtio devices heed an IOMMU when they are told to; others, as AHCI's, always do.
VIRTIO = "iommu_platform=on,disable-legacy=on"
WAIT_FOR = "n=0; until [ -b /dev/{0} ] || [ $n = 200 ]; do n=$((n+1)); usleep 50000; done; ls /dev/{0}"
ACPI = "/sys/firmware/acpi/tables"
TABLES = f"ls {ACPI} | cat"


def debian(case, mode, name="linux", extra=()):
    """A machine with Debian's kernel and an initrd that takes orders."""
    modules = [(case.build / "kernel/amd64/vmlinuz", LINUX_WORDS), (case.build / "initrd-commands-amd64.gz", "")]
    start = multiboot1(case, f"dom0={mode}", modules)
    return case.machine(name, machine=MACHINE, memory="512M", cpu=CPU, extra=[*start, "-smp", "2", *IOMMU, *extra])


@pytest.mark.slow
def test_disks_behind_the_iommu(case):
    data = random.Random(6).randbytes(DISK_BYTES)
    disks = {name: case.write(f"{name}.img", data) for name in ("vda", "sda")}
    extra = ["-drive", f"file={disks['vda']},format=raw,if=none,id=a", "-device", f"virtio-blk-pci,drive=a,{VIRTIO}",
             "-drive", f"file={disks['sda']},format=raw,if=none,id=b", "-device", "ahci,id=ahci",
             "-device", "ide-hd,drive=b,bus=ahci.0"]
    with debian(case, "hvm", extra=extra) as vm:
        guest = Guest(vm).ready(KERNEL_SECONDS)
        assert RESTRICTED in vm.log.lines and vm.log.warnings == []
        assert guest.ask("load") == []
        for name in disks:
            assert guest.ask_one(WAIT_FOR.format(name)) == f"/dev/{name}"
            assert guest.ask_one(f"sha256sum /dev/{name}").split()[0] == hashlib.sha256(data).hexdigest()
            assert guest.ask(f"dd if=/payload.bin of=/dev/{name} bs=64k conv=fsync 2> /dev/null") == []
        payload = guest.ask_one("sha256sum /payload.bin").split()[0]
        assert guest.ask("dmesg | grep -E 'AMD-Vi: (Found|Lazy|Interrupt)|IO_PAGE_FAULT|iommu group'") == []
        guest.order("poweroff -f")
        assert vm.wait_exit() == 0 and vm.triple_faults == 0
    for disk in disks.values():
        assert hashlib.sha256(disk.read_bytes()[:1 << 20]).hexdigest() == payload
        assert disk.read_bytes()[1 << 20:] == data[1 << 20:]


@pytest.mark.slow
def test_linux_finds_no_iommu_and_all_tables_else(case):
    tables, content = {}, {}
    for mode, name in ("native", "IVRS"), ("hvm", "OEM0"):
        with debian(case, mode, mode) as vm:
            guest = Guest(vm).ready(KERNEL_SECONDS)
            tables[mode] = guest.ask(TABLES)
            assert name in tables[mode]
            content[mode] = bytes.fromhex(guest.ask_one(f"cd {ACPI}; hexdump -v -e '1/1 \"%02x\"' {name}; echo; cd /"))
            assert sum(content[mode]) % 256 == 0, "the table's checksum is wrong"
    assert sorted(tables["hvm"]) == sorted("OEM0" if name == "IVRS" else name for name in tables["native"])
    assert content["hvm"][10:] == content["native"][10:]


@pytest.mark.slow
def test_under_uefi(case):
    files = uefi.grub_berth_files(case, None, "dom0=hvm", LINUX_WORDS)
    with uefi.machine(case, files, machine=MACHINE, cpu=CPU, extra=IOMMU) as vm:
        report = vm.wait_userspace(KERNEL_SECONDS)
        assert RESTRICTED in vm.log.lines
        names = {line.rsplit("/", 1)[1] for line in report["acpi"]}
        assert "OEM0" in names and "IVRS" not in names
