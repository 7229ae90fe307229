"""Debian's kernels inside Berth: dom0=hvm by SVM. Each axis (kernel, processor model, firmware, number of processors,
memory, load address) by its values, against one default; disks and network cards, power-off, restarts.
"""
import hashlib
import random
import re
import subprocess

import pytest
from berth_qemu import LINUX_WORDS
from hvm import CPU, KEPT_LINE, kept_ranges, linux, linux_files, multiboot1, zero_page_map
from mkinitrd import payload_sha256
from test_boot import pinned

MIB = 1 << 20
PAGE = 4096
BOOT_SECONDS = 120

DEFAULT = {"flavour": "cloud", "cpu": CPU, "start": "qemu", "processors": 2, "memory": "512M"}
AXES = {
    "flavour": ["amd64", "backports"],
    "cpu": ["max", "EPYC,+svm,+npt", "qemu64,+svm,+npt,+pdpe1gb"],
    "start": ["bios", "uefi", "direct"],
    "machine": ["pc"],
    "processors": [1, 8],
    "memory": ["256M", "1G", "5G", "64G"],
}
# Where the image is put by GRUB on BIOS.
BASES_MIB = [4, 16, 62, 200, 300]

# What no kernel says when all is well.
BAD_NEWS = re.compile(r"Call Trace|\bBUG\b|WARNING: CPU|\bOops\b|panic -|rcu: INFO|general protection|[Uu]nhandled|"
                      r"Firmware Bug")
# A line that says what is so, and is no reason to fail.
EXPECTED_WARNINGS = ("iommu: none: ",)


def warnings_of(log):
    return [line for line in log.warnings if not line.startswith(EXPECTED_WARNINGS)]


def kept_kib(log):
    return int(next(found for found in map(KEPT_LINE.match, log.lines) if found)["kib"])


def is_ram(kind):
    return kind in ("ram", "boot-services", "System RAM")  # Berth's words, and Linux's


def check_guest(guest, processors):
    """What userspace sees is a machine of its own."""
    log = guest.vm.log
    assert log.one("dom0: mode=").startswith("hvm ") and log.errors == [] and warnings_of(log) == []
    assert guest.ask_one("cat /sys/devices/system/cpu/online") == ("0" if processors == 1 else f"0-{processors - 1}")
    (flags,) = set(guest.ask("grep ^flags /proc/cpuinfo"))
    assert not {"svm", "vmx", "npt"} & set(flags.split())
    news = [line for line in guest.ask("dmesg") if BAD_NEWS.search(line)]
    assert news == [], "\n".join(news)
    berth = sum(last + 1 - first for first, last, kind in log.memory if is_ram(kind))
    linux_ram = sum(size for _, size, kind in zero_page_map(guest) if is_ram(kind))
    # Linux's map has whole bytes, but for RAM it speaks of whole pages.
    assert abs(berth - linux_ram - (kept_kib(log) << 10)) < 4 * PAGE
    assert guest.ask_one("sha256sum /payload.bin").split()[0] == payload_sha256()


def leave(guest, order, reason):
    """Linux ends, and so does the machine, in the way that was asked for."""
    guest.vm.qmp("query-status")  # from now on events are kept
    guest.order(order)
    assert guest.vm.wait_exit() == 0
    assert guest.vm.shutdown_reason() == reason and guest.vm.triple_faults == 0


def run(case, image=None, **changes):
    row = {**DEFAULT, **changes}
    with linux(case, "hvm", image=image, **row) as guest:
        check_guest(guest, row["processors"])
        leave(guest, "poweroff -f", "guest-shutdown")
        return guest.vm.log


def test_debian_reaches_userspace(case):
    run(case)


@pytest.mark.slow
@pytest.mark.parametrize("axis, value", [(axis, value) for axis, values in AXES.items() for value in values])
def test_debian_reaches_userspace_with(case, axis, value):
    run(case, **{axis: value})


@pytest.mark.slow
@pytest.mark.parametrize("base_mib", BASES_MIB)
def test_debian_reaches_userspace_wherever_the_image_is(case, base_mib):
    log = run(case, image=pinned(case, base_mib * MIB), start="bios")
    assert log.base == base_mib * MIB and log.boot["moved-by"] == "loader"


def memory_total_kib(case, mode):
    with linux(case, mode, **DEFAULT) as guest:
        (total,) = guest.ask("sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo")
        return int(total), guest.vm.log


@pytest.mark.slow
def test_linux_has_all_memory_but_what_is_kept(case):
    """Of what it has, Linux takes a part for its books: 64 bytes a page, in large steps."""
    native, _ = memory_total_kib(case, "native")
    guest, log = memory_total_kib(case, "hvm")
    assert abs(native - guest - kept_kib(log)) <= 128


@pytest.mark.slow
@pytest.mark.parametrize("start", ["qemu", "uefi"])
def test_linux_restarts_the_machine(case, start):
    with linux(case, "hvm", start=start) as guest:
        leave(guest, "reboot -f", "guest-reset")


@pytest.mark.slow
def test_linux_takes_processors_away_and_back(case):
    """By INIT and start-up messages, as at its start; the first one stays."""
    with linux(case, "hvm", processors=4, memory="512M") as guest:
        for _ in range(5):
            for state, online in (0, "0"), (1, "0-3"):
                for number in 1, 2, 3:
                    assert guest.ask(f"echo {state} > /sys/devices/system/cpu/cpu{number}/online") == []
                assert guest.ask_one("cat /sys/devices/system/cpu/online") == online
        check_guest(guest, 4)
        leave(guest, "poweroff -f", "guest-shutdown")


@pytest.mark.slow
def test_a_hundred_boots_in_a_row(case):
    kernel, _ = linux_files(case, "cloud")
    for number in range(100):
        processors = (1, 2, 4, 8)[number % 4]
        arguments = multiboot1(case, "dom0=hvm", [(kernel, LINUX_WORDS), (case.build / "initrd-quiet.gz", "")])
        with case.machine(f"vm{number}", memory="512M", cpu=CPU, extra=[*arguments, "-smp", str(processors)]) as vm:
            vm.wait_userspace(BOOT_SECONDS)
            assert vm.wait_exit(BOOT_SECONDS) == 0, vm.error(f"boot {number}")
            assert vm.triple_faults == 0 and vm.resets == 0 and vm.log.errors == [], vm.error(f"boot {number}")
            assert vm.log.one("cpu: ") == f"{processors} online" and warnings_of(vm.log) == []


# --- the two memory maps ----------------------------------------------------------------------------------------------

EFI_LINE = re.compile(r"efi: mem\d+: \[([^|\]]*?) *\|.*range=\[(0x[0-9a-f]+)-(0x[0-9a-f]+)\]")
# What Linux uses as RAM: UEFI specification 2.10, table 7.6.
EFI_RAM = {"Conventional", "Loader Code", "Loader Data", "Boot Code", "Boot Data"}


def pages(start, end):
    return set(range(start // PAGE, end // PAGE))


@pytest.mark.slow
@pytest.mark.parametrize("start", ["uefi", "direct"])
def test_both_memory_maps_have_what_berth_keeps_as_reserved(case, start):
    with linux(case, "hvm", start=start, kernel_words="efi=debug", memory="256M", processors=2) as guest:
        e820 = zero_page_map(guest)
        efi = [(kind, int(first, 0), int(last, 0) + 1) for kind, first, last in
               EFI_LINE.findall("\n".join(guest.ask("dmesg")))]
        log = guest.vm.log
    kept = set().union(*(pages(*found) for found in kept_ranges(log, e820)))
    assert len(kept) * PAGE == kept_kib(log) << 10
    reserved = set().union(*(pages(first, end) for kind, first, end in efi if kind == "Reserved"))
    assert kept <= reserved, "a page that Berth keeps is free in the EFI map"
    efi_ram = set().union(*(pages(first, end) for kind, first, end in efi if kind in EFI_RAM))
    e820_ram = set().union(*(pages(first, first + size) for first, size, kind in e820 if is_ram(kind)))
    assert efi_ram == e820_ram


# --- devices ----------------------------------------------------------------------------------------------------------

DISK_MIB, DATA_BYTES = 24, 3 << 20
# Until a driver that was just loaded has found its disk.
WAIT_FOR = ("n=0; until [ -b /dev/{0} ] || [ $n = 200 ]; do n=$((n+1)); usleep 50000; done; "
            "[ -b /dev/{0} ] && echo there")


def host(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def disk_with(case, name, data):
    folder = case.folder / f"{name}.files"
    folder.mkdir(exist_ok=True)
    (folder / "data").write_bytes(data)
    disk = case.folder / f"{name}.img"
    disk.unlink(missing_ok=True)
    host("mke2fs", "-q", "-t", "ext4", "-d", folder, disk, f"{DISK_MIB}M")
    return disk


@pytest.mark.slow
@pytest.mark.parametrize("flavour", ["amd64", "backports"])
def test_file_systems_on_disks(case, flavour):
    data = random.Random(6).randbytes(DATA_BYTES)
    disks = {name: disk_with(case, name, data) for name in ("vda", "sda")}
    extra = ["-drive", f"file={disks['vda']},format=raw,if=none,id=a", "-device", "virtio-blk-pci,drive=a",
             "-drive", f"file={disks['sda']},format=raw,if=none,id=b", "-device", "ahci,id=ahci",
             "-device", "ide-hd,drive=b,bus=ahci.0"]
    with linux(case, "hvm", flavour, processors=2, memory="512M", extra=extra) as guest:
        assert guest.ask("load") == []
        for name in disks:
            assert guest.ask_one(WAIT_FOR.format(name)) == "there"
            assert guest.ask(f"mkdir /{name} && mount -t ext4 /dev/{name} /{name}") == []
            assert guest.ask_one(f"sha256sum /{name}/data").split()[0] == sha256(data)
            assert guest.ask(f"cp /payload.bin /{name}/copy && umount /{name}") == []
        assert [line for line in guest.ask("dmesg") if BAD_NEWS.search(line)] == []
        leave(guest, "poweroff -f", "guest-shutdown")
        assert guest.vm.log.errors == [] and warnings_of(guest.vm.log) == []
    for disk in disks.values():
        host("e2fsck", "-fn", disk)
        assert sha256(host("debugfs", "-R", "cat /copy", disk)) == payload_sha256()


@pytest.mark.slow
@pytest.mark.parametrize("flavour", ["amd64", "backports"])
def test_transfers_through_network_cards(case, flavour):
    data = random.Random(7).randbytes(DATA_BYTES)
    served = case.folder / "served"
    served.mkdir(exist_ok=True)
    (served / "data").write_bytes(data)
    cards = {"eth0": ("virtio-net-pci", 2), "eth1": ("e1000", 3)}  # in the order in which drivers are loaded
    extra = []
    for name, (model, net) in cards.items():
        extra += ["-netdev", f"user,id={name},net=10.0.{net}.0/24,tftp={served}",
                  "-device", f"{model},netdev={name},romfile="]
    with linux(case, "hvm", flavour, processors=2, memory="512M", extra=extra) as guest:
        assert guest.ask("load") == []
        for name, (_, net) in cards.items():
            assert guest.ask(f"ip addr add 10.0.{net}.15/24 dev {name} && ip link set {name} up") == []
            guest.ask(f"tftp -g -b 1428 -r data -l /root/{name} 10.0.{net}.2")
            assert guest.ask_one(f"sha256sum /root/{name}").split()[0] == sha256(data)
        assert [line for line in guest.ask("dmesg") if BAD_NEWS.search(line)] == []
        leave(guest, "poweroff -f", "guest-shutdown")
        assert guest.vm.log.errors == [] and warnings_of(guest.vm.log) == []
